using RMeeTo.Vim.Images;
using RMeeTo.Vim.Images.Augmentation;
using RMeeTo.Vim.Retraining;

namespace RMeeTo.Vim.Tests.Retraining;

/// <summary>The presets hold the numbers of the specification (3.1, 3.2, 3.4), and runs work with them.</summary>
[TestClass]
public sealed class PresetTests
{
    private static readonly Dictionary<string, RetrainOptions> s_presets = new()
    {
        [nameof(RetrainOptions.Default)] = RetrainOptions.Default,
        [nameof(RetrainOptions.Paper)] = RetrainOptions.Paper,
        [nameof(RetrainOptions.PaperVimBase)] = RetrainOptions.PaperVimBase,
        [nameof(RetrainOptions.PaperVideo)] = RetrainOptions.PaperVideo,
        [nameof(RetrainOptions.FromScratch)] = RetrainOptions.FromScratch,
        [nameof(RetrainOptions.FromScratchSmall)] = RetrainOptions.FromScratchSmall,
        [nameof(RetrainOptions.StrideEightFineTuning)] = RetrainOptions.StrideEightFineTuning,
    };

    public static IEnumerable<object[]> Names => s_presets.Keys.Select(name => new object[] { name });

    [TestMethod]
    public void ThePapersImages()
    {
        var o = RetrainOptions.Paper;
        Assert.AreEqual((3, 512, 2e-5, 1e-6), (o.Epochs, o.BatchSize, o.LearningRate, o.MinimumLearningRate));
        Assert.AreEqual((0.05, WeightDecayRule.EveryParameter, null), (o.WeightDecay, o.WeightDecayRule, o.LayerDecay));
        Assert.AreEqual((0.9, 0.999, 1e-8), (o.Beta1, o.Beta2, o.Epsilon));
        Assert.AreEqual((LearningRateRule.ReferenceCosinePerEpoch, 0.0), (o.LearningRateRule, o.WarmupEpochs));
        Assert.AreEqual((GradientAccumulation.Reference, null), (o.Accumulation, o.Ema));
        Assert.AreEqual((1.0, 0.5, 0.1), (o.TargetLossWeight, o.TeacherLossWeight, o.LabelSmoothing));
        Assert.AreEqual((0.1, TeacherDropPath.ReferenceTrainMode), (o.DropPath, o.TeacherDropPath));
        CheckAugmentation(o, "rand-m9-mstd0.5-inc1", 3, RepeatedEpoch.Images, 128);
        CollectionAssert.AreEqual(new[] { 2e-5, 2e-5, 1.525e-5 }, Rates(o), Relative);
        int batches = o.EpochsOf(1_281_167).Steps;
        Assert.AreEqual((2502, 1251), (batches, o.Accumulation.Groups(batches)));
        Assert.AreEqual(25, o.EpochsOf(12_811).Steps, "1 % of the images: the single batch at the end has its own step");
        var b = RetrainOptions.PaperVimBase;
        Assert.AreEqual((0.99996, null, 15), (b.Ema!.Decay, b.Ema.Start, b.Epochs));
        Assert.AreEqual(0.861, Math.Pow(0.99996, 3 * 1251), 5e-4, "what the start weighs after 3 epochs, as the specification has it");
        Assert.AreEqual(0.472, Math.Pow(0.99996, 15 * 1251), 5e-4);
    }

    [TestMethod]
    public void ThePapersVideos()
    {
        var o = RetrainOptions.PaperVideo;
        Assert.AreEqual((30, 256, 4e-5, 2e-6), (o.Epochs, o.BatchSize, o.LearningRate, o.MinimumLearningRate));
        Assert.AreEqual((AccumulationRule.Mean, 2), (o.Accumulation.Rule, o.Accumulation.MicroBatches));
        Assert.AreEqual((LearningRateRule.CosinePerStep, 5.0, (double?)2e-6), (o.LearningRateRule, o.WarmupEpochs, o.WarmupLearningRate));
        Assert.AreEqual((0.1, WeightDecayRule.MatricesOnly), (o.WeightDecay, o.WeightDecayRule));
        Assert.AreEqual((0.75, LayerDecayRule.Reference), (o.LayerDecay!.Factor, o.LayerDecay.Rule));
        Assert.AreEqual((0.0, 0.1, 0.1, null), (o.TeacherLossWeight, o.LabelSmoothing, o.DropPath, o.Ema));
        CheckAugmentation(o, "rand-m5-n2-mstd0.25-inc1", 2, RepeatedEpoch.Copies, 64);
        foreach (int videos in new[] { 240_436, 240_436 + 128, 256, 400, 512 })
        {
            int batches = o.EpochsOf(videos).Steps;
            Assert.AreEqual(videos / 256, o.Accumulation.Groups(batches), $"{videos} videos, 256 a step");
            Assert.AreEqual(2 * (videos / 256), batches, "no step has a part of its batches");
        }
    }

