using RMeeTo.Vim.Devices;

namespace RMeeTo.Vim.Tests.Devices;

// Normalisation, convolution and scan.
internal static partial class OperatorCases
{
    private static IEnumerable<OperatorCase> Norms()
    {
        foreach (NormKind kind in Enum.GetValues<NormKind>())
            foreach (var (i, rows, channels, _, layout) in Shapes(shortest: 0))
            {
                var (withHidden, inPlace) = (i % 3 != 1, i % 5 < 3);
                yield return new($"AddNorm {kind} M{rows} C{channels} {layout}{(withHidden ? "" : " residual only")}{(inPlace ? " in place" : "")} #{i}", rows, layout,
                    b => AddNorm(b, kind, rows, channels, withHidden, inPlace));
            }
        foreach (int channels in new[] { 192, 384, 768 })
            yield return new($"AddNorm M7 C{channels}", 7, OperandLayout.Dense, b => AddNorm(b, NormKind.Rms, 7, channels, true, true));
        // What devices cut into parts: rows longer than a warp of a GPU holds, and very many of them.
        foreach (NormKind kind in Enum.GetValues<NormKind>())
            foreach (var (rows, channels) in new[] { (19, 1024), (3, 1028), (3, 1031), (8200, 4), (8200, 3) })
                yield return new($"AddNorm {kind} M{rows} C{channels}", 32, OperandLayout.Dense, b => AddNorm(b, kind, rows, channels, true, false));
    }

    private static void AddNorm(OperatorBench b, NormKind kind, int rows, int channels, bool withHidden, bool inPlace)
    {
        // Away from zero, so that a single channel under LayerNorm is the only degenerate row.
        var residual = b.Input("residual", rows, channels, -1, 3);
        var hidden = withHidden ? b.Input("hidden", rows, channels) : default;
        var norm = new NormOperands
        {
            Kind = kind,
            Epsilon = 1e-5f,
            Weight = b.Parameter("weight", 1, channels),
            Bias = kind == NormKind.Layer ? b.Parameter("bias", 1, channels) : default,
        };
        var sum = inPlace ? b.InPlace(residual) : b.Output("sum", rows, channels);
        var y = b.Output("y", rows, channels);
        var statistics = b.Output("statistics", rows, 2);
        b.Forward(() => b.Device.AddNorm(norm, residual, hidden, sum, y, statistics));
        var (dy, dSum) = (b.Cotangent(y), b.Gradient(residual, added: true));
        var (dWeight, dBias) = (b.ParameterGradient(norm.Weight), b.ParameterGradient(norm.Bias));
        b.Backward(() => b.Device.AddNormGradient(norm, sum, statistics, dy, dSum, dWeight, dBias));
    }

    private static IEnumerable<OperatorCase> Convolutions()
    {
        foreach (var (i, length, channels, batch, layout) in Shapes(shortest: 0))
        {
            var (taps, reverse, silu, bias, accumulate) = (2 + i * 2 % 3, i / 2 % 2 == 1, i % 7 != 3, i % 5 != 4, i % 3 == 2);
            string name = $"CausalConv L{length} D{channels} K{taps} B{batch} {layout}{(reverse ? " reverse" : "")}{(silu ? " silu" : "")}{(bias ? " bias" : "")}{(accumulate ? " accumulate" : "")}";
            yield return new($"{name} #{i}", length, layout, b => CausalConv(b, batch, length, channels, taps, reverse, silu, bias, accumulate));
        }
        // What devices cut into parts: more images than a GPU has room for sums of, more channels than a block has threads, long sequences.
        foreach (var (i, batch, length, channels) in new[] { (0, 1030, 3, 2), (1, 2100, 2, 1), (2, 1, 70, 1032), (3, 2, 33, 515), (4, 2, 1000, 12) })
            yield return new($"CausalConv L{length} D{channels} B{batch} in parts", batch * length, OperandLayout.Dense,
                b => CausalConv(b, batch, length, channels, taps: 4 - i % 3, reverse: i % 2 == 1, silu: true, bias: true, accumulate: i % 2 == 0));
    }

