using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Checkpoints;

/// <summary>
/// Between checkpoints with the official tensor names (spec 1.1, as the authors of Vim, VideoMamba and R-MeeTo publish them) and <see cref="VimWeights"/>.
/// </summary>
/// <example><code>
/// using var source = Checkpoint.Open("vim_t_midclstok_76p1acc.pth");
/// VimWeights weights = VimCheckpoint.Load(source, VimCheckpoint.InferConfig(source));
/// </code></example>
public static class VimCheckpoint
{
    /// <summary>The configuration that a checkpoint's names and shapes imply.</summary>
    /// <param name="source">The checkpoint.</param>
    /// <param name="classToken">
    /// Where the class token of a network for images stands. Vim (middle) and VideoMamba (first) have the same names and shapes, so the file does not tell;
    /// <see cref="ClassTokenPosition.First"/> also sets <see cref="VimConfig.AverageDirections"/> to false, as in VideoMamba. Without effect where the file
    /// tells: clips, two class tokens, none.
    /// </param>
    /// <returns>
    /// Width, depth, state size, Δ rank, classes, patch size, frames and tubelet, kind of norm, layer scale and projection bias; the image is taken to be
    /// square and the patches side by side. Without a class token <see cref="VimConfig.Pooling"/> cannot be seen and is <see cref="TokenPooling.Mean"/>.
    /// </returns>
    /// <exception cref="CheckpointMismatchException">
    /// This is no Vision Mamba, its patches do not make a square, or it has one class token and <paramref name="classToken"/> says otherwise.
    /// </exception>
    public static VimConfig InferConfig(ICheckpointSource source, ClassTokenPosition classToken = ClassTokenPosition.Middle)
    {
        ArgumentNullException.ThrowIfNull(source);
        return VimConfigInference.Infer(source, classToken);
    }

