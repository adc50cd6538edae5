using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;

namespace RMeeTo.Vim.Tests.Devices;

/// <summary>A device whose operators wait in a queue, as a GPU's do, and are computed by another device.</summary>
/// <param name="inner">Computes; its operators are not called before something is read.</param>
/// <param name="queue">Shared by all devices of a provider.</param>
internal sealed class QueuedDevice(VimDevice inner, OperatorQueue queue) : VimDevice
{
    public override string Name => $"queued {inner.Name}";

    public override bool PrefersWholeBatches => true;

    public override DeviceBuffer Allocate(long length)
    {
        queue.ThrowIfRecording("An allocation");
        return new QueuedBuffer(inner.Allocate(length), queue);
    }

    public override DeviceBytes AllocateBytes(long length) => new QueuedBytes(inner.AllocateBytes(length), queue);

    public override HostBuffer AllocateHost(long bytes) => new QueuedHost(inner.AllocateHost(bytes), queue);

    public override void Upload(HostBuffer source, long first, DeviceBuffer destination, long count)
    {
        _ = source.Floats(first, (int)count);
        queue.AddCopy(() => Of(destination).Write(source.Floats(first, (int)count)));
    }

    public override void Upload(HostBuffer source, long first, DeviceBytes destination, long count)
    {
        _ = source.Bytes(first, (int)count);
        queue.AddCopy(() => ((QueuedBytes)destination).Inner.Write(source.Bytes(first, (int)count)));
    }

    public override void Run(ref IDisposable? recording, Action operators) => queue.Run(ref recording, operators);

    public override LinearWeight CreateLinear(DeviceMatrix weight, bool forTraining) =>
        new QueuedWeight(weight, inner.CreateLinear(Of(weight), forTraining), queue);

    public override void Refresh(LinearWeight weight) => queue.Add(() => inner.Refresh(Of(weight)));

    public override MergePlan CreateMergePlan(int batchCapacity, MergeStep step, MergeOptions options) => inner.CreateMergePlan(batchCapacity, step, options);

    public override long ScanCheckpointLength(int batch, int length, int channels, int states) => inner.ScanCheckpointLength(batch, length, channels, states);

    public override void NormalizeImages(int frames, DeviceBytes pixels, DeviceMatrix table, DeviceMatrix images) =>
        queue.Add(() => inner.NormalizeImages(frames, ((QueuedBytes)pixels).Inner, Of(table), Of(images)));

    public override void ExtractPatches(VimConfig config, DeviceMatrix images, DeviceMatrix patches) =>
        queue.Add(() => inner.ExtractPatches(config, Of(images), Of(patches)));

    public override void Embed(int batch, in EmbeddingTables tables, DeviceMatrix patchTokens, DeviceMatrix tokens)
    {
        var own = Of(tables);
        queue.Add(() => inner.Embed(batch, own, Of(patchTokens), Of(tokens)));
    }

    public override void EmbedGradient(int batch, DeviceMatrix tokensGradient, DeviceMatrix patchTokensGradient, in EmbeddingTables gradients)
    {
        var own = Of(gradients);
        queue.Add(() => inner.EmbedGradient(batch, Of(tokensGradient), Of(patchTokensGradient), own));
    }

    public override void Linear(DeviceMatrix x, LinearWeight weight, DeviceMatrix bias, DeviceMatrix y, bool accumulate = false) =>
        queue.Add(() => inner.Linear(Of(x), Of(weight), Of(bias), Of(y), accumulate));

    public override void LinearInputGradient(DeviceMatrix dy, LinearWeight weight, DeviceMatrix dx, bool accumulate = false) =>
        queue.Add(() => inner.LinearInputGradient(Of(dy), Of(weight), Of(dx), accumulate));

    public override void LinearWeightGradient(DeviceMatrix dy, DeviceMatrix x, DeviceMatrix weightGradient, DeviceMatrix biasGradient) =>
        queue.Add(() => inner.LinearWeightGradient(Of(dy), Of(x), Of(weightGradient), Of(biasGradient)));

