using System.Globalization;
using RMeeTo.Vim;
using RMeeTo.Vim.Devices.Cpu;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Images.Augmentation;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Retraining;

namespace RMeeTo.Benchmarks;

/// <summary>
/// What augmentation adds to a training epoch: an epoch as <see cref="Retrainer"/> takes it, from decoded images to updated weights with all of the paper's
/// augmentation, against the same steps from network inputs that lie ready. Both take turns, epoch by epoch, with as many threads as there are processors.
/// </summary>
internal static class OverlapBenchmark
{
    private const int BatchSize = 32;

    private static readonly OverlapCase[] s_cases =
    [
        new("96 px net dense", NetworkCase.Dense("", NetworkCase.SmallNet), 16, 110, Teacher: false),
        new("Vim-Ti dense", NetworkCase.Dense("", VimConfig.VimTiny), 4, 256, Teacher: false),
        new("Vim-Ti r=5, teacher", NetworkCase.Merged("", VimConfig.VimTiny, 5), 4, 256, Teacher: true),
    ];

    public static void Run(BenchmarkOptions options)
    {
        int rounds = options.Smoke ? 1 : 5, batch = options.Smoke ? 2 : BatchSize;
        Console.WriteLine($"{CpuDevice.Create().Name}, {Environment.ProcessorCount} threads, steps of {batch} images. Seconds an epoch; "
            + $"medians of {rounds} rounds, and of their ratios.");
        Console.WriteLine($"{"",-22}{"images",8}{"augmented",12}{"ready",10}{"ratio",9}{"(least, most)",17}{"processor time",18}");
        foreach (var item in s_cases.Where(c => options.Selects(c.Name)))
        {
            using var store = Pictures(options.Smoke ? 4 : item.Steps * batch, item.ImageEdge, item.Network.Config.Classes);
            using var epochs = new Epochs(item, store, batch);
            epochs.Report(item.Name, rounds);
        }
    }

    /// <summary>Patches of colour with some noise.</summary>
    private static ImageStore Pictures(int count, int edge, int classes)
    {
        var store = new ImageStore();
        var random = new Random(1);
        for (int i = 0; i < count; i++)
        {
            var pixels = new byte[3 * edge * edge];
            for (int p = 0; p < pixels.Length; p++) pixels[p] = (byte)((p / (48 * edge) * 41 + p % (3 * edge) / 48 * 29 + random.Next(32)) % 256);
            store.Add(new RgbImage(pixels, edge, edge), i % classes);
        }
        return store;
    }

    private sealed record OverlapCase(string Name, NetworkCase Network, int Steps, int ImageEdge, bool Teacher);

    /// <summary>The two kinds of epoch.</summary>
    private sealed class Epochs : IDisposable
    {
        private readonly ImageStore _store;
        private readonly Trainee _augmented, _ready;
        private readonly TrainingBatch[] _batches;

        public Epochs(OverlapCase item, ImageStore store, int batch)
        {
            _store = store;
            var options = RetrainOptions.Paper with
            {
                BatchSize = batch, MixGroupSize = 0, RepeatedAugmentation = 1, Accumulation = GradientAccumulation.None, LastBatch = LastBatch.Kept,
            };
            var config = item.Network.Config;
            var model = new VimModel(VimInitializer.Create(config, 1), [.. Enumerable.Range(0, config.Classes).Select(i => $"{i}")], item.Network.Schedule);
            _augmented = new Trainee(model, options, item.Teacher);
            _ready = new Trainee(model, options with { Mix = MixOptions.None }, item.Teacher);
            var images = _ready.Images(store);
            _batches = [.. Enumerable.Range(0, images.Plan.Steps).Select(step => Prepared(images, step, _ready.Lanes))];
        }

