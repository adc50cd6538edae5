using RMeeTo.Vim.Retraining;

namespace RMeeTo.Vim.Tests.Retraining;

/// <summary>The learning rates of the recipes: lists of the specification, and of the formulas that it gives, written out plainly.</summary>
[TestClass]
public sealed class LearningRateRuleTests
{
    private const int ImageNet = 1_281_167;

    /// <summary>Spec 3.1: what the official scheduler gives for E epochs.</summary>
    [TestMethod]
    public void ThePapersImageListIsOneEpochLate()
    {
        CollectionAssert.AreEqual(new[] { 2e-5 }, Late(1), Close);
        CollectionAssert.AreEqual(new[] { 2e-5, 2e-5, 1.525e-5 }, Late(3), Close);
        CollectionAssert.AreEqual(new[] { 4.14e-6, 2.81e-6, 1.82e-6 }, Late(15)[^3..], Rounded);
        CollectionAssert.AreEqual(new[] { 1.82e-6, 1.46e-6, 1.21e-6 }, Late(30)[^3..], Rounded);
        for (int epochs = 1; epochs <= 30; epochs++)
        {
            double[] rates = Late(epochs);
            for (int k = 0; k < epochs; k++)
                Assert.AreEqual(k == 0 ? 2e-5 : 1e-6 + 0.5 * 1.9e-5 * (1 + Math.Cos(Math.PI * (k - 1) / epochs)), rates[k], 1e-19, $"epoch {k} of {epochs}");
        }

        static double[] Late(int epochs) => PerEpoch(RetrainOptions.Paper with { Epochs = epochs }, 7);
    }

    [TestMethod]
    public void TheCleanRulePerEpochHasNoDelay()
    {
        RetrainOptions options = new() { LearningRate = 1, MinimumLearningRate = 0, Epochs = 4, LearningRateRule = LearningRateRule.CosinePerEpoch };
        CollectionAssert.AreEqual(new[] { 1.0, 0.5 * (1 + Math.Sqrt(0.5)), 0.5, 0.5 * (1 - Math.Sqrt(0.5)) }, PerEpoch(options, 3), Close);
        CollectionAssert.AreEqual(new[] { 0.5, 1, 1, 0.5 }, PerEpoch(options with { WarmupEpochs = 2 }, 3), Close);
        CollectionAssert.AreEqual(new[] { 0.1, 1, 1, 0.5 }, PerEpoch(options with { WarmupEpochs = 2, WarmupLearningRate = 0.1 }, 3), Close);
    }

    /// <summary>
    /// Spec 3.2, at 240,436 videos of Kinetics-400: 256 videos, or 512 clips, a step; five epochs of warm-up from 2e-6 with both ends, then a cosine over the
    /// steps that are left.
    /// </summary>
    [TestMethod]
    [DataRow(30)]
    [DataRow(15)]
    public void ThePapersVideoListWarmsUpStepByStep(int epochs)
    {
        int steps = 240_436 / 256, warmup = 5 * steps;
        var schedule = LearningRateSchedule.Of(RetrainOptions.PaperVideo with { Epochs = epochs }, steps);
        Assert.AreEqual(2e-6, schedule.At(0), 1e-20);
        Assert.AreEqual(4e-5, schedule.At(warmup - 1), 1e-18, "both ends belong to the warm-up");
        Assert.AreEqual(4e-5, schedule.At(warmup), 1e-18);
        int left = epochs * steps - warmup;
        foreach (int step in new[] { 1, 17, warmup / 2, warmup - 2 })
            Assert.AreEqual(2e-6 + step * (4e-5 - 2e-6) / (warmup - 1), schedule.At(step), 1e-18, $"step {step}");
        foreach (int step in new[] { 1, left / 3, left / 2, left - 1 })
            Assert.AreEqual(2e-6 + 1.9e-5 * (1 + Math.Cos(Math.PI * step / left)), schedule.At(warmup + step), 1e-18, $"step {step} of the cosine");
        Assert.IsGreaterThan(2e-6, schedule.At(epochs * steps - 1), "the minimum would be the next step's");
    }

