using RMeeTo.Vim.Retraining;

namespace RMeeTo.Vim.Tests.Retraining;

[TestClass]
public sealed class LearningRateScheduleTests
{
    [TestMethod]
    public void CosineFromBaseTowardsTheMinimum()
    {
        var schedule = new LearningRateSchedule(1e-3, 1e-5, 0, 100);
        Assert.AreEqual(1e-3, schedule.At(0));
        Assert.AreEqual((1e-3 + 1e-5) / 2, schedule.At(50), 1e-18);
        Assert.AreEqual(1e-5 + 0.5 * (1e-3 - 1e-5) * (1 + Math.Cos(Math.PI * 0.75)), schedule.At(75), 1e-18);
        Assert.AreEqual(1e-5, schedule.At(100), 1e-18);
        Assert.AreEqual(1e-5, schedule.At(1000), 1e-18, "beyond the end");
        for (int step = 1; step < 100; step++) Assert.IsLessThan(schedule.At(step - 1), schedule.At(step));
    }

    [TestMethod]
    public void WarmUpRisesToTheBaseAndTheCosineBeginsThere()
    {
        var schedule = new LearningRateSchedule(4e-3, 0, 4, 24);
        double[] expected = [1e-3, 2e-3, 3e-3, 4e-3, 4e-3];
        for (int step = 0; step < expected.Length; step++) Assert.AreEqual(expected[step], schedule.At(step), 1e-18, $"step {step}");
        Assert.AreEqual(2e-3, schedule.At(14), 1e-18);
    }

    [TestMethod]
    public void AWarmUpLongerThanTheRunOnlyRises()
    {
        var schedule = new LearningRateSchedule(1, 0, 10, 5);
        for (int step = 0; step < 5; step++) Assert.AreEqual((step + 1) / 10.0, schedule.At(step), 1e-15);
    }
}
