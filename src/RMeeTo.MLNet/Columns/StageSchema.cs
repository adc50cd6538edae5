using Microsoft.ML;
using Microsoft.ML.Data;
using RMeeTo.Vim;

namespace RMeeTo.MLNet;

/// <summary>How the columns of the output come from those of the input: first all of the input's at their places, then those that the stage adds.</summary>
internal sealed class StageSchema
{
    private readonly StageOutput[] _outputs;

    /// <summary>Binds the stage to a schema.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The image column is missing or of another type.</exception>
    /// <param name="input">Schema of the source.</param>
    /// <param name="columns">Names of the columns.</param>
    /// <param name="classes">The classes.</param>
    /// <param name="config">The network.</param>
    public StageSchema(DataViewSchema input, StageColumns columns, LabelClasses classes, VimConfig config)
    {
        Input = input;
        Sample = SampleColumns.Find(input, columns, config.IsVideo);
        var builder = new DataViewSchema.Builder();
        builder.AddColumns(input);
        _outputs = OutputColumns.Create(columns, classes, config.Width, input);
        builder.AddColumns(_outputs.Select(output => output.Column));
        Output = builder.ToSchema();
    }

    /// <summary>Schema of the source.</summary>
    public DataViewSchema Input { get; }

    /// <summary>Schema of the result.</summary>
    public DataViewSchema Output { get; }

    /// <summary>Columns of the source that hold what the network looks at.</summary>
    public SampleColumns Sample { get; }

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
    public bool NeedsScores(bool[] active) => active.AsSpan(Input.Count).Contains(true);

    /// <summary>Whether the features of images are asked for.</summary>
    public bool NeedsFeatures(bool[] active) => _outputs.Where((output, i) => output.IsFeatures && active[Input.Count + i]).Any();

    /// <summary>Getter of a column that the stage adds.</summary>
    /// <param name="index">Its index in <see cref="Output"/>.</param>
    /// <param name="row">What the network says.</param>
    public Delegate OutputGetter(int index, IScoredRow row) => _outputs[index - Input.Count].Getter(row);

    /// <summary>Columns of the input that those of the output need.</summary>
    public IEnumerable<DataViewSchema.Column> Dependencies(bool[] active)
    {
        var needed = active[..Input.Count];
        if (NeedsScores(active))
            foreach (var column in Sample.Dependencies) needed[column.Index] = true;
        return [.. Input.Where(column => needed[column.Index])];
    }

    /// <summary>Casts a getter, with ML.NET's kind of error where the caller's type is wrong.</summary>
    public static ValueGetter<T> Cast<T>(Delegate getter, DataViewSchema.Column column) => getter as ValueGetter<T>
        ?? throw new InvalidOperationException($"Column '{column.Name}' is {column.Type}, whose values are of type {column.Type.RawType}; a getter of "
            + $"{typeof(T)} was asked for.");

    /// <summary>Throws where a getter is asked for that the cursor was not opened for.</summary>
    public static void CheckActive(bool[] active, DataViewSchema.Column column)
    {
        if (column.Index >= active.Length || !active[column.Index])
            throw new InvalidOperationException($"Column '{column.Name}' was not asked for when this cursor was made; add it to columnsNeeded.");
    }
}
