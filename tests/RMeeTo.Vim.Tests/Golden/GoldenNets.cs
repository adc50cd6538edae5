using System.Text.Json;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Tests.Golden;

/// <summary>One recorded case of one recorded network.</summary>
internal sealed record GoldenCase(string Net, string Name, JsonElement NetSettings, JsonElement Settings)
{
    public override string ToString() => $"{Net}_{Name}";

    public string File => $"{Net}_{Name}.safetensors";

    public bool HasGradients => Settings.TryGetProperty("grad", out var grad) && grad.ValueKind == JsonValueKind.True;
}

/// <summary>Translates the settings of the official code into ours.</summary>
internal static class GoldenNets
{
    /// <summary>Every case of an index file whose network is a Vim or a VideoMamba, for images or clips, named for what of it the product cannot do, or null where it can do all.</summary>
    public static IEnumerable<(GoldenCase Case, string? Unsupported)> Cases(string index)
    {
        foreach (var net in GoldenData.Index(index).EnumerateObject())
        {
            if (net.Value.GetProperty("kind").GetString() is not ("vim" or "videomamba" or "video")) continue;
            foreach (var item in net.Value.GetProperty("cases").EnumerateObject())
            {
                var golden = new GoldenCase(net.Name, item.Name, net.Value, item.Value);
                yield return (golden, Unsupported(golden));
            }
        }
    }

    public static VimConfig Config(GoldenCase golden)
    {
        var settings = golden.NetSettings.GetProperty("kw").EnumerateObject().ToDictionary(p => p.Name, p => p.Value);
        if (golden.Settings.TryGetProperty("kw", out var overrides))
            foreach (var item in overrides.EnumerateObject()) settings[item.Name] = item.Value;
        bool video = golden.NetSettings.GetProperty("kind").GetString() == "video", videoMamba = video || golden.NetSettings.GetProperty("kind").GetString() == "videomamba";
        var size = settings["img_size"];
        int Edge(int axis) => size.ValueKind == JsonValueKind.Array ? size[axis].GetInt32() : size.GetInt32();
        int Number(string name, int otherwise) => settings.TryGetValue(name, out var value) ? value.GetInt32() : otherwise;
        bool Flag(string name, bool otherwise) => settings.TryGetValue(name, out var value) ? value.GetBoolean() : otherwise;
        return new VimConfig
        {
            ImageHeight = Edge(0),
            ImageWidth = Edge(1),
            PatchSize = Number("patch_size", 16),
            Stride = video ? Number("patch_size", 16) : Number("stride", 16),
            Frames = video ? Number("num_frames", 8) : 0,
            TubeletSize = video ? Number("kernel_size", 1) : 1,
            Depth = Number("depth", 24),
            Width = Number("embed_dim", 192),
            StateSize = Number("d_state", 16),
            Classes = Number("num_classes", 1000),
            AverageDirections = !videoMamba && Flag("if_divide_out", true),
            Norm = Flag("rms_norm", true) ? NormKind.Rms : NormKind.Layer,
            LayerScale = settings.TryGetValue("init_layer_scale", out var scale) && scale.ValueKind == JsonValueKind.Number,
            ClassToken = videoMamba ? ClassTokenPosition.First
                : !Flag("if_cls_token", true) ? ClassTokenPosition.None
                : Flag("use_double_cls_token", false) ? ClassTokenPosition.Ends
                : Flag("use_middle_cls_token", true) ? ClassTokenPosition.Middle : ClassTokenPosition.First,
            Pooling = settings.TryGetValue("final_pool_type", out var pooling) && pooling.GetString() == "none" ? TokenPooling.Last : TokenPooling.Mean,
        };
    }

