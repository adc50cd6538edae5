using RMeeTo.Vim;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;

namespace RMeeTo.GpuCheck.Timing;

/// <summary>One operator at the shapes that it has in a network.</summary>
/// <param name="Name">Operator and what is peculiar.</param>
/// <param name="Bytes">Least traffic: every operand read once and every result written once.</param>
/// <param name="Work">Multiply-adds of a matrix product, twice; 0 for all else.</param>
/// <param name="Build">Makes operands and gives what queues the operator on them.</param>
internal sealed record KernelCase(string Name, double Bytes, double Work, Func<KernelOperands, Action> Build);

/// <summary>Makes operands with random values.</summary>
internal sealed class KernelOperands(VimDevice device) : IDisposable
{
    private readonly List<IDisposable> _owned = [];

    public VimDevice Device => device;

    /// <summary>A dense matrix.</summary>
    public DeviceMatrix Matrix(int rows, int columns) => new(Buffer((long)rows * columns), rows, columns);

    /// <summary>A flat buffer.</summary>
    public DeviceBuffer Buffer(long length)
    {
        DeviceBuffer buffer = Own(device.Allocate(length));
        RandomValues.Fill(buffer);
        return buffer;
    }

    /// <summary>Frees it with the others.</summary>
    public T Own<T>(T resource) where T : IDisposable
    {
        _owned.Add(resource);
        return resource;
    }

    public void Dispose()
    {
        foreach (IDisposable resource in _owned) resource.Dispose();
    }
}

/// <summary>The operators of a network of a given size at a given batch. B images, L tokens, R = B·L rows, C channels, D inner channels, N states.</summary>
internal sealed class KernelCases(VimConfig config, int batch)
{
    private const int Removed = 11;
    private readonly int _rows = batch * config.Tokens;
    private readonly int _merged = batch * (config.Tokens - Removed);

    private int C => config.Width;

    private int D => config.InnerWidth;

    private int N => config.StateSize;

    /// <summary>Everything that a step of training or inference calls often.</summary>
    public IEnumerable<KernelCase> All => [.. Ends(), .. Products(), .. Mixers(), .. Merges(), .. Rows(), .. Training()];

    private static double Floats(params double[] counts) => sizeof(float) * counts.Sum();

    private double RC => (double)_rows * C;

    private double RD => (double)_rows * D;

    private double RN => (double)_rows * N;

    private IEnumerable<KernelCase> Ends()
    {
        double pixels = (double)batch * config.InputLength, patches = (double)batch * config.Patches;
        yield return new("NormalizeImages", pixels + Floats(pixels), 0, o =>
        {
            var (bytes, table, images) = (o.Own(o.Device.AllocateBytes((long)pixels)), o.Matrix(3, 256), o.Matrix(batch, config.InputLength));
            return () => o.Device.NormalizeImages(Math.Max(1, config.Frames), bytes, table, images);
        });
        yield return new("ExtractPatches", Floats(2 * patches * config.PatchLength), 0, o =>
        {
            var (images, to) = (o.Matrix(batch, config.InputLength), o.Matrix(batch * config.Patches, config.PatchLength));
            return () => o.Device.ExtractPatches(config, images, to);
        });
        foreach (bool backward in new[] { false, true })
            yield return new(backward ? "EmbedGradient" : "Embed", Floats(patches * C, RC, (backward ? 2.0 : 1) * config.Tokens * C), 0, o =>
            {
                var (from, tokens) = (o.Matrix(batch * config.Patches, C), o.Matrix(_rows, C));
                var tables = new EmbeddingTables { ClassRow = config.Patches / 2, ClassToken = o.Matrix(1, C), Positions = o.Matrix(config.Tokens, C) };
                return backward ? () => o.Device.EmbedGradient(batch, tokens, from, tables) : () => o.Device.Embed(batch, tables, from, tokens);
            });
    }

    private delegate Action BuildProduct(KernelOperands o, DeviceMatrix x, LinearWeight w, DeviceMatrix dw, DeviceMatrix y);

    private delegate Action BuildMerge(KernelOperands o, MergePlan plan, DeviceMatrix mergedSizes, DeviceMatrix all, DeviceMatrix few);

