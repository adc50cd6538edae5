using System.Text.Json;
using RMeeTo.Vim.Deit;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Tests.Golden;

namespace RMeeTo.Vim.Tests.Deit;

/// <summary>Translates the settings of the official transformers into ours.</summary>
internal static class DeitGoldenNets
{
    /// <summary>Every case of every recorded transformer.</summary>
    public static IEnumerable<GoldenCase> Cases(string index) =>
        from net in GoldenData.Index(index).EnumerateObject()
        where net.Value.GetProperty("kind").GetString() == "deit"
        from item in net.Value.GetProperty("cases").EnumerateObject()
        select new GoldenCase(net.Name, item.Name, net.Value, item.Value);

    public static DeitConfig Config(GoldenCase golden)
    {
        var settings = golden.NetSettings.GetProperty("kw").EnumerateObject().ToDictionary(p => p.Name, p => p.Value);
        if (golden.Settings.TryGetProperty("kw", out var overrides))
            foreach (var item in overrides.EnumerateObject()) settings[item.Name] = item.Value;
        var size = settings["img_size"];
        int Edge(int axis) => size.ValueKind == JsonValueKind.Array ? size[axis].GetInt32() : size.GetInt32();
        int Number(string name, int otherwise) => settings.TryGetValue(name, out var value) ? value.GetInt32() : otherwise;
        return new DeitConfig
        {
            ImageHeight = Edge(0),
            ImageWidth = Edge(1),
            PatchSize = Number("patch_size", 16),
            Width = Number("embed_dim", 768),
            Depth = Number("depth", 12),
            Heads = Number("num_heads", 12),
            MlpRatio = (int)(settings.TryGetValue("mlp_ratio", out var ratio) ? ratio.GetDouble() : 4),
            Classes = Number("num_classes", 1000),
            // PyTorch's own layer norm where a class is named, timm's default where none is.
            NormEpsilon = settings.TryGetValue("norm_layer", out var norm) && norm.ValueKind == JsonValueKind.String ? DeitConfig.ForkNormEpsilon : 1e-6f,
        };
    }

    public static (DeitMergeSchedule Schedule, DeitMergeOptions Options) Merging(DeitConfig config, JsonElement settings)
    {
        bool dense = settings.TryGetProperty("cls", out var kind) && kind.GetString() == "dense";
        if (dense || !settings.TryGetProperty("merge", out var merge) || !merge.EnumerateObject().Any()) return (DeitMergeSchedule.Dense(config), DeitMergeOptions.Default);
        return (DeitMergeSchedule.Uniform(config, merge.TryGetProperty("num_prune", out var removed) ? removed.GetInt32() : 5), Options(merge));
    }

    public static DeitMergeOptions Options(JsonElement merge)
    {
        string Text(string name, string otherwise) => merge.TryGetProperty(name, out var value) ? value.GetString()! : otherwise;
        bool Flag(string name, bool otherwise) => merge.TryGetProperty(name, out var value) ? value.GetBoolean() : otherwise;
        return new DeitMergeOptions
        {
            Metric = Text("metric", "X") switch
            {
                "X" => DeitMetric.Tokens,
                "Q" => DeitMetric.Queries,
                "K" => DeitMetric.Keys,
                "V" => DeitMetric.Values,
                var other => throw new NotSupportedException($"metric {other}"),
            },
            Distance = Text("distance", "cosine") switch
            {
                "cosine" => MergeDistance.Cosine,
                "l1" => MergeDistance.L1,
                "l2" => MergeDistance.L2,
                var other => throw new NotSupportedException($"distance {other}"),
            },
            Order = Flag("if_order", true) ? MergeOrder.Original : MergeOrder.OddEven,
            Reduction = Flag("if_prune", false) ? MergeReduction.Prune : MergeReduction.Merge,
        };
    }

    public static DeitWeights Weights(DeitConfig config, GoldenFile file)
    {
        var weights = new DeitWeights(config);
        CollectionAssert.AreEquivalent(file.Names.Where(name => name != "__metadata__").ToArray(), weights.Parameters.All.Select(p => p.Name).ToArray());
        foreach (var parameter in weights.Parameters.All)
        {
            CollectionAssert.AreEqual(parameter.Shape.ToArray(), file[parameter.Name].Shape.ToArray(), parameter.Name);
            file.Floats(parameter.Name).CopyTo(weights[parameter]);
        }
        return weights;
    }
}
