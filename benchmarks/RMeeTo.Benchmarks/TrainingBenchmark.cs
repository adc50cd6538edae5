using RMeeTo.Vim;
using RMeeTo.Vim.Deit;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Cpu;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Retraining;

namespace RMeeTo.Benchmarks;

/// <summary>
/// Training steps of whole networks as <see cref="Retrainer"/> takes them: augmentation, forward, loss, backward, sum of the lanes, AdamW. The cases
/// take turns; a sample is one step of sixteen images.
/// </summary>
internal static class TrainingBenchmark
{
    private const int BatchSize = 16;

    private static readonly NetworkCase[] s_cases =
    [
        NetworkCase.Dense("Vim-Ti", VimConfig.VimTiny), NetworkCase.Merged("Vim-Ti", VimConfig.VimTiny, 5),
        NetworkCase.Dense("96 px net", NetworkCase.SmallNet),
    ];

    private static readonly DeitCase[] s_transformers = [new("DeiT-Ti dense", DeitConfig.DeitTiny, 0), new("DeiT-Ti r=5", DeitConfig.DeitTiny, 5)];

    public static void Run(BenchmarkOptions options)
    {
        var peak = new PeakRate();
        int batch = options.Smoke ? 2 : BatchSize;
        List<TrainingRun> runs =
        [
            .. s_cases.Where(c => options.Selects(c.Name)).Select(c => new TrainingRun(
                c.Name, new VimModel(VimInitializer.Create(c.Config, 1), Names(c.Config.Classes), c.Schedule), batch, c.Config)),
            .. s_transformers.Where(c => options.Selects(c.Name)).Select(c => new TrainingRun(
                c.Name, new DeitModel(DeitInitializer.Create(c.Config, 1), Names(c.Config.Classes), c.Schedule), batch, null)),
        ];
        foreach (var run in runs) run.WarmUp();
        for (int round = 0; round < (options.Smoke ? 1 : 8); round++)
        {
            peak.Sample();
            foreach (var run in runs) run.Round();
        }
        Console.WriteLine($"{Clock.Name} {CpuDevice.Create().Name}, peak of multiply-adds {peak.Rate / 1e9:F0} GFLOP/s a thread. Steps of {batch} images.");
        Console.WriteLine($"{"images/s: best/median (wall-clock median)",-44}{"1 thread",24}{"2 threads",24}{"weights",12}");
        foreach (var run in runs) run.ReportRates();
        Console.WriteLine();
        foreach (var run in runs) run.ReportShares(peak.Rate);
        foreach (var run in runs) run.Dispose();
    }

    private static string[] Names(int classes) => [.. Enumerable.Range(0, classes).Select(i => $"{i}")];

    private sealed class TrainingRun : IDisposable
    {
        private readonly string _name;
        private readonly bool _tellsShares;
        private readonly int _batch;
        private readonly OperatorTimes _times = new();
        private readonly ImageStore _store = new();
        private readonly Trainee[] _trainees;
        private readonly RateSamples[] _samples;
        private double _timedSeconds;

        /// <param name="name">What the table calls it.</param>
        /// <param name="model">The network.</param>
        /// <param name="batch">Images a step.</param>
        /// <param name="shares">Sizes from which the work of each operator follows; null where the network has operators beside the device's.</param>
        public TrainingRun(string name, ClassifierModel model, int batch, VimConfig? shares)
        {
            (_name, _batch, _tellsShares) = (name, batch, shares is not null);
            var random = new Random(1);
            for (int i = 0; i < batch; i++)
            {
                var pixels = new byte[3 * 256 * 256];
                random.NextBytes(pixels);
                _store.Add(new RgbImage(pixels, 256, 256), i % model.ClassNames.Count);
            }
            IVimDeviceProvider timed = shares is null ? CpuDeviceProvider.Instance : new TimedDeviceProvider(shares, _times);
            _trainees = [new(model, _store, timed, 1), new(model, _store, CpuDeviceProvider.Instance, 2)];
            _samples = [new(), new()];
        }

        public void WarmUp()
        {
            for (int i = 0; i < 2; i++) Round();
            foreach (var samples in _samples) samples.Clear();
            _times.Clear();
            _timedSeconds = 0;
        }

        public void Round()
        {
            for (int i = 0; i < _trainees.Length; i++)
            {
                double before = Clock.Thread;
                _samples[i].Time(_batch, i + 1, () => _trainees[i].Step());
                if (i == 0) _timedSeconds += Clock.Thread - before;
            }
        }

        public void ReportRates() => Console.WriteLine($"{_name,-44}{_samples[0],24}{_samples[1],24}{_trainees[0].Check,12:X8}");

        public void ReportShares(double peakRate)
        {
            if (_tellsShares) Console.WriteLine($"{_name}: {_times.Describe(_timedSeconds, peakRate)}");
        }

        public void Dispose()
        {
            foreach (var trainee in _trainees) trainee.Dispose();
            _store.Dispose();
        }
    }

    /// <summary>One network in training.</summary>
    private sealed class Trainee : IDisposable
    {
        private readonly ClassifierModel _model;
        private readonly VimDevice _owner;
        private readonly DeviceWeights _weights;
        private readonly Optimizer _optimizer;
        private readonly WorkerTeam _team;
        private readonly TrainingWorkers _workers;
        private readonly TrainingImages _images;
        private readonly LaneRange _lanes;
        private readonly TrainingBatch _batch;
        private readonly float[] _losses;

        public Trainee(ClassifierModel model, ImageStore store, IVimDeviceProvider provider, int threads)
        {
            _model = model;
            _owner = provider.CreateDevice();
            _weights = new DeviceWeights(_owner, model.Weights, true);
            _team = new WorkerTeam(threads);
            var options = new RetrainOptions { BatchSize = store.Count };
            _optimizer = new Optimizer(_team, provider, _weights, options, new RetrainState(model.Weights));
            _lanes = LaneRange.All(options.LanesFor(_weights.Parameters.BufferLength * sizeof(float)));
            _workers = new TrainingWorkers(_team, provider, model.CreateNetwork(_weights), null, options, _lanes);
            _images = new TrainingImages(new ImageSet(store), new TrainingPreprocessing(model.Preprocessing), 0, options);
            (_batch, _losses) = (new TrainingBatch(_images), new float[store.Count]);
        }

        /// <summary>The same number after as many steps means the same bits.</summary>
        public uint Check
        {
            get
            {
                var weights = _model.Weights.Clone();
                _weights.Download(weights);
                return NetworkCase.Hash(weights.Values);
            }
        }

        public void Step()
        {
            _batch.Begin(_images.Order(0), 0, 0, _lanes); // the workers prepare the images themselves
            var plan = GradientAccumulation.None.At(0, 0, _losses.Length, _losses.Length);
            _workers.ComputeGradient(_batch, plan, _losses, default);
            _optimizer.Step(_workers.Gradients, plan, 1e-5);
        }

        public void Dispose()
        {
            _workers.Dispose();
            _team.Dispose();
            _optimizer.Dispose();
            _weights.Dispose();
            _owner.Dispose();
        }
    }
}