    /// <summary>Spec 3.4: timm's scheduler asked after each epoch; 5 epochs of warm-up from 1e-6 inside the cosine.</summary>
    [TestMethod]
    public void FromScratchTheWarmUpTakesThePlaceOfTheCosinesFirstEpochs()
    {
        double[] rates = PerEpoch(RetrainOptions.FromScratch, 2);
        const double rise = (1e-3 - 1e-6) / 5;
        double[] warm = [1e-6, 1e-6, 1e-6 + rise, 1e-6 + 2 * rise, 1e-6 + 3 * rise, 1e-6 + 4 * rise];
        CollectionAssert.AreEqual(warm, rates[..6], Close);
        for (int k = 6; k < 300; k++) Assert.AreEqual(1e-5 + 0.5 * (1e-3 - 1e-5) * (1 + Math.Cos(Math.PI * (k - 1) / 300)), rates[k], 1e-18, $"epoch {k}");
        Assert.IsLessThan(1e-3, rates[6], "the cosine is at its fifth epoch by then");
    }

    /// <summary>Every step of an epoch has the epoch's rate.</summary>
    [TestMethod]
    [DataRow(LearningRateRule.CosinePerEpoch)]
    [DataRow(LearningRateRule.ReferenceCosinePerEpoch)]
    public void RulesPerEpochAreConstantInsideOne(LearningRateRule rule)
    {
        var schedule = LearningRateSchedule.Of(new() { Epochs = 6, LearningRateRule = rule }, 9);
        for (int step = 0; step < 54; step++) Assert.AreEqual(schedule.At(step / 9 * 9), schedule.At(step), $"step {step}");
        Assert.AreNotEqual(schedule.At(18), schedule.At(27));
    }

    /// <summary>Spec 3.1: of N = 1,281,167 images ⌊N/256⌋·256 are shown in an epoch, 2502 micro-batches of 512; two of them end a group.</summary>
    [TestMethod]
    public void AnEpochOfThePaperHas2502MicroBatchesAnd1251Groups()
    {
        int shown = ImageNet / 256 * 256, steps = (shown + 511) / 512;
        Assert.AreEqual(2502, steps);
        Assert.AreEqual(4 * 320_256, shown, "320,256 on each of four GPUs");
        Assert.AreEqual(1251, GradientAccumulation.Reference.Groups(steps));
        Assert.AreEqual(3753, Enumerable.Range(0, steps).Sum(step => GradientAccumulation.Reference.At(step, step, 512, shown).Updates), "1.5 a micro-batch");
        Assert.AreEqual(2502, Enumerable.Range(0, steps).Sum(step => GradientAccumulation.None.At(step, step, 512, shown).Updates));
        Assert.AreEqual(1251, Enumerable.Range(0, steps).Sum(step => GradientAccumulation.Over(2).At(step, step, 512, shown).Updates));
    }

    [TestMethod]
    public void AWarmUpThatFallsIsRefused()
    {
        var e = Assert.ThrowsExactly<ArgumentException>(() => new RetrainOptions { LearningRate = 1e-5, WarmupLearningRate = 2e-5 }.Validate());
        StringAssert.Contains(e.Message, "WarmupLearningRate is 2E-05 and LearningRate 1E-05");
    }

    private static double[] PerEpoch(RetrainOptions options, int stepsPerEpoch)
    {
        var schedule = LearningRateSchedule.Of(options, stepsPerEpoch);
        return [.. Enumerable.Range(0, options.Epochs).Select(epoch => schedule.At(epoch * stepsPerEpoch))];
    }

    private static Tolerance Close { get; } = new(1e-12);

    /// <summary>Half of the last of the three digits that the specification prints.</summary>
    private static Tolerance Rounded { get; } = new(3.5e-3);

    private sealed class Tolerance(double relative) : System.Collections.IComparer
    {
        public int Compare(object? x, object? y) => Math.Abs((double)x! - (double)y!) <= relative * Math.Abs((double)y!) ? 0 : 1;
    }
}