    public override void AddNorm(NormOperands norm, DeviceMatrix residual, DeviceMatrix hidden, DeviceMatrix sum, DeviceMatrix y, DeviceMatrix statistics) =>
        queue.Add(() => inner.AddNorm(Of(norm), Of(residual), Of(hidden), Of(sum), Of(y), Of(statistics)));

    public override void AddNormGradient(
        NormOperands norm, DeviceMatrix sum, DeviceMatrix statistics, DeviceMatrix dy, DeviceMatrix sumGradient,
        DeviceMatrix weightGradient, DeviceMatrix biasGradient) =>
        queue.Add(() => inner.AddNormGradient(Of(norm), Of(sum), Of(statistics), Of(dy), Of(sumGradient), Of(weightGradient), Of(biasGradient)));

    public override void CausalConv(ConvOperands conv, DeviceMatrix x, DeviceMatrix y) => queue.Add(() => inner.CausalConv(Of(conv), Of(x), Of(y)));

    public override void CausalConvGradient(
        ConvOperands conv, DeviceMatrix x, DeviceMatrix dy, DeviceMatrix dx, bool accumulate, DeviceMatrix weightGradient, DeviceMatrix biasGradient) =>
        queue.Add(() => inner.CausalConvGradient(Of(conv), Of(x), Of(dy), Of(dx), accumulate, Of(weightGradient), Of(biasGradient)));

    public override void SelectiveScan(in ScanOperands scan, DeviceMatrix output, bool accumulate, DeviceBuffer? checkpoints)
    {
        var own = Of(scan);
        queue.Add(() => inner.SelectiveScan(own, Of(output), accumulate, checkpoints is null ? null : Of(checkpoints)));
    }

    public override void SelectiveScanGradient(in ScanOperands scan, DeviceBuffer checkpoints, DeviceMatrix outputGradient, in ScanGradients gradients)
    {
        var (own, all) = (Of(scan), gradients);
        var to = all with
        {
            Input = Of(all.Input), DeltaRaw = Of(all.DeltaRaw), B = Of(all.B), C = Of(all.C), Gate = Of(all.Gate), ALog = Of(all.ALog),
            Skip = Of(all.Skip), DeltaBias = Of(all.DeltaBias),
        };
        queue.Add(() => inner.SelectiveScanGradient(own, Of(checkpoints), Of(outputGradient), to));
    }

    public override void ScaleChannels(DeviceMatrix x, DeviceMatrix factor, DeviceMatrix y) => queue.Add(() => inner.ScaleChannels(Of(x), Of(factor), Of(y)));

    public override void ScaleChannelsGradient(DeviceMatrix x, DeviceMatrix factor, DeviceMatrix dy, DeviceMatrix dx, DeviceMatrix factorGradient) =>
        queue.Add(() => inner.ScaleChannelsGradient(Of(x), Of(factor), Of(dy), Of(dx), Of(factorGradient)));

    public override void ScaleImages(DeviceMatrix x, DeviceMatrix factors, DeviceMatrix y, bool accumulate = false) =>
        queue.Add(() => inner.ScaleImages(Of(x), Of(factors), Of(y), accumulate));

    public override void AddMetric(int batch, DeviceMatrix values, float factor, MetricPlacement placement, DeviceMatrix metric, bool accumulate = false) =>
        queue.Add(() => inner.AddMetric(batch, Of(values), factor, placement, Of(metric), accumulate));

    public override void Match(int batch, in MatchOperands operands, MergePlan plan, DeviceMatrix mergedSizes)
    {
        var all = operands;
        queue.Add(() => inner.Match(batch, all with { Metric = Of(all.Metric), Sizes = Of(all.Sizes) }, plan, Of(mergedSizes)));
        if (plan.Options.ShuffleRate == 0) return;
        queue.ThrowIfRecording("A row order");
        queue.Finish(); // the row orders are those that the plan has now
    }

    public override void Merge(int batch, MergePlan plan, DeviceMatrix source, DeviceMatrix destination, DeviceMatrix winners = default) =>
        queue.Add(() => inner.Merge(batch, plan, Of(source), Of(destination), Of(winners)));

    public override void MergeGradient(
        int batch, MergePlan plan, DeviceMatrix destinationGradient, DeviceMatrix sourceGradient, DeviceMatrix winners = default) =>
        queue.Add(() => inner.MergeGradient(batch, plan, Of(destinationGradient), Of(sourceGradient), Of(winners)));