    /// <summary>Loads a checkpoint that fits exactly: every tensor of the network, no other, with its shape.</summary>
    /// <param name="source">The checkpoint.</param>
    /// <param name="config">The network.</param>
    /// <exception cref="CheckpointMismatchException">It does not fit; the message lists what differs and names the network that it belongs to.</exception>
    /// <exception cref="CheckpointFormatException">A tensor cannot be read.</exception>
    public static VimWeights Load(ICheckpointSource source, VimConfig config)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(config);
        var parameters = new VimParameters(config);
        CheckpointComparison.ThrowIfDifferent(source, parameters);
        return WeightTensors.Read(source, new VimWeights(parameters));
    }

    /// <summary>
    /// Loads a checkpoint and adapts it to another set of classes, another image size, another number of frames, or from images to clips. All else must agree.
    /// </summary>
    /// <param name="source">The checkpoint. A file of <see cref="VimModel"/> brings its class names along.</param>
    /// <param name="config">The network wanted. Patch size and, for a resize, <see cref="VimConfig.Stride"/> are the checkpoint's too.</param>
    /// <param name="classNames">Names of the classes wanted, <see cref="VimConfig.Classes"/> of them; null where only the image size is new.</param>
    /// <param name="sourceClassNames">Names of the checkpoint's classes, where it does not carry them and they are known.</param>
    /// <param name="seed">Seed of the head's new rows.</param>
    /// <param name="inflation">Where the patch kernels of a network for images go when <paramref name="config"/> is for clips.</param>
    /// <remarks>
    /// The head: where both lists of names are known, rows go by name, never by index. Where the checkpoint's names are not known, an equal count keeps the
    /// head as it is and another count replaces all of it. New rows are normal(0, 0.02), their bias 0. Positions: bicubic around the class token's row; a
    /// checkpoint with the same number of patches is taken to have the same grid, another one a square grid. Places in time: linear; zero where the
    /// checkpoint is for images. That a checkpoint for images has its class token first, as a network for clips, cannot be seen: start clips from
    /// VideoMamba's weights, not from Vim's.
    /// </remarks>
    /// <exception cref="ArgumentException">A list of names has another length than its classes, or repeats a name.</exception>
    /// <exception cref="CheckpointMismatchException">
    /// It differs in more than classes, image size and frames; or it is for clips and <paramref name="config"/> is not.
    /// </exception>
    /// <exception cref="CheckpointFormatException">A tensor cannot be read.</exception>
    public static FittedWeights LoadFitted(ICheckpointSource source, VimConfig config, IReadOnlyList<string>? classNames = null,
        IReadOnlyList<string>? sourceClassNames = null, ulong seed = 0, PatchInflation inflation = PatchInflation.Center)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(config);
        config.Validate();
        if (classNames != null) ClassNameList.Check(classNames, config.Classes, nameof(classNames));
        var (found, patches) = VimConfigInference.InferAllButImage(source);
        bool inflates = config.IsVideo && !found.IsVideo;
        var wanted = inflates ? config with { Frames = 0, TubeletSize = 1 } : config;
        if (!CheckpointComparison.SameArchitecture(found, wanted)) Load(source, config); // throws, with everything that differs
        var own = OwnConfig(source, wanted, found, patches);
        sourceClassNames ??= ModelFormat.FindClassNames(source);
        if (sourceClassNames != null) ClassNameList.Check(sourceClassNames, own.Classes, nameof(sourceClassNames));

        var weights = Load(source, own);
        string loaded = $"{weights.Parameters.All.Count} tensors, {weights.Parameters.Count:N0} values loaded from {source.Name}.";
        var fitted = new FittedWeights(weights, new() { Lines = [.. source.Notes, loaded] });
        fitted = Then(fitted, w => FitHead(w, config, classNames, sourceClassNames, seed));
        fitted = Then(fitted, w => CheckpointFit.ResizePositions(w, wanted));
        return inflates ? Then(fitted, w => CheckpointFit.Inflate(w, config, inflation)) : fitted;
    }

    /// <summary>
    /// Writes the weights alone, a plain state dict under the official names. <see cref="ClassifierModel.Save(string)"/> writes what belongs to them as well.
    /// </summary>
    /// <param name="path">The file to make or to replace, whole or not at all.</param>
    /// <param name="weights">The weights.</param>
    /// <param name="metadata">Texts to go with them, or null. "format" is "pt" unless given, which PyTorch's own tools look for.</param>
    public static void Save(string path, VimWeights weights, IReadOnlyDictionary<string, string>? metadata = null) =>
        WeightTensors.Save(path, weights, metadata);

    /// <summary>The same to a stream, which stays open.</summary>
    /// <param name="stream">Any stream that can be written.</param>
    /// <param name="weights">The weights.</param>
    /// <param name="metadata">Texts to go with them, or null. "format" is "pt" unless given, which PyTorch's own tools look for.</param>
    public static void Save(Stream stream, VimWeights weights, IReadOnlyDictionary<string, string>? metadata = null) =>
        WeightTensors.Save(stream, weights, metadata);

    private static VimConfig OwnConfig(ICheckpointSource source, VimConfig config, VimConfig found, long patches)
    {
        var own = config with { Classes = found.Classes, Frames = found.Frames };
        if (patches == config.FramePatches) return own;
        long grid = (long)Math.Round(Math.Sqrt(patches));
        if (grid < 1 || grid * grid != patches)
            throw new CheckpointMismatchException($"{source.Name}: pos_embed has rows for {patches} patches, which make no square; they cannot be resized to "
                + $"{config.GridHeight}×{config.GridWidth}. Load with the configuration it was made for, then use VimModel.WithImageSize.");
        int edge = checked((int)((grid - 1) * config.Stride + config.PatchSize));
        return own with { ImageHeight = edge, ImageWidth = edge };
    }

    private static FittedWeights FitHead(VimWeights weights, VimConfig config, IReadOnlyList<string>? names, IReadOnlyList<string>? sourceNames, ulong seed)
    {
        bool sameCount = weights.Config.Classes == config.Classes;
        if (sameCount && (names == null || sourceNames == null || names.SequenceEqual(sourceNames)))
        {
            string why = names != null && sourceNames == null ? "; the checkpoint carries no class names, so its rows go by index" : "";
            return new(weights, new() { Lines = [$"Head kept: {config.Classes} classes{why}."] });
        }
        var result = new VimWeights(weights.Config with { Classes = config.Classes });
        var (old, wanted) = names == null ? (null, ClassNameList.Numbers(config.Classes)) : (sourceNames, names);
        return new(result, CheckpointFit.ReplaceHead(weights, old, result, wanted, seed));
    }

    private static FittedWeights Then(FittedWeights fitted, Func<VimWeights, FittedWeights> step)
    {
        var next = step(fitted.Weights);
        return new(next.Weights, fitted.Report.Then(next.Report));
    }
}