    private static void CausalConv(OperatorBench b, int batch, int length, int channels, int taps, bool reverse, bool silu, bool bias, bool accumulate)
    {
        var x = b.Input("x", batch * length, channels, -2, 2);
        var conv = new ConvOperands
        {
            Batch = batch,
            Length = length,
            Reverse = reverse,
            Silu = silu,
            Weight = b.Parameter("weight", channels, taps),
            Bias = bias ? b.Parameter("bias", 1, channels) : default,
        };
        var y = b.Output("y", batch * length, channels);
        b.Forward(() => b.Device.CausalConv(conv, x, y));
        var (dy, dx) = (b.Cotangent(y, mayChange: true), b.Gradient(x, accumulate));
        var (dWeight, dBias) = (b.ParameterGradient(conv.Weight), b.ParameterGradient(conv.Bias));
        b.Backward(() => b.Device.CausalConvGradient(conv, x, dy, dx, accumulate, dWeight, dBias));
    }

    /// <summary>What a scan case has or leaves out.</summary>
    private sealed record ScanCase(int Batch, int Length, int Channels, int States)
    {
        public bool Reverse { get; init; }
        public bool Accumulate { get; init; }
        public bool AccumulateGate { get; init; }
        public bool Gate { get; init; } = true;
        public bool Skip { get; init; } = true;
        public bool Bias { get; init; } = true;
        public bool Softplus { get; init; } = true;
        public float Scale { get; init; } = 1;

        public string Name => $"SelectiveScan L{Length} D{Channels} N{States} B{Batch}" + string.Concat(
            Reverse ? " reverse" : "", Accumulate ? " accumulate" : "", AccumulateGate ? " gate+=" : "") + string.Concat(
            Gate ? "" : " ungated", Skip ? "" : " no skip", Bias ? "" : " no bias") + (Softplus ? "" : " no softplus");
    }

    private static IEnumerable<OperatorCase> Scans()
    {
        int[] states = [16, 1, 16, 4, 8, 16, 5, 32];
        foreach (var (i, length, channels, batch, layout) in Shapes(shortest: 0))
        {
            var scan = new ScanCase(batch, length, channels, states[i % states.Length])
            {
                Reverse = i / 2 % 2 == 1,
                Accumulate = i % 4 > 1,
                AccumulateGate = i % 5 > 2,
                Gate = i % 7 != 6,
                Skip = i % 9 != 4,
                Bias = i % 8 != 5,
                Softplus = i % 11 != 7,
                Scale = i % 2 == 0 ? 0.5f : 1,
            };
            yield return new($"{scan.Name} {layout} #{i}", length, layout, b => SelectiveScan(b, scan));
        }
    }

    private static void SelectiveScan(OperatorBench b, ScanCase c)
    {
        int rows = c.Batch * c.Length;
        var (low, high) = c.Softplus ? (-3f, 3f) : (0f, 1f); // Δ below zero would let the states grow without bound
        var scan = new ScanOperands
        {
            Batch = c.Batch,
            Length = c.Length,
            Reverse = c.Reverse,
            Input = b.Input("u", rows, c.Channels),
            DeltaRaw = b.Input("delta", rows, c.Channels, low, high),
            DeltaBias = c.Bias ? b.Parameter("delta bias", 1, c.Channels, c.Softplus ? -4 : 0, 0.5f) : default,
            ALog = b.Parameter("ALog", c.Channels, c.States, -1, 3),
            B = b.Input("B", rows, c.States),
            C = b.Input("C", rows, c.States),
            Skip = c.Skip ? b.Parameter("skip", 1, c.Channels) : default,
            Gate = c.Gate ? b.Input("gate", rows, c.Channels, -3, 3) : default,
            Softplus = c.Softplus,
            OutputScale = c.Scale,
        };
        var output = b.Output("output", rows, c.Channels, c.Accumulate);
        DeviceBuffer checkpoints = b.Device.Allocate(b.Device.ScanCheckpointLength(c.Batch, c.Length, c.Channels, c.States));
        b.Forward(() => b.Device.SelectiveScan(scan, output, c.Accumulate, checkpoints));
        var dOutput = b.Cotangent(output);
        var gradients = new ScanGradients
        {
            Input = b.Gradient(scan.Input),
            DeltaRaw = b.Gradient(scan.DeltaRaw),
            B = b.Gradient(scan.B),
            C = b.Gradient(scan.C),
            Gate = c.Gate ? b.Gradient(scan.Gate, c.AccumulateGate) : default,
            AccumulateGate = c.AccumulateGate,
            ALog = b.ParameterGradient(scan.ALog),
            Skip = b.ParameterGradient(scan.Skip),
            DeltaBias = b.ParameterGradient(scan.DeltaBias),
        };
        b.Backward(() => b.Device.SelectiveScanGradient(scan, checkpoints, dOutput, gradients));
    }
}
