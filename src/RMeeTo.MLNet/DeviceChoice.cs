using System.Reflection;
using Microsoft.ML.Runtime;
using RMeeTo.Vim.Devices;

namespace RMeeTo.MLNet;

/// <summary>
/// Decides between CPU and GPU, anew at every Fit, Load and first Transform. The GPU's device comes from another package, which this one knows by name only:
/// assembly RMeeTo.TorchSharp, type RMeeTo.TorchSharp.TorchSharpDeviceProvider, an <see cref="IVimDeviceProvider"/> with a public constructor that takes the
/// number of the GPU and throws where it cannot be used.
/// </summary>
internal static class DeviceChoice
{
    /// <summary>Assembly-qualified name of the provider.</summary>
    public const string ProviderType = "RMeeTo.TorchSharp.TorchSharpDeviceProvider, RMeeTo.TorchSharp";

    private const string Advice = "Add the packages RMeeTo.TorchSharp and TorchSharp-cuda-windows (or TorchSharp-cuda-linux) to the application";

    /// <summary>The device to use; null is the CPU.</summary>
    /// <param name="environment">Says what the user asked for where the options do not.</param>
    /// <param name="gpuDeviceId">Option.</param>
    /// <param name="fallbackToCpu">Option.</param>
    /// <param name="channel">Told what was chosen and why.</param>
    /// <param name="providerType">For tests.</param>
    /// <exception cref="InvalidOperationException">The GPU cannot be used, and the CPU may not serve instead.</exception>
    public static IVimDeviceProvider? Resolve(IHostEnvironment environment, int? gpuDeviceId, bool? fallbackToCpu, IChannel channel,
        string providerType = ProviderType)
    {
        var settings = MlNetInternals.GpuSettings(environment);
        if ((gpuDeviceId ?? settings.GpuDeviceId) is not { } gpu) return null;
        string reason;
        try
        {
            if (Type.GetType(providerType, throwOnError: false) is { } type)
            {
                var provider = (IVimDeviceProvider)Activator.CreateInstance(type, BindingFlags.DoNotWrapExceptions, null, [gpu], null)!;
                channel.Info(MessageSensitivity.None, $"GPU {gpu}: {provider.Name}.");
                return provider;
            }
            reason = "the package RMeeTo.TorchSharp is not there";
        }
        catch (Exception failure) when (failure is not OutOfMemoryException)
        {
            reason = failure.Message.TrimEnd('.');
        }
        if (!(fallbackToCpu ?? settings.FallbackToCpu))
            throw new InvalidOperationException($"GPU {gpu} was asked for and cannot be used: {reason}. {Advice}, or set FallbackToCpu to true.");
        channel.Warning(MessageSensitivity.None, $"GPU {gpu} was asked for and cannot be used: {reason}. The CPU is used instead. {Advice} to use the GPU.");
        return null;
    }
}