    private IEnumerable<KernelCase> Products()
    {
        (string Name, int Inputs, int Outputs)[] layers =
            [("in_proj", C, 2 * D), ("x_proj", D, config.ProjectionWidth), ("dt_proj", config.TimeStepRank, D), ("out_proj", D, C)];
        foreach (var (name, inputs, outputs) in layers)
        {
            double bytes = Floats((double)_rows * inputs, (double)_rows * outputs, (double)inputs * outputs), work = 2.0 * _rows * inputs * outputs;
            yield return Product($"Linear {name}", (o, x, w, dw, y) => () => o.Device.Linear(x, w, default, y));
            yield return Product($"LinearInputGradient {name}", (o, x, w, dw, y) => () => o.Device.LinearInputGradient(y, w, x));
            yield return Product($"LinearWeightGradient {name}", (o, x, w, dw, y) => () => o.Device.LinearWeightGradient(y, x, dw, default));

            KernelCase Product(string title, BuildProduct build) => new(title, bytes, work, o =>
            {
                LinearWeight weight = o.Own(o.Device.CreateLinear(o.Matrix(outputs, inputs), forTraining: true));
                o.Device.Refresh(weight);
                return build(o, o.Matrix(_rows, inputs), weight, o.Matrix(outputs, inputs), o.Matrix(_rows, outputs));
            });
        }
    }

    private IEnumerable<KernelCase> Mixers()
    {
        yield return new("AddNorm", Floats(4 * RC, 2 * _rows), 0, o =>
        {
            var (norm, statistics, residual, hidden) = (Norm(o), o.Matrix(_rows, 2), o.Matrix(_rows, C), o.Matrix(_rows, C));
            var (sum, y) = (o.Matrix(_rows, C), o.Matrix(_rows, C));
            return () => o.Device.AddNorm(norm, residual, hidden, sum, y, statistics);
        });
        yield return new("AddNormGradient", Floats(4 * RC, 2 * _rows), 0, o =>
        {
            var (norm, statistics, dWeight, sum) = (Norm(o), o.Matrix(_rows, 2), o.Matrix(1, C), o.Matrix(_rows, C));
            var (dy, dSum) = (o.Matrix(_rows, C), o.Matrix(_rows, C));
            return () => o.Device.AddNormGradient(norm, sum, statistics, dy, dSum, dWeight, default);
        });
        yield return new("CausalConv", Floats(2 * RD), 0, o =>
        {
            var (conv, x, y) = (Conv(o), o.Matrix(_rows, 2 * D).SliceColumns(0, D), o.Matrix(_rows, D));
            return () => o.Device.CausalConv(conv, x, y);
        });
        yield return new("CausalConvGradient", Floats(3 * RD), 0, o =>
        {
            var (conv, x, dy, dx) = (Conv(o), o.Matrix(_rows, 2 * D).SliceColumns(0, D), o.Matrix(_rows, D), o.Matrix(_rows, 2 * D).SliceColumns(0, D));
            var (dWeight, dBias) = (o.Matrix(D, config.ConvolutionWidth), o.Matrix(1, D));
            return () => o.Device.CausalConvGradient(conv, x, dy, dx, false, dWeight, dBias);
        });
        foreach (bool reverse in new[] { false, true })
            yield return new($"SelectiveScan{(reverse ? ", reverse, added" : "")}", Floats((reverse ? 5 : 4) * RD, 2 * RN), 0, o =>
            {
                var (scan, output) = (Scan(o, reverse), o.Matrix(_rows, D));
                return () => o.Device.SelectiveScan(scan, output, accumulate: reverse, checkpoints: null);
            });
        yield return new("SelectiveScanGradient", Floats(7 * RD, 4 * RN), 0, o =>
        {
            var (scan, output, dOutput) = (Scan(o, false), o.Matrix(_rows, D), o.Matrix(_rows, D));
            var checkpoints = o.Own(o.Device.Allocate(o.Device.ScanCheckpointLength(batch, config.Tokens, D, N)));
            o.Device.SelectiveScan(scan, output, false, checkpoints);
            var gradients = new ScanGradients
            {
                Input = o.Matrix(_rows, D),
                DeltaRaw = o.Matrix(_rows, D),
                B = o.Matrix(_rows, N),
                C = o.Matrix(_rows, N),
                Gate = o.Matrix(_rows, D),
                ALog = o.Matrix(D, N),
                Skip = o.Matrix(1, D),
                DeltaBias = o.Matrix(1, D),
            };
            return () => o.Device.SelectiveScanGradient(scan, checkpoints, dOutput, gradients);
        });
    }

