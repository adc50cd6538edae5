using static RMeeTo.Vim.Devices.Reference.ReferenceMatrix;

namespace RMeeTo.Vim.Devices.Reference;

// The selective scan, spec 1.1.
public sealed partial class ReferenceDevice
{
    /// <inheritdoc/>
    public override void SelectiveScan(in ScanOperands scan, DeviceMatrix output, bool accumulate, DeviceBuffer? checkpoints)
    {
        var s = new Scan(scan);
        var o = Of(output, s.U.Rows, s.U.Columns);
        for (int image = 0; image < scan.Batch; image++)
            for (int d = 0; d < s.U.Columns; d++)
            {
                double[,] h = s.States(image, d);
                for (int step = 0; step < scan.Length; step++)
                {
                    int t = s.Row(image, step);
                    Put(ref o[t, d], s.OutputScale * s.Ungated(h, step, t, d) * s.GateFactor(t, d), accumulate);
                }
            }
    }

    /// <inheritdoc/>
    public override void SelectiveScanGradient(in ScanOperands scan, DeviceBuffer checkpoints, DeviceMatrix outputGradient, in ScanGradients gradients)
    {
        var s = new Scan(scan);
        var go = Of(outputGradient, s.U.Rows, s.U.Columns);
        var to = new ScanDestinations(s, gradients);
        to.B.Clear(); // sums over the channels
        to.C.Clear();
        for (int image = 0; image < scan.Batch; image++)
            for (int d = 0; d < s.U.Columns; d++)
                ChannelGradient(s, image, d, go, to);
    }

    /// <summary>One channel of one image: g is the adjoint of H, from the last step to the first.</summary>
    private static void ChannelGradient(in Scan s, int image, int d, ReferenceMatrix outputGradient, in ScanDestinations to)
    {
        double[,] h = s.States(image, d);
        double[] carried = new double[s.N]; // a_{t+1} g_{t+1}
        for (int step = s.Length - 1; step >= 0; step--)
        {
            int t = s.Row(image, step);
            double go = s.OutputScale * outputGradient[t, d];
            if (!to.Gate.IsNone) Put(ref to.Gate[t, d], go * s.Ungated(h, step, t, d) * SiluSlope(s.Z[t, d]), to.AccumulateGate);
            double gy = go * s.GateFactor(t, d);
            var (u, delta) = (s.U[t, d], s.Delta(t, d));
            double gu = s.Skip.IsNone ? 0 : gy * s.Skip[0, d];
            if (!to.Skip.IsNone) to.Skip[0, d] += gy * u;
            double gDelta = 0;
            for (int n = 0; n < s.N; n++)
            {
                double decay = s.A(d, n), a = Math.Exp(delta * decay);
                double before = h[step, n], after = h[step + 1, n];
                double g = gy * s.C[t, n] + carried[n];
                to.C[t, n] += gy * after;
                to.B[t, n] += g * delta * u;
                to.ALog[d, n] += g * a * before * delta * decay;
                gu += g * delta * s.B[t, n];
                gDelta += g * (decay * a * before + s.B[t, n] * u);
                carried[n] = a * g;
            }
            double gRaw = gDelta * s.DeltaSlope(t, d);
            to.Input[t, d] = gu;
            to.DeltaRaw[t, d] = gRaw;
            if (!to.DeltaBias.IsNone) to.DeltaBias[0, d] += gRaw;
        }
    }

