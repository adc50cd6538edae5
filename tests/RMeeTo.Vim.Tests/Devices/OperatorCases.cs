using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;

namespace RMeeTo.Vim.Tests.Devices;

/// <summary>One operator on one set of shapes.</summary>
/// <param name="Name">Operator and shapes.</param>
/// <param name="Tokens">Tokens an image; small cases have their gradient checked by central differences.</param>
/// <param name="Layout">How activations lie in memory.</param>
/// <param name="Build">Makes the operands and sets the calls.</param>
internal sealed record OperatorCase(string Name, int Tokens, OperandLayout Layout, Action<OperatorBench> Build);

/// <summary>
/// The table that every device is held to: each operator over lengths from 0 up, odd sizes, strided operands, both directions, one to three images.
/// </summary>
internal static partial class OperatorCases
{
    private static readonly int[] s_lengths = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 15, 16, 17, 23, 24, 25, 31, 32, 33, 36, 40, 65, 98, 197];
    private static readonly int[] s_channels = [1, 8, 3, 16, 5, 17, 24, 31, 33, 7, 48, 64, 13];

    public static IReadOnlyList<OperatorCase> All { get; } =
    [
        .. Pixels(), .. Embedding(), .. Linears(), .. Channels(), .. Norms(), .. Convolutions(), .. Scans(), .. Merges(), .. MergeVariants(),
        .. MergeEvidence(), .. Rows(), .. Losses(), .. Optimizer(),
    ];

    public static OperatorCase Find(string name) => All.Single(c => c.Name == name);

    /// <summary>Lengths with channels, batch and layout that go round at different speeds, so that they meet in many combinations.</summary>
    private static IEnumerable<(int Index, int Length, int Channels, int Batch, OperandLayout Layout)> Shapes(int shortest, int rounds = 2)
    {
        int i = 0;
        for (int round = 0; round < rounds; round++)
            foreach (int length in s_lengths)
            {
                if (length >= shortest)
                    yield return (i, length, s_channels[i % s_channels.Length], 1 + i % 3, (OperandLayout)((i + round) % 2));
                i++;
            }
    }

    private static IEnumerable<OperatorCase> Pixels()
    {
        foreach (var (batch, frames, plane) in new[] { (1, 1, 1), (2, 1, 33), (3, 2, 16), (1, 3, 65), (2, 4, 7), (2, 1, 24 * 24) })
            foreach (var layout in Enum.GetValues<OperandLayout>())
                yield return new($"NormalizeImages B{batch} T{frames} {plane} pixels {layout}", plane, layout, b =>
                {
                    var bytes = new byte[batch * frames * plane * 3 + 5]; // more than are read
                    new Random(plane).NextBytes(bytes);
                    var pixels = b.Device.AllocateBytes(bytes.Length);
                    pixels.Write(bytes);
                    var table = b.Parameter("table", 3, 256);
                    var images = b.Output("images", batch, 3 * frames * plane, tolerance: Tolerances.Exact);
                    b.Forward(() => b.Device.NormalizeImages(frames, pixels, table, images));
                });
    }

    private static IEnumerable<OperatorCase> Embedding()
    {
        VimConfig[] configs =
        [
            new() { ImageHeight = 8, ImageWidth = 8, PatchSize = 4, Stride = 4 },
            new() { ImageHeight = 12, ImageWidth = 17, PatchSize = 5, Stride = 3 },
            new() { ImageHeight = 48, ImageWidth = 32, PatchSize = 16, Stride = 8 },
            new() { ImageHeight = 8, ImageWidth = 12, PatchSize = 4, Stride = 4, Frames = 3, ClassToken = ClassTokenPosition.First },
            new() { ImageHeight = 11, ImageWidth = 7, PatchSize = 5, Stride = 2, Frames = 6, TubeletSize = 3, ClassToken = ClassTokenPosition.First },
        ];
        for (int i = 0; i < configs.Length; i++)
        {
            VimConfig config = configs[i];
            int batch = 1 + i % 3;
            string patch = $"{config.TubeletSize}x{config.PatchSize}/{config.Stride}";
            string name = $"ExtractPatches {config.Frames}x{config.ImageHeight}x{config.ImageWidth} patch {patch}";
            yield return new(name, config.Tokens, (OperandLayout)(i % 2), b =>
            {
                var images = b.Input("images", batch, config.InputLength);
                var patches = b.Output("patches", batch * config.Patches, config.PatchLength, tolerance: Tolerances.Exact);
                b.Forward(() => b.Device.ExtractPatches(config, images, patches));
            });
        }
        foreach (var (i, length, channels, batch, layout) in Shapes(shortest: 2, rounds: 1))
        {
            int classRow = i % 2 == 0 ? (length - 1) / 2 : i % length;
            yield return new($"Embed L{length} C{channels} B{batch} {layout}", length, layout,
                b => Embed(b, batch, channels, length - 1, 0, classRow, tail: false));
            yield return new($"Embed without class token L{length} C{channels} B{batch} {layout}", length, layout,
                b => Embed(b, batch, channels, length, 0, classRow: -1, tail: false));
            yield return new($"Embed with two class tokens L{length} C{channels} B{batch} {layout}", length, layout,
                b => Embed(b, batch, channels, length - 1, 0, classRow: 0, tail: true));
            int frames = 1 + i % 4;
            yield return new($"Embed {frames} frames of {length} C{channels} B{batch} {layout}", frames * length, layout,
                b => Embed(b, batch, channels, length, frames, classRow: i % 3 - 1 < 0 ? -1 : 0, tail: false));
        }
    }

    /// <param name="b">Operands.</param>
    /// <param name="batch">B.</param>
    /// <param name="channels">C.</param>
    /// <param name="patches">Patches of a frame.</param>
    /// <param name="frames">Places in time; 0: no table of them.</param>
    /// <param name="classRow">−1: no class token.</param>
    /// <param name="tail">A second one in the last row.</param>
    private static void Embed(OperatorBench b, int batch, int channels, int patches, int frames, int classRow, bool tail)
    {
        var cls = classRow < 0 ? default : b.Parameter("class", 1, channels);
        var second = tail ? b.Parameter("tail", 1, channels) : default;
        var positions = b.Parameter("positions", patches + (classRow < 0 ? 0 : 1) + (tail ? 1 : 0), channels);
        var times = frames == 0 ? default : b.Parameter("times", frames, channels);
        var tables = new EmbeddingTables { ClassRow = classRow, ClassToken = cls, TailClassToken = second, Positions = positions, TimePositions = times };
        var patchTokens = b.Input("patches", batch * tables.Patches, channels);
        var tokens = b.Output("tokens", batch * tables.Tokens, channels, tolerance: Tolerances.Merge);
        b.Forward(() => b.Device.Embed(batch, tables, patchTokens, tokens));
        var dTokens = b.Cotangent(tokens);
        var dPatches = b.Gradient(patchTokens, tolerance: Tolerances.Merge);
        var gradients = new EmbeddingTables
        {
            ClassRow = classRow,
            ClassToken = b.ParameterGradient(cls),
            TailClassToken = b.ParameterGradient(second),
            Positions = b.ParameterGradient(positions),
            TimePositions = b.ParameterGradient(times),
        };
        b.Backward(() => b.Device.EmbedGradient(batch, dTokens, dPatches, gradients));
    }

    private static IEnumerable<OperatorCase> Linears()
    {
        int[] outputs = [5, 16, 1, 64, 33, 44, 7, 128];
        foreach (var (i, rows, inputs, _, layout) in Shapes(shortest: 0))
            yield return new($"Linear M{rows} {inputs}->{outputs[i % 8]} {layout}{(i % 4 < 2 ? " bias" : "")}{(i % 3 == 0 ? " accumulate" : "")} #{i}", rows,
                layout, b => Linear(b, rows, inputs, outputs[i % 8], i % 4 < 2, i % 3 == 0));
        foreach (var (rows, inputs, width) in new[] { (197, 192, 96), (98, 384, 44), (65, 12, 384), (3, 768, 10) })
            yield return new($"Linear M{rows} {inputs}->{width}", rows, OperandLayout.Strided, b => Linear(b, rows, inputs, width, false, false));
        foreach (var (rows, width) in new[] { (33_000, 4), (33_000, 3), (130, 132) }) // sums over more rows than one part of them has
            yield return new($"Linear M{rows} 1->{width} bias", rows, OperandLayout.Dense, b => Linear(b, rows, 1, width, true, false));
    }

    private static void Linear(OperatorBench b, int rows, int inputs, int outputs, bool withBias, bool accumulate)
    {
        var x = b.Input("x", rows, inputs);
        var w = b.Parameter("weight", outputs, inputs);
        var bias = withBias ? b.Parameter("bias", 1, outputs) : default;
        var y = b.Output("y", rows, outputs, accumulate);
        LinearWeight weight = b.Device.CreateLinear(w, forTraining: true);
        b.Forward(() =>
        {
            b.Device.Refresh(weight);
            b.Device.Linear(x, weight, bias, y, accumulate);
        });
        var dy = b.Cotangent(y);
        var dx = b.Gradient(x, accumulate);
        var (dw, db) = (b.ParameterGradient(w), b.ParameterGradient(bias));
        b.Backward(() =>
        {
            b.Device.LinearInputGradient(dy, weight, dx, accumulate);
            b.Device.LinearWeightGradient(dy, x, dw, db);
        });
    }

    private static IEnumerable<OperatorCase> Channels()
    {
        foreach (var (i, length, channels, batch, layout) in Shapes(shortest: 1))
        {
            bool accumulate = i % 3 == 0, dropped = i % 5 == 4;
            string kind = (accumulate ? " accumulate" : "") + (dropped ? " dropped" : "");
            yield return new($"ScaleImages L{length} C{channels} B{batch} {layout}{kind} #{i}", length, layout,
                b => ScaleImages(b, length, channels, batch, accumulate, dropped));
        }
        foreach (var (i, rows, channels, _, layout) in Shapes(shortest: 1, rounds: 1))
            yield return new($"ScaleChannels M{rows} C{channels} {layout}{(i % 2 == 0 ? " in place" : "")}", rows, layout,
                b => ScaleChannels(b, rows, channels, inPlace: i % 2 == 0));
    }

    private static void ScaleImages(OperatorBench b, int length, int channels, int batch, bool accumulate, bool dropped)
    {
        var factors = dropped ? b.Input("factors", batch, 1, 0, 0) : b.Input("factors", batch, 1, -1, 3);
        var x = b.Input("x", batch * length, channels);
        var y = b.Output("y", batch * length, channels, accumulate);
        var other = b.InPlace(b.Input("x in place", batch * length, channels));
        b.Forward(() =>
        {
            b.Device.ScaleImages(x, factors, y, accumulate);
            b.Device.ScaleImages(other, factors, other);
        });
        var (dy, dx) = (b.Cotangent(y), b.Gradient(x, accumulate));
        b.Backward(() => b.Device.ScaleImages(dy, factors, dx, accumulate));
    }

    private static void ScaleChannels(OperatorBench b, int rows, int channels, bool inPlace)
    {
        var (x, factor) = (b.Input("x", rows, channels), b.Parameter("factor", 1, channels));
        var y = b.Output("y", rows, channels);
        var other = b.InPlace(b.Input("x in place", rows, channels));
        b.Forward(() =>
        {
            b.Device.ScaleChannels(x, factor, y);
            b.Device.ScaleChannels(other, factor, other);
        });
        var dy = b.Cotangent(y);
        var dx = inPlace ? b.GradientInPlace(x, dy) : b.Gradient(x);
        var dFactor = b.ParameterGradient(factor);
        b.Backward(() => b.Device.ScaleChannelsGradient(x, factor, dy, dx, dFactor));
    }

    private static IEnumerable<OperatorCase> Rows()
    {
        foreach (var (i, length, channels, batch, layout) in Shapes(shortest: 1, rounds: 1))
            yield return new($"GatherRows L{length} C{channels} B{batch} {layout}", length, layout, b =>
            {
                int row = i * 5 % length;
                var source = b.Input("source", batch * length, channels);
                var rows = b.Output("rows", batch, channels, tolerance: Tolerances.Exact);
                b.Forward(() => b.Device.GatherRows(row, source, rows));
                var (dRows, dSource) = (b.Cotangent(rows), b.Gradient(source, tolerance: Tolerances.Exact));
                b.Backward(() => b.Device.ScatterRows(row, dRows, dSource));
            });
        foreach (var (i, length, channels, batch, layout) in Shapes(shortest: 2, rounds: 1))
            yield return new($"GatherRows twice L{length} C{channels} B{batch} {layout}", length, layout, b =>
            {
                int first = i * 5 % length, second = (first + 1 + i % (length - 1)) % length;
                var source = b.Input("source", batch * length, channels);
                var rows = b.Output("rows", batch, channels, tolerance: Tolerances.Exact);
                var others = b.Output("others", batch, channels, tolerance: Tolerances.Exact);
                b.Forward(() =>
                {
                    b.Device.GatherRows(first, source, rows);
                    b.Device.GatherRows(second, source, others);
                });
                var (dRows, dOthers, dSource) = (b.Cotangent(rows), b.Cotangent(others), b.Gradient(source, tolerance: Tolerances.Exact));
                b.Backward(() =>
                {
                    b.Device.ScatterRows(first, dRows, dSource);
                    b.Device.ScatterRows(second, dOthers, dSource, keepOthers: true);
                });
            });
        foreach (var (i, length, channels, batch, layout) in Shapes(shortest: 1, rounds: 1))
            yield return new($"MeanRows L{length} C{channels} B{batch} {layout}{(i % 2 == 0 ? " weights" : "")}", length, layout, b =>
            {
                var source = b.Input("source", batch * length, channels);
                var weights = i % 2 == 0 ? b.Input("weights", batch * length, 1, 1, 4) : default;
                var means = b.Output("means", batch, channels);
                b.Forward(() => b.Device.MeanRows(source, weights, means));
                var (dMeans, dSource) = (b.Cotangent(means), b.Gradient(source));
                b.Backward(() => b.Device.MeanRowsGradient(dMeans, weights, dSource));
            });
    }

    private static IEnumerable<OperatorCase> Losses()
    {
        foreach (var (images, classes, teacher) in new[] { (1, 1, false), (2, 7, true), (3, 10, false), (5, 33, true), (8, 1000, true), (4, 17, true) })
            yield return new($"Loss B{images} K{classes}{(teacher ? " teacher" : "")}", images, OperandLayout.Strided, b => Loss(b, images, classes, teacher));
    }

    private static void Loss(OperatorBench b, int images, int classes, bool withTeacher)
    {
        var logits = b.Input("logits", images, classes, -4, 6);
        var targets = b.Input("targets", images, classes, 0, 2f / classes); // the formula does not ask for a sum of 1
        var teacher = withTeacher ? b.Input("teacher", images, classes, -4, 6) : default;
        var (losses, probabilities) = (b.Output("losses", images, 1), b.Output("probabilities", images, classes));
        var gradient = b.Gradient(logits);
        b.Forward(() =>
        {
            b.Device.Softmax(logits, probabilities);
            b.Device.Loss(new LossWeights(0.75f, withTeacher ? 0.5f : 0), logits, targets, teacher, 1f, losses, gradient);
        });
        // The operator's own gradient is that of the plain sum over the images.
        b.CotangentOfOnes(losses);
    }

    private static IEnumerable<OperatorCase> Optimizer()
    {
        foreach (int count in s_lengths.Skip(1))
        {
            yield return new($"AdamW {count}", count, OperandLayout.Dense, b => AdamW(b, count, 1));
            yield return new($"AdamW {count}, scaled gradient", count, OperandLayout.Dense, b => AdamW(b, count, 1.0 / 3));
            yield return new($"MovingAverage {count}", count, OperandLayout.Dense, b =>
            {
                var (average, values) = (b.InPlace(b.Input("average", 1, count)), b.Input("values", 1, count));
                b.Forward(() => b.Device.MovingAverage(0.99996 - 0.01 * (count % 100), average.Buffer, values.Buffer, average.Offset, count));
            });
            yield return new($"SumBuffers {count}", count, OperandLayout.Dense, b =>
            {
                DeviceMatrix[] sources = [.. Enumerable.Range(0, 1 + count % 9).Select(k => b.Input($"source {k}", 1, count))];
                var sum = b.Output("sum", 1, count);
                b.Forward(() => b.Device.SumBuffers(sum.Buffer, [.. sources.Select(s => s.Buffer)], sum.Offset, count));
            });
        }
    }

    private static void AdamW(OperatorBench b, int count, double gradientScale)
    {
        var values = b.InPlace(b.Input("values", 1, count));
        var gradient = b.Input("gradient", 1, count);
        var (first, second) = (b.InPlace(b.Input("first moment", 1, count)), b.InPlace(b.Input("second moment", 1, count, 0, 1)));
        b.Forward(() =>
        {
            for (int step = 1; step <= 3; step++)
            {
                var adamW = new AdamWStep(step, 2e-3, 0.9, 0.999, 1e-8, 0.05) { GradientScale = gradientScale };
                b.Device.AdamW(adamW, values.Buffer, gradient.Buffer, first.Buffer, second.Buffer, values.Offset, count);
            }
        });
    }
}
