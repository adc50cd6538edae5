using RMeeTo.Vim.Images.Augmentation;
using RMeeTo.Vim.Retraining;

namespace RMeeTo.Vim.Tests.Retraining;

/// <summary>Plans for a time budget, on a machine of which only the times are made up.</summary>
[TestClass]
public sealed class TimePlannerTests
{
    private const int StepsPerEpoch = 20;

    /// <summary>Seconds of a step, by its number.</summary>
    private static readonly Dictionary<string, Func<int, double>> s_machines = new()
    {
        ["steady"] = _ => 1,
        ["slow to start"] = step => step < 1 ? 20 : 1,
        ["slower from the middle on"] = step => step < 100 ? 1 : 2.5,
        ["faster from the middle on"] = step => step < 100 ? 2.5 : 1,
        ["noisy"] = step => 0.5 + step * 37 % 11 / 10.0,
        ["with a pause"] = step => step == 120 ? 40 : 1,
    };

    [TestMethod]
    [DataRow("steady", 300, 0, 0.97)]
    [DataRow("steady", 300, 15, 0.9)]
    [DataRow("steady", 33, 5, 0.8)]
    [DataRow("slow to start", 300, 5, 0.95)]
    [DataRow("slower from the middle on", 300, 5, 0.95)]
    [DataRow("faster from the middle on", 300, 5, 0.7)]
    [DataRow("noisy", 300, 5, 0.95)]
    [DataRow("with a pause", 300, 5, 0.9)]
    public void TheRunEndsInTimeWithTheWholeSchedule(string machine, double budget, double validation, double least)
    {
        var run = Simulate(s_machines[machine], budget, validation, epochs: 1000);
        Assert.IsLessThanOrEqualTo(budget, run.Used, "in time");
        Assert.IsGreaterThan(least * budget, run.Used, "and not much before");
        Assert.IsTrue(run.Places.Zip(run.Places.Skip(1)).All(pair => pair.First < pair.Second), "the schedule only goes on");
        Assert.AreEqual(0, run.Places[0]);
        Assert.IsGreaterThan(0.8 * 1000 * StepsPerEpoch, run.Places[^1], "and comes to its end");
    }

    [TestMethod]
    public void WhereThereIsTimeForAllEpochsNothingChanges()
    {
        foreach (var machine in s_machines.Values)
        {
            var run = Simulate(machine, budget: 2000, validation: 5, epochs: 11);
            CollectionAssert.AreEqual(Enumerable.Range(0, 11 * StepsPerEpoch).Select(i => (long)i).ToList(), run.Places);
        }
    }

    [TestMethod]
    public void ABudgetThatIsUsedUpEndsTheRunAtOnce()
    {
        var run = Simulate(_ => 1, budget: 0.5, validation: 1, epochs: 3);
        Assert.IsLessThanOrEqualTo(2, run.Places.Count);
    }

    /// <summary>There would be time for steps, but not for the validation after them: that before them tells.</summary>
    [TestMethod]
    public void NothingIsBegunThatCannotBeValidatedInTime()
    {
        var run = Simulate(_ => 1, budget: 19, validation: 10, epochs: 3);
        Assert.AreEqual((10.0, 0), (run.Used, run.Places.Count));
        Assert.IsNotEmpty(Simulate(_ => 1, budget: 23, validation: 10, epochs: 3).Places);
    }

    [TestMethod]
    public void ARunDoesNotEndBetweenBatchesThatBelongTogether()
    {
        for (int budget = 20; budget < 60; budget++)
        {
            int last = Simulate(_ => 1, budget, validation: 2, epochs: 1000, microBatches: 3).Places.Count % StepsPerEpoch;
            Assert.IsTrue(last % 3 == 0, $"{last} steps of the last epoch");
        }
    }

    [TestMethod]
    public void PlacesAreThoseOfThePlan()
    {
        var whole = StepPlan.Whole(100);
        for (int step = 0; step <= 100; step++) Assert.AreEqual(step, whole.Place(step));
        var quarter = whole.Revised(0, 25);
        for (int step = 0; step <= 25; step++) Assert.AreEqual(4 * step, quarter.Place(step));
        var longer = quarter.Revised(10, 40);
        Assert.AreEqual(new StepPlan(10, 40, 40, 100), longer);
        Assert.AreEqual((40L, 42L, 98L, 100L), (longer.Place(10), longer.Place(11), longer.Place(39), longer.Place(40)));
        Assert.AreEqual(70, longer.Revised(10, 1000).End, "no stride is shorter than one");
        Assert.AreEqual(30, longer.Revised(30, 5).End, "what is done is done");
        Assert.AreEqual(longer, longer.Revised(20, 40), "the same end is the same plan");
    }

    private static (double Used, List<long> Places) Simulate(Func<int, double> machine, double budget, double validation, int epochs, int microBatches = 1)
    {
        var time = new FakeClock();
        var model = TinyTask.Model();
        var state = new RetrainState(model.Weights) { Plan = StepPlan.Whole(epochs * StepsPerEpoch) };
        var (clock, pace) = (new RunClock(time), new RunPace(StepsPerEpoch));
        var planner = new TimePlanner(TimeSpan.FromSeconds(budget), state, clock, pace, new EpochPlan(StepsPerEpoch, 1), microBatches);
        List<long> places = [];
        Validate();
        pace.ExpectAtEpochEnd(TimeSpan.FromSeconds(validation));
        planner.Look(now: true);
        while (state.Step < state.Plan.End)
        {
            places.Add(state.Plan.Place(state.Step));
            time.Pass(machine(state.Step));
            pace.AddStep(TimeSpan.FromSeconds(machine(state.Step)));
            (state.Step, state.Sums) = (state.Step + 1, state.Sums.Plus(1, 0, 0));
            planner.Look(now: false);
            if (state.Sums.Steps < StepsPerEpoch && state.Step < state.Plan.End) continue;
            Validate();
            state.EndEpoch(null, clock.Used);
            pace.AddEpochEnd(TimeSpan.FromSeconds(validation));
            planner.Look(now: true);
        }
        return (clock.Used.TotalSeconds, places);

        void Validate() => time.Pass(validation);
    }
}
