using RMeeTo.Vim.Retraining;

namespace RMeeTo.Vim.Tests.Retraining;

[TestClass]
public sealed class RunPaceTests
{
    [TestMethod]
    public void RemainingCountsStepsAndValidations()
    {
        var pace = new RunPace(epochs: 3, stepsPerEpoch: 10, []);
        Assert.IsNull(pace.Remaining(0, 0));
        for (int i = 0; i < 5; i++) pace.AddStep(TimeSpan.FromSeconds(2));
        Assert.AreEqual(50, pace.Remaining(5, 0)!.Value.TotalSeconds, 1e-6, "no validation known");
        pace.AddValidation(TimeSpan.FromSeconds(7));
        Assert.AreEqual(50 + 21, pace.Remaining(5, 0)!.Value.TotalSeconds, 1e-6);
        Assert.AreEqual(40 + 21, pace.Remaining(10, 0)!.Value.TotalSeconds, 1e-6, "before the validation of the first epoch");
        Assert.AreEqual(40 + 14, pace.Remaining(10, 1)!.Value.TotalSeconds, 1e-6, "after it");
        Assert.AreEqual(7, pace.Remaining(30, 2)!.Value.TotalSeconds, 1e-6);
        Assert.AreEqual(TimeSpan.Zero, pace.Remaining(30, 3));
    }

    [TestMethod]
    public void AfterAResumeTheEarlierEpochsTell()
    {
        var pace = new RunPace(epochs: 4, stepsPerEpoch: 10, [new(1, 1, 0.5, 99), new(2, 1, 0.5, 30)]);
        Assert.AreEqual(60, pace.Remaining(20, 2)!.Value.TotalSeconds, 1e-6);
        pace.AddStep(TimeSpan.FromSeconds(2));
        Assert.AreEqual(19 * 2 + 2 * 10, pace.Remaining(21, 2)!.Value.TotalSeconds, 1e-6, "30 seconds were 20 of steps and 10 of validation");
    }
}
