using System.Text.Json;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Tests.Devices;

namespace RMeeTo.Vim.Tests.Golden;

/// <summary>Normalisation, convolution, scan and loss of every device against the official operators.</summary>
[TestClass]
[TestCategory("Golden")]
public sealed class GoldenOperatorTests
{
    private const string Index = "ops_index.json";

    public static IEnumerable<object[]> Norms => Rows("norm");
    public static IEnumerable<object[]> Convolutions => Rows("causal_conv1d");
    public static IEnumerable<object[]> Scans => Rows("selective_scan");

    [TestMethod]
    [DynamicData(nameof(Norms))]
    public void AddNorm_agrees(string deviceName, string caseName)
    {
        var (settings, file) = Open("norm", caseName);
        using VimDevice device = DevicesUnderTest.Create(deviceName);
        DeviceMatrix x = device.Matrix(file, $"{caseName}.in.x"), residual = device.Matrix(file, $"{caseName}.in.residual");
        var norm = new NormOperands
        {
            Kind = settings.GetProperty("kind").GetString() == "rms" ? NormKind.Rms : NormKind.Layer,
            Epsilon = settings.GetProperty("eps").GetSingle(),
            Weight = device.Matrix(file, $"{caseName}.in.weight"),
            Bias = device.Matrix(file, $"{caseName}.in.bias"),
        };
        var (sum, y, statistics) = (device.Matrix(x.Rows, x.Columns), device.Matrix(x.Rows, x.Columns), device.Matrix(x.Rows, 2));
        device.AddNorm(norm, residual.IsNone ? x : residual, residual.IsNone ? default : x, sum, y, statistics);

        // What comes from above into residual_out goes straight through: the gradient of the norm is added to it.
        string straight = $"{caseName}.cotangent.residual_out";
        DeviceMatrix dSum = file.Has(straight) ? device.Matrix(file, straight) : device.Matrix(x.Rows, x.Columns);
        var (dWeight, dBias) = (device.Matrix(1, x.Columns), norm.Bias.IsNone ? default : device.Matrix(1, x.Columns));
        device.AddNormGradient(norm, sum, statistics, device.Matrix(file, $"{caseName}.cotangent.y"), dSum, dWeight, dBias);

        var check = new Checker(file, caseName, $"{deviceName}, norm");
        check.Output("y", y.Values());
        if (file.Has(straight)) check.Output("residual_out", sum.Values()); // the official operator hands it out on request only
        check.Gradient("x", dSum.Values());
        if (!residual.IsNone) check.Gradient("residual", dSum.Values());
        check.Gradient("weight", dWeight.Values());
        if (!dBias.IsNone) check.Gradient("bias", dBias.Values());
    }

    [TestMethod]
    [DynamicData(nameof(Convolutions))]
    public void CausalConv_agrees(string deviceName, string caseName)
    {
        var (settings, file) = Open("causal_conv1d", caseName);
        using VimDevice device = DevicesUnderTest.Create(deviceName);
        int batch = settings.GetProperty("batch").GetInt32();
        DeviceMatrix x = device.TokenMajor(file, $"{caseName}.in.x");
        var conv = new ConvOperands
        {
            Batch = batch,
            Length = settings.GetProperty("length").GetInt32(),
            Reverse = false,
            Silu = settings.GetProperty("activation").ValueKind != JsonValueKind.Null,
            Weight = device.Matrix(file, $"{caseName}.in.weight"),
            Bias = device.Matrix(file, $"{caseName}.in.bias"),
        };
        var (y, dx) = (device.Matrix(x.Rows, x.Columns), device.Matrix(x.Rows, x.Columns));
        var (dWeight, dBias) = (device.Matrix(x.Columns, conv.Weight.Columns), conv.Bias.IsNone ? default : device.Matrix(1, x.Columns));
        device.CausalConv(conv, x, y);
        device.CausalConvGradient(conv, x, device.TokenMajor(file, $"{caseName}.cotangent.y"), dx, false, dWeight, dBias);

        var check = new Checker(file, caseName, $"{deviceName}, causal_conv1d");
        check.Output("y", y.ChannelMajor(batch));
        check.Gradient("x", dx.ChannelMajor(batch));
        check.Gradient("weight", dWeight.Values());
        if (!dBias.IsNone) check.Gradient("bias", dBias.Values());
    }

    [TestMethod]
    [DynamicData(nameof(Scans))]
    public void SelectiveScan_agrees(string deviceName, string caseName)
    {
        var (settings, file) = Open("selective_scan", caseName);
        using VimDevice device = DevicesUnderTest.Create(deviceName);
        var scan = new GoldenScan(device, settings, file, caseName);
        scan.Run();
        scan.Check(new Checker(file, caseName, $"{deviceName}, selective_scan"));
    }

    private static IEnumerable<object[]> Rows(string group) =>
        GoldenData.Rows(DevicesUnderTest.Names, GoldenData.Cases(Index, group).Select(c => c.GetProperty("case").GetString()!));

    private static (JsonElement Settings, GoldenFile File) Open(string group, string caseName)
    {
        GoldenData.Require(caseName);
        return (GoldenData.Cases(Index, group).Single(c => c.GetProperty("case").GetString() == caseName), GoldenData.File($"{group}.safetensors"));
    }
}

/// <summary>Holds computed values to the recorded ones of one case.</summary>
internal sealed class Checker(GoldenFile file, string caseName, string group)
{
    /// <summary>A result of the forward pass. One that was not recorded fails: it would be a comparison with nothing.</summary>
    public void Output(string name, double[] values) => Compare($"out.{name}", values, Tolerances.Forward);

    /// <summary>A gradient.</summary>
    public void Gradient(string name, double[] values) => Compare($"grad.{name}", values, Tolerances.Gradient);

    private void Compare(string name, double[] values, double tolerance) => GoldenReport.AssertClose(group, name, values, file[$"{caseName}.{name}"].Values, tolerance);
}
