using RMeeTo.Vim.Merging;
using static TorchSharp.torch;

namespace RMeeTo.TorchSharp;

/// <summary>The steps by which a plan is filled once similarities are known, for all images of a batch at once. Indices are whole numbers [B, …].</summary>
internal readonly struct MergeChoice
{
    private readonly Tensor _patches;
    private readonly Tensor _classPlace;
    private readonly Tensor _places;
    private readonly Tensor _rows;

    /// <param name="plan">To be filled.</param>
    /// <param name="batch">B.</param>
    /// <param name="previous">The merge before, where images have class rows of their own.</param>
    public MergeChoice(TorchMergePlan plan, int batch, TorchMergePlan? previous)
    {
        (Plan, Batch) = (plan, batch);
        int count = plan.Step.PatchRows;
        _patches = plan.Places.narrow(0, 0, count).unsqueeze(0);
        _classPlace = (previous?.ClassRows.narrow(0, 0, batch) ?? plan.ClassPlace).expand(batch, 1);
        _places = _patches.Plus(IsBehindClass.to(ScalarType.Int64)).expand(batch, count);
        _rows = plan.Options.ShuffleRate > 0 ? plan.RowsAtPlaces(batch).gather(1, _places) : _places;
    }

    public TorchMergePlan Plan { get; }

    public int Batch { get; }

    private MergeOptions Options => Plan.Options;

    private MergeStep Step => Plan.Step;

    /// <summary>[B, patches]: true for patches behind the class token.</summary>
    private Tensor IsBehindClass => _patches.ge(_classPlace);

    /// <summary>The flat rows [B, count] of the metric that every second patch is compared by.</summary>
    public Tensor MetricRows(int first, int count)
    {
        Tensor rows = Options.MetricFollowsTokens ? _rows : _places;
        Tensor every = Plan.Places.narrow(0, 0, count).Twice();
        return rows.index_select(1, first == 0 ? every : every.PlusOne()).Plus(Plan.FirstRows.narrow(0, 0, Batch));
    }

    /// <summary>
    /// The even patches, by index among them, in order of rank [B, even]: those that may go before those that stay, by descending similarity; ties go to the
    /// lowest patch.
    /// </summary>
    public Tensor Rank(Tensor similarity)
    {
        Tensor order = similarity.sort(1, descending: true, stable: true).Indices;
        if (Options.ProtectedNeighbours == 0) return order;
        Tensor even = _places.index_select(1, Plan.Places.narrow(0, 0, Step.SourceRows).Twice());
        Tensor stays = even.sub(_classPlace).abs().IsAtMost(Options.ProtectedNeighbours).to(ScalarType.Float32);
        return order.gather(1, stays.gather(1, order).sort(1, descending: false, stable: true).Indices);
    }

    /// <summary>Gives every row its row in the shorter sequence.</summary>
    /// <param name="removed">[B, r] of <see cref="Rank"/>.</param>
    /// <param name="kept">[B, even − r], the rest of it.</param>
    /// <param name="partner">[B, even]: index among the odd patches.</param>
    public void Place(Tensor removed, Tensor kept, Tensor partner)
    {
        Tensor gone = removed.Twice();
        Tensor destination = Options.Order == MergeOrder.Original ? InOriginalOrder(gone) : InOddEvenOrder(kept);
        Tensor classRow = Plan.ClassPlaceOut.expand(Batch, 1);
        if (Options.ClassPosition == MergeClassPosition.Exact)
        {
            // As many before it as stay of those that stood before it.
            Tensor stays = Staying(gone).mul(_patches.lt(_classPlace).to(ScalarType.Int64));
            classRow = stays.sum(1, keepdim: true);
            destination.Add(IsBehindClass.to(ScalarType.Int64));
        }
        else if (Step.HasClassToken) destination.Add(destination.ge(classRow).to(ScalarType.Int64));
        destination.scatter_(1, gone, Options.Reduction == MergeReduction.Merge
            ? destination.gather(1, partner.gather(1, removed).Twice().PlusOne())
            : empty_like(gone).Fill(-1));

        Tensor all = Plan.Destinations.narrow(0, 0, Batch).scatter_(1, _rows, destination);
        if (!Step.HasClassToken) return;
        all.scatter_(1, _classPlace, classRow);
        Plan.ClassRows.narrow(0, 0, Batch).copy_(classRow);
        Plan.FlatClassRows.narrow(0, 0, Batch).copy_(classRow.Plus(Plan.FirstRowsOut.narrow(0, 0, Batch)));
    }

    /// <summary>The order of rows by destination, and what follows from it.</summary>
    public void SortRows()
    {
        Tensor destinations = Plan.Destinations.narrow(0, 0, Batch), dropped = destinations.IsNegative();
        Tensor key = destinations.clone();
        key.Add(dropped.to(ScalarType.Int64).TimesWhole(Step.TokensOut + 1)); // −1 becomes L'
        var (keys, rows) = key.sort(1, descending: false, stable: true);
        Tensor first = Plan.FirstRows.narrow(0, 0, Batch);
        Plan.SortedDestinations.narrow(0, 0, Batch).copy_(keys);
        Plan.SortedRows.narrow(0, 0, Batch).copy_(rows.Plus(first));

        // Counting whole numbers is exact in any order.
        Tensor counts = zeros([Batch, Step.TokensOut + 1], ScalarType.Int64, Plan.Device).scatter_add_(1, key, empty_like(key).FillOnes());
        Tensor ends = counts.narrow(1, 0, Step.TokensOut).cumsum(1).MinusOne();
        Plan.SortedEnds.narrow(0, 0, Batch).copy_(ends.Plus(first));
        Tensor flat = destinations.Plus(dropped.to(ScalarType.Int64)); // −1 becomes 0
        Plan.FlatDestinations.narrow(0, 0, Batch).copy_(flat.Plus(Plan.FirstRowsOut.narrow(0, 0, Batch)));
    }

    /// <summary>1 for patches that stay, 0 for those that go [B, patches].</summary>
    private Tensor Staying(Tensor gone)
    {
        Tensor staying = empty([Batch, Step.PatchRows], ScalarType.Int64, Plan.Device).FillOnes();
        return staying.scatter_(1, gone, empty_like(gone).Clear());
    }

    /// <summary>The number of every patch among those that stay, which keep their order.</summary>
    private Tensor InOriginalOrder(Tensor gone) => Staying(gone).cumsum(1).MinusOne();

    /// <summary>The number of every patch: even ones that stay by rank, then odd ones.</summary>
    private Tensor InOddEvenOrder(Tensor kept)
    {
        long left = kept.shape[1];
        Tensor number = zeros([Batch, Step.PatchRows], ScalarType.Int64, Plan.Device);
        number.scatter_(1, kept.Twice(), Plan.Places.narrow(0, 0, left).expand(Batch, left));
        Tensor odd = Plan.Places.narrow(0, 0, Step.PartnerRows).Twice().PlusOne(), places = Plan.Places.narrow(0, left, Step.PartnerRows);
        return number.scatter_(1, odd.expand(Batch, Step.PartnerRows), places.expand(Batch, Step.PartnerRows));
    }
}
