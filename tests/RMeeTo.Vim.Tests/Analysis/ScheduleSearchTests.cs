using RMeeTo.Vim.Analysis;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Retraining;
using RMeeTo.Vim.Tests.Retraining;

namespace RMeeTo.Vim.Tests.Analysis;

/// <summary>Schedules found for a target, on a network that learned a tiny task.</summary>
[TestClass]
public class ScheduleSearchTests
{
    private static readonly ImageSet Calibration = TinyTask.Images(45, seed: 11);

    private static readonly Lazy<VimModel> Learned = new(() => Retrainer.Run(TinyTask.Model(), TinyTask.Images(240, seed: 3), null, TinyTask.Options with { Epochs = 6 }).Model);

    [TestMethod]
    [DataRow(1.15)]
    [DataRow(1.3)]
    public void ReachesTheSpeedAndLosesNoMoreThanAnyPlainSchedule(double speedup)
    {
        var found = ScheduleSearch.Find(Learned.Value, MergeSchedule.ForSpeedup(speedup), Calibration, new() { Evaluations = 40 });
        Assert.IsGreaterThanOrEqualTo(speedup, found.Chosen.Speedup);
        Assert.AreEqual(45, found.Images);
        using var evaluator = new ScheduleEvaluator(Learned.Value, Calibration);
        for (int interval = 1; interval <= 3; interval++)
        {
            var uniform = Enumerable.Range(1, 30).Select(r => evaluator.Evaluate(MergeSchedule.Uniform(TinyTask.Config, r, interval))).FirstOrDefault(e => e.Speedup >= speedup);
            if (uniform is not null) Assert.IsLessThanOrEqualTo(uniform.Divergence * 1.05, found.Chosen.Divergence, $"every {interval}: {string.Join(' ', uniform.Schedule.RemovedPerBlock)}");
        }
    }

    [TestMethod]
    public void TheCurveBeginsWithTheUnmergedNetworkAndHoldsTheChosenSchedule()
    {
        var found = ScheduleSearch.Find(Learned.Value, MergeSchedule.ForSpeedup(1.2), Calibration, new() { Evaluations = 20 });
        Assert.IsTrue(found.Curve[0].Schedule.IsDense);
        Assert.AreEqual(1, found.Curve[0].Speedup);
        Assert.AreEqual(0, found.Curve[0].Divergence);
        CollectionAssert.Contains(found.Curve.ToList(), found.Chosen);
        for (int i = 1; i < found.Curve.Count; i++) Assert.IsGreaterThan(found.Curve[i - 1].Speedup, found.Curve[i].Speedup);
    }

    [TestMethod]
    public void TheAccuracyThatMayBeLostIsNotExceededAndMoreOfItIsNotSlower()
    {
        double speed = 1;
        foreach (double loss in new[] { 0, 0.1, 0.6 })
        {
            var found = ScheduleSearch.Find(Learned.Value, MergeSchedule.ForAccuracyLoss(loss), Calibration, new() { Evaluations = 24 });
            Assert.IsLessThanOrEqualTo(loss, found.Curve[0].Top1 - found.Chosen.Top1);
            Assert.IsGreaterThanOrEqualTo(speed - 0.01, found.Chosen.Speedup, $"loss {loss}");
            speed = found.Chosen.Speedup;
        }
        Assert.IsGreaterThan(1.3, speed, "a loss of 60 points lets tokens go");
    }

    [TestMethod]
    public void ThreadsDoNotChangeWhatIsFound()
    {
        var one = Find(1);
        var three = Find(3);
        CollectionAssert.AreEqual(one.Chosen.Schedule.RemovedPerBlock.ToArray(), three.Chosen.Schedule.RemovedPerBlock.ToArray());
        Assert.AreEqual(one.Chosen.Divergence, three.Chosen.Divergence);

        static ScheduleSearchResult Find(int threads) => ScheduleSearch.Find(Learned.Value, MergeSchedule.ForSpeedup(1.25), Calibration, new() { Evaluations = 16, Threads = threads });
    }

    [TestMethod]
    public void AnEvaluationIsThatOfTheClassifier()
    {
        using var evaluator = new ScheduleEvaluator(Learned.Value, Calibration);
        var schedule = MergeSchedule.Uniform(TinyTask.Config, 9, interval: 1);
        var evaluation = evaluator.Evaluate(schedule);
        Assert.AreEqual(TinyTask.Top1(Learned.Value.WithSchedule(schedule), Calibration), evaluation.Top1);
        Assert.AreEqual(TinyTask.Top1(Learned.Value, Calibration), evaluator.DenseTop1);

        var (dense, merged) = (Probabilities(Learned.Value), Probabilities(Learned.Value.WithSchedule(schedule)));
        double divergence = dense.Zip(merged, (p, q) => p * Math.Log(p / q)).Sum() / Calibration.Count;
        Assert.AreEqual(divergence, evaluation.Divergence, 1e-9);
        Assert.IsGreaterThan(1e-4, divergence, "the schedule changes something");

        static double[] Probabilities(VimModel model)
        {
            using var classifier = new VimClassifier(model, threads: 1);
            var probabilities = new float[Calibration.Count * model.Config.Classes];
            classifier.Predict([.. Calibration.Indices.Select(Calibration.Store.Read)], probabilities);
            return [.. probabilities.Select(p => (double)p)];
        }
    }

