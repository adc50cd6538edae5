using RMeeTo.Vim.Merging;

namespace RMeeTo.Vim.Devices.Cpu;

// Matching and merging (spec 2.2 to 2.4). All similarities of an image are one product of normalised rows.
internal sealed unsafe partial class CpuDevice<TSimd, TVector>
{
    public override void Match(int batch, DeviceMatrix metric, DeviceMatrix sizes, MergePlan plan, DeviceMatrix mergedSizes)
    {
        var (filled, step, channels) = (Filled(batch, plan), plan.Step, metric.Columns);
        float* m = Pointer(metric, batch * step.TokensIn, channels, nameof(metric));
        float* size = PointerOrNull(sizes, batch * step.TokensIn, 1, nameof(sizes)), merged = Pointer(mergedSizes, batch * step.TokensOut, 1, nameof(mergedSizes));
        var odd = filled.EnsureOddRows(channels);
        float* rows = Scratch(((nint)filled.EvenCount + filled.OddCount) * channels + (nint)filled.EvenCount * filled.OddCount);
        float* oddRows = rows + (nint)filled.EvenCount * channels, similarity = oddRows + (nint)filled.OddCount * channels;
        for (int image = 0; image < batch; image++)
        {
            float* first = m + (long)image * step.TokensIn * metric.Stride;
            for (int k = 0; k < filled.OddCount; k++)
                filled.OddIsUsable[k] = Normalise(first + (long)filled.RowOfPatch(2 * k + 1) * metric.Stride, oddRows + (nint)k * channels, channels);
            odd.Pack(oddRows, channels);
            for (int k = 0; k < filled.EvenCount; k++) // of an unusable row nothing but NaN comes out, and NaN is never the best
                Normalise(first + (long)filled.RowOfPatch(2 * k) * metric.Stride, rows + (nint)k * channels, channels);
            Gemm<TSimd, TVector>.Multiply(rows, channels, filled.EvenCount, odd, similarity, filled.OddCount, false, null);
            Rank(filled, similarity);
            var destinations = filled.Destinations.AsSpan(image * step.TokensIn, step.TokensIn);
            PlaceRows(filled, destinations);
            Weigh(destinations, size == null ? null : size + (long)image * step.TokensIn * sizes.Stride, sizes.Stride,
                filled.Weights.AsSpan(image * step.TokensIn, step.TokensIn), merged + (long)image * step.TokensOut * mergedSizes.Stride, mergedSizes.Stride, step.TokensOut);
        }
    }

    public override void Merge(int batch, MergePlan plan, DeviceMatrix source, DeviceMatrix destination)
    {
        var (filled, step, channels) = (Filled(batch, plan), plan.Step, source.Columns);
        float* from = Pointer(source, batch * step.TokensIn, channels, nameof(source)), to = Pointer(destination, batch * step.TokensOut, channels, nameof(destination));
        for (int image = 0; image < batch; image++)
        {
            Array.Clear(filled.Touched);
            for (int row = 0; row < step.TokensIn; row++, from += source.Stride)
            {
                int target = filled.Destinations[image * step.TokensIn + row];
                if (target < 0) continue;
                float weight = filled.Weights[image * step.TokensIn + row];
                float* destinationRow = to + (long)target * destination.Stride;
                if (filled.Touched[target]) RowMath<TSimd, TVector>.AddScaled(from, weight, destinationRow, channels);
                else RowMath<TSimd, TVector>.Scale(from, weight, destinationRow, channels);
                filled.Touched[target] = true;
            }
            to += (long)step.TokensOut * destination.Stride;
        }
    }

    public override void MergeGradient(int batch, MergePlan plan, DeviceMatrix destinationGradient, DeviceMatrix sourceGradient)
    {
        var (filled, step, channels) = (Filled(batch, plan), plan.Step, destinationGradient.Columns);
        float* from = Pointer(destinationGradient, batch * step.TokensOut, channels, nameof(destinationGradient));
        float* to = Pointer(sourceGradient, batch * step.TokensIn, channels, nameof(sourceGradient));
        for (int image = 0; image < batch; image++, from += (long)step.TokensOut * destinationGradient.Stride)
        {
            for (int row = 0; row < step.TokensIn; row++, to += sourceGradient.Stride)
            {
                int target = filled.Destinations[image * step.TokensIn + row];
                if (target < 0) new Span<float>(to, channels).Clear();
                else RowMath<TSimd, TVector>.Scale(from + (long)target * destinationGradient.Stride, filled.Weights[image * step.TokensIn + row], to, channels);
            }
        }
    }

