using RMeeTo.Vim.Devices.Cpu;

namespace RMeeTo.Vim.Tests.Cpu;

[TestClass]
public sealed unsafe class SelectiveScanTests
{
    private static readonly int[] ChannelCounts = [1, 2, 3, 4, 5, 6, 15, 16, 17, 33];
    private static readonly int[] StateCounts = [16, 1, 2, 3, 4, 5, 8, 15];

    [TestMethod]
    [DataRow(512)]
    [DataRow(256)]
    [DataRow(128)]
    public void MatchesTheFormulasForAnyLength(int bits)
    {
        for (var length = 1; length <= 40; length++)
            Compare(bits, new Case(length, ChannelCounts[length % ChannelCounts.Length], StateCounts[length % StateCounts.Length], Reverse: length % 3 == 0));
        Compare(bits, new Case(197, 40, 16));
        Compare(bits, new Case(197, 21, 16, Reverse: true));
        Compare(bits, new Case(12, 7, 64, Reverse: true));
    }

    [TestMethod]
    [DataRow(512)]
    [DataRow(256)]
    [DataRow(128)]
    public void MatchesTheFormulasForEveryOption(int bits)
    {
        for (var options = 0; options < 64; options++)
        {
            bool Has(int bit) => (options & (1 << bit)) != 0;
            Compare(bits, new Case(11, 19, 16, Reverse: Has(0), Gate: Has(1), Skip: Has(2), Bias: Has(3), Softplus: Has(4), Accumulate: Has(5)));
        }
    }

    [TestMethod]
    [DataRow(512)]
    [DataRow(256)]
    [DataRow(128)]
    public void MatchesTheFormulasWhereSoftplusIsTheIdentity(int bits) => Compare(bits, new Case(33, 18, 3, DeltaLow: -30, DeltaHigh: 35));

    [TestMethod]
    [DataRow(512)]
    [DataRow(256)]
    [DataRow(128)]
    public void SmallStepsKeepTheirPrecision(int bits) => Compare(bits, new Case(64, 20, 16, DeltaLow: -9, DeltaHigh: -6));

    [TestMethod]
    public void FormulasAgreeWithCentralDifferences()
    {
        foreach (var options in new[] { new Case(5, 3, 2), new Case(4, 2, 3, Reverse: true), new Case(3, 2, 2, Gate: false, Skip: false, Bias: false, Softplus: false) })
        {
            using var problem = new Problem(128, options);
            var naive = problem.Naive;
            var outputGradient = problem.OutputGradient.ToDouble();
            var gradients = naive.Backward(outputGradient);
            double Loss() => naive.Forward().Output.Zip(outputGradient, (o, g) => o * g).Sum();
            (double[]? Values, double[] Gradient, string Name)[] checks =
            [
                (naive.U, gradients.U, "u"), (naive.Delta, gradients.Delta, "delta"), (naive.B, gradients.B, "B"), (naive.C, gradients.C, "C"), (naive.Z, gradients.Z, "z"),
                (naive.ALog, gradients.ALog, "A_log"), (naive.Skip, gradients.Skip, "D"), (naive.DeltaBias, gradients.DeltaBias, "delta bias"),
            ];
            foreach (var (values, gradient, name) in checks)
                if (values != null) CentralDifferences.Check(values, gradient, Loss, name);
        }
    }

    private static void Compare(int bits, Case options)
    {
        using var problem = new Problem(bits, options);
        problem.CompareForward();
        problem.CompareBackward();
    }

    private sealed record Case(int Length, int Channels, int States, bool Reverse = false, bool Gate = true, bool Skip = true, bool Bias = true, bool Softplus = true,
        bool Accumulate = false, double DeltaLow = -4, double DeltaHigh = 2);

    /// <summary>One scan with random data, as the kernel and as the naive form see it.</summary>
    private sealed class Problem : IDisposable
    {
        private readonly Arena arena;
        private readonly Kernels kernels;
        private readonly Case options;
        private readonly Matrix output, finalState, uGradient, deltaGradient, bGradient, cGradient, zGradient, aLogGradient, skipGradient, biasGradient;
        private SelectiveScanArguments arguments;

