using RMeeTo.Vim.Merging;

namespace RMeeTo.Vim.Devices.Cpu;

// Deciding a merge (spec 2.2, 2.3). Cosines are products of normalised rows, some rows at a time, so that memory grows with the tokens and not with their
// square.
internal sealed unsafe partial class CpuDevice<TSimd, TVector>
{
    private const int RowsAtOnce = 128;

    public override void AddMetric(int batch, DeviceMatrix values, float factor, MetricPlacement placement, DeviceMatrix metric, bool accumulate = false)
    {
        var (rows, channels, length) = (values.Rows, values.Columns, TokensPerImage(values, batch, nameof(values)));
        float* from = Pointer(values, rows, channels, nameof(values)), to = Pointer(metric, rows, channels, nameof(metric));
        for (int row = 0; row < rows; row++, from += values.Stride)
        {
            int token = row % length;
            bool turned = placement == MetricPlacement.Turned;
            float* target = to + (long)(row - token + (turned ? length - 1 - token : token)) * metric.Stride;
            if (turned)
                for (int c = 0; c < channels; c++) target[channels - 1 - c] = (accumulate ? target[channels - 1 - c] : 0) + factor * from[c];
            else if (accumulate) RowMath<TSimd, TVector>.AddScaled(from, factor, target, channels);
            else RowMath<TSimd, TVector>.Scale(from, factor, target, channels);
        }
    }

    public override void Match(int batch, in MatchOperands operands, MergePlan plan, DeviceMatrix mergedSizes)
    {
        var (filled, step) = (Filled(batch, plan), plan.Step);
        var (metric, sizes) = (operands.Metric, operands.Sizes);
        int rows = batch * step.TokensIn;
        float* first = Pointer(metric, rows, metric.Columns, nameof(operands.Metric)), size = PointerOrNull(sizes, rows, 1, nameof(operands.Sizes));
        float* merged = Pointer(mergedSizes, batch * step.TokensOut, 1, nameof(mergedSizes));
        var previous = operands.Previous is { } before ? Filled(batch, before) : null;
        for (int image = 0; image < batch; image++)
        {
            filled.Begin(image, previous);
            FindPartners(filled, first, metric.Stride, metric.Columns);
            filled.Rank();
            filled.PlaceRows();
            filled.Weigh(size, sizes.Stride, merged, mergedSizes.Stride);
            first += (long)step.TokensIn * metric.Stride;
            if (size != null) size += (long)step.TokensIn * sizes.Stride;
            merged += (long)step.TokensOut * mergedSizes.Stride;
        }
    }

    /// <summary>Compares every even patch of an image with every odd one.</summary>
    private void FindPartners(CpuMergePlan plan, float* metric, long stride, int channels)
    {
        int panels = Shares.Count(plan.EvenCount, RowsAtOnce), most = Math.Min(plan.EvenCount, RowsAtOnce);
        float* odd = Scratch((nint)plan.OddCount * channels + (nint)most * (channels + plan.OddCount));
        float* even = odd + (nint)plan.OddCount * channels, similarity = even + (nint)most * channels;
        for (int k = 0; k < plan.OddCount; k++) Normalise(metric + plan.MetricRowOfPatch(2 * k + 1) * stride, odd + (nint)k * channels, channels);
        // Rows of length 1 are ranked alike by cosine and by Euclidean distance.
        var packed = plan.Options.Distance == MergeDistance.L1 ? null : plan.EnsureOddRows(channels);
        packed?.Pack(odd, channels);
        for (int panel = 0; panel < panels; panel++)
        {
            var (start, end) = (Shares.Start(plan.EvenCount, panel, panels), Shares.Start(plan.EvenCount, panel + 1, panels));
            for (int k = start; k < end; k++) Normalise(metric + plan.MetricRowOfPatch(2 * k) * stride, even + (nint)(k - start) * channels, channels);
            if (packed is not null) Gemm<TSimd, TVector>.Multiply(even, channels, end - start, packed, similarity, plan.OddCount, false, null);
            else RowDistances<TSimd, TVector>.NegativeL1(even, end - start, odd, plan.OddCount, channels, similarity);
            for (int k = start; k < end; k++) plan.TakePartner(k, new ReadOnlySpan<float>(similarity + (nint)(k - start) * plan.OddCount, plan.OddCount));
        }
    }

    /// <summary>destination = row / ‖row‖; NaN throughout where the row has no direction, and then whatever is computed of it.</summary>
    internal static void Normalise(float* row, float* destination, int channels)
    {
        float length = MathF.Sqrt(RowMath<TSimd, TVector>.SumOfSquares(row, channels));
        RowMath<TSimd, TVector>.Scale(row, length > 0 && float.IsFinite(length) ? 1 / length : float.NaN, destination, channels);
    }
}
