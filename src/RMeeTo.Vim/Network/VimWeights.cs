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

    /// <summary>Names, shapes and places.</summary>
    public override VimParameters Parameters => (VimParameters)base.Parameters;

    /// <summary>A copy that shares nothing.</summary>
    public override VimWeights Clone()
    {
        var copy = new VimWeights(Parameters);
        Values.CopyTo(copy.Values, 0);
        return copy;
    }
}
