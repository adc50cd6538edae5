using RMeeTo.Vim.Devices.Cpu;
using RMeeTo.Vim.Retraining;
using RMeeTo.Vim.Retraining.Distributed;

namespace RMeeTo.Vim.Tests.Retraining.Distributed;

/// <summary>Several processes train the network that one trains, bit for bit; here they are threads.</summary>
[TestClass]
public sealed class DataParallelTests
{
    public static IEnumerable<object[]> Recipes =>
    [
        ["crops, a teacher", RepeatedRuns.Options],
        ["dropped branches, of the teacher too", RepeatedRuns.Options with { DropPath = 0.3, TeacherDropPath = TeacherDropPath.ReferenceTrainMode }],
        ["accumulated gradients", RepeatedRuns.Options with { Accumulation = GradientAccumulation.Over(3) }],
        ["gradients accumulated as in the reference", RepeatedRuns.Options with { Accumulation = GradientAccumulation.Reference }],
        ["the full recipe", RepeatedRuns.FullRecipe],
        ["five lanes", RepeatedRuns.Options with { Lanes = 5 }],
    ];

    [TestMethod]
    [DynamicData(nameof(Recipes))]
    public void TheResultIsThatOfOneProcess(string recipe, RetrainOptions options)
    {
        var alone = RepeatedRuns.Run(TinyTask.Model(4), options);
        foreach (int size in (int[])[2, 3])
        {
            var results = InMemoryGroup.Run(size, group =>
                RepeatedRuns.Run(TinyTask.Model(4), options with { Processes = group, Threads = 1 + group.Rank % 2 }));
            foreach (var result in results) RepeatedRuns.AssertSame(alone, result, $"{recipe}, {size} processes");
        }
    }

    [TestMethod]
    public void TheFirstProcessAloneWritesAndReports()
    {
        using var folder = new TemporaryFolder();
        var reports = InMemoryGroup.Run(3, group =>
        {
            int count = 0;
            RepeatedRuns.Run(TinyTask.Model(4), RepeatedRuns.Options with
            {
                Processes = group,
                CheckpointPath = folder.File($"{group.Rank} state"),
                LogPath = folder.File($"{group.Rank} log"),
                Progress = new Told<RetrainProgress>(_ => count++),
            });
            Assert.IsNull(group.Advice, "after the run");
            return count;
        });
        CollectionAssert.AreEqual((int[])[0, 0], reports[1..]);
        Assert.AreEqual(1 + 3 * 5, reports[0]);
        CollectionAssert.AreEquivalent((string[])[folder.File("0 state"), folder.File("0 log")], Directory.GetFiles(folder.Path));
    }

    /// <summary>Cancelled in the one process that has no checkpoint, and resumed with other numbers of processes.</summary>
    [TestMethod]
    public void ACancelledRunIsResumedByAnyNumberOfProcesses()
    {
        var whole = RepeatedRuns.Run(TinyTask.Model(4), RepeatedRuns.Options);
        using var folder = new TemporaryFolder();
        foreach (var (before, after) in ((int, int)[])[(2, 3), (3, 1), (1, 2)])
        {
            string path = folder.File($"{before} then {after}");
            using var cancel = new CancellationTokenSource();
            var results = Train(before, path, cancel.Token, RepeatedRuns.CancelAfter(cancel, epoch: 2, step: 2));
            foreach (var result in results) Assert.IsTrue(result.Cancelled);
            foreach (var result in Train(after, path, default, null)) RepeatedRuns.AssertSame(whole, result, path);
        }

        static RetrainResult<VimModel>[] Train(int size, string path, CancellationToken cancellation, IProgress<RetrainProgress>? progress) =>
            InMemoryGroup.Run(size, group => RepeatedRuns.Run(TinyTask.Model(4), RepeatedRuns.Options with
            {
                Processes = size == 1 ? null : group,
                CheckpointPath = group.Rank == 0 ? path : null,
                Progress = progress,
            }, group.Rank == size - 1 ? cancellation : default));
    }

    /// <summary>
    /// The listener of the first process throws what it was cancelled with, of which the others do not know: inside an epoch, and when all is done.
    /// </summary>
    [TestMethod]
    public void AListenerThatCancelsEndsTheRunOfAll()
    {
        CollectionAssert.AreEqual(Enumerable.Repeat((RetrainEnding.Cancelled, 1), 3).ToArray(), Train(p => p is { Epoch: 2, Step: 2 }));
        CollectionAssert.AreEqual(((RetrainEnding, int)[])[(RetrainEnding.Cancelled, 3), (RetrainEnding.Completed, 3), (RetrainEnding.Completed, 3)],
            Train(p => p is { Epoch: 3, EpochEnded: true }));

        static (RetrainEnding, int)[] Train(Predicate<RetrainProgress> cancels) => InMemoryGroup.Run(3, group =>
        {
            using var cancel = new CancellationTokenSource();
            var options = RepeatedRuns.Options with
            {
                Processes = group,
                Progress = new Told<RetrainProgress>(p =>
                {
                    if (!cancels(p)) return;
                    cancel.Cancel();
                    cancel.Token.ThrowIfCancellationRequested();
                }),
            };
            var result = RepeatedRuns.Run(TinyTask.Model(4), options, cancel.Token);
            return (result.Ending, result.Epochs.Count);
        });
    }

