using System.Collections.Concurrent;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Tests.Devices;

namespace RMeeTo.MLNet.Tests.Stage;

/// <summary>A provider as the stage looks for it: GPU 0 of a machine that has no other, played by the CPU.</summary>
internal sealed class StageGpu : IVimDeviceProvider, IDisposable
{
    private readonly PlayedGpu _played = new() { Batch = 5 };

    public StageGpu(int gpuDeviceId) : this(gpuDeviceId, MatrixPrecision.Float32) { }

    public StageGpu(int gpuDeviceId, MatrixPrecision precision)
    {
        if (gpuDeviceId != 0) throw new InvalidOperationException($"this machine has no GPU {gpuDeviceId}");
        Precision = precision;
        Made.Add(this);
    }

    /// <summary>All that there were.</summary>
    public static ConcurrentBag<StageGpu> Made { get; } = [];

    /// <summary>True once it was given back.</summary>
    public bool IsDisposed { get; private set; }

    public string? FallbackReason => "the kernels have the day off.";

    public string Name => $"stage GPU, {Precision}";

    public MatrixPrecision Precision { get; }

    public bool TakesWholeBatches => true;

    public bool TakesImageBytes => true;

    public long? FreeMemory => 1L << 40;

    public int Workers(int threads) => _played.Workers(threads);

    public int BatchFor(int tokens) => _played.BatchFor(tokens);

    public VimDevice CreateDevice()
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        return _played.CreateDevice();
    }

    public void Dispose() => IsDisposed = true;
}
