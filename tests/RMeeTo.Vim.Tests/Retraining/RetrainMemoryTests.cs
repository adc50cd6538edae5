using System.Reflection;
using RMeeTo.Vim.Deit;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Cpu;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Retraining;
using RMeeTo.Vim.Retraining.Distributed;
using RMeeTo.Vim.Tests.Devices;
using RMeeTo.Vim.Tests.Network;

namespace RMeeTo.Vim.Tests.Retraining;

[TestClass]
public sealed class RetrainMemoryTests
{
    private static readonly VimConfig s_config = TinyTask.Config with { ImageHeight = 32, ImageWidth = 40, Width = 48, Depth = 6, Classes = 10 };

    /// <summary>Every buffer that a run really holds, found by walking its objects.</summary>
    [TestMethod]
    public void TheEstimateIsWhatIsAllocated()
    {
        Check("dense", s_config, 0, 0.5, 1);
        Check("merged, teacher", s_config, 5, 0.5, 1);
        Check("three threads", s_config, 5, 0, 3);
        Check("clips", s_config with { Frames = 4, TubeletSize = 2, ClassToken = ClassTokenPosition.First }, 5, 0.5, 1);
        Check("two class tokens", s_config with { ClassToken = ClassTokenPosition.Ends, ProjectionBias = true }, 0, 0, 1);
        Check("mean of all tokens", s_config with { ClassToken = ClassTokenPosition.None }, 5, 0.5, 1);
        Check("layer norm and scale", s_config with { Norm = NormKind.Layer, LayerScale = true, StateSize = 16 }, 3, 0.5, 2);
    }

    [TestMethod]
    [DynamicData(nameof(MergeVariants.Names), typeof(MergeVariants))]
    public void TheEstimateKnowsEveryMergeOption(string variant) => Check(variant, s_config, 5, 0.5, 1, MergeVariants.Named(variant));

    [TestMethod]
    [DataRow("dense", 0, 0.5, 1, DeitMetric.Tokens, MergeDistance.Cosine)]
    [DataRow("merged, teacher", 5, 0.5, 1, DeitMetric.Tokens, MergeDistance.Cosine)]
    [DataRow("keys", 3, 0.5, 1, DeitMetric.Keys, MergeDistance.L2)]
    [DataRow("three threads", 5, 0, 3, DeitMetric.Values, MergeDistance.L1)]
    public void TheEstimateOfADeitIsWhatIsAllocated(
        string what, int tokensPerMerge, double teacherWeight, int threads, DeitMetric metric, MergeDistance distance)
    {
        var config = new DeitConfig { ImageHeight = 32, ImageWidth = 40, PatchSize = 4, Width = 48, Depth = 6, Classes = 10 };
        var merging = new DeitMergeOptions { Metric = metric, Distance = distance };
        var schedule = DeitMergeSchedule.Uniform(config, tokensPerMerge);
        Check(what, new DeitModel(DeitInitializer.Create(config, 1), Names(config.Classes), schedule, merging), teacherWeight, threads,
            options => RetrainMemory.Estimate(config, schedule, options, threads, merging));
    }

    private static string[] Names(int classes) => [.. Enumerable.Range(0, classes).Select(i => $"{i}")];

    private static void Check(string what, VimConfig config, int tokensPerMerge, double teacherWeight, int threads, MergeOptions? merging = null)
    {
        var schedule = MergeSchedule.Uniform(config, tokensPerMerge, merging: merging);
        Check(what, new VimModel(VimInitializer.Create(config, 1), Names(config.Classes), schedule, merging), teacherWeight, threads,
            options => RetrainMemory.Estimate(config, schedule, options, threads, merging));
    }

    private static void Check<TModel>(string what, TModel model, double teacherWeight, int threads, Func<RetrainOptions, long> estimated)
        where TModel : ClassifierModel
    {
        var options = TinyTask.Options with { Epochs = 1, TeacherLossWeight = teacherWeight, Threads = threads, Lanes = threads };
        var teacher = teacherWeight > 0 && !model.IsDense ? model.WithoutMerges() : null;
        long held = Held(model, options, teacher), estimate = estimated(options);
        string numbers = $"{what}: {estimate} estimated, {held} held";
        // Of several threads, some may never have had images to classify, and so hold less.
        Assert.IsGreaterThan(0.97, estimate / (double)held, numbers);
        if (threads == 1) Assert.IsLessThan(1.1, estimate / (double)held, numbers);
    }

