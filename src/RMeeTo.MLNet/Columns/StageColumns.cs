namespace RMeeTo.MLNet;

/// <summary>Names of the columns that a fitted stage reads and adds.</summary>
/// <param name="Label">The label column that it was fitted to; not read any more.</param>
/// <param name="Image">The images.</param>
/// <param name="ImageName">Text that names an image, or null: found by its usual name.</param>
/// <param name="Score">Probabilities.</param>
/// <param name="PredictedLabel">The most probable class.</param>
internal sealed record StageColumns(string Label, string Image, string? ImageName, string Score, string PredictedLabel);