    private static CpuMergePlan Filled(int batch, MergePlan plan)
    {
        if (plan is not CpuMergePlan filled) throw new ArgumentException("The plan was made by another kind of device.", nameof(plan));
        if (batch < 1 || batch > plan.BatchCapacity) throw new ArgumentOutOfRangeException(nameof(batch), batch, $"The plan has room for 1 to {plan.BatchCapacity} images.");
        return filled;
    }

    /// <summary>destination = row / ‖row‖; NaN throughout where the row has no direction.</summary>
    private static bool Normalise(float* row, float* destination, int channels)
    {
        float length = MathF.Sqrt(RowMath<TSimd, TVector>.SumOfSquares(row, channels));
        bool usable = length > 0 && float.IsFinite(length);
        RowMath<TSimd, TVector>.Scale(row, usable ? 1 / length : float.NaN, destination, channels);
        return usable;
    }

    /// <summary>Finds the best partner of every even row and sorts the even rows by descending similarity; ties go to the lowest index.</summary>
    private static void Rank(CpuMergePlan plan, float* similarity)
    {
        for (int even = 0; even < plan.EvenCount; even++, similarity += plan.OddCount)
        {
            var (best, partner) = (float.NegativeInfinity, 0);
            for (int odd = 0; odd < plan.OddCount; odd++)
                if (similarity[odd] > best && plan.OddIsUsable[odd]) (best, partner) = (similarity[odd], odd);
            plan.Partner[even] = partner;
            // Floats in an order in which unsigned integers sort, turned round for a descending sort; adding 0 makes −0 the same as 0.
            uint bits = BitConverter.SingleToUInt32Bits(best + 0f);
            uint ascending = (bits & 0x80000000) != 0 ? ~bits : bits | 0x80000000;
            plan.Ranking[even] = (ulong)~ascending << 32 | (uint)even;
        }
        Array.Sort(plan.Ranking);
    }

    /// <summary>Gives every row its row in the shorter sequence.</summary>
    private static void PlaceRows(CpuMergePlan plan, Span<int> destinations)
    {
        var step = plan.Step;
        destinations.Fill(-1);
        destinations[step.ClassRowIn] = step.ClassRowOut;
        int next = 0;
        if (plan.Options.Order == MergeOrder.Original)
        {
            const int leaves = -2;
            for (int i = 0; i < step.Removed; i++) destinations[plan.RowOfPatch(2 * (int)(uint)plan.Ranking[i])] = leaves;
            for (int k = 0; k < step.TokensIn - 1; k++)
            {
                ref int destination = ref destinations[plan.RowOfPatch(k)];
                destination = destination == leaves ? -1 : NextRow();
            }
        }
        else
        {
            for (int i = step.Removed; i < plan.EvenCount; i++) destinations[plan.RowOfPatch(2 * (int)(uint)plan.Ranking[i])] = NextRow();
            for (int k = 0; k < plan.OddCount; k++) destinations[plan.RowOfPatch(2 * k + 1)] = NextRow();
        }
        if (plan.Options.Reduction == MergeReduction.Prune) return;
        for (int i = 0; i < step.Removed; i++)
        {
            int even = (int)(uint)plan.Ranking[i];
            destinations[plan.RowOfPatch(2 * even)] = destinations[plan.RowOfPatch(2 * plan.Partner[even] + 1)];
        }

        int NextRow()
        {
            if (next == step.ClassRowOut) next++;
            return next++;
        }
    }

    /// <summary>Weights from sizes: each row's share in the row that it goes to. No sizes: every row counts once.</summary>
    private static void Weigh(ReadOnlySpan<int> destinations, float* sizes, int sizeStride, Span<float> weights, float* merged, int mergedStride, int rowsOut)
    {
        for (int row = 0; row < rowsOut; row++) merged[(long)row * mergedStride] = 0;
        for (int row = 0; row < destinations.Length; row++)
        {
            weights[row] = sizes == null ? 1 : sizes[(long)row * sizeStride];
            if (destinations[row] >= 0) merged[(long)destinations[row] * mergedStride] += weights[row];
        }
        for (int row = 0; row < destinations.Length; row++)
            weights[row] = destinations[row] < 0 ? 0 : weights[row] / merged[(long)destinations[row] * mergedStride];
    }
}