        public Problem(int bits, Case options)
        {
            this.options = options;
            kernels = Kernels.Of(bits);
            var (length, channels, states) = (options.Length, options.Channels, options.States);
            arena = new Arena(length * 1000 + channels * 100 + states);

            // Without softplus Δ must be positive to be a step.
            var (low, high) = options.Softplus ? (options.DeltaLow, options.DeltaHigh) : (0.01, 1.0);
            Matrix u = arena.Matrix(length, channels), delta = arena.Matrix(length, channels, low, high), b = arena.Matrix(length, states), c = arena.Matrix(length, states);
            Matrix z = arena.Matrix(length, channels, -3, 3), aLog = arena.Vector(channels * states, -0.5, 2.5), skip = arena.Vector(channels), bias = arena.Vector(channels, 0, 0.5);
            output = arena.Matrix(length, channels);
            finalState = arena.Vector(channels * states);
            OutputGradient = arena.Matrix(length, channels);
            uGradient = arena.Matrix(length, channels);
            deltaGradient = arena.Matrix(length, channels);
            zGradient = arena.Matrix(length, channels);
            bGradient = arena.Matrix(length, states);
            cGradient = arena.Matrix(length, states);
            aLogGradient = arena.Vector(channels * states);
            skipGradient = arena.Vector(channels);
            biasGradient = arena.Vector(channels);
            arguments = new SelectiveScanArguments
            {
                Length = length, Channels = channels, States = states, Softplus = options.Softplus, Reverse = options.Reverse, Accumulate = options.Accumulate, OutputScale = 0.5f,
                U = u.Pointer, UStride = u.Stride, Delta = delta.Pointer, DeltaStride = delta.Stride, B = b.Pointer, BStride = b.Stride, C = c.Pointer, CStride = c.Stride,
                Z = options.Gate ? z.Pointer : null, ZStride = z.Stride, ALog = aLog.Pointer, Skip = options.Skip ? skip.Pointer : null, DeltaBias = options.Bias ? bias.Pointer : null,
                Output = output.Pointer, OutputStride = output.Stride, FinalState = finalState.Pointer,
            };
            Naive = new NaiveScan
            {
                Length = length, Channels = channels, States = states, Softplus = options.Softplus, Reverse = options.Reverse, Scale = 0.5,
                U = u.ToDouble(), Delta = delta.ToDouble(), B = b.ToDouble(), C = c.ToDouble(), ALog = aLog.ToDouble(),
                Z = options.Gate ? z.ToDouble() : null, Skip = options.Skip ? skip.ToDouble() : null, DeltaBias = options.Bias ? bias.ToDouble() : null,
            };
        }

        public NaiveScan Naive { get; }

        public Matrix OutputGradient { get; }

        public void CompareForward()
        {
            var (expected, final) = Naive.Forward();
            if (options.Accumulate) expected = Sum(expected, output);
            kernels.Scan(arguments, arena.Scratch(kernels.ScanScratch(options.Channels, options.States)));
            output.AssertClose(expected, 2e-6, $"output of {options}");
            finalState.AssertClose(final, 2e-6, $"final state of {options}");
            arena.AssertGuards();
        }

        public void CompareBackward()
        {
            arguments.Checkpoints = arena.Scratch(kernels.ScanCheckpoints(options.Length, options.Channels, options.States));
            arguments.Accumulate = false;
            kernels.Scan(arguments, arena.Scratch(kernels.ScanScratch(options.Channels, options.States)));
            output.AssertClose(Naive.Forward().Output, 2e-6, $"output with checkpoints of {options}");

            var expected = Naive.Backward(OutputGradient.ToDouble());
            double[] aLog = Sum(expected.ALog, aLogGradient), skip = Sum(expected.Skip, skipGradient), bias = Sum(expected.DeltaBias, biasGradient);
            var z = options.Accumulate || !options.Gate ? Sum(options.Gate ? expected.Z : new double[expected.Z.Length], zGradient) : expected.Z;
            var gradients = new SelectiveScanGradients
            {
                Output = OutputGradient.Pointer, OutputStride = OutputGradient.Stride, U = uGradient.Pointer, UStride = uGradient.Stride,
                Delta = deltaGradient.Pointer, DeltaStride = deltaGradient.Stride, B = bGradient.Pointer, BStride = bGradient.Stride, C = cGradient.Pointer, CStride = cGradient.Stride,
                Z = zGradient.Pointer, ZStride = zGradient.Stride, AccumulateZ = options.Accumulate,
                ALog = aLogGradient.Pointer, Skip = skipGradient.Pointer, DeltaBias = biasGradient.Pointer,
            };
            kernels.ScanBackward(arguments, gradients, arena.Scratch(kernels.ScanBackwardScratch(options.Channels, options.States)));
            uGradient.AssertClose(expected.U, 5e-6, $"gradient of u, {options}");
            deltaGradient.AssertClose(expected.Delta, 5e-6, $"gradient of delta, {options}");
            bGradient.AssertClose(expected.B, 5e-6, $"gradient of B, {options}");
            cGradient.AssertClose(expected.C, 5e-6, $"gradient of C, {options}");
            zGradient.AssertClose(z, 5e-6, $"gradient of z, {options}");
            aLogGradient.AssertClose(aLog, 5e-6, $"gradient of A_log, {options}");
            skipGradient.AssertClose(skip, 5e-6, $"gradient of D, {options}");
            biasGradient.AssertClose(bias, 5e-6, $"gradient of the bias, {options}");
            arena.AssertGuards();
        }

        public void Dispose() => arena.Dispose();

        private static double[] Sum(double[] values, Matrix already) => values.Zip(already.ToDouble(), (a, b) => a + b).ToArray();
    }
}
