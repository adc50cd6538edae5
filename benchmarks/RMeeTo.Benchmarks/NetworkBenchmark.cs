using RMeeTo.Vim;
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

    public static void Run(BenchmarkOptions options)
    {
        var runs = s_cases.Where(c => options.Selects(c.Name)).Select(c => new NetworkRun(c)).ToList();
        var peak = new PeakRate();
        foreach (var run in runs) run.WarmUp(options.Smoke);
        for (int round = 0; round < (options.Smoke ? 1 : 15); round++)
        {
            peak.Sample();
            foreach (var run in runs) run.Round(options.Smoke);
        }
        Console.WriteLine($"{Clock.Name} {CpuDevice.Create().Name}, peak of multiply-adds {peak.Rate / 1e9:F0} GFLOP/s a thread.");
        Console.WriteLine($"{"images/s: best/median (wall-clock median)",-44}{string.Concat(s_threads.Select(t => $"{t + " thread" + (t > 1 ? "s" : ""),24}"))}{"GFLOP/image",14}{"logits",12}");
        foreach (var run in runs) run.ReportRates();
        Console.WriteLine();
        foreach (var run in runs) run.ReportShares(peak.Rate);
        foreach (var run in runs) run.Dispose();
    }

    private sealed class NetworkRun : IDisposable
    {
        private readonly NetworkCase _case;
        private readonly DeviceWeights _weights;
        private readonly NetworkRunner[] _runners;
        private readonly OperatorTimes _times = new();
        private readonly TimedDevice _timed;
        private readonly Workspace _workspace;
        private readonly VimNetwork _network;
        private readonly float[] _image;
        private readonly RateSamples[] _samples = [.. s_threads.Select(_ => new RateSamples())];
        private double _timedSeconds;
        private uint _check;

        public NetworkRun(NetworkCase @case)
        {
            _case = @case;
            _timed = new TimedDevice(CpuDevice.Create(), @case.Config, _times);
            _weights = new DeviceWeights(_timed, VimInitializer.Create(@case.Config, 1), false);
            _network = new VimNetwork(_weights, @case.Schedule, MergeOptions.Default);
            _runners = [.. s_threads.Select(threads => new NetworkRunner(_network, CpuDeviceProvider.Instance, threads))];
            _workspace = _network.CreateWorkspace(_timed, _runners[0].BatchCapacity, false);
            var random = new Random(1);
            _image = new float[3 * @case.Config.ImageHeight * @case.Config.ImageWidth];
            for (int i = 0; i < _image.Length; i++) _image[i] = 2 * random.NextSingle() - 1;
            for (int b = 0; b < _workspace.BatchCapacity; b++) _workspace.Images.Buffer.Write(_image, (long)b * _image.Length);
        }

        /// <summary>Until everything is compiled for good.</summary>
        public void WarmUp(bool smoke)
        {
            for (int i = 0; i < (smoke ? 1 : 4); i++) Round(smoke);
            foreach (var samples in _samples) samples.Clear();
            _times.Clear();
            _timedSeconds = 0;
        }

        public void Round(bool smoke)
        {
            for (int i = 0; i < s_threads.Length; i++)
            {
                int batches = smoke ? 1 : (int)Math.Ceiling(8e9 / (_case.ProductWork * _runners[i].BatchCapacity));
                int images = s_threads[i] * batches * _runners[i].BatchCapacity;
                _samples[i].Time(images, s_threads[i], () =>
                    _runners[i].Run(images, (_, destination) => _image.CopyTo(destination), (_, probabilities, _) => _check = NetworkCase.Hash(probabilities)));
            }
            double before = Clock.Thread;
            _network.Forward(_timed, _workspace, _workspace.BatchCapacity);
            _timedSeconds += Clock.Thread - before;
        }

        public void ReportRates() =>
            Console.WriteLine($"{_case.Name,-44}{string.Concat(_samples.Select(samples => $"{samples,24}"))}{_case.ProductWork / 1e9,14:F2}{_check,12:X8}");

        public void ReportShares(double peakRate) => Console.WriteLine($"{_case.Name}: {_times.Describe(_timedSeconds, peakRate)}");

        public void Dispose()
        {
            foreach (var runner in _runners) runner.Dispose();
            _workspace.Dispose();
            _weights.Dispose();
            _timed.Dispose();
        }
    }
}
