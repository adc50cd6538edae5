using RMeeTo.Vim;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Cpu;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;

namespace RMeeTo.Benchmarks;

/// <summary>A device that hands every operator on to another one and books its processor time, and the work of matrix products, under a name.</summary>
internal sealed class TimedDevice(VimDevice device, VimConfig config, OperatorTimes times) : VimDevice
{
    private readonly Dictionary<long, string> _names =
        new VimParameters(config).All.ToDictionary(parameter => parameter.Offset, parameter => ShortName(parameter.Name));

    public override string Name => device.Name;

    public override DeviceBuffer Allocate(long length) => device.Allocate(length);

    public override LinearWeight CreateLinear(DeviceMatrix weight, bool forTraining) => device.CreateLinear(weight, forTraining);

    public override MergePlan CreateMergePlan(int batchCapacity, MergeStep step, MergeOptions options) => device.CreateMergePlan(batchCapacity, step, options);

    public override long ScanCheckpointLength(int batch, int length, int channels, int states) => device.ScanCheckpointLength(batch, length, channels, states);

    public override void Refresh(LinearWeight weight)
    {
        using var _ = times.Book("pack weights");
        device.Refresh(weight);
    }

    public override void ExtractPatches(VimConfig geometry, DeviceMatrix images, DeviceMatrix patches)
    {
        using var _ = times.Book("patches");
        device.ExtractPatches(geometry, images, patches);
    }

    public override void Embed(int batch, in EmbeddingTables tables, DeviceMatrix patchTokens, DeviceMatrix tokens)
    {
        using var _ = times.Book("patches");
        device.Embed(batch, tables, patchTokens, tokens);
    }

    public override void EmbedGradient(int batch, DeviceMatrix tokensGradient, DeviceMatrix patchTokensGradient, in EmbeddingTables gradients)
    {
        using var _ = times.Book("patches back");
        device.EmbedGradient(batch, tokensGradient, patchTokensGradient, gradients);
    }

    public override void Linear(DeviceMatrix x, LinearWeight weight, DeviceMatrix bias, DeviceMatrix y, bool accumulate = false)
    {
        using var _ = times.Book(LayerName(weight.Matrix), Work(x.Rows, weight.Matrix));
        device.Linear(x, weight, bias, y, accumulate);
    }

    public override void LinearInputGradient(DeviceMatrix dy, LinearWeight weight, DeviceMatrix dx, bool accumulate = false)
    {
        using var _ = times.Book(LayerName(weight.Matrix) + " dX", Work(dy.Rows, weight.Matrix));
        device.LinearInputGradient(dy, weight, dx, accumulate);
    }

    public override void LinearWeightGradient(DeviceMatrix dy, DeviceMatrix x, DeviceMatrix weightGradient, DeviceMatrix biasGradient)
    {
        using var _ = times.Book(LayerName(weightGradient) + " dW", Work(dy.Rows, weightGradient));
        device.LinearWeightGradient(dy, x, weightGradient, biasGradient);
    }

    public override void AddNorm(NormOperands norm, DeviceMatrix residual, DeviceMatrix hidden, DeviceMatrix sum, DeviceMatrix y, DeviceMatrix statistics)
    {
        using var _ = times.Book("norm");
        device.AddNorm(norm, residual, hidden, sum, y, statistics);
    }

    public override void AddNormGradient(
        NormOperands norm, DeviceMatrix sum, DeviceMatrix statistics, DeviceMatrix dy, DeviceMatrix sumGradient,
        DeviceMatrix weightGradient, DeviceMatrix biasGradient)
    {
        using var _ = times.Book("norm back");
        device.AddNormGradient(norm, sum, statistics, dy, sumGradient, weightGradient, biasGradient);
    }

    public override void ScaleImages(DeviceMatrix x, DeviceMatrix factors, DeviceMatrix y, bool accumulate = false)
    {
        using var _ = times.Book("drop path");
        device.ScaleImages(x, factors, y, accumulate);
    }

    public override void CausalConv(ConvOperands conv, DeviceMatrix x, DeviceMatrix y)
    {
        using var _ = times.Book("conv");
        device.CausalConv(conv, x, y);
    }

    public override void CausalConvGradient(
        ConvOperands conv, DeviceMatrix x, DeviceMatrix dy, DeviceMatrix dx, bool accumulate, DeviceMatrix weightGradient, DeviceMatrix biasGradient)
    {
        using var _ = times.Book("conv back");
        device.CausalConvGradient(conv, x, dy, dx, accumulate, weightGradient, biasGradient);
    }

    public override void SelectiveScan(in ScanOperands scan, DeviceMatrix output, bool accumulate, DeviceBuffer? checkpoints)
    {
        using var _ = times.Book("scan");
        device.SelectiveScan(scan, output, accumulate, checkpoints);
    }

    public override void SelectiveScanGradient(in ScanOperands scan, DeviceBuffer checkpoints, DeviceMatrix outputGradient, in ScanGradients gradients)
    {
        using var _ = times.Book("scan back");
        device.SelectiveScanGradient(scan, checkpoints, outputGradient, gradients);
    }

