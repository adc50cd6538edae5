using RMeeTo.Vim.Merging;

namespace RMeeTo.Vim.Devices.Cpu;

// Carrying a merge out (spec 2.3, 2.4).
internal sealed unsafe partial class CpuDevice<TSimd, TVector>
{
    public override void Merge(int batch, MergePlan plan, DeviceMatrix source, DeviceMatrix destination, DeviceMatrix winners = default)
    {
        var (filled, step, channels) = (Filled(batch, plan), plan.Step, source.Columns);
        float* from = Pointer(source, batch * step.TokensIn, channels, nameof(source));
        float* to = Pointer(destination, batch * step.TokensOut, channels, nameof(destination));
        bool contested = plan.Options.HasWinners;
        float* won = contested ? PointerOrNull(winners, batch * step.TokensOut, channels, nameof(winners)) : null;
        for (int image = 0; image < batch; image++)
        {
            Array.Clear(filled.Touched);
            for (int row = 0; row < step.TokensIn; row++, from += source.Stride)
            {
                int target = filled.Destinations[image * step.TokensIn + row];
                if (target < 0) continue;
                float weight = filled.Weights[image * step.TokensIn + row];
                float* destinationRow = to + (long)target * destination.Stride, wonRow = won == null ? null : won + (long)target * winners.Stride;
                if (!filled.Touched[target])
                {
                    RowMath<TSimd, TVector>.Scale(from, weight, destinationRow, channels);
                    if (wonRow != null) new Span<float>(wonRow, channels).Fill(row);
                }
                else if (contested) RowMath<TSimd, TVector>.Contest(from, weight, plan.Options.Combination, row, destinationRow, wonRow, channels);
                else RowMath<TSimd, TVector>.AddScaled(from, weight, destinationRow, channels);
                filled.Touched[target] = true;
            }
            to += (long)step.TokensOut * destination.Stride;
            if (won != null) won += (long)step.TokensOut * winners.Stride;
        }
    }

    public override void MergeGradient(int batch, MergePlan plan, DeviceMatrix destinationGradient, DeviceMatrix sourceGradient, DeviceMatrix winners = default)
    {
        var (filled, step, channels) = (Filled(batch, plan), plan.Step, destinationGradient.Columns);
        float* from = Pointer(destinationGradient, batch * step.TokensOut, channels, nameof(destinationGradient));
        float* to = Pointer(sourceGradient, batch * step.TokensIn, channels, nameof(sourceGradient));
        float* won = plan.Options.HasWinners ? Pointer(winners, batch * step.TokensOut, channels, nameof(winners)) : null;
        for (int image = 0; image < batch; image++)
        {
            for (int row = 0; row < step.TokensIn; row++, to += sourceGradient.Stride)
            {
                int target = filled.Destinations[image * step.TokensIn + row];
                if (target < 0)
                {
                    new Span<float>(to, channels).Clear();
                    continue;
                }
                float* gradient = from + (long)target * destinationGradient.Stride;
                float weight = filled.Weights[image * step.TokensIn + row];
                if (won == null) RowMath<TSimd, TVector>.Scale(gradient, weight, to, channels);
                else RowMath<TSimd, TVector>.ScaleWhere(won + (long)target * winners.Stride, row, gradient, weight, to, channels);
            }
            from += (long)step.TokensOut * destinationGradient.Stride;
            if (won != null) won += (long)step.TokensOut * winners.Stride;
        }
    }

    public override void GatherClassRows(MergePlan plan, DeviceMatrix source, DeviceMatrix rows)
    {
        CheckClassToken(plan);
        var (filled, length) = (Filled(rows.Rows, plan), plan.Step.TokensOut);
        float* from = Pointer(source, rows.Rows * length, rows.Columns, nameof(source)), to = Pointer(rows, rows.Rows, rows.Columns, nameof(rows));
        for (int image = 0; image < rows.Rows; image++, from += (long)length * source.Stride, to += rows.Stride)
            RowMath<TSimd, TVector>.Copy(from + (long)filled.ClassRowOut[image] * source.Stride, to, rows.Columns);
    }

    public override void ScatterClassRows(MergePlan plan, DeviceMatrix rows, DeviceMatrix destination)
    {
        CheckClassToken(plan);
        var (filled, length) = (Filled(rows.Rows, plan), plan.Step.TokensOut);
        float* from = Pointer(rows, rows.Rows, rows.Columns, nameof(rows)), to = Pointer(destination, rows.Rows * length, rows.Columns, nameof(destination));
        for (int image = 0; image < rows.Rows; image++, from += rows.Stride)
            for (int row = 0; row < length; row++, to += destination.Stride)
            {
                if (row == filled.ClassRowOut[image]) RowMath<TSimd, TVector>.Copy(from, to, rows.Columns);
                else new Span<float>(to, rows.Columns).Clear();
            }
    }

    private static CpuMergePlan Filled(int batch, MergePlan plan)
    {
        if (plan is not CpuMergePlan filled) throw new ArgumentException("The plan was made by another kind of device.", nameof(plan));
        if (batch < 1 || batch > plan.BatchCapacity)
            throw new ArgumentOutOfRangeException(nameof(batch), batch, $"The plan has room for 1 to {plan.BatchCapacity} images.");
        return filled;
    }
}
