namespace RMeeTo.Vim.Network;

/// <summary>The values of all parameters of a Vision Mamba.</summary>
public sealed class VimWeights : NetworkWeights
{
    /// <summary>All values zero.</summary>
    public VimWeights(VimConfig config) : this(new VimParameters(config)) { }

    /// <summary>All values zero.</summary>
    public VimWeights(VimParameters parameters) : base(parameters) { }

    /// <summary>The architecture.</summary>
    public VimConfig Config => Parameters.Config;

    /// <inheritdoc/>
    public override VimParameters Parameters => (VimParameters)base.Parameters;

    /// <inheritdoc/>
    public override VimWeights Clone() => Filled(new VimWeights(Parameters));
}
