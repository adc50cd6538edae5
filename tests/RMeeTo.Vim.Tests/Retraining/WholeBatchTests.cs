using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Cpu;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Retraining;
using RMeeTo.Vim.Tests.Devices;
using RMeeTo.Vim.Tests.Retraining.Distributed;

namespace RMeeTo.Vim.Tests.Retraining;

/// <summary>Training on a device that takes whole batches and computes late: the same bits as on a CPU that is given the same batches.</summary>
[TestClass]
public sealed class WholeBatchTests
{
    public static IEnumerable<object[]> Recipes =>
    [
        ["crops, a teacher", RepeatedRuns.Options],
        ["dropped branches, of the teacher too", RepeatedRuns.Options with { DropPath = 0.3, TeacherDropPath = TeacherDropPath.ReferenceTrainMode }],
        ["gradients accumulated as in the reference", RepeatedRuns.Options with { Accumulation = GradientAccumulation.Reference }],
        ["mixed images", RepeatedRuns.Options with { Mix = new() { CutMix = 0 } }],
        ["layer decay", RepeatedRuns.Options with { LayerDecay = new(0.7), WeightDecayRule = WeightDecayRule.MatricesOnly }],
        ["the full recipe", RepeatedRuns.FullRecipe],
    ];

    [TestMethod]
    [DynamicData(nameof(Recipes))]
    public void TheResultIsThatOfTheSameBatchesOnACpu(string recipe, RetrainOptions options)
    {
        foreach (int lanes in (int[])[0, 1, 3])
        {
            var gpu = new PlayedGpu { Batch = 7 };
            var expected = RepeatedRuns.Run(TinyTask.Model(4), options with { Lanes = Math.Max(1, lanes), Device = new CpuInBatches(64) });
            var actual = RepeatedRuns.Run(TinyTask.Model(4), options with { Lanes = lanes, Device = gpu, Threads = 2 });
            RepeatedRuns.AssertSame(expected, actual, $"{recipe}, {lanes} lanes");
            if (lanes == 0) Assert.IsGreaterThan(0, gpu.Queue.Repeats, "passes are recorded");
        }
    }

    /// <summary>Loaders, and how far they are ahead, change nothing: nobody fills memory that is still being copied from.</summary>
    [TestMethod]
    [DataRow(1, 1)]
    [DataRow(3, 2)]
    [DataRow(2, 5)]
    public void LoadersDoNotMatter(int loaders, int batches) => RepeatedRuns.AssertSame(
        RepeatedRuns.Run(TinyTask.Model(4), RepeatedRuns.FullRecipe with { Lanes = 1, Device = new CpuInBatches(64) }),
        RepeatedRuns.Run(TinyTask.Model(4), RepeatedRuns.FullRecipe with { LoaderThreads = loaders, PreparedBatches = batches, Device = new PlayedGpu() }),
        $"{loaders} loaders");

    /// <summary>Row orders are drawn on the CPU for every pass, so that such a pass is not recorded.</summary>
    [TestMethod]
    public void ShuffledMergesAreNotRecorded()
    {
        var model = TinyTask.Model(4).WithSchedule(TinyTask.Model(4).Schedule, new() { ShuffleRate = 0.5 });
        var options = RepeatedRuns.Options with { TeacherLossWeight = 0 };
        var gpu = new PlayedGpu();
        RepeatedRuns.AssertSame(
            RepeatedRuns.Run(model, options with { Lanes = 1, Device = new CpuInBatches(64) }),
            RepeatedRuns.Run(model, options with { Device = gpu }), "shuffled");
        Assert.AreEqual(0, gpu.Queue.Repeats);
    }

    [TestMethod]
    public void ATeacherOfSomeClassesTeachesLikewise()
    {
        var teacher = TinyTask.Model(seed: 5).WithHead(["middle", "top"], 1);
        var options = RepeatedRuns.Options with { TeacherClasses = TeacherClasses.Some };
        var (expected, actual) = (Run(options with { Lanes = 1, Device = new CpuInBatches(64) }), Run(options with { Device = new PlayedGpu() }));
        RepeatedRuns.AssertSame(expected, actual, "some classes");

        RetrainResult<VimModel> Run(RetrainOptions options) =>
            Retrainer.Run(TinyTask.Model(4), TinyTask.Images(65, seed: 1), TinyTask.Images(30, seed: 2), options, teacher);
    }

    /// <summary>One lane each unless told, which are the lanes of one process that has as many.</summary>
    [TestMethod]
    public void ProcessesHaveALaneEach()
    {
        var options = RepeatedRuns.FullRecipe;
        var alone = RepeatedRuns.Run(TinyTask.Model(4), options with { Lanes = 2, Device = new CpuInBatches(64) });
        foreach (var result in InMemoryGroup.Run(2, group => RepeatedRuns.Run(TinyTask.Model(4), options with { Processes = group, Device = new PlayedGpu() })))
            RepeatedRuns.AssertSame(alone, result, "two processes");
    }

    [TestMethod]
    public void ARunGoesOnOnAnotherDevice()
    {
        using var folder = new TemporaryFolder();
        var options = RepeatedRuns.Options with { CheckpointPath = folder.File("run.safetensors"), LogPath = folder.File("log") };
        RepeatedRuns.CancelledRun(TinyTask.Model(4), options, epoch: 2, step: 1);
        var resumed = RepeatedRuns.Run(TinyTask.Model(4), options with { Device = new PlayedGpu() });
        Assert.AreEqual((RetrainEnding.Completed, 3), (resumed.Ending, resumed.Epochs.Count));
        StringAssert.Contains(File.ReadAllText(options.LogPath!), "\"device\":\"played GPU\"");
    }