    public override void GatherClassRows(MergePlan plan, DeviceMatrix source, DeviceMatrix rows) =>
        queue.Add(() => inner.GatherClassRows(plan, Of(source), Of(rows)));

    public override void ScatterClassRows(MergePlan plan, DeviceMatrix rows, DeviceMatrix destination) =>
        queue.Add(() => inner.ScatterClassRows(plan, Of(rows), Of(destination)));

    public override void GatherRows(int row, DeviceMatrix source, DeviceMatrix rows) => queue.Add(() => inner.GatherRows(row, Of(source), Of(rows)));

    public override void ScatterRows(int row, DeviceMatrix rows, DeviceMatrix destination, bool keepOthers = false) =>
        queue.Add(() => inner.ScatterRows(row, Of(rows), Of(destination), keepOthers));

    public override void MeanRows(DeviceMatrix source, DeviceMatrix weights, DeviceMatrix means) =>
        queue.Add(() => inner.MeanRows(Of(source), Of(weights), Of(means)));

    public override void MeanRowsGradient(DeviceMatrix meansGradient, DeviceMatrix weights, DeviceMatrix sourceGradient) =>
        queue.Add(() => inner.MeanRowsGradient(Of(meansGradient), Of(weights), Of(sourceGradient)));

    public override void Softmax(DeviceMatrix logits, DeviceMatrix probabilities) => queue.Add(() => inner.Softmax(Of(logits), Of(probabilities)));

    public override void Loss(
        LossWeights weights, DeviceMatrix logits, DeviceMatrix targets, DeviceMatrix teacherLogits, float gradientScale,
        DeviceMatrix losses, DeviceMatrix logitsGradient) =>
        queue.Add(() => inner.Loss(weights, Of(logits), Of(targets), Of(teacherLogits), gradientScale, Of(losses), Of(logitsGradient)));

    public override void SumBuffers(DeviceBuffer destination, IReadOnlyList<DeviceBuffer> sources, long offset, long count)
    {
        DeviceBuffer[] all = [.. sources.Select(Of)];
        queue.Add(() => inner.SumBuffers(Of(destination), all, offset, count));
    }

    public override void AdamW(
        AdamWStep step, DeviceBuffer values, DeviceBuffer gradient, DeviceBuffer firstMoment, DeviceBuffer secondMoment, long offset, long count) =>
        queue.Add(() => inner.AdamW(step, Of(values), Of(gradient), Of(firstMoment), Of(secondMoment), offset, count));

    public override void MovingAverage(double decay, DeviceBuffer average, DeviceBuffer values, long offset, long count) =>
        queue.Add(() => inner.MovingAverage(decay, Of(average), Of(values), offset, count));

    protected override void Dispose(bool disposing)
    {
        queue.Finish();
        inner.Dispose();
    }

    private static DeviceBuffer Of(DeviceBuffer buffer) => ((QueuedBuffer)buffer).Inner;

    private static LinearWeight Of(LinearWeight weight) => ((QueuedWeight)weight).Inner;

    private static DeviceMatrix Of(DeviceMatrix matrix) => matrix.IsNone ? default : matrix with { Buffer = Of(matrix.Buffer) };

    private static NormOperands Of(NormOperands norm) => norm with { Weight = Of(norm.Weight), Bias = Of(norm.Bias) };

    private static ConvOperands Of(ConvOperands conv) => conv with { Weight = Of(conv.Weight), Bias = Of(conv.Bias) };

    private static EmbeddingTables Of(in EmbeddingTables tables) => tables with
    {
        ClassToken = Of(tables.ClassToken), TailClassToken = Of(tables.TailClassToken), Positions = Of(tables.Positions),
        TimePositions = Of(tables.TimePositions),
    };

    private static ScanOperands Of(in ScanOperands scan) => scan with
    {
        Input = Of(scan.Input), DeltaRaw = Of(scan.DeltaRaw), DeltaBias = Of(scan.DeltaBias), ALog = Of(scan.ALog), B = Of(scan.B), C = Of(scan.C),
        Skip = Of(scan.Skip), Gate = Of(scan.Gate),
    };
}
