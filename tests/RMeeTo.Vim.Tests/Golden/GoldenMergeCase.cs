using System.Text.Json;
using RMeeTo.Vim.Merging;

namespace RMeeTo.Vim.Tests.Golden;

/// <summary>Settings and decisions of one recorded merge.</summary>
internal sealed class GoldenMergeCase(JsonElement settings)
{
    public string Name => Text("case");
    public int Batch => Int("batch");
    public int Tokens => Int("tokens");
    public int TokensOut => Int("tokens_out");
    public int Requested => Int("num_prune");
    public int Removed => Int("r");
    public int TokenPosition => Int("token_position");
    public int NewTokenPosition => Int("new_token_position");

    /// <summary>The most that can go. Without a class token the official program still leaves the row at its position out, and caps at half of all rows.</summary>
    public int Most => Is("class_token") ? MergeSchedule.Removable(Tokens, TokenPosition, 0) : Tokens / 2;

    /// <summary>False where the official program returns a position that is not that of the class token (unordered, class token at the end).</summary>
    public bool PositionHoldsClassToken => Is("position_holds_class_token");

    public MergeOptions Options => new()
    {
        Order = Is("if_order") ? MergeOrder.Original : MergeOrder.OddEven,
        Reduction = Is("if_prune") ? MergeReduction.Prune : MergeReduction.Merge,
        Distance = GoldenNets.Distance(Text("distance")),
        PartnerRank = GoldenNets.PartnerRank(Text("choose")),
        Combination = GoldenNets.Combination(Text("merge_mode")),
    };

    public MergeStep Step()
    {
        int removed = Math.Min(Requested, Most);
        return new(0, Tokens, removed, TokenPosition, MergeSchedule.NextClassRow(TokenPosition, Tokens, removed, Options.Order));
    }

    /// <summary>Row afterwards of every row, from the recorded lists of unmerged, source and destination tokens.</summary>
    public int[] RecordedDestinations(GoldenFile file, int image)
    {
        int[] patches = [.. Enumerable.Range(0, Tokens).Where(row => row != TokenPosition)];
        // Recorded indices count the even, or the odd, patch tokens.
        int[] unmerged = [.. Recorded("unm_idx").Select(i => patches[2 * i])];
        int[] sources = [.. Recorded("src_idx").Select(i => patches[2 * i])];
        int[] partners = [.. Recorded("dst_idx").Select(i => patches[2 * i + 1])];
        int[] odd = [.. patches.Where((_, i) => i % 2 == 1)];
        bool ordered = Options.Order == MergeOrder.Original;
        List<int> after = ordered ? [.. unmerged.Concat(odd).Order()] : [.. unmerged, .. odd];
        after.Insert(PositionHoldsClassToken ? NewTokenPosition : Math.Min(NewTokenPosition, unmerged.Length), TokenPosition);
        var destinations = new int[Tokens];
        for (int row = 0; row < Tokens; row++) destinations[row] = after.IndexOf(row);
        if (Options.Reduction == MergeReduction.Merge)
            for (int k = 0; k < sources.Length; k++) destinations[sources[k]] = destinations[partners[k]];
        return destinations;

        IEnumerable<int> Recorded(string list)
        {
            GoldenTensor tensor = file[$"{Name}.{list}"];
            int count = tensor.Shape[1];
            return tensor.Values.Skip(image * count).Take(count).Select(v => (int)v);
        }
    }

    /// <summary>The file that holds a case: the cases are spread over several.</summary>
    public static GoldenFile FileOf(string caseName) => Directory.GetFiles(GoldenData.Folder!, "merge_?.safetensors")
        .Select(path => GoldenData.File(Path.GetFileName(path)))
        .First(file => file.Has($"{caseName}.x"));

    private string Text(string property) => settings.GetProperty(property).GetString()!;

    private int Int(string property) => settings.GetProperty(property).GetInt32();

    private bool Is(string property) => settings.GetProperty(property).GetBoolean();
}