    [TestMethod]
    public void StochasticDepthOfStudentAndTeacherIsEstimatedToTheByte()
    {
        var schedule = MergeSchedule.Uniform(s_config, 5);
        var vim = new VimModel(VimInitializer.Create(s_config, 1), Names(10), schedule);
        CheckDropPath(vim, vim.WithoutMerges(), options => RetrainMemory.Estimate(s_config, schedule, options, 1));
        var deit = Deit.DeitTask.Model(5);
        CheckDropPath(deit, deit.WithoutMerges(), options => RetrainMemory.Estimate(deit.Config, deit.Schedule, options, 1));

        static void CheckDropPath<TModel>(TModel model, ClassifierModel teacher, Func<RetrainOptions, long> estimated) where TModel : ClassifierModel
        {
            var without = TinyTask.Options with { Epochs = 1, TeacherLossWeight = 0.5, Lanes = 1 };
            var with = without with { DropPath = 0.1 };
            foreach (var options in new[] { with, with with { TeacherDropPath = TeacherDropPath.ReferenceTrainMode } })
            {
                long held = Held(model, options, teacher) - Held(model, without, teacher);
                Assert.IsGreaterThan(0, held);
                Assert.AreEqual(held, estimated(options) - estimated(without));
            }
        }
    }

    /// <summary>The average in ordinary memory, on the device, and packed there to be validated.</summary>
    [TestMethod]
    public void AnAverageOfTheWeightsIsEstimated()
    {
        var schedule = MergeSchedule.Uniform(s_config, 5);
        var model = new VimModel(VimInitializer.Create(s_config, 1), Names(10), schedule);
        var without = TinyTask.Options with { Epochs = 1, TeacherLossWeight = 0, Lanes = 1 };
        var with = without with { Ema = new ModelEma() };
        long held = Held(model, with, null) - Held(model, without, null);
        long estimated = RetrainMemory.Estimate(s_config, schedule, with, 1) - RetrainMemory.Estimate(s_config, schedule, without, 1);
        Assert.IsGreaterThan(2L * sizeof(float) * model.Weights.Values.Length, held, "two copies and more");
        Assert.IsTrue(estimated >= 0.97 * held && estimated <= 1.1 * held, $"{estimated} estimated, {held} held");
    }

    [TestMethod]
    public void ATeacherThatIsGivenCountsWhereNothingIsMerged()
    {
        var model = new VimModel(VimInitializer.Create(s_config, 1), Names(10));
        var options = TinyTask.Options with { Epochs = 1, TeacherLossWeight = 0.5, Threads = 1, Lanes = 1 };
        long Estimated(bool ownTeacher) => RetrainMemory.Estimate(s_config, model.Schedule, options, 1, ownTeacher: ownTeacher);
        Assert.IsInRange(0.97, 1.1, Estimated(true) / (double)Held(model, options, model));
        Assert.IsInRange(0.97, 1.1, Estimated(false) / (double)Held(model, options, null));
        Assert.IsLessThan(Estimated(true), Estimated(false));
    }

    /// <summary>Bytes that a run holds beyond the model.</summary>
    private static long Held<TModel>(TModel model, RetrainOptions options, ClassifierModel? teacher) where TModel : ClassifierModel
    {
        using var run = new RetrainRun<TModel>(
            model, TinyTask.Images(24, 1), TinyTask.Images(24, 1), options, teacher, new TrainingProcesses(options.Processes));
        run.Execute(CancellationToken.None);
        var walk = new Walk();
        walk.Visit(run);
        return walk.Bytes - model.Weights.Values.Length * sizeof(float);
    }

    /// <summary>On a device of its own memory the two are told apart; together they are what the run holds.</summary>
    [TestMethod]
    [DataRow(0, false)]
    [DataRow(3, false)]
    [DataRow(3, true)]
    public void MemoryOfAGpuIsCountedByItself(int lanes, bool takesPixels)
    {
        var schedule = MergeSchedule.Uniform(s_config, 5);
        var model = new VimModel(VimInitializer.Create(s_config, 1), Names(10), schedule);
        const int validated = 8;
        var options = TinyTask.Options with
        {
            Epochs = 1, TeacherLossWeight = 0.5, Lanes = lanes, DropPath = 0.1, Ema = new(),
            Device = new PlayedGpu { Batch = validated, TakesImageBytes = takesPixels },
        };
        long process = RetrainMemory.Estimate(s_config, schedule, options, 1), device = RetrainMemory.EstimateOnDevice(s_config, schedule, options);
        Assert.IsInRange(0.97, 1.1, (process + device) / (double)Held(model, options, model.WithoutMerges()), $"{process} and {device}");
        long weights = sizeof(float) * (long)model.Weights.Values.Length;
        long input = s_config.InputLength, trained = 2 * options.BatchSize * input * sizeof(float), evaluated = 2 * validated * input * (takesPixels ? 1 : 4);
        Assert.AreEqual(5 * weights + trained + evaluated, process, "four copies, the average, two batches of each kind");
        Assert.AreEqual(0, RetrainMemory.EstimateOnDevice(s_config, schedule, options with { Device = null }));
    }

