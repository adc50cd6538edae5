namespace RMeeTo.Vim.Network;

/// <summary>One parameter tensor: its official name, its shape, and where it lies in the flat buffers of weights, gradients and moments.</summary>
/// <param name="Name">Name in the official state dict, such as <c>layers.3.mixer.A_log</c>.</param>
/// <param name="Shape">Shape as in the official state dict.</param>
/// <param name="Offset">First element in a flat buffer; a multiple of 16.</param>
public sealed record VimParameter(string Name, IReadOnlyList<int> Shape, long Offset)
{
    /// <summary>Number of values.</summary>
    public int Length { get; } = Shape.Aggregate(1, (product, edge) => checked(product * edge));

    /// <summary>Rows when read as a matrix, leading edges of 1 left out: the first edge, or 1 for a vector.</summary>
    public int Rows { get; } = Shape.SkipWhile(edge => edge == 1).ToArray() is { Length: > 1 } edges ? edges[0] : 1;

    /// <summary>Columns when read as a matrix.</summary>
    public int Columns => Length / Rows;

    /// <summary>The shape as text, such as (384, 16).</summary>
    public string ShapeText => $"({string.Join(", ", Shape)})";
}

/// <summary>Parameters of one direction of a mixer.</summary>
/// <param name="ALog">[D, N]</param>
/// <param name="D">[D]</param>
/// <param name="ConvWeight">[D, 1, K]</param>
/// <param name="ConvBias">[D]</param>
/// <param name="Projection">x_proj [R + 2N, D]</param>
/// <param name="DeltaWeight">dt_proj [D, R]</param>
/// <param name="DeltaBias">[D]</param>
public sealed record DirectionParameters(VimParameter ALog, VimParameter D, VimParameter ConvWeight, VimParameter ConvBias, VimParameter Projection,
    VimParameter DeltaWeight, VimParameter DeltaBias);

/// <summary>Parameters of one block.</summary>
/// <param name="Input">in_proj [2D, C]: D rows of x, then D rows of z.</param>
/// <param name="InputBias">[2D], for <see cref="VimConfig.ProjectionBias"/>.</param>
/// <param name="Forward">First token to last.</param>
/// <param name="Backward">Last token to first; official suffix <c>_b</c>.</param>
/// <param name="Output">out_proj [C, D]</param>
/// <param name="OutputBias">[C], for <see cref="VimConfig.ProjectionBias"/>.</param>
/// <param name="Gamma">Layer scale [C], where the configuration has it.</param>
/// <param name="Norm">[C]</param>
/// <param name="NormBias">[C], for <see cref="NormKind.Layer"/>.</param>
public sealed record BlockParameters(VimParameter Input, VimParameter? InputBias, DirectionParameters Forward, DirectionParameters Backward,
    VimParameter Output, VimParameter? OutputBias, VimParameter? Gamma, VimParameter Norm, VimParameter? NormBias);

/// <summary>The parameters of a Vision Mamba.</summary>
public sealed class VimParameters : ParameterLayout
{
    /// <summary>Lays the parameters of <paramref name="config"/> out.</summary>
    /// <exception cref="ArgumentException">The configuration contradicts itself.</exception>
    public VimParameters(VimConfig config)
    {
        Config = config.Validate();
        int c = config.Width;
        bool ends = config.ClassToken == ClassTokenPosition.Ends;
        if (config.ClassTokens > 0) ClassToken = Add(ends ? "cls_token_head" : "cls_token", 1, 1, c);
        if (ends) TailClassToken = Add("cls_token_tail", 1, 1, c);
        Positions = Add("pos_embed", 1, config.PositionRows, c);
        if (config.IsVideo) TimePositions = Add("temporal_pos_embedding", 1, config.TimeSteps, c);
        int[] kernel = config.IsVideo ? [c, 3, config.TubeletSize, config.PatchSize, config.PatchSize] : [c, 3, config.PatchSize, config.PatchSize];
        PatchWeight = Add("patch_embed.proj.weight", kernel);
        PatchBias = Add("patch_embed.proj.bias", c);
        HeadWeight = Add("head.weight", config.Classes, c);
        HeadBias = Add("head.bias", config.Classes);
        var blocks = new BlockParameters[config.Depth];
        for (int i = 0; i < blocks.Length; i++) blocks[i] = AddBlock($"layers.{i}.");
        Blocks = blocks;
        FinalNorm = Add("norm_f.weight", c);
        if (config.Norm == NormKind.Layer) FinalNormBias = Add("norm_f.bias", c);
    }

