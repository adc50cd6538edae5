using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Cpu;

namespace RMeeTo.Vim.Tests.Devices;

/// <summary>
/// A provider that wants what a GPU wants, and whose devices compute when a GPU would have: late. Its numbers are the CPU's, so what runs on it can be compared
/// bit for bit.
/// </summary>
internal sealed class PlayedGpu : IVimDeviceProvider
{
    private int _devices;

    public string Name => "played GPU";

    /// <summary>All devices share it.</summary>
    public OperatorQueue Queue { get; } = new();

    /// <summary>Devices made so far.</summary>
    public int Devices => _devices;

    public bool TakesWholeBatches => true;

    /// <inheritdoc/>
    public bool TakesImageBytes { get; init; } = true;

    /// <inheritdoc/>
    public long? FreeMemory { get; init; } = long.MaxValue;

    /// <summary>Images at once; null: as the interface has it.</summary>
    public int? Batch { get; init; }

    public int Workers(int threads) => 1;

    public int BatchFor(int tokens) => Batch ?? IVimDeviceProvider.LargeBatch(tokens);

    public VimDevice CreateDevice()
    {
        Interlocked.Increment(ref _devices);
        return new QueuedDevice(CpuDevice.Create(), Queue);
    }
}

/// <summary>The CPU with batches of another size.</summary>
internal sealed class CpuInBatches(int batch) : IVimDeviceProvider
{
    public string Name => CpuDeviceProvider.Instance.Name;

    public int Workers(int threads) => CpuDeviceProvider.Instance.Workers(threads);

    public int BatchFor(int tokens) => batch;

    public VimDevice CreateDevice() => CpuDevice.Create();
}
