using RMeeTo.Vim.Retraining;

namespace RMeeTo.Vim.Tests.Retraining;

[TestClass]
public sealed class RunPaceTests
{
    [TestMethod]
    public void StepsAndEndsOfEpochsAreCounted()
    {
        var pace = new RunPace(stepsPerEpoch: 10);
        Assert.IsNull(pace.For(30, 3));
        Assert.AreEqual(TimeSpan.Zero, pace.For(0, 0));
        for (int i = 0; i < 5; i++) pace.AddStep(TimeSpan.FromSeconds(2));
        AssertSeconds(50, pace.For(25, 3), "no end of an epoch known");
        pace.ExpectAtEpochEnd(TimeSpan.FromSeconds(3));
        pace.ExpectAtEpochEnd(TimeSpan.FromSeconds(1));
        AssertSeconds(50 + 12, pace.For(25, 3), "a validation and a checkpoint before the first step");
        pace.AddEpochEnd(TimeSpan.FromSeconds(7));
        AssertSeconds(50 + 21, pace.For(25, 3), "the real one");
        AssertSeconds(7, pace.For(0, 1), "before the last validation");
    }

    [TestMethod]
    public void TheFirstStepCountsOnlyAsLongAsThereIsNoOther()
    {
        var pace = new RunPace(stepsPerEpoch: 10);
        pace.AddStep(TimeSpan.FromSeconds(9));
        AssertSeconds(90, pace.For(10, 0), "all there is");
        for (int i = 0; i < 30; i++) pace.AddStep(TimeSpan.FromSeconds(2));
        AssertSeconds(20, pace.For(10, 0), "the others");
        Assert.AreEqual(20, pace.AtMost(10, 0), 1e-9);
    }

    [TestMethod]
    public void OnTheSafeSideTheSlowestOfAllAndRecentStepsTells()
    {
        var pace = new RunPace(stepsPerEpoch: 10);
        for (int i = 0; i < 33; i++) pace.AddStep(TimeSpan.FromSeconds(1));
        for (int i = 0; i < 16; i++) pace.AddStep(TimeSpan.FromSeconds(4));
        AssertSeconds((32 + 64) / 48.0, pace.For(1, 0), "mean of all");
        Assert.AreEqual(4, pace.AtMost(1, 0), 1e-9, "recent ones were slower");
        for (int i = 0; i < 16; i++) pace.AddStep(TimeSpan.FromSeconds(1));
        Assert.AreEqual((32 + 64 + 16) / 64.0, pace.AtMost(1, 0), 1e-9, "recent ones were faster");
    }

    [TestMethod]
    public void AfterAResumeTheEarlierEpochsTell()
    {
        var pace = new RunPace(stepsPerEpoch: 10, epochSeconds: 30, epochEndSeconds: 10);
        AssertSeconds(60, pace.For(20, 2), "30 seconds were 20 of steps and 10 of validation");
        pace.AddStep(TimeSpan.FromSeconds(3));
        AssertSeconds(19 * 3 + 2 * 10, pace.For(19, 2), "steps of this process");
    }

    private static void AssertSeconds(double expected, TimeSpan? actual, string what) => Assert.AreEqual(expected, actual!.Value.TotalSeconds, 1e-6, what);
}
