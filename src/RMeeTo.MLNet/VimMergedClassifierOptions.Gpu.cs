using RMeeTo.Vim.Devices;

namespace RMeeTo.MLNet;

// The GPU that is asked for, which is no part of a model.
public sealed partial class VimMergedClassifierOptions
{
    /// <summary>
    /// GPU to run on, from 0; needs the package RMeeTo.TorchSharp. Null: what <c>MLContext.GpuDeviceId</c> says, the CPU where it says nothing. Never stored in
    /// a model.
    /// </summary>
    public int? GpuDeviceId
    {
        get;
        set => field = value is null or >= 0
            ? value
            : throw new ArgumentOutOfRangeException(nameof(GpuDeviceId), value, $"GpuDeviceId is {value}; it must be 0 or more, or null.");
    }

    /// <summary>Whether the CPU serves where the GPU asked for cannot be used. Null: what <c>MLContext.FallbackToCpu</c> says.</summary>
    public bool? FallbackToCpu { get; set; }

    /// <summary>
    /// How a GPU computes matrix products, in <c>Fit</c> and in <c>Transform</c>; single precision unless set. <see cref="MatrixPrecision.TensorFloat32"/> and
    /// <see cref="MatrixPrecision.BFloat16"/> are faster on GPUs that have them and round what they multiply; all else stays in single precision. Of no effect
    /// on a CPU, and never stored in a model.
    /// </summary>
    public MatrixPrecision GpuMatrixPrecision
    {
        get;
        set => field = DeviceChoice.Checked(value, nameof(GpuMatrixPrecision));
    }

    /// <summary>The GPU that is asked for.</summary>
    internal GpuChoice Gpu => new(GpuDeviceId, FallbackToCpu, GpuMatrixPrecision) { ProviderType = GpuProviderType };

    /// <summary>For tests.</summary>
    internal string GpuProviderType { get; set; } = DeviceChoice.ProviderType;
}
