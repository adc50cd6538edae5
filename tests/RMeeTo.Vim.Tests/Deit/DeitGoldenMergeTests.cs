using System.Text.Json;
using RMeeTo.Vim.Deit;
using RMeeTo.Vim.Deit.Operators;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Tests.Devices;
using RMeeTo.Vim.Tests.Golden;

namespace RMeeTo.Vim.Tests.Deit;

/// <summary>Matching and merging of transformers against the official program: decisions, merged tokens, sizes, gradients.</summary>
[TestClass]
[TestCategory("Golden")]
public sealed class DeitGoldenMergeTests
{
    private const string Recording = "merge_vit.safetensors";

    private static readonly IReadOnlyList<JsonElement> s_all = GoldenData.Cases("merge_index.json", "merge_vit");

    public static IEnumerable<object[]> Cases => GoldenData.Rows(DevicesUnderTest.Names, s_all.Select(c => c.GetProperty("case").GetString()!));

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Merge_agrees(string deviceName, string name)
    {
        GoldenData.Require(name);
        var settings = s_all.Single(c => c.GetProperty("case").GetString() == name);
        var file = GoldenData.File(Recording);
        int batch = Number("batch"), tokens = Number("tokens"), removed = Number("r");
        bool hasClassToken = settings.GetProperty("class_token").GetBoolean();
        Assert.AreEqual(removed, Math.Min(Number("num_prune"), (hasClassToken ? tokens - 1 : tokens) / 2), "tokens removed");
        if (removed == 0)
        {
            Tolerances.AssertClose("x_out", file[$"{name}.x"].Values, file[$"{name}.x_out"].Values, Tolerances.Merge); // no step
            return;
        }
        using var device = DevicesUnderTest.Create(deviceName);
        using var operators = DeitOperators.For(device);
        var plan = new DeitMergePlan(batch, tokens, removed, DeitGoldenNets.Options(settings), hasClassToken);
        DeviceMatrix x = device.Matrix(file, $"{name}.x"), sizes = device.Matrix(file, $"{name}.size"), cotangent = device.Matrix(file, $"{name}.x_cotangent");
        DeviceMatrix merged = device.Matrix(batch * plan.TokensOut, 1), output = device.Matrix(batch * plan.TokensOut, x.Columns), gradient = device.Matrix(x.Rows, x.Columns);
        operators.Match(batch, device.Matrix(file, $"{name}.metric"), sizes, plan, merged);
        operators.Merge(batch, plan, x, output);
        operators.MergeGradient(batch, plan, cotangent, gradient);

        DeitGoldenPlan.Check(plan, batch, file, name);
        string group = $"{deviceName}, merge_vit";
        GoldenReport.AssertClose(group, "size_out", merged.Values(), file[$"{name}.size_out"].Values, Tolerances.Merge);
        GoldenReport.AssertClose(group, "x_out", output.Values(), file[$"{name}.x_out"].Values, Tolerances.Merge);
        GoldenReport.AssertClose(group, "x_grad", gradient.Values(), file[$"{name}.x_grad"].Values, Tolerances.Merge);

        int Number(string property) => settings.GetProperty(property).GetInt32();
    }
}
