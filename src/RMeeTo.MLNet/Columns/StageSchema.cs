using Microsoft.ML;
using Microsoft.ML.Data;

namespace RMeeTo.MLNet;

/// <summary>How the columns of the output come from those of the input: first all of the input's at their places, then predicted label and score.</summary>
internal sealed class StageSchema
{
    /// <summary>Binds the stage to a schema.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The image column is missing or of another type.</exception>
    public StageSchema(DataViewSchema input, StageColumns columns, LabelClasses classes)
    {
        Input = input;
        Image = ImageColumn.Find(input, columns.Image, columns.ImageName);
        var builder = new DataViewSchema.Builder();
        builder.AddColumns(input);
        builder.AddColumns(OutputColumns.Create(columns, classes, input));
        Output = builder.ToSchema();
    }

    /// <summary>Schema of the source.</summary>
    public DataViewSchema Input { get; }

    /// <summary>Schema of the result.</summary>
    public DataViewSchema Output { get; }

    /// <summary>The image column of the source.</summary>
    public ImageColumn Image { get; }

    /// <summary>Index of the predicted label in the output.</summary>
    public int PredictedLabel => Input.Count;

    /// <summary>Index of the score in the output.</summary>
    public int Score => Input.Count + 1;

    /// <summary>Which columns of the output are asked for.</summary>
    public bool[] Active(IEnumerable<DataViewSchema.Column> columns)
    {
        var active = new bool[Output.Count];
        foreach (var column in columns)
        {
            if (column.Index >= active.Length || Output[column.Index].Name != column.Name)
                throw new ArgumentException($"Column '{column.Name}' is not of the schema of this view; ask for columns of its own Schema.", nameof(columns));
            active[column.Index] = true;
        }
        return active;
    }

    /// <summary>Whether images have to be classified.</summary>
    public bool NeedsScores(bool[] active) => active[PredictedLabel] || active[Score];

    /// <summary>Columns of the input that those of the output need.</summary>
    public IEnumerable<DataViewSchema.Column> Dependencies(bool[] active)
    {
        var needed = active[..Input.Count];
        if (NeedsScores(active))
            foreach (var column in ImageColumnReader.Dependencies(Image)) needed[column.Index] = true;
        return [.. Input.Where(column => needed[column.Index])];
    }

    /// <summary>Casts a getter, with ML.NET's kind of error where the caller's type is wrong.</summary>
    public static ValueGetter<T> Cast<T>(Delegate getter, DataViewSchema.Column column) => getter as ValueGetter<T>
        ?? throw new InvalidOperationException($"Column '{column.Name}' is {column.Type}, whose values are of type {column.Type.RawType}; a getter of {typeof(T)} was asked for.");

    /// <summary>Throws where a getter is asked for that the cursor was not opened for.</summary>
    public static void CheckActive(bool[] active, DataViewSchema.Column column)
    {
        if (column.Index >= active.Length || !active[column.Index])
            throw new InvalidOperationException($"Column '{column.Name}' was not asked for when this cursor was made; add it to columnsNeeded.");
    }
}