    [TestMethod]
    public void ProgressTellsTheBestSoFar()
    {
        var told = new List<ScheduleSearchProgress>();
        var found = ScheduleSearch.Find(Learned.Value, MergeSchedule.ForSpeedup(1.2), Calibration, new() { Evaluations = 16, Progress = new Told<ScheduleSearchProgress>(told.Add) });
        Assert.IsNotEmpty(told);
        for (int i = 1; i < told.Count; i++) Assert.IsLessThanOrEqualTo(told[i - 1].Best.Divergence, told[i].Best.Divergence);
        Assert.AreEqual(found.Chosen, told[^1].Best);
    }

    [TestMethod]
    [DataRow(1.0)]
    [DataRow(0.5)]
    [DataRow(21.0)]
    [DataRow(double.NaN)]
    public void ASpeedupOutOfRangeIsRefused(double speedup) => Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => MergeSchedule.ForSpeedup(speedup));

    [TestMethod]
    [DataRow(-0.01)]
    [DataRow(1.0)]
    [DataRow(double.NaN)]
    public void ALossOutOfRangeIsRefused(double loss) => Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => MergeSchedule.ForAccuracyLoss(loss));

    [TestMethod]
    public void ASpeedThatNoScheduleReachesIsRefusedWithTheFastest()
    {
        var error = Assert.ThrowsExactly<ArgumentException>(() => ScheduleSearch.Find(Learned.Value, MergeSchedule.ForSpeedup(15), Calibration));
        Assert.Contains("15 times as fast; the fastest is", error.Message);
    }

    /// <summary>Where every token goes to its fourteenth best partner, merges stop in time: a shape that would leave fewer is no error of the search.</summary>
    [TestMethod]
    [DataRow(3)]
    [DataRow(14)]
    public void SchedulesLeaveAsManyPartnersAsTheOptionsAskFor(int rank)
    {
        var merging = new MergeOptions { PartnerRank = rank };
        var found = ScheduleSearch.Find(Learned.Value, MergeSchedule.ForSpeedup(1.1), Calibration, new() { Evaluations = 8, Merging = merging });
        Assert.IsGreaterThanOrEqualTo(1.1, found.Chosen.Speedup);
        foreach (var point in found.Curve)
            foreach (var step in point.Schedule.Steps) Assert.IsGreaterThanOrEqualTo(rank, step.PartnerRows);
    }

    /// <summary>Fourteen blocks have nine simple shapes to start from, one more than may be tried.</summary>
    [TestMethod]
    public void TheBudgetIsKeptFromTheFirstShapeOn()
    {
        var told = new List<ScheduleSearchProgress>();
        ScheduleSearch.Find(Untrained(depth: 14), MergeSchedule.ForSpeedup(1.1), Calibration, new() { Evaluations = 8, Progress = new Told<ScheduleSearchProgress>(told.Add) });
        Assert.AreEqual(8, told[^1].Tried);
    }

    [TestMethod]
    public void ANetworkOfOneBlockIsRefused()
    {
        foreach (var target in (ScheduleTarget[])[MergeSchedule.ForSpeedup(1.2), MergeSchedule.ForAccuracyLoss(0.1)])
            Assert.Contains("1 block", Assert.ThrowsExactly<ArgumentException>(() => ScheduleSearch.Find(Untrained(depth: 1), target, Calibration)).Message);
    }

    private static VimModel Untrained(int depth) =>
        new(VimInitializer.Create(TinyTask.Config with { Depth = depth }, 1), [.. Enumerable.Range(0, TinyTask.Config.Classes).Select(c => $"{c}")]);

    [TestMethod]
    public void NoImagesAreRefused() =>
        Assert.Contains("no images", Assert.ThrowsExactly<ArgumentException>(() => ScheduleSearch.Find(Learned.Value, MergeSchedule.ForSpeedup(1.2), Calibration with { Indices = [] })).Message);

    [TestMethod]
    public void CancelledAtOnce() => Assert.Throws<OperationCanceledException>(() =>
        ScheduleSearch.Find(Learned.Value, MergeSchedule.ForSpeedup(1.2), Calibration, cancellation: new CancellationToken(canceled: true)));
}
