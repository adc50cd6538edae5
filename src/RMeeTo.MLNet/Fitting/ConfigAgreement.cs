using RMeeTo.Vim;
using RMeeTo.Vim.Checkpoints;

namespace RMeeTo.MLNet;

/// <summary>
/// Holds the option Config against a model that says all of its architecture: another image size and another number of frames are wishes, a time axis for a
/// model of images too; whatever else differs is a contradiction, and would be ignored unless it is refused.
/// </summary>
internal static class ConfigAgreement
{
    /// <summary>The model's architecture at the image size and the frames that the user wants.</summary>
    /// <exception cref="CheckpointMismatchException">They contradict each other; the message names every property with both values.</exception>
    public static VimConfig Of(VimConfig? wanted, VimConfig model)
    {
        if (wanted is null) return model;
        string[] differences = [.. Differences(wanted, model)];
        if (differences.Length > 0)
            throw new CheckpointMismatchException($"The option Config contradicts the model: {string.Join("; ", differences)}. Pass the model's own "
                + "configuration, with another image size or number of frames where you want one, or none.", differences);
        return model with { ImageHeight = wanted.ImageHeight, ImageWidth = wanted.ImageWidth, Frames = wanted.Frames, TubeletSize = wanted.TubeletSize };
    }

    private static IEnumerable<string> Differences(VimConfig wanted, VimConfig model)
    {
        (string Name, object Wanted, object Model)[] properties =
        [
            (nameof(VimConfig.PatchSize), wanted.PatchSize, model.PatchSize), (nameof(VimConfig.Stride), wanted.Stride, model.Stride),
            (nameof(VimConfig.Width), wanted.Width, model.Width), (nameof(VimConfig.Depth), wanted.Depth, model.Depth),
            (nameof(VimConfig.StateSize), wanted.StateSize, model.StateSize),
            (nameof(VimConfig.ConvolutionWidth), wanted.ConvolutionWidth, model.ConvolutionWidth),
            (nameof(VimConfig.Expansion), wanted.Expansion, model.Expansion),
            (nameof(VimConfig.TimeStepRank), wanted.TimeStepRank, model.TimeStepRank),
            (nameof(VimConfig.ClassToken), wanted.ClassToken, model.ClassToken),
            (nameof(VimConfig.AverageDirections), wanted.AverageDirections, model.AverageDirections),
            (nameof(VimConfig.Norm), wanted.Norm, model.Norm), (nameof(VimConfig.NormEpsilon), wanted.NormEpsilon, model.NormEpsilon),
            (nameof(VimConfig.LayerScale), wanted.LayerScale, model.LayerScale),
            (nameof(VimConfig.ProjectionBias), wanted.ProjectionBias, model.ProjectionBias),
        ];
        foreach (var (name, asked, has) in properties)
            if (!asked.Equals(has)) yield return Difference(name, asked, has);
        if (model.ClassToken == ClassTokenPosition.None && wanted.ClassToken == ClassTokenPosition.None && wanted.Pooling != model.Pooling)
            yield return Difference(nameof(VimConfig.Pooling), wanted.Pooling, model.Pooling);
        if (model.IsVideo && !wanted.IsVideo) yield return Difference(nameof(VimConfig.Frames), wanted.Frames, model.Frames);
        if (model.IsVideo && wanted.IsVideo && wanted.TubeletSize != model.TubeletSize)
            yield return Difference(nameof(VimConfig.TubeletSize), wanted.TubeletSize, model.TubeletSize);
    }

    private static string Difference(string name, object wanted, object model) =>
        FormattableString.Invariant($"{name} is {wanted} there and {model} in the model");
}
