using static TorchSharp.torch;

namespace RMeeTo.TorchSharp;

/// <summary>
/// Sums, or extremes, over the rows that a merge sends to the same row. The rows of an image are brought into the order of their destinations; then every row
/// takes in what stands 1, 2, 4, … before it for the same destination, and the last row of each holds the whole. So no two additions meet in one place, the
/// order of a sum is always the same, and what is no number stays in its own row.
/// </summary>
internal readonly struct Segments(TorchMergePlan plan, int batch, Tensor zero)
{
    private readonly Tensor _destinations = plan.SortedDestinations.narrow(0, 0, batch);
    private readonly Tensor _rows = plan.SortedRows.narrow(0, 0, batch).view(-1);
    private readonly Tensor _ends = plan.SortedEnds.narrow(0, 0, batch).view(-1);

    private int Length => plan.Step.TokensIn;

    /// <summary>[B, L, 1]: the row of its image that each sorted row is.</summary>
    private Tensor RowsOfImages => _rows.view(batch, Length, 1).sub(plan.FirstRows.narrow(0, 0, batch).unsqueeze(2));

    /// <summary>[B, L, 1]: true for rows that are dropped.</summary>
    public Tensor Dropped => plan.Destinations.narrow(0, 0, batch).IsNegative().unsqueeze(2);

    /// <summary>Rows [B, L, C] in the order of destinations.</summary>
    public Tensor Sort(Tensor values)
    {
        long channels = values.shape[2];
        return values.reshape(-1, channels).index_select(0, _rows).view(batch, Length, channels);
    }

    /// <summary>For every row what its destination has: [B, L', C] → [B, L, C].</summary>
    public Tensor Spread(Tensor values)
    {
        long channels = values.shape[2];
        Tensor destinations = plan.FlatDestinations.narrow(0, 0, batch).view(-1);
        return values.reshape(-1, channels).index_select(0, destinations).view(batch, Length, channels);
    }

    /// <summary>Sums over sorted rows: [B, L, C] → [B, L', C].</summary>
    public Tensor Sum(Tensor sorted)
    {
        for (int reach = 1; reach < plan.MostMembers; reach *= 2)
        {
            Tensor next = sorted.clone();
            Tensor earlier = sorted.narrow(1, 0, Length - reach);
            next.narrow(1, reach, Length - reach).Add(earlier.where(IsSame(reach), zero));
            sorted = next;
        }
        return Last(sorted);
    }

    /// <summary>The largest, or smallest, of sorted rows, channel by channel, and the row of its image that it came from; the lowest row wins a tie.</summary>
    public (Tensor Values, Tensor? Rows) Extreme(Tensor sorted, bool largest, bool withRows)
    {
        Tensor? rows = withRows ? RowsOfImages.to(ScalarType.Float32).expand(sorted.shape) : null;
        for (int reach = 1; reach < plan.MostMembers; reach *= 2)
        {
            Tensor earlier = sorted.narrow(1, 0, Length - reach), later = sorted.narrow(1, reach, Length - reach);
            Tensor stays = IsSame(reach).logical_and((largest ? later.gt(earlier) : later.lt(earlier)).logical_not());
            sorted = Taken(sorted, reach, stays);
            rows = rows is null ? null : Taken(rows, reach, stays);
        }
        return (Last(sorted), rows is null ? null : Last(rows));
    }

    /// <summary>The rows with what stands some places before them where that stays.</summary>
    private Tensor Taken(Tensor sorted, int reach, Tensor stays)
    {
        Tensor next = sorted.clone();
        Tensor earlier = sorted.narrow(1, 0, Length - reach), later = sorted.narrow(1, reach, Length - reach);
        next.narrow(1, reach, Length - reach).copy_(earlier.where(stays, later));
        return next;
    }

    /// <summary>[B, L − reach, 1]: true where a row and the one so many places before it go to the same row.</summary>
    private Tensor IsSame(int reach) =>
        _destinations.narrow(1, reach, Length - reach).eq(_destinations.narrow(1, 0, Length - reach)).unsqueeze(2);

    private Tensor Last(Tensor sorted)
    {
        long channels = sorted.shape[2];
        return sorted.reshape(-1, channels).index_select(0, _ends).view(batch, plan.Step.TokensOut, channels);
    }
}