    /// <summary>The operands, and what follows from them at one token and channel.</summary>
    private readonly struct Scan
    {
        private readonly ReferenceMatrix _deltaRaw, _deltaBias, _aLog;
        private readonly bool _softplus, _reverse;

        public Scan(in ScanOperands scan)
        {
            var (rows, channels, states) = (scan.Batch * scan.Length, scan.Input.Columns, scan.ALog.Columns);
            (Length, N, OutputScale) = (scan.Length, states, scan.OutputScale);
            (_softplus, _reverse) = (scan.Softplus, scan.Reverse);
            U = Of(scan.Input, rows, channels);
            _deltaRaw = Of(scan.DeltaRaw, rows, channels);
            _deltaBias = OfOptional(scan.DeltaBias, 1, channels);
            _aLog = Of(scan.ALog, channels, states);
            B = Of(scan.B, rows, states);
            C = Of(scan.C, rows, states);
            Skip = OfOptional(scan.Skip, 1, channels);
            Z = OfOptional(scan.Gate, rows, channels);
        }

        public int Length { get; }
        public int N { get; }
        public double OutputScale { get; }
        public ReferenceMatrix U { get; }
        public ReferenceMatrix B { get; }
        public ReferenceMatrix C { get; }
        public ReferenceMatrix Skip { get; }
        public ReferenceMatrix Z { get; }

        public int Row(int image, int step) => TokenRow(image, step, Length, _reverse);

        /// <summary>A = −exp(ALog).</summary>
        public double A(int d, int n) => -Math.Exp(_aLog[d, n]);

        /// <summary>Δ.</summary>
        public double Delta(int t, int d) => _softplus ? Softplus(DeltaArgument(t, d)) : DeltaArgument(t, d);

        /// <summary>dΔ / dDeltaRaw.</summary>
        public double DeltaSlope(int t, int d) => !_softplus || DeltaArgument(t, d) > SoftplusThreshold ? 1 : Sigmoid(DeltaArgument(t, d));

        /// <summary>H before the first step (zero) and after every step: [L + 1, N]; H_t = exp(Δ_t A) H_{t−1} + Δ_t B_t u_t.</summary>
        public double[,] States(int image, int d)
        {
            var h = new double[Length + 1, N];
            for (int step = 0; step < Length; step++)
            {
                int t = Row(image, step);
                double delta = Delta(t, d);
                for (int n = 0; n < N; n++) h[step + 1, n] = Math.Exp(delta * A(d, n)) * h[step, n] + delta * B[t, n] * U[t, d];
            }
            return h;
        }

        /// <summary>y_t = Σ_n C_t H_t + Skip u_t.</summary>
        public double Ungated(double[,] h, int step, int t, int d)
        {
            double y = Skip.IsNone ? 0 : Skip[0, d] * U[t, d];
            for (int n = 0; n < N; n++) y += C[t, n] * h[step + 1, n];
            return y;
        }

        /// <summary>silu(z), or 1 without a gate.</summary>
        public double GateFactor(int t, int d) => Z.IsNone ? 1 : Silu(Z[t, d]);

        private double DeltaArgument(int t, int d) => _deltaRaw[t, d] + (_deltaBias.IsNone ? 0 : _deltaBias[0, d]);
    }

    private readonly struct ScanDestinations
    {
        public ScanDestinations(in Scan scan, in ScanGradients gradients)
        {
            var (rows, channels, states) = (scan.U.Rows, scan.U.Columns, scan.N);
            Input = Of(gradients.Input, rows, channels);
            DeltaRaw = Of(gradients.DeltaRaw, rows, channels);
            B = Of(gradients.B, rows, states);
            C = Of(gradients.C, rows, states);
            ALog = Of(gradients.ALog, channels, states);
            Gate = OfOptional(gradients.Gate, rows, channels);
            Skip = OfOptional(gradients.Skip, 1, channels);
            DeltaBias = OfOptional(gradients.DeltaBias, 1, channels);
            AccumulateGate = gradients.AccumulateGate;
        }

        public ReferenceMatrix Input { get; }
        public ReferenceMatrix DeltaRaw { get; }
        public ReferenceMatrix B { get; }
        public ReferenceMatrix C { get; }
        public ReferenceMatrix Gate { get; }
        public bool AccumulateGate { get; }
        public ReferenceMatrix ALog { get; }
        public ReferenceMatrix Skip { get; }
        public ReferenceMatrix DeltaBias { get; }
    }

    /// <summary>Above this argument softplus is the identity, as in PyTorch and in the official kernels.</summary>
    private const double SoftplusThreshold = 20;

    private static double Softplus(double x)
    {
        if (x > SoftplusThreshold) return x;
        double e = Math.Exp(x);
        return e < 1e-5 ? e * (1 - e / 2 + e * e / 3) : Math.Log(1 + e); // the series where 1 + e would round e away
    }
}
