using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Tests.Devices;

namespace RMeeTo.Vim.Tests.Golden;

/// <summary>Matching and merging of every device against the official program: decisions, merged streams, sizes, sources, gradients.</summary>
[TestClass]
[TestCategory("Golden")]
public sealed class GoldenMergeTests
{
    private static readonly GoldenMergeCase[] s_all = [.. GoldenData.Cases("merge_index.json", "merge").Select(c => new GoldenMergeCase(c))];

    public static IEnumerable<object[]> Merging => Rows(c => c.Removed > 0);
    public static IEnumerable<object[]> Nothing => Rows(c => c.Removed == 0);

    [TestMethod]
    [DynamicData(nameof(Merging))]
    public void Merge_agrees(string deviceName, string caseName)
    {
        var (c, file) = Open(caseName);
        using VimDevice device = DevicesUnderTest.Create(deviceName);
        MergeStep step = c.Step();
        Assert.AreEqual(c.TokensOut, step.TokensOut, "tokens afterwards");
        if (c.PositionHoldsClassToken) Assert.AreEqual(c.NewTokenPosition, step.ClassRowOut, "class row afterwards");

        using MergePlan plan = device.CreateMergePlan(c.Batch, step, c.Options);
        DeviceMatrix metric = device.Matrix(file, $"{c.Name}.metric"), sizes = device.Matrix(file, $"{c.Name}.size"), merged = device.Matrix(c.Batch * c.TokensOut, 1);
        device.Match(c.Batch, new() { Metric = metric, Sizes = sizes }, plan, merged);

        string group = $"{deviceName}, merge";
        GoldenReport.AssertClose(group, "size_out", merged.Values(), file[$"{c.Name}.size_out"].Values, Tolerances.Merge);
        foreach (string stream in new[] { "x", "residual" }) CompareStream(device, file, c, plan, stream, group);
        CompareDecisions(file, c, plan);
    }

    /// <summary>Where the cap leaves nothing to remove, a schedule has no step, and the recorded merge is the identity.</summary>
    [TestMethod]
    [DynamicData(nameof(Nothing))]
    public void Nothing_to_remove_is_no_step(string deviceName, string caseName)
    {
        var (c, file) = Open(caseName);
        Assert.AreEqual(0, Math.Min(c.Requested, c.Most), deviceName);
        Assert.AreEqual(c.Tokens, c.TokensOut);
        Assert.AreEqual(c.TokenPosition, c.NewTokenPosition);
        Tolerances.AssertClose("x_out", file[$"{c.Name}.x"].Values, file[$"{c.Name}.x_out"].Values, Tolerances.Merge);
    }

    private static void CompareStream(VimDevice device, GoldenFile file, GoldenMergeCase c, MergePlan plan, string stream, string group)
    {
        DeviceMatrix source = device.Matrix(file, $"{c.Name}.{stream}"), cotangent = device.Matrix(file, $"{c.Name}.{stream}_cotangent");
        DeviceMatrix output = device.Matrix(c.Batch * c.TokensOut, source.Columns), gradient = device.Matrix(source.Rows, source.Columns);
        DeviceMatrix winners = device.Matrix(output.Rows, output.Columns); // for the modes that have them
        device.Merge(c.Batch, plan, source, output, winners);
        device.MergeGradient(c.Batch, plan, cotangent, gradient, winners);
        GoldenReport.AssertClose(group, $"{stream}_out", output.Values(), file[$"{c.Name}.{stream}_out"].Values, Tolerances.Merge);
        GoldenReport.AssertClose(group, $"{stream}_grad", gradient.Values(), file[$"{c.Name}.{stream}_grad"].Values, Tolerances.Merge);
    }

    private static void CompareDecisions(GoldenFile file, GoldenMergeCase c, MergePlan plan)
    {
        double[] sourceOut = file[$"{c.Name}.source_out"].Values;
        for (int image = 0; image < c.Batch; image++)
        {
            var (rows, weights) = (new int[c.Tokens], new float[c.Tokens]);
            plan.Read(image, rows, weights);
            CollectionAssert.AreEqual(c.RecordedDestinations(file, image), rows, $"image {image}: rows afterwards");

            var sources = new TokenSources(c.Tokens);
            sources.Apply(rows, c.TokensOut);
            for (int token = 0; token < c.Tokens; token++)
                for (int row = 0; row < c.TokensOut; row++)
                    Assert.AreEqual(sourceOut[(image * c.TokensOut + row) * c.Tokens + token] != 0, sources.RowOfToken[token] == row, $"image {image}: token {token} in row {row}");
        }
    }

    private static IEnumerable<object[]> Rows(Func<GoldenMergeCase, bool> which) =>
        GoldenData.Rows(DevicesUnderTest.Names, s_all.Where(which).Select(c => c.Name));

    private static (GoldenMergeCase Case, GoldenFile File) Open(string caseName)
    {
        GoldenData.Require(caseName);
        GoldenMergeCase found = s_all.Single(c => c.Name == caseName);
        return (found, GoldenMergeCase.FileOf(found.Name));
    }
}
