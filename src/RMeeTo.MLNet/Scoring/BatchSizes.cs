using RMeeTo.Vim;
using RMeeTo.Vim.Devices;

namespace RMeeTo.MLNet;

/// <summary>How many rows a cursor reads ahead. The first batches are small, so that whoever takes a few rows only does not pay for many.</summary>
internal sealed class BatchSizes(ScoringOptions options, VimConfig config, IVimDeviceProvider device)
{
    /// <summary>Pixels and files that a batch may hold; one image more is always taken.</summary>
    public const long MaxBytes = 256L << 20;

    private const int PerWorker = 4;
    private const int PerGpu = 16; // the first of them is prepared while the GPU has nothing to do
    private int _next = 1;

    /// <summary>Largest batch.</summary>
    public int Largest { get; } = options.BatchSize ?? Math.Max(1, Inputs(options, config, device) / (config.IsVideo ? options.Views.Count : 1));

    /// <summary>Size of the next batch: 1, 4, 16, … up to the largest.</summary>
    public int Next()
    {
        int size = Math.Min(_next, Largest);
        _next = (int)Math.Min(4L * size, Largest);
        return size;
    }

    /// <summary>Inputs of the network that keep all threads, or the GPU, at work; a clip is as many as it has views.</summary>
    private static int Inputs(ScoringOptions options, VimConfig config, IVimDeviceProvider device) => device.TakesWholeBatches
        ? Math.Clamp(PerGpu * device.BatchFor(config.Tokens), 16, 2048)
        : Math.Clamp(PerWorker * device.Workers(options.Threads) * device.BatchFor(config.Tokens), 16, 512);
}
