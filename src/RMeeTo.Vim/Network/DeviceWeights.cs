using RMeeTo.Vim.Devices;

namespace RMeeTo.Vim.Network;

/// <summary>A flat buffer on a device that holds one value for every parameter value: gradients, or optimizer moments.</summary>
public sealed class ParameterBuffer(VimDevice device, ParameterLayout parameters) : IDisposable
{
    /// <summary>The flat buffer.</summary>
    public DeviceBuffer Values { get; } = device.Allocate(parameters.BufferLength);

    /// <summary>The part that belongs to one parameter; none for null.</summary>
    public DeviceMatrix this[VimParameter? parameter] => DeviceWeights.View(Values, parameter);

    /// <summary>Frees the buffer.</summary>
    public void Dispose() => Values.Dispose();
}

/// <summary>
/// The weights of a network on a device, with the packed forms that its matrix products use. Shared by all devices of one kind; read-only while they work.
/// </summary>
public sealed class DeviceWeights : IDisposable
{
    private readonly Dictionary<VimParameter, LinearWeight> _linear = new(ReferenceEqualityComparer.Instance);

    /// <summary>Copies <paramref name="weights"/> to the device.</summary>
    /// <param name="device">Any device of the kind.</param>
    /// <param name="weights">Values.</param>
    /// <param name="forTraining">True: prepares what the backward pass needs as well.</param>
    public DeviceWeights(VimDevice device, NetworkWeights weights, bool forTraining)
    {
        Parameters = weights.Parameters;
        Values = device.Allocate(Parameters.BufferLength);
        foreach (var (weight, hasInputGradient) in Parameters.LinearWeights) _linear.Add(weight, device.CreateLinear(this[weight], forTraining && hasInputGradient));
        Linear = [.. _linear.Values];
        Upload(device, weights);
    }

    /// <summary>Names, shapes and places.</summary>
    public ParameterLayout Parameters { get; }

    /// <summary>All values, laid out as <see cref="Parameters"/> says.</summary>
    public DeviceBuffer Values { get; }

    /// <summary>Every matrix that activations are multiplied by. After the values changed, each is to be refreshed, by any thread.</summary>
    public IReadOnlyList<LinearWeight> Linear { get; }

    /// <summary>One parameter as a matrix; none for null.</summary>
    public DeviceMatrix this[VimParameter? parameter] => View(Values, parameter);

    /// <summary>The packed form of one parameter.</summary>
    public LinearWeight LinearOf(VimParameter parameter) => _linear[parameter];

    /// <summary>Copies values to the device and refreshes the packed forms.</summary>
    public void Upload(VimDevice device, NetworkWeights weights)
    {
        Values.Write(weights.Values);
        foreach (var linear in Linear) device.Refresh(linear);
    }

    /// <summary>Copies the values from the device.</summary>
    public void Download(NetworkWeights weights) => Values.Read(weights.Values);

    /// <summary>Frees everything.</summary>
    public void Dispose()
    {
        foreach (var linear in Linear) linear.Dispose();
        Values.Dispose();
    }

    /// <summary>A normalisation of a Vision Mamba.</summary>
    internal NormOperands Norm(VimConfig config, VimParameter weight, VimParameter? bias) =>
        new() { Kind = config.Norm, Epsilon = config.NormEpsilon, Weight = this[weight], Bias = this[bias] };

    internal static DeviceMatrix View(DeviceBuffer values, VimParameter? parameter) =>
        parameter is null ? default : new(values, parameter.Offset, parameter.Rows, parameter.Columns, parameter.Columns);
}