    /// <summary>The schedule of a case. The official Vim has a rule of its own for the last merge; VideoMamba and the shuffling Vim do not.</summary>
    public static (MergeSchedule Schedule, MergeOptions Options) Merging(VimConfig config, JsonElement settings)
    {
        bool dense = settings.TryGetProperty("cls", out var kind) && kind.GetString() == "dense";
        if (dense || !settings.TryGetProperty("merge", out var merge) || !merge.EnumerateObject().Any()) return (MergeSchedule.Dense(config), MergeOptions.Default);
        int Number(string name, int otherwise) => merge.TryGetProperty(name, out var value) ? value.GetInt32() : otherwise;
        bool Flag(string name, bool otherwise) => merge.TryGetProperty(name, out var value) ? value.GetBoolean() : otherwise;
        string Text(string name, string otherwise) => merge.TryGetProperty(name, out var value) ? value.GetString()! : otherwise;
        var options = new MergeOptions
        {
            Order = Flag("if_order", true) ? MergeOrder.Original : MergeOrder.OddEven,
            Reduction = Flag("if_prune", false) ? MergeReduction.Prune : MergeReduction.Merge,
            Metric = Metric(Text("metric", "X")),
            MetricAlignment = MetricAlignment.Reference,
            Distance = Distance(Text("distance", "cosine")),
            PartnerRank = PartnerRank(Text("choose", "max")),
            Combination = Combination(Text("merge_mode", "sum")),
            ShuffleRate = Flag("if_shuffle", false) ? merge.GetProperty("shuffle_rate").GetDouble() : 0,
        };
        int tokens = Number("num_prune", 5), interval = Number("merge_interval", 2);
        var phase = Flag("if_merge_odd", false) ? MergePhase.Odd : MergePhase.Even;
        bool uniform = config.ClassToken == ClassTokenPosition.First || (settings.TryGetProperty("cls", out kind) && kind.GetString() == "shuffle");
        return (uniform
            ? MergeSchedule.Uniform(config, tokens, interval, phase, options)
            : MergeSchedule.Reference(config, tokens, Number("compare", 11), interval, phase, options), options);
    }

    public static VimWeights Weights(VimConfig config, GoldenFile file)
    {
        var weights = new VimWeights(config);
        foreach (var parameter in weights.Parameters.All)
        {
            CollectionAssert.AreEqual(parameter.Shape.ToArray(), file[parameter.Name].Shape.ToArray(), parameter.Name);
            file.Floats(parameter.Name).CopyTo(weights[parameter]);
        }
        return weights;
    }

    /// <summary>What the case needs that the product does not have.</summary>
    public static string? Unsupported(GoldenCase golden)
    {
        return golden.Settings.TryGetProperty("merge", out var merge) ? UnsupportedMerge(merge) : null;
    }

    /// <summary>What of the merge settings the product does not imitate: with this flag the official code loses the position of the class token at every block.</summary>
    public static string? UnsupportedMerge(JsonElement merge) =>
        merge.TryGetProperty("if_visualize", out var visualize) && visualize.GetBoolean() ? "recorded bug of the official visualisation" : null;

    public static MergeMetric Metric(string official) => official switch
    {
        "X" => MergeMetric.HiddenState,
        "B" => MergeMetric.B,
        "C" => MergeMetric.C,
        "delta" => MergeMetric.Delta,
        _ => throw new NotSupportedException($"metric {official}"),
    };

    public static MergeDistance Distance(string official) => official switch
    {
        "cosine" => MergeDistance.Cosine,
        "l1" => MergeDistance.L1,
        "l2" => MergeDistance.L2,
        _ => throw new NotSupportedException($"distance {official}"),
    };

    public static MergeCombination Combination(string official) => official switch
    {
        "sum" => MergeCombination.Sum,
        "mean" => MergeCombination.Mean,
        "amax" => MergeCombination.Max,
        "amin" => MergeCombination.Min,
        _ => throw new NotSupportedException($"merge mode {official}"),
    };

    /// <summary>"max" is the best partner, "3c" the third best.</summary>
    public static int PartnerRank(string official) => official == "max" ? 1 : int.Parse(official.TrimEnd('c'));
}
