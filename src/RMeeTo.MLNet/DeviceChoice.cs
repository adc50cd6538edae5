using System.Reflection;
using Microsoft.ML.Runtime;
using RMeeTo.Vim.Devices;

namespace RMeeTo.MLNet;

/// <summary>The GPU that somebody asks for; all of it belongs to the process, and is not stored in a model.</summary>
/// <param name="DeviceId">Number of the GPU; null: as the environment says.</param>
/// <param name="FallbackToCpu">Whether the CPU may serve instead; null: as the environment says.</param>
/// <param name="Precision">How matrix products are computed.</param>
internal sealed record GpuChoice(int? DeviceId = null, bool? FallbackToCpu = null, MatrixPrecision Precision = MatrixPrecision.Float32)
{
    /// <summary>Assembly-qualified name of the provider; another one in tests.</summary>
    public string ProviderType { get; init; } = DeviceChoice.ProviderType;
}

/// <summary>
/// Decides between CPU and GPU, anew at every Fit and, where a transformer was made or loaded, when it first classifies. The GPU's device comes from another
/// package, which this one knows by name only: assembly RMeeTo.TorchSharp, type RMeeTo.TorchSharp.TorchSharpDeviceProvider, an
/// <see cref="IVimDeviceProvider"/> with a public constructor that takes the number of the GPU and the <see cref="MatrixPrecision"/>, or the number alone, and
/// throws where it cannot be used.
/// </summary>
internal static class DeviceChoice
{
    /// <summary>Assembly-qualified name of the provider.</summary>
    public const string ProviderType = "RMeeTo.TorchSharp.TorchSharpDeviceProvider, RMeeTo.TorchSharp";

    /// <summary>What to add where the provider, or what it needs, is not there.</summary>
    internal static string Advice(HostSystem system) => system switch
    {
        { GpuPackage: { } package } => $"Add the packages RMeeTo.TorchSharp and {package} to the application",
        { System: HostSystem.Windows or HostSystem.Linux } =>
            $"TorchSharp has no CUDA for {system}: add the package RMeeTo.TorchSharp to the application, install the CUDA Toolkit 12 or 13",
        _ => $"No GPU of {system} can be used, only those of Windows and Linux and of a Mac with an Apple processor: leave GpuDeviceId null",
    };

    /// <summary>The device to use, which the caller gives to <see cref="Return"/> when it is done; null is the CPU.</summary>
    /// <param name="environment">Says what the user asked for where the options do not.</param>
    /// <param name="choice">Options.</param>
    /// <param name="channel">Told what cannot be used and why.</param>
    /// <exception cref="InvalidOperationException">The GPU cannot be used, and the CPU may not serve instead.</exception>
    public static IVimDeviceProvider? Resolve(IHostEnvironment environment, GpuChoice choice, IChannel channel)
    {
        var settings = MlNetInternals.GpuSettings(environment);
        if ((choice.DeviceId ?? settings.GpuDeviceId) is not { } gpu) return null;
        string reason = "the package RMeeTo.TorchSharp is not there";
        string? advice = Advice(HostSystem.Current);
        Exception? cause = null;
        try
        {
            if (Type.GetType(choice.ProviderType, throwOnError: false) is { } type)
            {
                var device = Create(type, gpu, choice.Precision, channel);
                if (device.FallbackReason is { } slow) channel.Warning(MessageSensitivity.None, $"GPU {gpu} is slower than it could be: {slow}");
                return device;
            }
        }
        catch (Exception failure) when (failure is not OutOfMemoryException)
        {
            (reason, cause) = (Message(failure).TrimEnd('.'), failure);
            if (!IsIncomplete(failure)) advice = null; // a provider says itself what to do
        }
        if (!(choice.FallbackToCpu ?? settings.FallbackToCpu))
            throw new InvalidOperationException(
                $"GPU {gpu} cannot be used: {reason}. {(advice is null ? "Or" : $"{advice}, or")} set FallbackToCpu to true, and the CPU is used instead.", cause);
        channel.Warning(MessageSensitivity.None, $"GPU {gpu} cannot be used: {reason}. The CPU is used instead.{(advice is null ? "" : $" {advice}.")}");
        return null;
    }

    /// <summary>Gives back what <see cref="Resolve"/> returned, once nothing uses it any more: it may hold a GPU.</summary>
    public static void Return(IVimDeviceProvider? device) => (device as IDisposable)?.Dispose();

    /// <summary>A precision, once it is one.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is none of the enum.</exception>
    public static MatrixPrecision Checked(MatrixPrecision precision, string name) => Enum.IsDefined(precision)
        ? precision
        : throw new ArgumentOutOfRangeException(name, precision,
            $"{name} is {(int)precision}; it must be one of {string.Join(", ", Enum.GetNames<MatrixPrecision>())}.");

    /// <summary>The line of the log that says where something runs.</summary>
    /// <param name="device">Where.</param>
    /// <param name="threads">Thread budget; 0 is one a processor.</param>
    public static string Describe(IVimDeviceProvider device, int threads) =>
        device.TakesWholeBatches ? $"Device: {device.Name}." : $"Device: {device.Name}, {device.Workers(threads)} threads.";

    private static IVimDeviceProvider Create(Type type, int gpu, MatrixPrecision precision, IChannel channel)
    {
        object[] arguments = [gpu];
        if (type.GetConstructor([typeof(int), typeof(MatrixPrecision)]) is not null) arguments = [gpu, precision];
        else if (precision != MatrixPrecision.Float32)
            channel.Warning(MessageSensitivity.None, $"GpuMatrixPrecision is {precision}, and {type.FullName} knows only one precision, which is used.");
        return (IVimDeviceProvider)Activator.CreateInstance(type, BindingFlags.DoNotWrapExceptions, null, arguments, null)!;
    }

    /// <summary>True where the provider did not come to say anything: an assembly beside it, or a library, is missing or not the one it was made for.</summary>
    private static bool IsIncomplete(Exception failure) => failure is FileNotFoundException or FileLoadException or BadImageFormatException
        or TypeLoadException or MissingMemberException or TypeInitializationException;

    /// <summary>What a failure says, without the name of the provider's parameter and its value, which the user knows under another name.</summary>
    private static string Message(Exception failure) => failure is ArgumentException { ParamName: { } name }
        ? failure.Message.Split($" (Parameter '{name}')")[0]
        : failure.Message;
}