    public override void ScaleChannels(DeviceMatrix x, DeviceMatrix factor, DeviceMatrix y)
    {
        using var _ = times.Book("layer scale");
        device.ScaleChannels(x, factor, y);
    }

    public override void ScaleChannelsGradient(DeviceMatrix x, DeviceMatrix factor, DeviceMatrix dy, DeviceMatrix dx, DeviceMatrix factorGradient)
    {
        using var _ = times.Book("layer scale");
        device.ScaleChannelsGradient(x, factor, dy, dx, factorGradient);
    }

    public override void AddMetric(int batch, DeviceMatrix values, float factor, MetricPlacement placement, DeviceMatrix metric, bool accumulate = false)
    {
        using var _ = times.Book("match");
        device.AddMetric(batch, values, factor, placement, metric, accumulate);
    }

    public override void Match(int batch, in MatchOperands operands, MergePlan plan, DeviceMatrix mergedSizes)
    {
        using var _ = times.Book("match");
        device.Match(batch, operands, plan, mergedSizes);
    }

    public override void Merge(int batch, MergePlan plan, DeviceMatrix source, DeviceMatrix destination, DeviceMatrix winners = default)
    {
        using var _ = times.Book("merge");
        device.Merge(batch, plan, source, destination, winners);
    }

    public override void MergeGradient(int batch, MergePlan plan, DeviceMatrix destinationGradient, DeviceMatrix sourceGradient, DeviceMatrix winners = default)
    {
        using var _ = times.Book("merge");
        device.MergeGradient(batch, plan, destinationGradient, sourceGradient, winners);
    }

    public override void GatherClassRows(MergePlan plan, DeviceMatrix source, DeviceMatrix rows)
    {
        using var _ = times.Book("head");
        device.GatherClassRows(plan, source, rows);
    }

    public override void ScatterClassRows(MergePlan plan, DeviceMatrix rows, DeviceMatrix destination)
    {
        using var _ = times.Book("head");
        device.ScatterClassRows(plan, rows, destination);
    }

    public override void GatherRows(int row, DeviceMatrix source, DeviceMatrix rows)
    {
        using var _ = times.Book("head");
        device.GatherRows(row, source, rows);
    }

    public override void ScatterRows(int row, DeviceMatrix rows, DeviceMatrix destination, bool keepOthers = false)
    {
        using var _ = times.Book("head");
        device.ScatterRows(row, rows, destination, keepOthers);
    }

    public override void MeanRows(DeviceMatrix source, DeviceMatrix weights, DeviceMatrix means)
    {
        using var _ = times.Book("head");
        device.MeanRows(source, weights, means);
    }

    public override void MeanRowsGradient(DeviceMatrix meansGradient, DeviceMatrix weights, DeviceMatrix sourceGradient)
    {
        using var _ = times.Book("head");
        device.MeanRowsGradient(meansGradient, weights, sourceGradient);
    }

    public override void Softmax(DeviceMatrix logits, DeviceMatrix probabilities)
    {
        using var _ = times.Book("head");
        device.Softmax(logits, probabilities);
    }

    public override void Loss(
        LossWeights weights, DeviceMatrix logits, DeviceMatrix targets, DeviceMatrix teacherLogits, float gradientScale,
        DeviceMatrix losses, DeviceMatrix logitsGradient)
    {
        using var _ = times.Book("head");
        device.Loss(weights, logits, targets, teacherLogits, gradientScale, losses, logitsGradient);
    }

    public override void SumBuffers(DeviceBuffer destination, IReadOnlyList<DeviceBuffer> sources, long offset, long count)
    {
        using var _ = times.Book("sum lanes");
        device.SumBuffers(destination, sources, offset, count);
    }

    public override void AdamW(
        AdamWStep step, DeviceBuffer values, DeviceBuffer gradient, DeviceBuffer firstMoment, DeviceBuffer secondMoment, long offset, long count)
    {
        using var _ = times.Book("AdamW");
        device.AdamW(step, values, gradient, firstMoment, secondMoment, offset, count);
    }

    public override void MovingAverage(double decay, DeviceBuffer average, DeviceBuffer values, long offset, long count)
    {
        using var _ = times.Book("moving average");
        device.MovingAverage(decay, average, values, offset, count);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) device.Dispose();
    }

    private static double Work(int rows, DeviceMatrix weight) => 2.0 * rows * weight.Rows * weight.Columns;

    /// <summary>"in_proj" for layers.3.mixer.in_proj.weight; a matrix is told by its place in the flat buffer.</summary>
    private string LayerName(DeviceMatrix weight) => _names[weight.Offset];

    private static string ShortName(string parameter) => parameter.Split('.') switch
    {
        ["patch_embed", ..] => "patches",
        [.., var layer, "weight"] => layer.Replace("_b", "", StringComparison.Ordinal),
        _ => parameter,
    };
}

/// <summary>Makes timed devices that all book into one place: for one thread.</summary>
internal sealed class TimedDeviceProvider(VimConfig config, OperatorTimes times) : IVimDeviceProvider
{
    public string Name => CpuDeviceProvider.Instance.Name;

    public int Workers(int threads) => 1;

    public VimDevice CreateDevice() => new TimedDevice(CpuDevice.Create(), config, times);
}
