using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Reference;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Tests.Golden;

internal sealed record BlockTrace(int Block, double[] Hidden, double[] Residual, double[]? Sizes, double[]? Metric);

/// <summary>A network on a device with its results read back as doubles, whatever the device computes in.</summary>
internal sealed class GoldenRun : IDisposable
{
    private readonly VimDevice _device;
    private readonly DeviceWeights _weights;
    private readonly VimNetwork _network;
    private readonly Workspace _workspace;
    private readonly ParameterBuffer _gradients;
    private readonly int _batch;

    public GoldenRun(VimDevice device, VimWeights weights, MergeSchedule schedule, MergeOptions options, int batch)
    {
        (_device, _batch) = (device, batch);
        _weights = new DeviceWeights(device, weights, forTraining: true);
        _network = new VimNetwork(_weights, schedule, options);
        _workspace = _network.CreateWorkspace(device, batch, forTraining: true);
        _gradients = new ParameterBuffer(device, weights.Parameters);
    }

    public double[] Logits => Read(_workspace.Logits);

    public void Forward(float[] images, Action<BlockTrace>? trace = null)
    {
        _workspace.Images.Buffer.Write(images);
        _network.Forward(_device, _workspace, _batch, trace is null ? null : (block, hidden, residual, sizes) =>
            trace(new BlockTrace(block, Read(hidden), Read(residual), sizes.IsNone ? null : Read(sizes), MetricAfter(block))));
    }

    /// <summary>What the merge at the entry of the next block will compare by, where that is not the hidden state.</summary>
    private double[]? MetricAfter(int block)
    {
        bool merges = block + 1 < _network.Config.Depth && _network.Schedule.At(block + 1) is not null;
        if (!merges || _workspace.Evidence is not { } evidence) return null;
        return Read(evidence.Metric.SliceRows(0, _batch * _network.Schedule.TokensPerBlock[block]));
    }

    /// <summary>Shuffles by the recorded random numbers: n patches drawn, and the order in which they take each other's places.</summary>
    public void UseRecordedShuffles(GoldenFile recorded)
    {
        if (_network.Options.ShuffleRate == 0) return;
        _workspace.KeepsRowOrders = true;
        foreach (var (step, name) in _network.Schedule.Steps.Zip(Merges(recorded, "")))
        {
            string shuffle = name.Replace("merge.", "shuffle.");
            bool any = recorded.Has($"{shuffle}.indices"); // a rate that asks for less than one patch has nothing to record
            int[] drawn = any ? recorded.Integers($"{shuffle}.indices") : [], order = any ? recorded.Integers($"{shuffle}.permutation") : [];
            int[] rowAtPlace = [.. Enumerable.Range(0, step.TokensIn)];
            int Row(int classFree) => classFree < step.ClassRowIn ? classFree : classFree + 1;
            Assert.HasCount((int)((step.TokensIn - 1) * _network.Options.ShuffleRate), drawn, "patches that the rate asks for");
            for (int i = 0; i < drawn.Length; i++) rowAtPlace[Row(drawn[i])] = Row(drawn[order[i]]);
            for (int image = 0; image < _batch; image++) _workspace.Plans[step.Block]!.SetRowOrder(image, rowAtPlace);
        }
    }

    /// <summary>"merge.k" of every recorded merge that merges something, in order: the official code counts calls that merge nothing as well.</summary>
    private static string[] Merges(GoldenFile recorded, string prefix) =>
        [.. recorded.Names.Where(name => name.StartsWith(prefix + "merge.") && name.EndsWith(".src_idx")).Select(name => name[..^".src_idx".Length])
            .OrderBy(name => int.Parse(name[(prefix + "merge.").Length..]))];

    /// <summary>Mean cross-entropy; leaves its gradient for <see cref="Backward"/>.</summary>
    public double CrossEntropy(int[] labels)
    {
        var targets = new float[_batch * _network.Config.Classes];
        for (int i = 0; i < _batch; i++) targets[i * _network.Config.Classes + labels[i]] = 1;
        _workspace.Targets.Buffer.Write(targets);
        _device.Loss(new LossWeights(1, 0), _workspace.Logits, _workspace.Targets, default, 1f / _batch, _workspace.Losses, _workspace.LogitsGradient);
        return Read(_workspace.Losses).Average();
    }