    [TestMethod]
    public void ARunThatDoesNotFitIntoAGpuIsRefused()
    {
        var schedule = MergeSchedule.Uniform(VimConfig.VimSmall, 5);
        var options = new RetrainOptions { BatchSize = 128 };
        RetrainOptions On(long free, int lanes = 0) => options with { Lanes = lanes, Device = new PlayedGpu { FreeMemory = free } };
        long needed = RetrainMemory.EstimateOnDevice(VimConfig.VimSmall, schedule, On(long.MaxValue));
        RetrainMemory.ThrowIfInsufficient(VimConfig.VimSmall, schedule, On(needed), long.MaxValue);
        var e = Assert.ThrowsExactly<InsufficientMemoryException>(
            () => RetrainMemory.ThrowIfInsufficient(VimConfig.VimSmall, schedule, On(needed - 1), long.MaxValue));
        StringAssert.Contains(e.Message, $"takes about {needed / (double)(1L << 30):0.0} GiB of the memory of played GPU");
        StringAssert.Contains(e.Message, "the 128 images of a step in 1 lane: set more Lanes");
        RetrainMemory.ThrowIfInsufficient(VimConfig.VimSmall, schedule, On(needed / 2, lanes: 4), long.MaxValue);
        e = Assert.ThrowsExactly<InsufficientMemoryException>(() => RetrainMemory.ThrowIfInsufficient(VimConfig.VimSmall, schedule, On(needed), 1L << 20));
        StringAssert.Contains(e.Message, "2 times 128 prepared images");
    }

    [TestMethod]
    public void ARunThatCannotFitIsRefusedWithBothNumbers()
    {
        var schedule = MergeSchedule.Uniform(VimConfig.VimBase, 5);
        var options = new RetrainOptions { Threads = 4 };
        long needed = RetrainMemory.Estimate(VimConfig.VimBase, schedule, options, 4);
        RetrainMemory.ThrowIfInsufficient(VimConfig.VimBase, schedule, options, needed);
        var e = Assert.ThrowsExactly<InsufficientMemoryException>(
            () => RetrainMemory.ThrowIfInsufficient(VimConfig.VimBase, schedule, options, 1L << 30));
        StringAssert.Contains(e.Message, $"takes about {needed / (double)(1L << 30):0.0} GiB of memory, and 1.0 GiB are available");
        StringAssert.Contains(e.Message, "(4 threads)");
        StringAssert.Contains(e.Message, "(2 lanes)");
    }

    [TestMethod]
    public void ADeitThatCannotFitIsRefusedLikewise()
    {
        var schedule = DeitMergeSchedule.Uniform(DeitConfig.DeitBase, 13);
        var options = new RetrainOptions { Threads = 4 };
        long needed = RetrainMemory.Estimate(DeitConfig.DeitBase, schedule, options, 4);
        RetrainMemory.ThrowIfInsufficient(DeitConfig.DeitBase, schedule, options, needed);
        var e = Assert.ThrowsExactly<InsufficientMemoryException>(
            () => RetrainMemory.ThrowIfInsufficient(DeitConfig.DeitBase, schedule, options, needed - 1));
        StringAssert.Contains(e.Message, $"takes about {needed / (double)(1L << 30):0.0} GiB of memory");
    }

    /// <summary>Adds up float arrays, device buffers and packed matrices that can be reached.</summary>
    private sealed class Walk
    {
        private readonly HashSet<object> _seen = new(ReferenceEqualityComparer.Instance);

        public long Bytes { get; private set; }

        public void Visit(object? root)
        {
            var open = new Stack<object?>([root]);
            while (open.TryPop(out object? item))
            {
                if (item is null or string or Pointer or MemberInfo or Thread or Delegate or RMeeTo.Vim.Images.ImageStore) continue;
                if (item.GetType().IsPrimitive || !_seen.Add(item)) continue;
                if (item is QueuedBuffer queued)
                {
                    open.Push(queued.Inner); // which a weight knows as well
                    continue;
                }
                Bytes += item switch
                {
                    float[] values => values.Length * sizeof(float),
                    DeviceBuffer buffer => buffer.Length * sizeof(float),
                    HostBuffer host => host.Length,
                    PackedMatrix packed => packed.ByteCount,
                    _ => 0,
                };
                if (item is float[] or DeviceBuffer or HostBuffer or PackedMatrix or OperatorQueue) continue;
                if (item is Array array)
                {
                    var element = array.GetType().GetElementType()!;
                    // A thread's table of all its ThreadLocal values: it leads to what other tests hold on that thread.
                    if (!element.IsPrimitive && element.DeclaringType != typeof(ThreadLocal<>))
                        foreach (object? value in array) open.Push(value);
                    continue;
                }
                for (var type = item.GetType(); type is not null; type = type.BaseType)
                    foreach (var field in type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
                        if (!field.FieldType.IsPointer && !field.FieldType.IsByRefLike) open.Push(field.GetValue(item));
            }
        }
    }
}
