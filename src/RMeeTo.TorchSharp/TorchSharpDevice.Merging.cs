using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;
using static TorchSharp.torch;

namespace RMeeTo.TorchSharp;

// Carrying a merge out (spec 2.3, 2.4).
public sealed partial class TorchSharpDevice
{
    /// <inheritdoc/>
    public override void Merge(int batch, MergePlan plan, DeviceMatrix source, DeviceMatrix destination, DeviceMatrix winners = default)
    {
        using var scope = NewDisposeScope();
        var (filled, step, channels) = (Filled(batch, plan), plan.Step, source.Columns);
        Tensor from = Images(source, batch, step.TokensIn, channels, nameof(source));
        Tensor to = Images(destination, batch, step.TokensOut, channels, nameof(destination));
        Tensor? won = plan.Options.HasWinners ? ImagesOrNull(winners, batch, step.TokensOut, channels, nameof(winners)) : null;
        var segments = new Segments(filled, batch, _zero);
        Tensor sorted = segments.Sort(from).mul_(segments.Sort(filled.Weights.narrow(0, 0, batch).unsqueeze(2)));
        if (!plan.Options.HasWinners)
        {
            to.copy_(segments.Sum(sorted));
            return;
        }
        var (values, rows) = segments.Extreme(sorted, plan.Options.Combination == MergeCombination.Max, withRows: won is not null);
        to.copy_(values);
        won?.copy_(rows!);
    }

    /// <inheritdoc/>
    public override void MergeGradient(int batch, MergePlan plan, DeviceMatrix destinationGradient, DeviceMatrix sourceGradient, DeviceMatrix winners = default)
    {
        using var scope = NewDisposeScope();
        var (filled, step, channels) = (Filled(batch, plan), plan.Step, destinationGradient.Columns);
        Tensor from = Images(destinationGradient, batch, step.TokensOut, channels, nameof(destinationGradient));
        Tensor to = Images(sourceGradient, batch, step.TokensIn, channels, nameof(sourceGradient));
        Tensor? won = plan.Options.HasWinners ? Images(winners, batch, step.TokensOut, channels, nameof(winners)) : null;
        var segments = new Segments(filled, batch, _zero);
        Tensor gradient = segments.Spread(from).mul_(filled.Weights.narrow(0, 0, batch).unsqueeze(2)).ClearWhere(segments.Dropped);
        if (won is not null)
        {
            Tensor row = filled.Places.to(ScalarType.Float32).view(1, step.TokensIn, 1);
            gradient.ClearWhere(segments.Spread(won).eq(row).logical_not());
        }
        to.copy_(gradient);
    }

    /// <inheritdoc/>
    public override void GatherClassRows(MergePlan plan, DeviceMatrix source, DeviceMatrix rows)
    {
        CheckClassToken(plan);
        using var scope = NewDisposeScope();
        var (filled, length) = (Filled(rows.Rows, plan), plan.Step.TokensOut);
        Tensor from = View(source, rows.Rows * length, rows.Columns, nameof(source)), to = View(rows, rows.Rows, rows.Columns, nameof(rows));
        to.copy_(from.index_select(0, filled.FlatClassRows.narrow(0, 0, rows.Rows).view(-1)));
    }

    /// <inheritdoc/>
    public override void ScatterClassRows(MergePlan plan, DeviceMatrix rows, DeviceMatrix destination)
    {
        CheckClassToken(plan);
        using var scope = NewDisposeScope();
        var (filled, length) = (Filled(rows.Rows, plan), plan.Step.TokensOut);
        Tensor from = View(rows, rows.Rows, rows.Columns, nameof(rows)), to = View(destination, rows.Rows * length, rows.Columns, nameof(destination));
        to.Clear().index_copy_(0, filled.FlatClassRows.narrow(0, 0, rows.Rows).view(-1), from);
    }
}
