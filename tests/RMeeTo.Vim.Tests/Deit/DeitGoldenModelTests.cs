using RMeeTo.Vim.Devices.Reference;
using RMeeTo.Vim.Tests.Devices;
using RMeeTo.Vim.Tests.Golden;

namespace RMeeTo.Vim.Tests.Deit;

/// <summary>Whole transformers against the official code: logits, loss, traces, gradients of every parameter, and every merge decision.</summary>
[TestClass]
[TestCategory("Golden")]
public sealed class DeitGoldenModelTests
{
    public static IEnumerable<object[]> Cases => GoldenData.Rows(() =>
        from golden in DeitGoldenNets.Cases("models_index.json") from device in DevicesUnderTest.Names select new object[] { golden.ToString(), device }, DevicesUnderTest.Names[0]);

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void NetworkAgreesWithTheOfficialCode(string caseName, string deviceName)
    {
        GoldenData.Require(caseName);
        var golden = DeitGoldenNets.Cases("models_index.json").First(c => c.ToString() == caseName);
        var recorded = GoldenData.File(golden.File);
        var input = GoldenData.File($"{golden.Net}_input.safetensors");
        var config = DeitGoldenNets.Config(golden);
        var (schedule, options) = DeitGoldenNets.Merging(config, golden.Settings);
        var weights = DeitGoldenNets.Weights(config, GoldenData.File(golden.Settings.GetProperty("weights_file").GetString()!));
        using var device = DevicesUnderTest.Create(deviceName);
        using var run = new DeitRun(device, weights, schedule, options, input["images"].Shape[0]);

        string group = $"{deviceName}, deit";
        run.Forward(input.Floats("images"), (block, tokens, sizes) =>
        {
            GoldenReport.AssertClose(group, "layer.x", tokens, recorded[$"layer.{block}.x"].Values, 2e-5);
            if (sizes is not null) GoldenReport.AssertClose(group, "layer.size", sizes, recorded[$"layer.{block}.size"].Values, 1e-6);
        });
        GoldenReport.AssertClose(group, "logits", run.Logits, recorded["logits"].Values, 2e-5);
        if (device is ReferenceDevice) GoldenReport.AssertClose(group, "logits_f64", run.Logits, recorded["logits_f64"].Values, 1e-11);
        run.CheckDecisions(recorded, "");

        GoldenReport.AssertClose(group, "loss", [run.CrossEntropy(input.Integers("labels"))], recorded["loss"].Values, 2e-5);
        if (!golden.HasGradients) return;
        run.Backward();
        foreach (var parameter in weights.Parameters.All) GoldenReport.AssertClose(group, "grad", run.Gradient(parameter), recorded[$"grad.{parameter.Name}"].Values, 2e-4);
    }
}
