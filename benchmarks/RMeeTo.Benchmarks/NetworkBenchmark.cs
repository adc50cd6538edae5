using RMeeTo.Vim;
using RMeeTo.Vim.Deit;
using RMeeTo.Vim.Devices.Cpu;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;

namespace RMeeTo.Benchmarks;

/// <summary>
/// Inference of whole networks: images a second on one thread and on two, and where the time goes. All cases take turns in every round, so that a disturbance hits
/// all alike. Processor time says what a free machine would do; wall-clock time what this one did.
/// </summary>
internal static class NetworkBenchmark
{
    private static readonly int[] s_threads = [1, 2];

    private static readonly NetworkCase[] s_cases =
    [
        NetworkCase.Dense("Vim-Ti", VimConfig.VimTiny), NetworkCase.Merged("Vim-Ti", VimConfig.VimTiny, 5), NetworkCase.Merged("Vim-Ti", VimConfig.VimTiny, 11),
        NetworkCase.Dense("Vim-S", VimConfig.VimSmall), NetworkCase.Merged("Vim-S", VimConfig.VimSmall, 11),
        NetworkCase.Dense("96 px net", NetworkCase.SmallNet), NetworkCase.Merged("96 px net", NetworkCase.SmallNet, 8),
    ];

    /// <summary>Allocates weights; all devices of the CPU share them.</summary>
    private static readonly CpuDevice s_memory = CpuDevice.Create();

    private static readonly DeitCase[] s_transformers =
    [
        new("DeiT-Ti dense", DeitConfig.DeitTiny, 0), new("DeiT-Ti r=5", DeitConfig.DeitTiny, 5), new("DeiT-Ti r=11", DeitConfig.DeitTiny, 11),
        new("DeiT-S dense", DeitConfig.DeitSmall, 0), new("DeiT-S r=11", DeitConfig.DeitSmall, 11),
    ];

    public static void Run(BenchmarkOptions options)
    {
        List<NetworkRun> runs =
        [
            .. s_cases.Where(c => options.Selects(c.Name)).Select(c => new VimRun(c)),
            .. s_transformers.Where(c => options.Selects(c.Name)).Select(c => new DeitRun(c)),
        ];
        var peak = new PeakRate();
        foreach (var run in runs) run.WarmUp(options.Smoke);
        for (int round = 0; round < (options.Smoke ? 1 : 15); round++)
        {
            peak.Sample();
            foreach (var run in runs) run.Round(options.Smoke);
        }
        Console.WriteLine($"{Clock.Name} {CpuDevice.Create().Name}, peak of multiply-adds {peak.Rate / 1e9:F0} GFLOP/s a thread.");
        Console.WriteLine($"{"images/s: best/median (wall-clock median)",-44}{string.Concat(s_threads.Select(t => $"{t + " thread" + (t > 1 ? "s" : ""),24}"))}{"GFLOP/image",14}{"of peak",10}{"logits",12}");
        foreach (var run in runs) run.ReportRates(peak.Rate);
        Console.WriteLine();
        foreach (var run in runs) run.ReportShares(peak.Rate);
        foreach (var run in runs) run.Dispose();
    }

    /// <summary>One network with its runners, one for each number of threads.</summary>
    private abstract class NetworkRun : IDisposable
    {
        private readonly string _name;
        private readonly double _work;
        private readonly NetworkRunner[] _runners;
        private readonly RateSamples[] _samples = [.. s_threads.Select(_ => new RateSamples())];
        private uint _check;

        protected NetworkRun(string name, double work, ClassifierNetwork network)
        {
            (_name, _work) = (name, work);
            _runners = [.. s_threads.Select(threads => new NetworkRunner(network, CpuDeviceProvider.Instance, threads))];
            var random = new Random(1);
            Image = new float[network.InputLength];
            for (int i = 0; i < Image.Length; i++) Image[i] = 2 * random.NextSingle() - 1;
        }

        protected float[] Image { get; }

        protected string Name => _name;

        protected int BatchCapacity => _runners[0].BatchCapacity;

        /// <summary>Until everything is compiled for good.</summary>
        public void WarmUp(bool smoke)
        {
            for (int i = 0; i < (smoke ? 1 : 4); i++) Round(smoke);
            foreach (var samples in _samples) samples.Clear();
            Clear();
        }

        public void Round(bool smoke)
        {
            for (int i = 0; i < s_threads.Length; i++)
            {
                int batches = smoke ? 1 : (int)Math.Ceiling(8e9 / (_work * _runners[i].BatchCapacity));
                int images = s_threads[i] * batches * _runners[i].BatchCapacity;
                _samples[i].Time(images, s_threads[i], () =>
                    _runners[i].Run(images, (_, destination) => Image.CopyTo(destination), (_, probabilities, _) => _check = NetworkCase.Hash(probabilities)));
            }
            TimeShares();
        }

        public void ReportRates(double peakRate) => Console.WriteLine(
            $"{_name,-44}{string.Concat(_samples.Select(samples => $"{samples,24}"))}{_work / 1e9,14:F2}{_samples[0].Best * _work / peakRate,10:P0}{_check,12:X8}");

        /// <summary>Says where the time goes, where that is known.</summary>
        public virtual void ReportShares(double peakRate) { }

        public virtual void Dispose()
        {
            foreach (var runner in _runners) runner.Dispose();
        }

        protected virtual void TimeShares() { }

        protected virtual void Clear() { }
    }

    private sealed class VimRun : NetworkRun
    {
        private readonly OperatorTimes _times = new();
        private readonly TimedDevice _timed;
        private readonly Workspace _workspace;
        private readonly VimNetwork _network;
        private double _timedSeconds;

        public VimRun(NetworkCase @case) : this(@case, new VimNetwork(new DeviceWeights(s_memory, VimInitializer.Create(@case.Config, 1), false), @case.Schedule, MergeOptions.Default)) { }

        private VimRun(NetworkCase @case, VimNetwork network) : base(@case.Name, @case.ProductWork, network)
        {
            _network = network;
            _timed = new TimedDevice(CpuDevice.Create(), @case.Config, _times);
            _workspace = network.CreateWorkspace(_timed, BatchCapacity, false);
            for (int b = 0; b < _workspace.BatchCapacity; b++) _workspace.Images.Buffer.Write(Image, (long)b * Image.Length);
        }

        public override void ReportShares(double peakRate) => Console.WriteLine($"{Name}: {_times.Describe(_timedSeconds, peakRate)}");

        public override void Dispose()
        {
            base.Dispose();
            _workspace.Dispose();
            _network.Weights.Dispose();
            _timed.Dispose();
        }

        protected override void TimeShares()
        {
            double before = Clock.Thread;
            _network.Forward(_timed, _workspace, _workspace.BatchCapacity);
            _timedSeconds += Clock.Thread - before;
        }

        protected override void Clear()
        {
            _times.Clear();
            _timedSeconds = 0;
        }
    }

    /// <summary>A transformer; its operators are not a device's, so that where its time goes is not told.</summary>
    private sealed class DeitRun : NetworkRun
    {
        private readonly DeviceWeights _weights;

        public DeitRun(DeitCase @case) : this(@case, new DeviceWeights(s_memory, DeitInitializer.Create(@case.Config, 1), false)) { }

        private DeitRun(DeitCase @case, DeviceWeights weights) : base(@case.Name, @case.ProductWork, new DeitNetwork(weights, @case.Schedule, DeitMergeOptions.Default)) => _weights = weights;

        public override void Dispose()
        {
            base.Dispose();
            _weights.Dispose();
        }
    }
}
