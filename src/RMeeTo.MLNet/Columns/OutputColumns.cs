using Microsoft.ML;
using Microsoft.ML.Data;

namespace RMeeTo.MLNet;

/// <summary>The columns that the stage adds, with the annotations that ML.NET's evaluators and other stages look for.</summary>
internal static class OutputColumns
{
    private const string SlotNames = "SlotNames";
    private const string TrainingLabelValues = "TrainingLabelValues";
    private const string KeyValues = "KeyValues";
    private const string ScoreColumnSetId = "ScoreColumnSetId";
    private const string ScoreColumnKind = "ScoreColumnKind";
    private const string ScoreValueKind = "ScoreValueKind";
    private const string MulticlassClassification = "MulticlassClassification";

    private static readonly KeyDataViewType SetIdType = new(typeof(uint), int.MaxValue);

    /// <summary>Predicted label and score, and behind them features, labels and probabilities of the top classes where they are wanted.</summary>
    /// <param name="columns">Their names.</param>
    /// <param name="classes">The classes.</param>
    /// <param name="width">Length of the features.</param>
    /// <param name="input">What they are added to.</param>
    public static StageOutput[] Create(StageColumns columns, LabelClasses classes, int width, DataViewSchema input)
    {
        uint setId = NextSetId(input);
        int count = classes.Names.Count;
        var names = new VectorDataViewType(TextDataViewType.Instance, count);
        ValueGetter<VBuffer<ReadOnlyMemory<char>>> namesGetter = (ref VBuffer<ReadOnlyMemory<char>> destination) =>
        {
            var editor = VBufferEditor.Create(ref destination, count);
            for (int i = 0; i < count; i++) editor.Values[i] = classes.Names[i].AsMemory();
            destination = editor.Commit();
        };
        var score = new DataViewSchema.Annotations.Builder();
        score.Add(SlotNames, names, namesGetter);
        score.Add(TrainingLabelValues, names, namesGetter);
        AddKind(score, setId, "Score");
        var label = new DataViewSchema.Annotations.Builder();
        classes.AddKeyValues(label);
        AddKind(label, setId, "PredictedLabel");
        return
        [
            new(new(columns.PredictedLabel, new KeyDataViewType(typeof(uint), (ulong)count), label.ToAnnotations()), ScoreValues.Key),
            new(new(columns.Score, new VectorDataViewType(NumberDataViewType.Single, count), score.ToAnnotations()), ScoreValues.Probabilities),
            .. Optional(columns, classes, width),
        ];
    }

    private static IEnumerable<StageOutput> Optional(StageColumns columns, LabelClasses classes, int width)
    {
        if (columns.Features is { } features)
            yield return new(new(features, new VectorDataViewType(NumberDataViewType.Single, width)), ScoreValues.Features, IsFeatures: true);
        if (columns.TopK is not { } top) yield break;
        int count = Math.Min(top.Count, classes.Names.Count);
        yield return new(new(top.Labels, new VectorDataViewType(classes.ValueType, count)), row => classes.TopLabels(row, count));
        yield return new(new(top.Probabilities, new VectorDataViewType(NumberDataViewType.Single, count)), row => ScoreValues.TopProbabilities(row, count));
    }

    /// <summary>The input's shape with the new columns, before anything is fitted.</summary>
    public static SchemaShape Shape(StageColumns columns, SchemaShape input)
    {
        const SchemaShape.Column.VectorKind Scalar = SchemaShape.Column.VectorKind.Scalar, Vector = SchemaShape.Column.VectorKind.Vector;
        var label = input.First(column => column.Name == columns.Label);
        DataViewType valueType = TextDataViewType.Instance;
        if (!label.IsKey) valueType = label.ItemType;
        else if (label.Annotations.FirstOrDefault(a => a.Name == KeyValues) is { Name: not null } values && LabelClasses.IsSupported(values.ItemType))
            valueType = values.ItemType;
        SchemaShape.Column[] kind =
        [
            MlNetInternals.ShapeColumn(ScoreColumnSetId, Scalar, NumberDataViewType.UInt32, isKey: true),
            MlNetInternals.ShapeColumn(ScoreColumnKind, Scalar, TextDataViewType.Instance, isKey: false),
            MlNetInternals.ShapeColumn(ScoreValueKind, Scalar, TextDataViewType.Instance, isKey: false),
        ];
        List<SchemaShape.Column> added =
        [
            MlNetInternals.ShapeColumn(columns.PredictedLabel, Scalar, NumberDataViewType.UInt32, isKey: true,
                new SchemaShape([MlNetInternals.ShapeColumn(KeyValues, Vector, valueType, isKey: false), .. kind])),
            MlNetInternals.ShapeColumn(columns.Score, Vector, NumberDataViewType.Single, isKey: false, new SchemaShape(
            [
                MlNetInternals.ShapeColumn(SlotNames, Vector, TextDataViewType.Instance, isKey: false),
                MlNetInternals.ShapeColumn(TrainingLabelValues, Vector, TextDataViewType.Instance, isKey: false),
                .. kind,
            ])),
        ];
        if (columns.Features is { } features) added.Add(MlNetInternals.ShapeColumn(features, Vector, NumberDataViewType.Single, isKey: false));
        if (columns.TopK is { } top)
        {
            added.Add(MlNetInternals.ShapeColumn(top.Labels, Vector, valueType, isKey: false));
            added.Add(MlNetInternals.ShapeColumn(top.Probabilities, Vector, NumberDataViewType.Single, isKey: false));
        }
        return new SchemaShape([.. input.Where(column => added.All(a => a.Name != column.Name)), .. added]);
    }

    private static void AddKind(DataViewSchema.Annotations.Builder builder, uint setId, string valueKind)
    {
        builder.AddPrimitiveValue(ScoreColumnSetId, SetIdType, setId);
        builder.AddPrimitiveValue(ScoreColumnKind, TextDataViewType.Instance, MulticlassClassification.AsMemory());
        builder.AddPrimitiveValue(ScoreValueKind, TextDataViewType.Instance, valueKind.AsMemory());
    }

    /// <summary>Columns of one scorer share a number that no other scorer of the schema has.</summary>
    private static uint NextSetId(DataViewSchema input)
    {
        uint highest = 0;
        foreach (var column in input)
        {
            if (column.Annotations.Schema.GetColumnOrNull(ScoreColumnSetId)?.Type is not KeyDataViewType type || type.RawType != typeof(uint)) continue;
            uint id = 0;
            column.Annotations.GetValue(ScoreColumnSetId, ref id);
            highest = Math.Max(highest, id);
        }
        return highest + 1;
    }
}
