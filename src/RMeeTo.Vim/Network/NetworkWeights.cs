namespace RMeeTo.Vim.Network;

/// <summary>The values of all parameters of a network, in ordinary memory: what a checkpoint holds, and what devices copy from and to.</summary>
public abstract class NetworkWeights
{
    /// <summary>All values zero.</summary>
    private protected NetworkWeights(ParameterLayout parameters)
    {
        Parameters = parameters;
        Values = new float[parameters.BufferLength];
    }

    /// <summary>Names, shapes and places.</summary>
    public virtual ParameterLayout Parameters { get; }

    /// <summary>Flat buffer of <see cref="ParameterLayout.BufferLength"/> values.</summary>
    public float[] Values { get; }

    /// <summary>The values of one parameter, row-major.</summary>
    public Span<float> this[VimParameter parameter] => Values.AsSpan((int)parameter.Offset, parameter.Length);

    /// <summary>The values of the parameter of that name.</summary>
    /// <exception cref="ArgumentException">There is no such parameter.</exception>
    public Span<float> this[string name] =>
        this[Parameters.Find(name) ?? throw new ArgumentException($"This network has no parameter '{name}'.", nameof(name))];

    /// <summary>A copy that shares nothing.</summary>
    public abstract NetworkWeights Clone();

    /// <summary>Copies these values to weights of the same layout.</summary>
    /// <returns><paramref name="copy"/>.</returns>
    private protected TWeights Filled<TWeights>(TWeights copy) where TWeights : NetworkWeights
    {
        Values.CopyTo(copy.Values, 0);
        return copy;
    }
}
