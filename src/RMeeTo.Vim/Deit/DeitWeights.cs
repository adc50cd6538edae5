using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Deit;

/// <summary>The values of all parameters of a DeiT.</summary>
public sealed class DeitWeights : NetworkWeights
{
    /// <summary>All values zero.</summary>
    public DeitWeights(DeitConfig config) : this(new DeitParameters(config)) { }

    /// <summary>All values zero.</summary>
    public DeitWeights(DeitParameters parameters) : base(parameters) { }

    /// <summary>The architecture.</summary>
    public DeitConfig Config => Parameters.Config;

    /// <inheritdoc/>
    public override DeitParameters Parameters => (DeitParameters)base.Parameters;

    /// <inheritdoc/>
    public override DeitWeights Clone() => Filled(new DeitWeights(Parameters));
}
