using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transforms;

[assembly: LoadableClass(typeof(KeyToValueMappingTransformer), null, typeof(Microsoft.ML.SignatureLoadModel), "Maps keys to values", "KeyToValueTransform")]

namespace Microsoft.ML.Transforms;

public sealed class KeyToValueMappingEstimator : IEstimator<KeyToValueMappingTransformer>
{
    private readonly InputOutputColumnPair[] _columns;

    internal KeyToValueMappingEstimator(InputOutputColumnPair[] columns)
    {
        Contracts.CheckValue(columns, nameof(columns));
        _columns = columns;
    }

    public KeyToValueMappingTransformer Fit(IDataView input)
    {
        var transformer = new KeyToValueMappingTransformer(_columns);
        transformer.GetOutputSchema(input.Schema);
        return transformer;
    }

    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        Contracts.CheckValue(inputSchema, nameof(inputSchema));
        foreach (InputOutputColumnPair pair in _columns)
        {
            if (!inputSchema.TryFindColumn(pair.InputColumnName, out SchemaShape.Column column))
                throw Contracts.SchemaMismatch(nameof(inputSchema), "input", pair.InputColumnName);
            if (!column.IsKey || !column.Annotations.TryFindColumn("KeyValues", out SchemaShape.Column values))
                throw Contracts.SchemaMismatch(nameof(inputSchema), "input", pair.InputColumnName, "a key with KeyValues", column.TypeName);
            inputSchema = inputSchema.With(new SchemaShape.Column(pair.OutputColumnName, column.Kind, values.ItemType, values.IsKey));
        }
        return inputSchema;
    }
}

public sealed class KeyToValueMappingTransformer : RowToRowTransformerBase
{
    private static readonly VersionInfo Version = new("KEYTOSTN", 0x00010001, 0x00010001, 0x00010001, "RMeeTo.StandIn.MLNet", "KeyToValueTransform");
    private readonly InputOutputColumnPair[] _columns;

    internal KeyToValueMappingTransformer(InputOutputColumnPair[] columns) => _columns = columns;

    private protected override RowMapping Map(DataViewSchema schema)
    {
        DataViewSchema.Column[] inputs = [.. _columns.Select(pair => Find(schema, pair.InputColumnName))];
        VectorDataViewType[] values = [.. inputs.Select(ValuesOf)];
        return new RowMapping(
            [.. _columns.Select((pair, i) => new DataViewSchema.DetachedColumn(pair.OutputColumnName, values[i].ItemType))],
            [.. inputs.Select(c => c.Index)],
            (i, row) => (Delegate)Contracts.Generic(typeof(KeyToValueMappingTransformer), nameof(Getter), [inputs[i].Type.RawType, values[i].ItemType.RawType], null, row, inputs[i]));
    }

    private static VectorDataViewType ValuesOf(DataViewSchema.Column column)
    {
        if (column.Type is VectorDataViewType)
            throw new NotSupportedException($"Column '{column.Name}' is {column.Type}; the stand-in for ML.NET maps single keys.");
        Contracts.Check(column.Annotations.Schema.GetColumnOrNull("KeyValues") is not null, $"Column '{column.Name}' has no KeyValues.");
        var values = column.Annotations.Schema["KeyValues"].Type as VectorDataViewType;
        Contracts.Check(column.Type is KeyDataViewType key && values is not null && key.Count == (ulong)values.Size, $"The KeyValues of column '{column.Name}' do not fit {column.Type}.");
        return values;
    }

    private static Delegate Getter<TKey, TValue>(DataViewRow row, DataViewSchema.Column column)
    {
        VBuffer<TValue> buffer = default;
        column.Annotations.GetValue("KeyValues", ref buffer);
        TValue[] values = [.. buffer.DenseValues()];
        TValue missing = typeof(TValue) == typeof(float) ? (TValue)(object)float.NaN : typeof(TValue) == typeof(double) ? (TValue)(object)double.NaN : default;
        ValueGetter<TKey> source = row.GetGetter<TKey>(column);
        return (ValueGetter<TValue>)((ref TValue value) =>
        {
            TKey key = default;
            source(ref key);
            ulong index = Convert.ToUInt64(key);
            value = index > 0 && index <= (ulong)values.Length ? values[index - 1] : missing;
        });
    }

    private protected override void Save(ModelSaveContext ctx)
    {
        ctx.CheckAtModel();
        ctx.SetVersionInfo(Version);
        ctx.Writer.Write(_columns.Length);
        foreach (InputOutputColumnPair pair in _columns)
        {
            ctx.SaveNonEmptyString(pair.OutputColumnName);
            ctx.SaveNonEmptyString(pair.InputColumnName);
        }
    }

    private static KeyToValueMappingTransformer Create(IHostEnvironment env, ModelLoadContext ctx)
    {
        ctx.CheckAtModel(Version);
        var columns = new InputOutputColumnPair[ctx.Reader.ReadInt32()];
        for (int i = 0; i < columns.Length; i++)
            columns[i] = new InputOutputColumnPair(ctx.LoadNonEmptyString(), ctx.LoadNonEmptyString());
        return new KeyToValueMappingTransformer(columns);
    }
}
