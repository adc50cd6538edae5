using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;
using static RMeeTo.Cuda.MergeKernels;

namespace RMeeTo.Cuda;

// Carrying a merge out (spec 2.3, 2.4), and what it is decided by.
public sealed unsafe partial class CudaDevice
{
    /// <inheritdoc/>
    public override MergePlan CreateMergePlan(int batchCapacity, MergeStep step, MergeOptions options) =>
        new CudaMergePlan(Runtime, batchCapacity, step, options);

    /// <inheritdoc/>
    public override void AddMetric(int batch, DeviceMatrix values, float factor, MetricPlacement placement, DeviceMatrix metric, bool accumulate = false)
    {
        var argument = new MetricArguments
        {
            Values = Argument(values, values.Rows, values.Columns, nameof(values)),
            Metric = Argument(metric, values.Rows, values.Columns, nameof(metric)),
            Factor = factor,
            Tokens = TokensPerImage(values, batch, nameof(values)),
            Turned = placement == MetricPlacement.Turned ? 1 : 0,
            Accumulate = accumulate ? 1 : 0,
        };
        bool vectorizable = argument.Values.IsVectorizable && argument.Metric.IsVectorizable;
        argument.Lanes = Lanes(values.Columns, vectorizable);
        LaunchRows(MergeKernels.AddMetric, vectorizable, values.Rows, argument.Lanes, argument);
    }

    /// <inheritdoc/>
    public override void Merge(int batch, MergePlan plan, DeviceMatrix source, DeviceMatrix destination, DeviceMatrix winners = default)
    {
        MergeArguments argument = MergeArgument(batch, plan, source, nameof(source), destination, nameof(destination));
        bool contested = plan.Options.HasWinners;
        if (contested) argument.Winners = ArgumentOrNone(winners, destination.Rows, source.Columns, nameof(winners));
        LaunchMerge(contested ? Extremes : MergeKernels.Rows, destination.Rows, argument);
    }

    /// <inheritdoc/>
    public override void MergeGradient(int batch, MergePlan plan, DeviceMatrix destinationGradient, DeviceMatrix sourceGradient, DeviceMatrix winners = default)
    {
        MergeArguments argument =
            MergeArgument(batch, plan, sourceGradient, nameof(sourceGradient), destinationGradient, nameof(destinationGradient));
        if (plan.Options.HasWinners) argument.Winners = Argument(winners, destinationGradient.Rows, destinationGradient.Columns, nameof(winners));
        LaunchMerge(Gradient, sourceGradient.Rows, argument);
    }

    /// <inheritdoc/>
    public override void GatherClassRows(MergePlan plan, DeviceMatrix source, DeviceMatrix rows)
    {
        ClassRowArguments argument = ClassRowArgument(plan, source, nameof(source), rows);
        LaunchRows(MergeKernels.GatherClassRows, argument.IsVectorizable, rows.Rows, argument.Lanes, argument);
    }

    /// <inheritdoc/>
    public override void ScatterClassRows(MergePlan plan, DeviceMatrix rows, DeviceMatrix destination)
    {
        ClassRowArguments argument = ClassRowArgument(plan, destination, nameof(destination), rows);
        LaunchRows(MergeKernels.ScatterClassRows, argument.IsVectorizable, destination.Rows, argument.Lanes, argument);
    }

    private MergeArguments MergeArgument(
        int batch, MergePlan plan, DeviceMatrix source, string sourceName, DeviceMatrix destination, string destinationName) => new()
    {
        Plan = Filled(batch, plan).Argument,
        Source = Argument(source, batch * plan.Step.TokensIn, source.Columns, sourceName),
        Destination = Argument(destination, batch * plan.Step.TokensOut, source.Columns, destinationName),
        Combination = (int)plan.Options.Combination,
    };

    private ClassRowArguments ClassRowArgument(MergePlan plan, DeviceMatrix all, string allName, DeviceMatrix rows)
    {
        CheckClassToken(plan);
        var argument = new ClassRowArguments
        {
            Plan = Filled(rows.Rows, plan).Argument,
            All = Argument(all, rows.Rows * plan.Step.TokensOut, rows.Columns, allName),
            Rows = Argument(rows, rows.Rows, rows.Columns, nameof(rows)),
        };
        argument.Lanes = Lanes(rows.Columns, argument.IsVectorizable);
        return argument;
    }

    private void LaunchMerge(VectorKernel kernel, int rows, MergeArguments argument)
    {
        argument.Lanes = Lanes(argument.Source.Columns, argument.IsVectorizable);
        LaunchRows(kernel, argument.IsVectorizable, rows, argument.Lanes, argument);
    }

    /// <summary>So many lanes a row.</summary>
    private void LaunchRows<T>(VectorKernel kernel, bool vectorizable, int rows, int lanes, in T argument) where T : unmanaged
    {
        if (rows > 0) Launch(kernel.For(vectorizable), Blocks(rows, VectorKernel.Threads / lanes), VectorKernel.Threads, argument);
    }
}
