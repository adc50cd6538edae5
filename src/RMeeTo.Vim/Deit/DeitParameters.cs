using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Deit;

/// <summary>A linear layer.</summary>
/// <param name="Weight">[outputs, inputs]</param>
/// <param name="Bias">[outputs]</param>
public sealed record DeitLinear(VimParameter Weight, VimParameter Bias);

/// <summary>A layer norm.</summary>
/// <param name="Weight">[C]</param>
/// <param name="Bias">[C]</param>
public sealed record DeitNorm(VimParameter Weight, VimParameter Bias);

/// <summary>Parameters of one block.</summary>
/// <param name="Norm1">Before the attention.</param>
/// <param name="Qkv">[3C, C]: queries, keys, values, each head by head.</param>
/// <param name="Projection">[C, C]</param>
/// <param name="Norm2">Before the MLP.</param>
/// <param name="Hidden">fc1 [4C, C]</param>
/// <param name="Output">fc2 [C, 4C]</param>
public sealed record DeitBlockParameters(DeitNorm Norm1, DeitLinear Qkv, DeitLinear Projection, DeitNorm Norm2, DeitLinear Hidden, DeitLinear Output);

/// <summary>The parameters of a DeiT, named, shaped and ordered as in the official state dict (timm <c>VisionTransformer</c>).</summary>
public sealed class DeitParameters : ParameterLayout
{
    /// <summary>Lays the parameters of <paramref name="config"/> out.</summary>
    /// <exception cref="ArgumentException">The configuration contradicts itself.</exception>
    public DeitParameters(DeitConfig config)
    {
        Config = config.Validate();
        int c = config.Width;
        ClassToken = Add("cls_token", 1, 1, c);
        Positions = Add("pos_embed", 1, config.Tokens, c);
        Patch = new(Add("patch_embed.proj.weight", c, 3, config.PatchSize, config.PatchSize), Add("patch_embed.proj.bias", c));
        var blocks = new DeitBlockParameters[config.Depth];
        for (int i = 0; i < blocks.Length; i++)
        {
            string block = $"blocks.{i}.";
            blocks[i] = new(AddNorm(block + "norm1"), AddLinear(block + "attn.qkv", 3 * c, c), AddLinear(block + "attn.proj", c, c),
                AddNorm(block + "norm2"), AddLinear(block + "mlp.fc1", config.MlpWidth, c), AddLinear(block + "mlp.fc2", c, config.MlpWidth));
        }
        Blocks = blocks;
        FinalNorm = AddNorm("norm");
        Head = AddLinear("head", config.Classes, c);
    }

    /// <summary>The architecture.</summary>
    public DeitConfig Config { get; }

    /// <summary>[1, 1, C]</summary>
    public VimParameter ClassToken { get; }

    /// <summary>Position table [1, L, C]; row 0 is the class token's.</summary>
    public VimParameter Positions { get; }

    /// <summary>[C, 3, P, P]</summary>
    public DeitLinear Patch { get; }

    /// <summary>Blocks, first to last.</summary>
    public IReadOnlyList<DeitBlockParameters> Blocks { get; }

    /// <summary>Before the head.</summary>
    public DeitNorm FinalNorm { get; }

    /// <summary>[classes, C]</summary>
    public DeitLinear Head { get; }

    internal override IEnumerable<(VimParameter Weight, bool HasInputGradient)> LinearWeights
    {
        get
        {
            yield return (Patch.Weight, false);
            foreach (var b in Blocks)
                foreach (var layer in new[] { b.Qkv, b.Projection, b.Hidden, b.Output }) yield return (layer.Weight, true);
            yield return (Head.Weight, true);
        }
    }

    internal override (VimParameter Weight, VimParameter Bias) ClassRows => (Head.Weight, Head.Bias);

    private DeitLinear AddLinear(string name, int outputs, int inputs) => new(Add(name + ".weight", outputs, inputs), Add(name + ".bias", outputs));

    private DeitNorm AddNorm(string name) => new(Add(name + ".weight", Config.Width), Add(name + ".bias", Config.Width));
}