    /// <summary>The architecture.</summary>
    public VimConfig Config { get; }

    /// <summary>[1, 1, C]; the first of both for <see cref="ClassTokenPosition.Ends"/>, null where there is none.</summary>
    public VimParameter? ClassToken { get; }

    /// <summary>[1, 1, C]: the class token after all patches, for <see cref="ClassTokenPosition.Ends"/>.</summary>
    public VimParameter? TailClassToken { get; }

    /// <summary>Table of positions in an image or frame [1, <see cref="VimConfig.PositionRows"/>, C]; a class token has a row of its own.</summary>
    public VimParameter Positions { get; }

    /// <summary>Table of places in time [1, <see cref="VimConfig.TimeSteps"/>, C], for clips.</summary>
    public VimParameter? TimePositions { get; }

    /// <summary>[C, 3, P, P]; for clips [C, 3, tubelet, P, P].</summary>
    public VimParameter PatchWeight { get; }

    /// <summary>[C]</summary>
    public VimParameter PatchBias { get; }

    /// <summary>[classes, C]</summary>
    public VimParameter HeadWeight { get; }

    /// <summary>[classes]</summary>
    public VimParameter HeadBias { get; }

    /// <summary>Blocks, first to last.</summary>
    public IReadOnlyList<BlockParameters> Blocks { get; }

    /// <summary>[C]</summary>
    public VimParameter FinalNorm { get; }

    /// <summary>[C], for <see cref="NormKind.Layer"/>.</summary>
    public VimParameter? FinalNormBias { get; }

    internal override IEnumerable<(VimParameter Weight, bool HasInputGradient)> LinearWeights
    {
        get
        {
            yield return (PatchWeight, false);
            yield return (HeadWeight, true);
            foreach (var b in Blocks)
                foreach (var p in new[] { b.Input, b.Output, b.Forward.Projection, b.Forward.DeltaWeight, b.Backward.Projection, b.Backward.DeltaWeight })
                    yield return (p, true);
        }
    }

    internal override (VimParameter Weight, VimParameter Bias) ClassRows => (HeadWeight, HeadBias);

    private BlockParameters AddBlock(string prefix)
    {
        var (c, d, n, r, k) = (Config.Width, Config.InnerWidth, Config.StateSize, Config.TimeStepRank, Config.ConvolutionWidth);
        string m = prefix + "mixer.";
        var gamma = Config.LayerScale ? Add(m + "gamma", c) : null;
        var aLog = Add(m + "A_log", d, n);
        var skip = Add(m + "D", d);
        var aLogB = Add(m + "A_b_log", d, n);
        var skipB = Add(m + "D_b", d);
        var input = Add(m + "in_proj.weight", 2 * d, c);
        var inputBias = Config.ProjectionBias ? Add(m + "in_proj.bias", 2 * d) : null;
        var forward = AddDirection("", aLog, skip);
        var backward = AddDirection("_b", aLogB, skipB);
        var output = Add(m + "out_proj.weight", c, d);
        var outputBias = Config.ProjectionBias ? Add(m + "out_proj.bias", c) : null;
        var norm = Add(prefix + "norm.weight", c);
        var normBias = Config.Norm == NormKind.Layer ? Add(prefix + "norm.bias", c) : null;
        return new(input, inputBias, forward, backward, output, outputBias, gamma, norm, normBias);

        DirectionParameters AddDirection(string suffix, VimParameter a, VimParameter dSkip) => new(a, dSkip,
            Add($"{m}conv1d{suffix}.weight", d, 1, k), Add($"{m}conv1d{suffix}.bias", d),
            Add($"{m}x_proj{suffix}.weight", r + 2 * n, d),
            Add($"{m}dt_proj{suffix}.weight", d, r), Add($"{m}dt_proj{suffix}.bias", d));
    }
}
