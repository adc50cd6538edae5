using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Reference;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Tests.Devices;

namespace RMeeTo.Vim.Tests.Golden;

/// <summary>Whole networks against the official code: logits, loss, traces, gradients of every parameter, and every merge decision.</summary>
[TestClass]
[TestCategory("Golden")]
public sealed class GoldenModelTests
{
    public static IEnumerable<object[]> Supported => GoldenData.Rows(() =>
        from item in GoldenNets.Cases("models_index.json")
        where item.Unsupported is null
        from device in DevicesUnderTest.Names
        select new object[] { item.Case.ToString(), device }, DevicesUnderTest.Names[0]);

    [TestMethod]
    [DynamicData(nameof(Supported))]
    public void NetworkAgreesWithTheOfficialCode(string caseName, string deviceName)
    {
        GoldenData.Require(caseName);
        var golden = GoldenNets.Cases("models_index.json").Select(item => item.Case).First(c => c.ToString() == caseName);
        var recorded = GoldenData.File(golden.File);
        var input = GoldenData.File($"{golden.Net}_input.safetensors");
        var config = GoldenNets.Config(golden);
        var (schedule, options) = GoldenNets.Merging(config, golden.Settings);
        var weights = GoldenNets.Weights(config, GoldenData.File(golden.Settings.GetProperty("weights_file").GetString()!));
        using var device = DevicesUnderTest.Create(deviceName);
        using var run = new GoldenRun(device, weights, schedule, options, input["images"].Shape[0]);

        run.UseRecordedShuffles(recorded);
        run.Forward(input.Floats("images"), trace =>
        {
            string metric = $"layer.{trace.Block}.metric_{options.Metric switch { MergeMetric.Delta => "delta", var letter => letter.ToString() }}";
            if (trace.Metric is not null && recorded.Has(metric)) Close(recorded, metric, trace.Metric, 2e-5);
            Close(recorded, $"layer.{trace.Block}.hidden", trace.Hidden, 2e-5);
            Close(recorded, $"layer.{trace.Block}.residual", trace.Residual, 2e-5);
            if (trace.Sizes is not null) Close(recorded, $"layer.{trace.Block}.size", trace.Sizes, 1e-6);
        });
        Close(recorded, "logits", run.Logits, 2e-5);
        if (device is ReferenceDevice) Close(recorded, "logits_f64", run.Logits, 1e-11);
        run.CheckDecisions(recorded, "");

        double loss = run.CrossEntropy(input.Integers("labels"));
        Close(recorded, "loss", [loss], 2e-5);
        if (!golden.HasGradients) return;
        run.Backward();
        foreach (var parameter in weights.Parameters.All) Close(recorded, $"grad.{parameter.Name}", run.Gradient(parameter), 2e-4);
    }

    [TestMethod]
    public void CasesBeyondTheProductAreKnown()
    {
        GoldenData.Require();
        var left = GoldenNets.Cases("models_index.json").Where(item => item.Unsupported is not null).ToList();
        foreach (var group in left.GroupBy(item => item.Unsupported)) Console.WriteLine($"not in the product: {group.Key}: {string.Join(", ", group.Select(item => item.Case))}");
        Assert.IsNotEmpty(GoldenNets.Cases("models_index.json").Where(item => item.Unsupported is null).ToList());
    }

    /// <summary>Largest difference, relative to the largest recorded value. A name that is not recorded fails: it would be a comparison with nothing.</summary>
    private static void Close(GoldenFile recorded, string name, double[] actual, double limit) => GoldenAssert.Close(recorded[name].Values, actual, limit, name);
}

internal static class GoldenAssert
{
    /// <summary>Largest difference, relative to the largest expected value, is at most <paramref name="limit"/>.</summary>
    public static void Close(double[] expected, double[] actual, double limit, string what)
    {
        Assert.HasCount(expected.Length, actual, what);
        double largest = 0, difference = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            largest = Math.Max(largest, Math.Abs(expected[i]));
            double d = Math.Abs(expected[i] - actual[i]);
            if (!(d <= difference)) difference = d; // NaN counts as a difference
        }
        if (!(difference <= limit * Math.Max(largest, 1e-30))) Assert.Fail($"{what}: largest difference {difference:0.0e+0} with largest value {largest:0.0e+0}; the limit is {limit:0.0e+0} of it.");
    }
}