    private IEnumerable<KernelCase> Merges()
    {
        double both = RC + (double)_merged * C;
        yield return Merge("Match", RC, (o, plan, merged, all, few) => () => o.Device.Match(batch, new() { Metric = all }, plan, merged));
        yield return Merge("Merge", both, (o, plan, merged, all, few) => () => o.Device.Merge(batch, plan, all, few));
        yield return Merge("MergeGradient", both, (o, plan, merged, all, few) => () => o.Device.MergeGradient(batch, plan, few, all));

        KernelCase Merge(string name, double floats, BuildMerge build) => new($"{name} r={Removed}", Floats(floats), 0, o =>
        {
            int classRow = config.Patches / 2, next = MergeSchedule.NextClassRow(classRow, config.Tokens, Removed, MergeOptions.Default.Order);
            var step = new MergeStep(0, config.Tokens, Removed, classRow, next);
            var plan = o.Own(o.Device.CreateMergePlan(batch, step, MergeOptions.Default));
            var (merged, all, few) = (o.Matrix(_merged, 1), o.Matrix(_rows, C), o.Matrix(_merged, C));
            o.Device.Match(batch, new() { Metric = all }, plan, merged);
            return build(o, plan, merged, all, few);
        });
    }

    private IEnumerable<KernelCase> Rows()
    {
        yield return new("ScaleImages", Floats(2 * RC), 0, o =>
        {
            var (x, factors, y) = (o.Matrix(_rows, C), o.Matrix(batch, 1), o.Matrix(_rows, C));
            return () => o.Device.ScaleImages(x, factors, y);
        });
        yield return new("ScaleChannels", Floats(2 * RC), 0, o =>
        {
            var (x, factor, y) = (o.Matrix(_rows, C), o.Matrix(1, C), o.Matrix(_rows, C));
            return () => o.Device.ScaleChannels(x, factor, y);
        });
        yield return new("ScaleChannelsGradient", Floats(3 * RC), 0, o =>
        {
            var (x, factor, dy, dx, dFactor) = (o.Matrix(_rows, C), o.Matrix(1, C), o.Matrix(_rows, C), o.Matrix(_rows, C), o.Matrix(1, C));
            return () => o.Device.ScaleChannelsGradient(x, factor, dy, dx, dFactor);
        });
        yield return new("MeanRows", Floats(RC), 0, o =>
        {
            var (rows, means) = (o.Matrix(_rows, C), o.Matrix(batch, C));
            return () => o.Device.MeanRows(rows, default, means);
        });
        yield return new("ScatterRows", Floats(RC), 0, o =>
        {
            var (rows, all) = (o.Matrix(batch, C), o.Matrix(_rows, C));
            return () => o.Device.ScatterRows(config.Patches / 2, rows, all);
        });
    }

    private IEnumerable<KernelCase> Training()
    {
        double logits = (double)batch * config.Classes;
        yield return new("Loss with teacher", Floats(4 * logits), 0, o =>
        {
            DeviceMatrix Logits() => o.Matrix(batch, config.Classes);
            var (z, targets, teacher, gradient, losses) = (Logits(), Logits(), Logits(), Logits(), o.Matrix(batch, 1));
            return () => o.Device.Loss(new LossWeights(1, 0.5f), z, targets, teacher, 1f / batch, losses, gradient);
        });
        long count = new VimParameters(config).BufferLength;
        yield return new("AdamW", Floats(7.0 * count), 0, o =>
        {
            DeviceBuffer p = o.Buffer(count), g = o.Buffer(count), m = o.Own(o.Device.Allocate(count)), v = o.Own(o.Device.Allocate(count));
            return () => o.Device.AdamW(new AdamWStep(1, 1e-4, 0.9, 0.999, 1e-8, 0.05), p, g, m, v, 0, count);
        });
        yield return new("MovingAverage", Floats(3.0 * count), 0, o =>
        {
            var (average, values) = (o.Buffer(count), o.Buffer(count));
            return () => o.Device.MovingAverage(0.9999, average, values, 0, count);
        });
    }

    private NormOperands Norm(KernelOperands o) => new() { Kind = config.Norm, Epsilon = config.NormEpsilon, Weight = o.Matrix(1, C) };

    private ConvOperands Conv(KernelOperands o) =>
        new() { Batch = batch, Length = config.Tokens, Reverse = false, Weight = o.Matrix(D, config.ConvolutionWidth), Bias = o.Matrix(1, D), Silu = true };

    private ScanOperands Scan(KernelOperands o, bool reverse)
    {
        DeviceMatrix projected = o.Matrix(_rows, config.ProjectionWidth), input = o.Matrix(_rows, 2 * D); // sliced as the network slices them
        return new ScanOperands
        {
            Batch = batch,
            Length = config.Tokens,
            Reverse = reverse,
            Input = o.Matrix(_rows, D),
            DeltaRaw = o.Matrix(_rows, D),
            DeltaBias = o.Matrix(1, D),
            ALog = o.Matrix(D, N),
            B = projected.SliceColumns(config.TimeStepRank, N),
            C = projected.SliceColumns(config.TimeStepRank + N, N),
            Skip = o.Matrix(1, D),
            Gate = input.SliceColumns(D, D),
            Softplus = true,
            OutputScale = 0.5f,
        };
    }
}
