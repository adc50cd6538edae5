using RMeeTo.Vim.Merging;
using static RMeeTo.Vim.Devices.Reference.ReferenceMatrix;

namespace RMeeTo.Vim.Devices.Reference;

// Carrying a merge out, spec 2.3 and 2.4.
public sealed partial class ReferenceDevice
{
    /// <inheritdoc/>
    public override void Merge(int batch, MergePlan plan, DeviceMatrix source, DeviceMatrix destination, DeviceMatrix winners = default)
    {
        var (filled, step) = (Filled(batch, plan), plan.Step);
        var (from, to) = (Of(source, batch * step.TokensIn, source.Columns), Of(destination, batch * step.TokensOut, source.Columns));
        var won = plan.Options.HasWinners ? OfOptional(winners, to.Rows, to.Columns) : default;
        var touched = new bool[to.Rows];
        for (int image = 0; image < batch; image++)
            for (int row = 0; row < step.TokensIn; row++)
            {
                if (filled.Destinations[image, row] is not (>= 0 and int target)) continue;
                target += image * step.TokensOut;
                for (int c = 0; c < from.Columns; c++)
                {
                    double value = filled.Weights[image, row] * from[image * step.TokensIn + row, c];
                    bool wins = !touched[target] || (plan.Options.Combination == MergeCombination.Max ? value > to[target, c] : value < to[target, c]);
                    if (!plan.Options.HasWinners) Put(ref to[target, c], value, touched[target]);
                    else if (wins) to[target, c] = value;
                    if (wins && !won.IsNone) won[target, c] = row;
                }
                touched[target] = true;
            }
    }

    /// <inheritdoc/>
    public override void MergeGradient(int batch, MergePlan plan, DeviceMatrix destinationGradient, DeviceMatrix sourceGradient, DeviceMatrix winners = default)
    {
        var (filled, step) = (Filled(batch, plan), plan.Step);
        int channels = destinationGradient.Columns;
        var (from, to) = (Of(destinationGradient, batch * step.TokensOut, channels), Of(sourceGradient, batch * step.TokensIn, channels));
        var won = plan.Options.HasWinners ? Of(winners, from.Rows, channels) : default;
        to.Clear();
        for (int image = 0; image < batch; image++)
            for (int row = 0; row < step.TokensIn; row++)
                if (filled.Destinations[image, row] is >= 0 and int target)
                    for (int c = 0; c < channels; c++)
                        if (won.IsNone || won[image * step.TokensOut + target, c] == row)
                            to[image * step.TokensIn + row, c] = filled.Weights[image, row] * from[image * step.TokensOut + target, c];
    }

    /// <inheritdoc/>
    public override void GatherClassRows(MergePlan plan, DeviceMatrix source, DeviceMatrix rows)
    {
        CheckClassToken(plan);
        var (filled, length) = (Filled(rows.Rows, plan), plan.Step.TokensOut);
        var (from, to) = (Of(source, rows.Rows * length, rows.Columns), Of(rows, rows.Rows, rows.Columns));
        for (int image = 0; image < to.Rows; image++)
            for (int c = 0; c < to.Columns; c++) to[image, c] = from[image * length + filled.ClassRowOut[image], c];
    }

    /// <inheritdoc/>
    public override void ScatterClassRows(MergePlan plan, DeviceMatrix rows, DeviceMatrix destination)
    {
        CheckClassToken(plan);
        var (filled, length) = (Filled(rows.Rows, plan), plan.Step.TokensOut);
        var (from, to) = (Of(rows, rows.Rows, rows.Columns), Of(destination, rows.Rows * length, rows.Columns));
        to.Clear();
        for (int image = 0; image < from.Rows; image++)
            for (int c = 0; c < from.Columns; c++) to[image * length + filled.ClassRowOut[image], c] = from[image, c];
    }
}