    public void Backward()
    {
        _gradients.Values.Clear();
        _network.Backward(_device, _workspace, _batch, _gradients);
    }

    public double[] Gradient(VimParameter parameter) => Read(_gradients[parameter]);

    /// <summary>Every merge against the recorded indices: sources and partners, and in odd-even order also the order.</summary>
    public void CheckDecisions(GoldenFile recorded, string prefix)
    {
        string[] merges = Merges(recorded, prefix);
        Assert.HasCount(_network.Schedule.Steps.Count, merges);
        foreach (var (step, name) in _network.Schedule.Steps.Zip(merges))
        {
            var (src, dst, unm) = (recorded.Integers($"{name}.src_idx"), recorded.Integers($"{name}.dst_idx"), recorded.Integers($"{name}.unm_idx"));
            Assert.HasCount(_batch * step.Removed, src, name);
            for (int image = 0; image < _batch; image++)
            {
                GoldenPlan.Check(_workspace.Plans[step.Block]!, image, Slice(src, image), Slice(dst, image), Slice(unm, image), $"{name}, image {image}");
            }
        }

        ReadOnlySpan<int> Slice(int[] all, int image) => all.AsSpan(image * (all.Length / _batch), all.Length / _batch);
    }

    public void Dispose()
    {
        _gradients.Dispose();
        _workspace.Dispose();
        _weights.Dispose();
    }

    public static double[] Read(DeviceMatrix matrix)
    {
        var values = new double[matrix.Rows * matrix.Columns];
        var row = new float[matrix.Columns];
        for (int r = 0; r < matrix.Rows; r++)
        {
            long start = matrix.Offset + (long)r * matrix.Stride;
            if (matrix.Buffer is ReferenceBuffer reference)
            {
                Array.Copy(reference.Values, start, values, (long)r * matrix.Columns, matrix.Columns);
                continue;
            }
            matrix.Buffer.Read(row, start);
            for (int c = 0; c < row.Length; c++) values[r * matrix.Columns + c] = row[c];
        }
        return values;
    }
}

/// <summary>A plan against the decisions that the official code recorded for one image.</summary>
internal static class GoldenPlan
{
    /// <param name="plan">Filled.</param>
    /// <param name="image">Index in the batch.</param>
    /// <param name="src">Removed even tokens, most similar first, counted among the even ones.</param>
    /// <param name="dst">Their partners, counted among the odd tokens.</param>
    /// <param name="unm">Even tokens that stay, most similar first.</param>
    /// <param name="what">For messages.</param>
    public static void Check(MergePlan plan, int image, ReadOnlySpan<int> src, ReadOnlySpan<int> dst, ReadOnlySpan<int> unm, string what)
    {
        var step = plan.Step;
        var destinations = new int[step.TokensIn];
        plan.Read(image, destinations, new float[step.TokensIn]);
        int Row(int classFree) => plan.RowAtPlace(image, classFree < step.ClassRowIn ? classFree : classFree + 1); // recorded indices are those after a shuffle
        for (int i = 0; i < src.Length; i++)
        {
            int source = destinations[Row(2 * src[i])], partner = destinations[Row(2 * dst[i] + 1)];
            Assert.AreEqual(plan.Options.Reduction == MergeReduction.Prune ? -1 : partner, source, $"{what}: even token {src[i]} goes to odd token {dst[i]}");
        }
        var kept = new int[unm.Length];
        for (int i = 0; i < unm.Length; i++) kept[i] = destinations[Row(2 * unm[i])];
        Assert.AreEqual(unm.Length, kept.Where(row => row >= 0).Distinct().Count(), $"{what}: every unmerged token has a row of its own");
        if (plan.Options.Order == MergeOrder.OddEven) CollectionAssert.AreEqual(kept.Order().ToArray(), kept, $"{what}: unmerged tokens stand in order of similarity");
        Assert.AreEqual(step.ClassRowOut, destinations[step.ClassRowIn], $"{what}: class row");
    }
}
