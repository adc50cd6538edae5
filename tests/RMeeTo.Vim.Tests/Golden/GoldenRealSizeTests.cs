using System.Text.Json;
using RMeeTo.Vim.Checkpoints;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Reference;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Tests.Devices;

namespace RMeeTo.Vim.Tests.Golden;

/// <summary>Networks of the published sizes at 224 pixels, with weights from a generator that the recording shares.</summary>
[TestClass]
[TestCategory("Golden")]
public sealed class GoldenRealSizeTests
{
    private const string ReferenceCase = "vim_tiny/r5_compare5"; // scalar double takes some ten seconds an image: once

    public static IEnumerable<object[]> Cases => GoldenData.Rows(() =>
        from model in GoldenData.Index("real_index.json").GetProperty("models").EnumerateObject()
        where !model.Name.StartsWith("deit", StringComparison.Ordinal) // transformers have tests of their own
        from item in model.Value.GetProperty("cases").EnumerateObject()
        where GoldenNets.UnsupportedMerge(item.Value.GetProperty("merge")) is null
        let name = $"{model.Name}/{item.Name}"
        from device in DevicesUnderTest.Names
        where name == ReferenceCase || DevicesUnderTest.RunsAllRealSizes(device)
        select new object[] { name, device }, DevicesUnderTest.Names[0]);

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void NetworkAgreesWithTheOfficialCode(string name, string deviceName)
    {
        GoldenData.Require(name);
        var (model, caseName) = (name.Split('/')[0], name.Split('/')[1]);
        var index = GoldenData.Index("real_index.json");
        var config = Config(index, model);
        var (schedule, options) = GoldenNets.Merging(config, index.GetProperty("models").GetProperty(model).GetProperty("cases").GetProperty(caseName));
        var recorded = GoldenData.File($"real_{model}.safetensors");
        using var device = DevicesUnderTest.Create(deviceName);
        using var run = new GoldenRun(device, Weights(config, index, model), schedule, options, GoldenData.File($"real_{model}_images.safetensors")["images"].Shape[0]);

        var (hidden, residual, means) = (new List<double[]>(), new List<double[]>(), new List<double>());
        run.Forward(GoldenData.File($"real_{model}_images.safetensors").Floats("images"), trace =>
        {
            hidden.Add(ClassRows(trace.Hidden, schedule, trace.Block, config.Width));
            residual.Add(ClassRows(trace.Residual, schedule, trace.Block, config.Width));
            means.Add(trace.Hidden.Average(Math.Abs));
        });
        GoldenAssert.Close(recorded[$"{caseName}.logits"].Values, run.Logits, 2e-5, "logits");
        if (device is ReferenceDevice) GoldenAssert.Close(recorded[$"{caseName}.logits_f64"].Values, run.Logits, 1e-11, "logits_f64");
        GoldenAssert.Close(recorded[$"{caseName}.cls_hidden"].Values, ByImage(hidden, config), 2e-5, "class token, hidden");
        GoldenAssert.Close(recorded[$"{caseName}.cls_residual"].Values, ByImage(residual, config), 2e-5, "class token, residual");
        GoldenAssert.Close(recorded[$"{caseName}.hidden_abs_mean"].Values, [.. means], 2e-5, "mean of the hidden state");
        run.CheckDecisions(recorded, $"{caseName}.");
    }

    private static VimConfig Config(JsonElement index, string model) => RealModels.Config(model, [.. index.GetProperty("models").GetProperty(model).GetProperty("parameters").EnumerateArray()
        .Select(p => new CheckpointTensor(p[0].GetString()!, CheckpointDataType.Float32, [.. p[1].EnumerateArray().Select(e => e.GetInt64())]))]);

    private static VimWeights Weights(VimConfig config, JsonElement index, string model)
    {
        var weights = new VimWeights(config);
        Fill(weights, index, model);
        return weights;
    }

    /// <summary>The generator of the recording: SplitMix64 on (seed, parameter, value), uniform between the bounds of the index.</summary>
    internal static void Fill(NetworkWeights weights, JsonElement index, string model)
    {
        ulong seed = index.GetProperty("seed").GetUInt64();
        ulong k = 0;
        foreach (var parameter in index.GetProperty("models").GetProperty(model).GetProperty("parameters").EnumerateArray())
        {
            var values = weights[parameter[0].GetString()!];
            var (low, high) = (parameter[2].GetDouble(), parameter[3].GetDouble());
            for (int j = 0; j < values.Length; j++)
            {
                ulong z = seed * 0x9E3779B97F4A7C15 + (k << 32) + (ulong)j + 0x9E3779B97F4A7C15;
                z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
                z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
                z ^= z >> 31;
                values[j] = (float)(low + (high - low) * ((z >> 40) / 16777216.0));
            }
            k++;
        }
    }

    /// <summary>The class row of every image [B, C].</summary>
    private static double[] ClassRows(double[] tokens, MergeSchedule schedule, int block, int width)
    {
        int length = schedule.TokensPerBlock[block], batch = tokens.Length / (length * width);
        return [.. Enumerable.Range(0, batch).SelectMany(b => tokens.AsSpan((b * length + schedule.ClassRowPerBlock[block]) * width, width).ToArray())];
    }

    /// <summary>[blocks][B, C] as [B, blocks, C].</summary>
    private static double[] ByImage(List<double[]> blocks, VimConfig config)
    {
        int batch = blocks[0].Length / config.Width;
        return [.. Enumerable.Range(0, batch).SelectMany(b => blocks.SelectMany(block => block.AsSpan(b * config.Width, config.Width).ToArray()))];
    }
}
