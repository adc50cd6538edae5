using RMeeTo.Vim.Devices;

namespace RMeeTo.GpuCheck.Timing;

/// <summary>What a benchmark is run with.</summary>
/// <param name="Models">Sizes of the network.</param>
/// <param name="Ratios">Tokens removed by each merge, besides dense.</param>
/// <param name="TrainingRatios">The same for training, where every case has the memory to itself.</param>
/// <param name="Batch">Images at once.</param>
/// <param name="Rounds">Samples of each case.</param>
/// <param name="SampleSeconds">Least length of a sample.</param>
internal sealed record BenchmarkSettings(
    IReadOnlyList<(string Name, Vim.VimConfig Config)> Models, IReadOnlyList<int> Ratios, IReadOnlyList<int> TrainingRatios, int Batch, int Rounds, double SampleSeconds)
{
    /// <summary>Vim-Ti and Vim-S at 224 pixels, 128 images.</summary>
    public static BenchmarkSettings Default { get; } =
        new([("Vim-Ti", Vim.VimConfig.VimTiny), ("Vim-S", Vim.VimConfig.VimSmall)], [5, 10, 11, 15, 20], [5, 11], 128, 9, 0.2);
}

/// <summary>One way to run a network, such as a precision of the products, with or without recorded sequences.</summary>
/// <param name="Name">What the tables call it.</param>
/// <param name="Device">Makes a device; all of one way share memory.</param>
/// <param name="Used">Bytes of GPU memory in use; null where that is not known.</param>
internal sealed record NetworkWay(string Name, Func<VimDevice> Device, Func<long>? Used);

/// <summary>Images a second of whole networks.</summary>
internal static class NetworkBenchmark
{
    /// <summary>Inference: dense and merged in turn, in one run.</summary>
    public static void Inference(NetworkWay way, BenchmarkSettings settings, Report report)
    {
        var table = new Table($"Inference, {way.Name}, batch {settings.Batch}", new("network"), new("images/s"), new("ms a batch", "0.00"), new("times dense", "0.000"),
            new("GPU memory MiB", "0"));
        foreach (var (name, config) in settings.Models)
        {
            NetworkCase[] cases = [new(name, config, 0), .. settings.Ratios.Select(removed => new NetworkCase(name, config, removed))];
            using var device = way.Device();
            using var target = new TimedTarget(device);
            List<(NetworkCase Case, InferencePass Pass, Timed Timed, double? Memory)> runs = [];
            try
            {
                foreach (NetworkCase c in cases)
                {
                    long before = way.Used?.Invoke() ?? 0;
                    var pass = new InferencePass(device, c, settings.Batch);
                    var timed = new Timed(target, pass.Queue);
                    timed.WarmUp();
                    runs.Add((c, pass, timed, MebibytesSince(way, before)));
                }
                for (int round = 0; round < settings.Rounds; round++)
                    foreach (var run in runs) run.Timed.Sample(settings.SampleSeconds);
                foreach (var (c, pass, timed, memory) in runs)
                {
                    table.Add(c.Name, settings.Batch / timed.Median, 1e3 * timed.Median, timed.RatioTo(runs[0].Timed), memory);
                    if (!pass.Logits.All(float.IsFinite)) report.Failures.Add($"Inference, {way.Name}, {c.Name}: logits that are no numbers.");
                }
            }
            finally
            {
                foreach (var run in runs) run.Pass.Dispose();
            }
        }
        table.Remarks.Add($"Median of {settings.Rounds} samples of at least {settings.SampleSeconds} s, all networks of a size in turn; 'times dense' is the median of the ratios within a round.");
        report.Tables.Add(table);
    }

    /// <summary>Training steps, each network by itself.</summary>
    public static void Training(NetworkWay way, BenchmarkSettings settings, Report report)
    {
        var table = new Table($"Training, {way.Name}, batch {settings.Batch}", new("network"), new("images/s"), new("ms a step", "0.00"), new("times dense", "0.000"),
            new("GPU memory MiB", "0"));
        foreach (var (name, config) in settings.Models)
        {
            double dense = double.NaN;
            foreach (int removed in (int[])[0, .. settings.TrainingRatios])
            {
                var network = new NetworkCase(name, config, removed);
                double seconds = Train(way, network, settings, report, out double? memory);
                if (removed == 0) dense = seconds;
                table.Add(network.Name, settings.Batch / seconds, 1e3 * seconds, dense / seconds, memory);
            }
        }
        table.Remarks.Add("A step: forward, loss, backward, AdamW, weights made ready; images stay on the GPU. Each network by itself, for its activations need the memory.");
        report.Tables.Add(table);
    }

    private static double Train(NetworkWay way, NetworkCase network, BenchmarkSettings settings, Report report, out double? memory)
    {
        using var device = way.Device();
        using var target = new TimedTarget(device);
        long before = way.Used?.Invoke() ?? 0;
        using var pass = new TrainingPass(device, network, settings.Batch);
        var timed = new Timed(target, pass.Queue);
        timed.WarmUp();
        memory = MebibytesSince(way, before);
        for (int round = 0; round < settings.Rounds; round++) timed.Sample(settings.SampleSeconds);
        if (!pass.Losses.All(float.IsFinite)) report.Failures.Add($"Training, {way.Name}, {network.Name}: losses that are no numbers.");
        return timed.Median;
    }

    private static double? MebibytesSince(NetworkWay way, long before) => way.Used is null ? null : (way.Used() - before) / (1024.0 * 1024);
}
