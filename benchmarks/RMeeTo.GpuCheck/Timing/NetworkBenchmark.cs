using RMeeTo.Cuda;
using RMeeTo.Vim.Devices;

namespace RMeeTo.GpuCheck.Timing;

/// <summary>One way to run a network, such as a precision of the products, with or without recorded sequences.</summary>
/// <param name="Name">What the tables call it.</param>
/// <param name="Device">Makes a device; all of one way share memory.</param>
/// <param name="Used">Bytes of GPU memory in use; null where that is not known.</param>
/// <param name="IsJudged">True where it is to reach the targets.</param>
internal sealed record NetworkWay(string Name, Func<VimDevice> Device, Func<long>? Used, bool IsJudged);

/// <summary>Images a second of whole networks.</summary>
internal static class NetworkBenchmark
{
    // Merged is never to be slower than dense, and at this ratio by so much faster.
    private const int JudgedRatio = 11;
    private const double JudgedSpeedup = 1.3;

    private const double Mebibyte = 1024 * 1024;

    /// <summary>Inference: dense and merged in turn, in one run.</summary>
    public static void Inference(NetworkWay way, BenchmarkSettings settings, Report report)
    {
        Table table = NewTable("Inference", "ms a batch", way, settings);
        foreach (var (name, config) in settings.Models)
        {
            using var device = way.Device();
            using var target = new TimedTarget(device);
            List<InferenceRun> runs = [];
            try
            {
                foreach (int removed in (int[])[0, .. settings.Ratios])
                    runs.Add(new InferenceRun(way, target, new NetworkCase(name, config, removed), settings.Batch));
                for (int round = 0; round < settings.Rounds; round++)
                    foreach (InferenceRun run in runs) run.Timed.Sample(settings.SampleSeconds);
                foreach (InferenceRun run in runs) Add(table, way, run, runs[0], settings.Batch, report);
                CheckRecording(device, $"Inference, {way.Name}, {name}", report);
            }
            finally
            {
                foreach (InferenceRun run in runs) run.Dispose();
            }
        }
        table.Remarks.Add($"Median of {settings.Rounds} samples of at least {settings.SampleSeconds} s, all networks of a size in turn; 'times dense' is the "
            + "median of the ratios within a round.");
        report.Tables.Add(table);
    }

    /// <summary>Training steps, each network by itself.</summary>
    public static void Training(NetworkWay way, BenchmarkSettings settings, Report report)
    {
        Table table = NewTable("Training", "ms a step", way, settings);
        foreach (var (name, config) in settings.Models)
        {
            double dense = double.NaN;
            foreach (int removed in (int[])[0, .. settings.TrainingRatios])
            {
                var network = new NetworkCase(name, config, removed);
                try
                {
                    var (seconds, memory) = Train(way, network, settings, report);
                    if (removed == 0) dense = seconds;
                    table.Add(network.Name, settings.Batch / seconds, 1e3 * seconds, dense / seconds, memory);
                }
                catch (OutOfMemoryException e)
                {
                    table.Add(network.Name, null, null, null, null);
                    table.Remarks.Add($"{network.Name}: {e.Message}");
                }
            }
        }
        table.Remarks.Add("A step: forward, loss, backward, AdamW, weights made ready; images stay on the GPU. Each network by itself, for its activations "
            + "need the memory.");
        report.Tables.Add(table);
    }

    private static Table NewTable(string what, string time, NetworkWay way, BenchmarkSettings settings) =>
        new($"{what}, {way.Name}, batch {settings.Batch}", new("network"), new("images/s"), new(time, "0.00"), new("times dense", "0.000"),
            new("GPU memory MiB", "0"));

    /// <summary>A network that cannot be recorded still runs, operator by operator; but none of these should be one.</summary>
    private static void CheckRecording(VimDevice device, string what, Report report)
    {
        if (device is CudaDevice { RecordingFailure: { } e }) report.Failures.Add($"{what}: no CUDA graph could be recorded: {e.Message}");
    }

    private static void Add(Table table, NetworkWay way, InferenceRun run, InferenceRun dense, int batch, Report report)
    {
        double ratio = run.Timed.RatioTo(dense.Timed);
        table.Add(run.Network.Name, batch / run.Timed.Median, 1e3 * run.Timed.Median, ratio, run.Memory);
        if (way.IsJudged && run != dense)
            report.Expect($"{run.Network.Name}, {way.Name}: times dense", ratio, run.Network.Removed == JudgedRatio ? JudgedSpeedup : 1);
        if (!run.Pass.Logits.All(float.IsFinite)) report.Failures.Add($"Inference, {way.Name}, {run.Network.Name}: logits that are no numbers.");
    }

    private static (double Seconds, double? Memory) Train(NetworkWay way, NetworkCase network, BenchmarkSettings settings, Report report)
    {
        using var device = way.Device();
        using var target = new TimedTarget(device);
        long? before = way.Used?.Invoke();
        using var pass = new TrainingPass(device, network, settings.Batch);
        var timed = new Timed(target, pass.Queue);
        timed.WarmUp();
        double? memory = (way.Used?.Invoke() - before) / Mebibyte;
        for (int round = 0; round < settings.Rounds; round++) timed.Sample(settings.SampleSeconds);
        CheckRecording(device, $"Training, {way.Name}, {network.Name}", report);
        if (!pass.Losses.All(float.IsFinite)) report.Failures.Add($"Training, {way.Name}, {network.Name}: losses that are no numbers.");
        return (timed.Median, memory);
    }

    /// <summary>One network that takes turns with others.</summary>
    private sealed class InferenceRun : IDisposable
    {
        public InferenceRun(NetworkWay way, TimedTarget target, NetworkCase network, int batch)
        {
            long? before = way.Used?.Invoke();
            Network = network;
            Pass = new InferencePass(target.Device, network, batch);
            Timed = new Timed(target, Pass.Queue);
            Timed.WarmUp();
            Memory = (way.Used?.Invoke() - before) / Mebibyte;
        }

        public NetworkCase Network { get; }

        public InferencePass Pass { get; }

        public Timed Timed { get; }

        /// <summary>What it took of the GPU's memory, in MiB; the first one takes what all share as well.</summary>
        public double? Memory { get; }

        public void Dispose() => Pass.Dispose();
    }
}
