using System.Text.Json.Nodes;
using RMeeTo.Vim.Merging;

namespace RMeeTo.Vim.Checkpoints;

/// <summary>
/// The merge options in a model file. The first two are in every file; the others came later, and are written only where they are not at their default.
/// </summary>
internal static class MergingFields
{
    /// <summary>Adds them to an object.</summary>
    public static void Write(JsonObject fields, MergeOptions merging)
    {
        var usual = MergeOptions.Default;
        fields["reduction"] = merging.Reduction.ToString();
        fields["order"] = merging.Order.ToString();
        Text("metric", merging.Metric, usual.Metric);
        Text("metricAlignment", merging.MetricAlignment, usual.MetricAlignment);
        Text("distance", merging.Distance, usual.Distance);
        if (merging.PartnerRank != usual.PartnerRank) fields["partnerRank"] = merging.PartnerRank;
        Text("combination", merging.Combination, usual.Combination);
        if (merging.ShuffleRate != usual.ShuffleRate) fields["shuffleRate"] = merging.ShuffleRate;
        if (merging.ShuffleSeed != usual.ShuffleSeed) fields["shuffleSeed"] = merging.ShuffleSeed;
        Text("classPosition", merging.ClassPosition, usual.ClassPosition);
        if (merging.ProtectedNeighbours != usual.ProtectedNeighbours) fields["protectedNeighbours"] = merging.ProtectedNeighbours;

        void Text<T>(string name, T value, T otherwise) where T : struct, Enum
        {
            if (!EqualityComparer<T>.Default.Equals(value, otherwise)) fields[name] = value.ToString();
        }
    }

    /// <summary>Takes them from an object.</summary>
    public static MergeOptions Read(MetadataFields fields)
    {
        var usual = MergeOptions.Default;
        return new MergeOptions
        {
            Reduction = fields.Enum<MergeReduction>("reduction"),
            Order = fields.Enum<MergeOrder>("order"),
            Metric = Choice("metric", usual.Metric),
            MetricAlignment = Choice("metricAlignment", usual.MetricAlignment),
            Distance = Choice("distance", usual.Distance),
            PartnerRank = fields.Has("partnerRank") ? fields.Int("partnerRank") : usual.PartnerRank,
            Combination = Choice("combination", usual.Combination),
            ShuffleRate = fields.Has("shuffleRate") ? fields.Double("shuffleRate") : usual.ShuffleRate,
            ShuffleSeed = fields.Has("shuffleSeed") ? fields.UInt64("shuffleSeed") : usual.ShuffleSeed,
            ClassPosition = Choice("classPosition", usual.ClassPosition),
            ProtectedNeighbours = fields.Has("protectedNeighbours") ? fields.Int("protectedNeighbours") : usual.ProtectedNeighbours,
        };

        T Choice<T>(string name, T otherwise) where T : struct, Enum => fields.Has(name) ? fields.Enum<T>(name) : otherwise;
    }
}
