using Microsoft.ML;

namespace RMeeTo.MLNet;

/// <summary>The columns that hold what the network looks at: one column of images or of clips, or several that hold a frame of a clip each.</summary>
/// <param name="Images">In the order of time.</param>
internal sealed record SampleColumns(IReadOnlyList<ImageColumn> Images)
{
    /// <summary>Finds and checks the columns.</summary>
    /// <param name="schema">Where.</param>
    /// <param name="names">Their names.</param>
    /// <param name="video">Whether the network takes clips.</param>
    /// <exception cref="ArgumentOutOfRangeException">One is missing or of another type.</exception>
    /// <exception cref="ArgumentException">There are columns of frames, and the network takes single images.</exception>
    public static SampleColumns Find(DataViewSchema schema, StageColumns names, bool video)
    {
        if (names.Frames is not { } frames) return new([ImageColumn.Find(schema, names.Image, names.ImageName, video)]);
        if (!video)
            throw new ArgumentException($"FrameColumnNames names {frames.Count} columns and the network takes single images; name one column with "
                + "ImageColumnName, or use a network for video (VimConfig.Frames).");
        return new([.. frames.Select(name => ImageColumn.Find(schema, name, null, clip: false, ImageColumn.FramesOption))]);
    }

    /// <summary>The same before fitting, where only the shape of the schema is known, and nothing of the network.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or of a type that no network takes.</exception>
    public static void Check(SchemaShape schema, StageColumns names)
    {
        if (names.Frames is not { } frames) ImageColumn.Check(schema, names.Image, orClip: true);
        else
            foreach (string name in frames) ImageColumn.Check(schema, name, orClip: false, ImageColumn.FramesOption);
    }

    /// <summary>Columns that have to be active.</summary>
    public IEnumerable<DataViewSchema.Column> Dependencies =>
        Images.SelectMany(image => image.NameColumn is { } name ? [image.Column, name] : new[] { image.Column }).DistinctBy(column => column.Index);

    /// <summary>Number of the picture that a column holds, or −1.</summary>
    public int PictureIn(DataViewSchema.Column column)
    {
        for (int i = 0; i < Images.Count; i++)
            if (Images[i].Column.Index == column.Index && Images[i].Form == ImageForm.Picture) return i;
        return -1;
    }
}