    [TestMethod]
    public void AStepWaitsOnceForTheDevice()
    {
        var gpu = new PlayedGpu();
        var options = RepeatedRuns.FullRecipe with { BatchSize = 13, MixGroupSize = 0 }; // five whole steps
        using var bench = new Bench(gpu, options, loaders: 2);
        for (int step = 0; step < 6; step++)
        {
            int before = gpu.Queue.Waits;
            bench.Step();
            Assert.AreEqual(1, gpu.Queue.Waits - before, $"step {step}");
        }
        Assert.AreEqual(4, gpu.Queue.Repeats, "the first step as it comes, the second recorded");
    }

    /// <summary>Every lane has a gradient of its own, and so a record of its own.</summary>
    [TestMethod]
    public void ThePassOfEveryLaneIsRecorded()
    {
        const int Lanes = 13;
        var gpu = new PlayedGpu();
        using var bench = new Bench(gpu, RepeatedRuns.FullRecipe with { BatchSize = 13, MixGroupSize = 0 }, loaders: 2, Lanes);
        for (int step = 0; step < 6; step++) bench.Step();
        Assert.AreEqual(4 * Lanes, gpu.Queue.Repeats);
    }

    /// <summary>Memory is taken once, by the first steps; all by this thread, so that it can be counted.</summary>
    [TestMethod]
    [DataRow(1)]
    [DataRow(13)]
    public void AStepAllocatesNothing(int lanes)
    {
        var options = RepeatedRuns.FullRecipe with { BatchSize = 13, MixGroupSize = 0, PreparedBatches = 1 };
        using var bench = new Bench(new WholeBatchesOnACpu(), options, loaders: 0, lanes);
        long least = long.MaxValue; // a collection may empty the shared array pools at any time; what a step itself allocates is in every epoch
        for (int epoch = 0; epoch < 6 && least > 0; epoch++)
        {
            for (int step = 0; step < 4; step++) bench.Step(); // the first makes the order of the epoch
            long before = GC.GetAllocatedBytesForCurrentThread();
            bench.Step();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }
        Assert.AreEqual(0, least);
    }

    private sealed class WholeBatchesOnACpu : IVimDeviceProvider
    {
        public string Name => "CPU";

        public bool TakesWholeBatches => true;

        public int Workers(int threads) => 1;

        public VimDevice CreateDevice() => CpuDevice.Create();
    }

    [TestMethod]
    public void DivergenceIsSeenBeforeTheWeightsChange()
    {
        var model = TinyTask.Model(4);
        model.Weights.Values.AsSpan().Fill(float.NaN);
        Assert.ThrowsExactly<TrainingDivergedException>(() => RepeatedRuns.Run(model, RepeatedRuns.Options with { Device = new PlayedGpu() }));
    }

    /// <summary>The comparison network's operators are the CPU's own.</summary>
    [TestMethod]
    public void ADeitIsRefusedThere() => Assert.ThrowsExactly<NotSupportedException>(
        () => RepeatedRuns.Run(Deit.DeitTask.Model(3), RepeatedRuns.Options with { Device = new PlayedGpu() }));

    /// <summary>Feed, workers and optimizer of a run without the run.</summary>
    private sealed class Bench : IDisposable
    {
        private readonly Stack<IDisposable> _owned = new();
        private readonly TrainingFeed _feed;
        private readonly TrainingWorkers _workers;
        private readonly Optimizer _optimizer;
        private readonly float[] _losses;

        public Bench(IVimDeviceProvider gpu, RetrainOptions options, int loaders, int laneCount = 1)
        {
            var model = TinyTask.Model(4);
            var device = Own(gpu.CreateDevice());
            var weights = Own(new DeviceWeights(device, model.Weights, forTraining: true));
            var teacher = model.WithoutMerges().CreateNetwork(Own(new DeviceWeights(device, model.Weights, forTraining: false)));
            var team = Own(new WorkerTeam(1));
            _optimizer = Own(new Optimizer(team, gpu, weights, options, new RetrainState(model.Weights, model.Weights)));
            var lanes = LaneRange.All(laneCount);
            _workers = Own(new TrainingWorkers(team, gpu, model.CreateNetwork(weights), teacher, options, lanes));
            var images = new TrainingImages(TinyTask.Images(65, seed: 1), options.PreprocessingOf(model.Preprocessing), 0, options with { Epochs = 9 });
            _feed = Own(new TrainingFeed(images, options, lanes, loaders, firstStep: 0, device));
            _losses = new float[options.BatchSize];
        }

        public void Step()
        {
            var plan = GradientAccumulation.None.At(0, 0, _losses.Length, _losses.Length);
            _workers.ComputeGradient(_feed.Take(), plan, _losses, default);
            _feed.Return();
            _optimizer.Step(_workers.Gradients, plan, 1e-5);
        }

        public void Dispose()
        {
            while (_owned.TryPop(out var owned)) owned.Dispose();
        }

        private T Own<T>(T owned) where T : IDisposable
        {
            _owned.Push(owned);
            return owned;
        }
    }
}
