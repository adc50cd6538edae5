namespace RMeeTo.Vim.Network;

/// <summary>The values of all parameters of a network, in ordinary memory: what a checkpoint holds, and what devices copy from and to.</summary>
public sealed class VimWeights
{
    /// <summary>All values zero.</summary>
    public VimWeights(VimConfig config) : this(new VimParameters(config)) { }

    /// <summary>All values zero.</summary>
    public VimWeights(VimParameters parameters)
    {
        Parameters = parameters;
        Values = new float[parameters.BufferLength];
    }

    /// <summary>The architecture.</summary>
    public VimConfig Config => Parameters.Config;

    /// <summary>Names, shapes and places.</summary>
    public VimParameters Parameters { get; }

    /// <summary>Flat buffer of <see cref="VimParameters.BufferLength"/> values.</summary>
    public float[] Values { get; }

    /// <summary>The values of one parameter, row-major.</summary>
    public Span<float> this[VimParameter parameter] => Values.AsSpan((int)parameter.Offset, parameter.Length);

    /// <summary>The values of the parameter of that name.</summary>
    /// <exception cref="ArgumentException">There is no such parameter.</exception>
    public Span<float> this[string name] => this[Parameters.Find(name) ?? throw new ArgumentException($"This network has no parameter '{name}'.", nameof(name))];

    /// <summary>A copy that shares nothing.</summary>
    public VimWeights Clone()
    {
        var copy = new VimWeights(Parameters);
        Values.CopyTo(copy.Values, 0);
        return copy;
    }
}
