using RMeeTo.Vim.Deit;
using RMeeTo.Vim.Deit.Operators;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Tests.Golden;

namespace RMeeTo.Vim.Tests.Deit;

/// <summary>A DeiT on a device with its results read back as doubles, whatever the device computes in.</summary>
internal sealed class DeitRun : IDisposable
{
    private readonly VimDevice _device;
    private readonly DeviceWeights _weights;
    private readonly DeitNetwork _network;
    private readonly DeitWorkspace _workspace;
    private readonly ParameterBuffer _gradients;
    private readonly int _batch;

    public DeitRun(VimDevice device, DeitWeights weights, DeitMergeSchedule schedule, DeitMergeOptions options, int batch, bool forTraining = true,
        DropPath dropPath = default)
    {
        (_device, _batch) = (device, batch);
        _weights = new DeviceWeights(device, weights, forTraining);
        _network = new DeitNetwork(_weights, schedule, options);
        _workspace = _network.CreateWorkspace(device, batch, forTraining, dropPath);
        for (int i = 0; i < batch; i++) _workspace.SetSampleKey(i, new SampleKey(1, 0, i));
        _gradients = new ParameterBuffer(device, weights.Parameters);
    }

    public double[] Logits => GoldenRun.Read(_workspace.Logits);

    public DeviceWeights Weights => _weights;

    /// <summary>The factors of all branches, two a block, of the last forward pass [branches][B].</summary>
    public double[][] BranchFactors => [.. Enumerable.Range(0, 2 * _network.Config.Depth).Select(k => _workspace.BranchFactors(k, _batch))
        .Select(factors => factors.IsNone ? [.. Enumerable.Repeat(1.0, _batch)] : GoldenRun.Read(factors))];

    public IReadOnlyList<DeitMergePlan?> Plans => _workspace.Plans;

    public void Forward(float[] images, Action<int, double[], double[]?>? trace = null)
    {
        _workspace.Images.Buffer.Write(images);
        _network.Forward(_device, _workspace, _batch, trace is null
            ? null
            : (block, tokens, sizes) => trace(block, GoldenRun.Read(tokens), sizes.IsNone ? null : GoldenRun.Read(sizes)));
    }

    /// <summary>Mean cross-entropy; leaves its gradient for <see cref="Backward"/>.</summary>
    public double CrossEntropy(int[] labels)
    {
        var targets = new float[_batch * _network.Config.Classes];
        for (int i = 0; i < _batch; i++) targets[i * _network.Config.Classes + labels[i]] = 1;
        _workspace.Targets.Buffer.Write(targets);
        _device.Loss(new LossWeights(1, 0), _workspace.Logits, _workspace.Targets, default, 1f / _batch, _workspace.Losses, _workspace.LogitsGradient);
        return GoldenRun.Read(_workspace.Losses).Average();
    }

    public void Backward()
    {
        _gradients.Values.Clear();
        _network.Backward(_device, _workspace, _batch, _gradients);
    }

    public double[] Gradient(VimParameter parameter) => GoldenRun.Read(_gradients[parameter]);

    /// <summary>Every merge against the recorded indices: sources, partners and the order of the rest.</summary>
    public void CheckDecisions(GoldenFile recorded, string prefix)
    {
        string start = prefix + "merge.";
        const string End = ".src_idx";
        string[] merges = [.. recorded.Names.Where(name => name.StartsWith(start, StringComparison.Ordinal) && name.EndsWith(End, StringComparison.Ordinal))
            .Select(name => name[..^End.Length]).OrderBy(name => int.Parse(name[start.Length..]))];
        var plans = _workspace.Plans.OfType<DeitMergePlan>().ToArray();
        Assert.HasCount(plans.Length, merges);
        foreach (var (plan, name) in plans.Zip(merges)) DeitGoldenPlan.Check(plan, _batch, recorded, name);
    }

    public void Dispose()
    {
        _gradients.Dispose();
        _workspace.Dispose();
        _weights.Dispose();
    }
}

/// <summary>A plan against the decisions that the official code recorded.</summary>
internal static class DeitGoldenPlan
{
    /// <param name="plan">Filled.</param>
    /// <param name="batch">Images.</param>
    /// <param name="recorded">Holds <c>src_idx</c> (removed even rows), <c>dst_idx</c> (their partners among the odd rows), <c>unm_idx</c> (even rows that
    /// stay, ascending).</param>
    /// <param name="name">Their prefix.</param>
    public static void Check(DeitMergePlan plan, int batch, GoldenFile recorded, string name)
    {
        int[] src = recorded.Integers($"{name}.src_idx"), dst = recorded.Integers($"{name}.dst_idx"), unm = recorded.Integers($"{name}.unm_idx");
        Assert.HasCount(batch * plan.Removed, src, name);
        for (int image = 0; image < batch; image++)
        {
            var destinations = plan.Destinations.AsSpan(image * plan.TokensIn, plan.TokensIn).ToArray();
            for (int i = image * plan.Removed; i < (image + 1) * plan.Removed; i++)
            {
                int expected = plan.Options.Reduction == MergeReduction.Prune ? -1 : destinations[2 * dst[i] + 1];
                Assert.AreEqual(expected, destinations[2 * src[i]], $"{name}, image {image}: even row {src[i]} goes to odd row {dst[i]}");
            }
            int[] kept = [.. unm.AsSpan(image * unm.Length / batch, unm.Length / batch).ToArray().Select(even => 2 * even)];
            int[] odd = [.. Enumerable.Range(0, plan.OddCount).Select(k => 2 * k + 1)];
            int[] order = plan.Options.Order == MergeOrder.Original ? [.. kept.Concat(odd).Order()] : [.. kept, .. odd];
            for (int i = 0; i < order.Length; i++) Assert.AreEqual(i, destinations[order[i]], $"{name}, image {image}: row of token {order[i]}");
        }
    }
}