    /// <summary>
    /// What each of the processes mixes, dealt out as their samplers do: images copied, then dealt out one by one; videos dealt out, then copied. Each reverses
    /// what it has.
    /// </summary>
    [TestMethod]
    [DataRow(nameof(RetrainOptions.Paper), 4, false)]
    [DataRow(nameof(RetrainOptions.PaperVideo), 4, true)]
    [DataRow(nameof(RetrainOptions.FromScratch), 8, false)]
    [DataRow(nameof(RetrainOptions.FromScratchSmall), 8, false)]
    public void ImagesAreMixedWithThoseOfTheSameProcess(string name, int processes, bool copiesStayTogether)
    {
        var o = s_presets[name];
        var groups = o.MixGroupsOf(o.BatchSize);
        Assert.AreEqual(processes, groups.Count);
        int copies = copiesStayTogether ? 2 : 1;
        for (int process = 0; process < processes; process++)
        {
            int[] own = [.. Enumerable.Range(0, o.BatchSize).Where(position => position / copies % processes == process)];
            int[] reversed = [.. own.Reverse()];
            Assert.HasCount(o.MixGroupSize, own);
            CollectionAssert.AreEqual(reversed, own.Select(groups.PartnerOf).ToArray());
            Assert.IsTrue(own.All(position => groups.GroupOf(position) == process), name);
        }
        Assert.AreEqual(1, (o with { BatchSize = 12, MixGroupSize = 3 }).MixGroupsOf(12).Together, "copies that do not fill a group are dealt out one by one");
    }

    [TestMethod]
    public void TrainingFromScratch()
    {
        RetrainOptions tiny = RetrainOptions.FromScratch, small = RetrainOptions.FromScratchSmall;
        foreach (var o in new[] { tiny, small })
        {
            Assert.AreEqual((300, 1e-3, 1e-5), (o.Epochs, o.LearningRate, o.MinimumLearningRate));
            Assert.AreEqual((LearningRateRule.ReferenceCosinePerEpoch, 5.0, (double?)1e-6), (o.LearningRateRule, o.WarmupEpochs, o.WarmupLearningRate));
            Assert.AreEqual((WeightDecayRule.MatricesOnly, GradientAccumulation.None, 0.99996), (o.WeightDecayRule, o.Accumulation, o.Ema!.Decay));
            Assert.AreEqual((0.0, TeacherDropPath.None), (o.TeacherLossWeight, o.TeacherDropPath));
        }
        Assert.AreEqual((1024, 0.1, 0.0), (tiny.BatchSize, tiny.WeightDecay, tiny.DropPath));
        Assert.AreEqual((512, 0.05, 0.05), (small.BatchSize, small.WeightDecay, small.DropPath));
        CheckAugmentation(tiny, "rand-m9-mstd0.5-inc1", 3, RepeatedEpoch.Images, 128);
        CheckAugmentation(small, "rand-m9-mstd0.5-inc1", 3, RepeatedEpoch.Images, 64);
        var fine = RetrainOptions.StrideEightFineTuning;
        Assert.AreEqual((1e-8, 0.0, 1024), (fine.WeightDecay, fine.DropPath, fine.BatchSize));
        foreach (double rate in Rates(fine)) Assert.AreEqual(1e-5, rate, 1e-19);
    }

    [TestMethod]
    public void TheDefaultIsWhatNewOptionsAre() => Assert.AreEqual(new RetrainOptions(), RetrainOptions.Default);