    /// <summary>The first process plans by its clock, and all keep to its plan.</summary>
    [TestMethod]
    public void ATimeBudgetIsThatOfTheFirstProcess()
    {
        var options = RepeatedRuns.FullRecipe with { Epochs = 100, TimeBudget = TimeSpan.FromSeconds(25) };
        var alone = Train(null);
        Assert.AreEqual(RetrainEnding.OutOfTime, alone.Ending);
        foreach (var result in InMemoryGroup.Run(3, Train)) RepeatedRuns.AssertSame(alone, result, "three processes");

        RetrainResult<VimModel> Train(IProcessGroup? group)
        {
            var clock = new FakeClock();
            var passes = new Told<RetrainProgress>(_ => clock.Pass(1));
            return RepeatedRuns.Run(TinyTask.Model(4), options with { Processes = group, Clock = clock, Progress = passes });
        }
    }

    [TestMethod]
    public void AnErrorInOneProcessEndsTheRunOfAll()
    {
        var errors = InMemoryGroup.Run(3, group => Assert.Throws<Exception>(() => RepeatedRuns.Run(TinyTask.Model(4), RepeatedRuns.Options with
        {
            Processes = group,
            Progress = new Told<RetrainProgress>(p =>
            {
                if (p is { Epoch: 2, Step: 3 }) throw new IOException("The log is full.");
            }),
        })));
        Assert.IsInstanceOfType<IOException>(errors[0]);
        foreach (var error in errors[1..]) Assert.AreEqual("Process 0 of 3 failed, and all end with it. IOException: The log is full.", error.Message);
    }

    /// <summary>The last thing that the listener is told; the others have only to leave then.</summary>
    [TestMethod]
    public void AnErrorWhenAllIsDoneEndsTheRunOfAll()
    {
        var errors = InMemoryGroup.Run(2, group => Assert.Throws<Exception>(() => RepeatedRuns.Run(TinyTask.Model(4), RepeatedRuns.Options with
        {
            Processes = group,
            Progress = new Told<RetrainProgress>(p =>
            {
                if (p is { Epoch: 3, EpochEnded: true }) throw new TimeoutException("Too late.");
            }),
        })));
        Assert.IsInstanceOfType<TimeoutException>(errors[0]);
        Assert.AreEqual("Process 0 of 2 failed, and all end with it. TimeoutException: Too late.", errors[1].Message);
    }

    [TestMethod]
    public void ProcessesWithOtherOptionsOrDataAreRefusedByName()
    {
        var errors = InMemoryGroup.Run(2, group => Assert.Throws<Exception>(() => Retrainer.Run(TinyTask.Model(4), TinyTask.Images(20, 1),
            group.Rank == 1 ? null : TinyTask.Images(6, 2), RepeatedRuns.Options with { Processes = group, Lanes = group.Rank == 1 ? 3 : 0 })));
        foreach (var error in errors)
        {
            Assert.IsInstanceOfType<ProcessGroupException>(error);
            StringAssert.Contains(error.Message, "Lanes: 8 in process 0, 3 in process 1");
            StringAssert.Contains(error.Message, "validation images: 6 (");
        }
    }

    [TestMethod]
    public void ProcessesWithOtherVectorsAreRefused()
    {
        if (SimdWidths.Best == SimdWidth.Vector128) Assert.Inconclusive("This processor has vectors of one width.");
        var errors = InMemoryGroup.Run(2, group => Assert.Throws<ProcessGroupException>(() => RepeatedRuns.Run(TinyTask.Model(4), RepeatedRuns.Options with
        {
            Processes = group,
            Device = new CpuDeviceProvider(group.Rank == 0 ? SimdWidths.Best : SimdWidth.Vector128),
        })));
        foreach (var error in errors) StringAssert.Contains(error.Message, "-bit vectors) in process 0, CPU (128-bit vectors) in process 1");
    }

    /// <summary>The last bit of one weight, moment or best weight in one process.</summary>
    [TestMethod]
    public void ProcessesThatDriftApartAreFound()
    {
        for (int part = 0; part < 4; part++)
        {
            var errors = InMemoryGroup.Run(3, group =>
            {
                var processes = new TrainingProcesses(group);
                var state = new RetrainState(TinyTask.Model().Weights);
                processes.CheckSame(state);
                ref float value = ref RetrainCheckpoint.Parts(state).ElementAt(part).Values[7];
                if (group.Rank == 2) value = MathF.BitIncrement(value);
                return Assert.Throws<ProcessGroupException>(() => processes.CheckSame(state));
            });
            foreach (var error in errors) StringAssert.Contains(error.Message, "The weights of process 2 are not those of process 0");
        }
    }

    [TestMethod]
    public void MoreProcessesThanLanesAreRefused()
    {
        var errors = InMemoryGroup.Run(3, group => Assert.Throws<Exception>(() =>
            RepeatedRuns.Run(TinyTask.Model(4), RepeatedRuns.Options with { Processes = group, Lanes = 2 })));
        foreach (var error in errors) StringAssert.Contains(error.Message, "There are 2 lanes for 3 processes");
    }
}