        public void Report(string name, int rounds)
        {
            List<(double Wall, double Processor)> augmented = [], ready = [];
            for (int round = -1; round < rounds; round++) // the first is to warm up
            {
                var a = Time(() => _augmented.Augmented(_store, Math.Max(0, round)));
                var b = Time(() => _ready.Ready(_batches));
                if (round < 0) continue;
                augmented.Add(a);
                ready.Add(b);
            }
            double[] ratios = [.. augmented.Zip(ready, (a, b) => a.Wall / b.Wall).Order()];
            double processor = Median(augmented.Zip(ready, (a, b) => a.Processor / b.Processor));
            string spread = string.Create(CultureInfo.InvariantCulture, $"({ratios[0]:F3}, {ratios[^1]:F3})");
            double augmentedSeconds = Median(augmented.Select(t => t.Wall)), readySeconds = Median(ready.Select(t => t.Wall));
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{name,-22}{_store.Count,8}{augmentedSeconds,12:F2}{readySeconds,10:F2}{Median(ratios),9:F3}{spread,17}{processor,18:F3}"));
        }

        public void Dispose()
        {
            _augmented.Dispose();
            _ready.Dispose();
        }

        private static TrainingBatch Prepared(TrainingImages images, int step, LaneRange lanes)
        {
            var batch = new TrainingBatch(images);
            batch.Begin(images.Order(0), 0, step, lanes);
            var buffer = new ImageReadBuffer();
            while (batch.PrepareNext(buffer)) { }
            return batch;
        }

        private static (double Wall, double Processor) Time(Action run)
        {
            var (wall, processor) = (Clock.Wall, Clock.Process);
            run();
            return (Clock.Wall - wall, Clock.Process - processor);
        }

        private static double Median(IEnumerable<double> values)
        {
            double[] ordered = [.. values.Order()];
            return ordered[ordered.Length / 2];
        }
    }

    /// <summary>One network in training.</summary>
    private sealed class Trainee : IDisposable
    {
        private readonly Stack<IDisposable> _owned = new();
        private readonly VimModel _model;
        private readonly RetrainOptions _options;
        private readonly TrainingWorkers _workers;
        private readonly Optimizer _optimizer;
        private readonly float[] _losses;
        private readonly int _loaders;

        public Trainee(VimModel model, RetrainOptions options, bool teacher)
        {
            (_model, _options, _losses) = (model, options, new float[options.BatchSize]);
            var provider = CpuDeviceProvider.Instance;
            var device = Own(provider.CreateDevice());
            var weights = Own(new DeviceWeights(device, model.Weights, forTraining: true));
            var team = Own(new WorkerTeam(Environment.ProcessorCount));
            _optimizer = Own(new Optimizer(team, provider, weights, options, new RetrainState(model.Weights)));
            Lanes = LaneRange.All(options.LanesFor(weights.Parameters.BufferLength * sizeof(float)));
            var teacherNetwork = teacher ? model.WithoutMerges().CreateNetwork(Own(new DeviceWeights(device, model.Weights, forTraining: false))) : null;
            _workers = Own(new TrainingWorkers(team, provider, model.CreateNetwork(weights), teacherNetwork, options, Lanes));
            _loaders = TrainingFeed.LoadersFor(0, team.Workers);
        }

        public LaneRange Lanes { get; }

        public TrainingImages Images(ImageStore store) => new(new ImageSet(store), _options.PreprocessingOf(_model.Preprocessing), 0, _options);

        /// <summary>An epoch whose images are prepared meanwhile; nothing is ready when it begins.</summary>
        public void Augmented(ImageStore store, int epoch)
        {
            var images = Images(store);
            using var feed = new TrainingFeed(images, _options with { Epochs = epoch + 1 }, Lanes, _loaders, (long)epoch * images.Plan.Steps);
            for (int step = 0; step < images.Plan.Steps; step++)
            {
                Step(feed.Take());
                feed.Return();
            }
        }

        /// <summary>An epoch whose images lie ready.</summary>
        public void Ready(TrainingBatch[] batches)
        {
            foreach (var batch in batches) Step(batch);
        }

        public void Dispose()
        {
            while (_owned.TryPop(out var owned)) owned.Dispose();
        }

        private void Step(TrainingBatch batch)
        {
            var plan = GradientAccumulation.None.At(0, 0, batch.Count, batch.Count);
            _workers.ComputeGradient(batch, plan, _losses, default);
            _optimizer.Step(_workers.Gradients, plan, 1e-5);
        }

        private T Own<T>(T owned) where T : IDisposable
        {
            _owned.Push(owned);
            return owned;
        }
    }
}