    [TestMethod]
    [DynamicData(nameof(Names))]
    public void AnotherBatchHasRatesInProportion(string name)
    {
        var options = s_presets[name];
        options.Validate();
        foreach (int batch in new[] { 1, 48, 64, 4096 })
        {
            var other = options.WithBatchSize(batch);
            other.Validate();
            Assert.AreEqual(batch, other.BatchSize, name);
            Assert.AreEqual(options.LearningRate * batch / options.BatchSize, other.LearningRate, 1e-18, name);
            Assert.AreEqual(options.MinimumLearningRate * batch / options.BatchSize, other.MinimumLearningRate, 1e-18, name);
            Assert.AreEqual(options.WarmupLearningRate * batch / options.BatchSize, other.WarmupLearningRate, name);
            Assert.IsTrue(other.MixGroupSize == 0 || (other.MixGroupSize == options.MixGroupSize && batch % other.MixGroupSize == 0), name);
            Assert.AreEqual(options with { Epochs = 0 }, other.WithBatchSize(options.BatchSize) with
            {
                Epochs = 0,
                MixGroupSize = options.MixGroupSize,
                LearningRate = options.LearningRate,
                MinimumLearningRate = options.MinimumLearningRate,
                WarmupLearningRate = options.WarmupLearningRate,
            }, $"{name}: nothing else changes");
        }
        Assert.AreEqual(options.BatchSize, options.WithBatchSize(options.BatchSize).BatchSize);
    }

    /// <summary>Every preset trains, the same from any number of threads, whatever it is made of.</summary>
    [TestMethod]
    [DynamicData(nameof(Names))]
    public void APresetTrains(string name)
    {
        var options = s_presets[name].WithBatchSize(8) with { Epochs = 2, Threads = 1, LearningRate = 1e-3, MinimumLearningRate = 0 };
        RetrainResult<VimModel> one = Run(options), two = Run(options with { Threads = 2 });
        TinyTask.AssertSameWeights(one.Model, two.Model, name);
        Assert.IsTrue(one.Model.Weights.Values.All(float.IsFinite), name);
        Assert.IsFalse(TinyTask.Model(4).Weights.Values.AsSpan().SequenceEqual(one.Model.Weights.Values), $"{name}: it learned something");

        static RetrainResult<VimModel> Run(RetrainOptions options) => Retrainer.Run(TinyTask.Model(4), TinyTask.Images(24, 1), null, options);
    }

    private static void CheckAugmentation(RetrainOptions o, string policy, int repetitions, RepeatedEpoch length, int mixGroup)
    {
        Assert.AreEqual(RandAugment.Parse(policy), o.RandAugment);
        Assert.AreEqual((0.08, 0.5, 0.25), (o.MinimumCropArea, o.FlipProbability, o.RandomErasing));
        Assert.AreEqual(new MixOptions { Mixup = 0.8, CutMix = 1, Probability = 1, SwitchProbability = 0.5 }, o.Mix);
        Assert.AreEqual((mixGroup, repetitions, length, LastBatch.Dropped), (o.MixGroupSize, o.RepeatedAugmentation, o.RepeatedEpoch, o.LastBatch));
        Assert.AreEqual(0.1, o.LabelSmoothing);
        // What the options leave to the preprocessing: spec 3.1, items 1 and 5.
        var input = o.PreprocessingOf(new EvaluationPreprocessing());
        Assert.AreEqual((TrainingCrop.RandomResized, (0.08, 1.0), 4.0 / 3, 0.5), (input.Crop, input.Area, input.MaxAspect, input.FlipProbability));
        Assert.AreEqual((0.25, (0.02, 1.0 / 3)), (input.Erasing!.Probability, input.Erasing.Area));
        Assert.AreEqual(1 / 0.3, input.Erasing.MaxAspect, 1e-12);
        Assert.AreSame(o.RandAugment, input.Policy);
    }

    private static double[] Rates(RetrainOptions options)
    {
        var schedule = LearningRateSchedule.Of(options, 10);
        return [.. Enumerable.Range(0, options.Epochs).Select(epoch => schedule.At(10 * epoch))];
    }

    private static System.Collections.IComparer Relative { get; } =
        Comparer<object>.Create((x, y) => Math.Abs((double)x - (double)y) <= 1e-12 * Math.Abs((double)y) ? 0 : 1);
}
