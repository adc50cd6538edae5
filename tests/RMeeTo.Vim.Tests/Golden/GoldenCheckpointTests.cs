using System.Text.Json;
using RMeeTo.Vim.Checkpoints;
using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Tests.Golden;

/// <summary>State dicts of the official program: names, shapes and values.</summary>
[TestClass]
[TestCategory("Golden")]
public sealed class GoldenCheckpointTests
{
    [TestMethod]
    public void EveryRecordedStateDictLoadsByItsConfiguration()
    {
        GoldenData.Require();
        var skipped = new List<string>();
        int loaded = 0;
        foreach (var (file, kind, arguments) in WeightFiles())
        {
            using var source = SafetensorsReader.Open(Path.Combine(GoldenData.Folder!, file));
            if (Config(kind, arguments) is not { } config)
            {
                skipped.Add(file);
                Assert.ThrowsExactly<CheckpointMismatchException>(() => VimCheckpoint.InferConfig(source), file);
                continue;
            }
            var weights = VimCheckpoint.Load(source, config);
            foreach (var p in weights.Parameters.All)
                Assert.IsTrue(weights[p].ToArray().Select(v => (double)v).SequenceEqual(GoldenData.File(file)[p.Name].Values), $"{file} {p.Name}");
            CollectionAssert.AreEqual(weights.Parameters.All.Select(p => p.Name).ToArray(), source.Tensors.Select(t => t.Name).ToArray(), $"{file}: order");
            if (config.GridHeight == config.GridWidth && config.Stride == config.PatchSize) Assert.AreEqual(config, VimCheckpoint.InferConfig(source, config.ClassToken), file);
            loaded++;
        }
        Console.WriteLine($"{loaded} loaded; not a network of VimConfig, and refused: {string.Join(", ", skipped)}");
        Assert.AreEqual(8, loaded);
        Assert.HasCount(5, skipped);
    }

    [TestMethod]
    [DataRow("vim_tiny")]
    [DataRow("vim_small")]
    [DataRow("vim_base")]
    [DataRow("videomamba_tiny")]
    [DataRow("videomamba_small")]
    [DataRow("videomamba_middle")]
    [DataRow("videomamba_base")]
    public void TheOfficialFactoriesHaveTheseParameters(string factory)
    {
        GoldenData.Require();
        using var document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(GoldenData.Folder!, "real_models.json")));
        var model = document.RootElement.GetProperty(factory);
        var config = factory[(factory.IndexOf('_') + 1)..] switch
        {
            "tiny" => VimConfig.VimTiny,
            "small" => VimConfig.VimSmall,
            "base" => VimConfig.VimBase,
            _ => VimConfig.VimTiny with { Width = 576, Depth = model.GetProperty("keys").EnumerateArray().Count(k => k[0].GetString()!.EndsWith(".A_log", StringComparison.Ordinal)) },
        };
        var parameters = new VimParameters(config);
        string[] official = [.. model.GetProperty("keys").EnumerateArray().Select(k => $"{k[0].GetString()} ({string.Join(", ", k[1].EnumerateArray().Select(e => e.GetInt32()))})")];
        CollectionAssert.AreEqual(official, parameters.All.Select(p => $"{p.Name} {p.ShapeText}").ToArray());
        Assert.AreEqual(model.GetProperty("parameters").GetInt64(), parameters.Count);
    }

    private static IEnumerable<(string File, string Kind, Dictionary<string, JsonElement> Arguments)> WeightFiles()
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(GoldenData.Folder!, "models_index.json")));
        var seen = new HashSet<string>();
        foreach (var net in document.RootElement.EnumerateObject())
            foreach (var testCase in net.Value.GetProperty("cases").EnumerateObject())
            {
                string file = testCase.Value.GetProperty("weights_file").GetString()!;
                if (!seen.Add(file)) continue;
                var arguments = net.Value.GetProperty("kw").EnumerateObject().ToDictionary(a => a.Name, a => a.Value.Clone());
                if (testCase.Value.TryGetProperty("kw", out var more))
                    foreach (var argument in more.EnumerateObject()) arguments[argument.Name] = argument.Value.Clone();
                yield return (file, net.Value.GetProperty("kind").GetString()!, arguments);
            }
    }

    /// <summary>The configuration of an official network, or null where VimConfig has none for it.</summary>
    private static VimConfig? Config(string kind, Dictionary<string, JsonElement> arguments)
    {
        if (kind is not ("vim" or "videomamba") || arguments.ContainsKey("use_double_cls_token") || arguments.ContainsKey("if_cls_token")) return null;
        var size = arguments["img_size"];
        int height = size.ValueKind == JsonValueKind.Array ? size[0].GetInt32() : size.GetInt32(), width = size.ValueKind == JsonValueKind.Array ? size[1].GetInt32() : height;
        return new()
        {
            ImageHeight = height,
            ImageWidth = width,
            PatchSize = arguments["patch_size"].GetInt32(),
            Stride = arguments["stride"].GetInt32(),
            Depth = arguments["depth"].GetInt32(),
            Width = arguments["embed_dim"].GetInt32(),
            StateSize = arguments.TryGetValue("d_state", out var states) ? states.GetInt32() : 16,
            Classes = arguments["num_classes"].GetInt32(),
            Norm = arguments.ContainsKey("rms_norm") ? NormKind.Layer : NormKind.Rms,
            LayerScale = arguments.ContainsKey("init_layer_scale"),
            ClassToken = kind == "vim" ? ClassTokenPosition.Middle : ClassTokenPosition.First,
            AverageDirections = kind == "vim",
        };
    }
}
