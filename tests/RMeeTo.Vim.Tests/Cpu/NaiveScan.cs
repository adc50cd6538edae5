namespace RMeeTo.Vim.Tests.Cpu;

/// <summary>The selective scan as its formulas (spec section 1.1), in double, one scalar at a time. Matrices are row-major without gaps; null where absent.</summary>
internal sealed class NaiveScan
{
    public required int Length, Channels, States;
    public required double[] U, Delta, B, C, ALog;
    public double[]? Z, Skip, DeltaBias;
    public bool Softplus, Reverse;
    public double Scale = 1;

    private double Raw(int t, int d) => Delta[t * Channels + d] + (DeltaBias?[d] ?? 0);

    private double Step(int t, int d)
    {
        var x = Raw(t, d);
        return !Softplus || x > 20 ? x : Math.Log(1 + Math.Exp(x));
    }

    private double A(int d, int n) => -Math.Exp(ALog[d * States + n]);

    private int Token(int position) => Reverse ? Length - 1 - position : position;

    private static double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));

    /// <summary>Output [L, D] and final state [D, N].</summary>
    public (double[] Output, double[] FinalState) Forward()
    {
        var output = new double[Length * Channels];
        var final = new double[Channels * States];
        for (var d = 0; d < Channels; d++)
        {
            var states = Run(d, out var y);
            for (var n = 0; n < States; n++) final[d * States + n] = states[Length, n];
            for (var t = 0; t < Length; t++)
            {
                var i = t * Channels + d;
                output[i] = Scale * y[t] * (Z == null ? 1 : Z[i] * Sigmoid(Z[i]));
            }
        }

        return (output, final);
    }

    /// <summary>States [L + 1, N] in walking order (the first is zero) and y by token, of one channel.</summary>
    private double[,] Run(int d, out double[] y)
    {
        var h = new double[Length + 1, States];
        y = new double[Length];
        for (var position = 0; position < Length; position++)
        {
            var t = Token(position);
            var u = U[t * Channels + d];
            y[t] = (Skip?[d] ?? 0) * u;
            for (var n = 0; n < States; n++)
            {
                h[position + 1, n] = Math.Exp(Step(t, d) * A(d, n)) * h[position, n] + Step(t, d) * B[t * States + n] * u;
                y[t] += C[t * States + n] * h[position + 1, n];
            }
        }

        return h;
    }

    public sealed record Gradients(double[] U, double[] Delta, double[] B, double[] C, double[] Z, double[] ALog, double[] Skip, double[] DeltaBias);

    public Gradients Backward(double[] outputGradient)
    {
        int wide = Length * Channels, narrow = Length * States;
        var result = new Gradients(new double[wide], new double[wide], new double[narrow], new double[narrow], new double[wide],
            new double[Channels * States], new double[Channels], new double[Channels]);
        for (var d = 0; d < Channels; d++)
        {
            var h = Run(d, out var y);
            var carried = new double[States];
            for (var position = Length - 1; position >= 0; position--)
            {
                var t = Token(position);
                var i = t * Channels + d;
                double z = Z?[i] ?? 0, gate = Z == null ? 1 : z * Sigmoid(z), step = Step(t, d);
                var dy = Scale * outputGradient[i] * gate;
                result.Z[i] = Scale * outputGradient[i] * y[t] * Sigmoid(z) * (1 + z * (1 - Sigmoid(z)));
                result.U[i] = (Skip?[d] ?? 0) * dy;
                result.Skip[d] += dy * U[i];
                var stepGradient = 0.0;
                for (var n = 0; n < States; n++)
                {
                    var a = Math.Exp(step * A(d, n));
                    var g = dy * C[t * States + n] + carried[n];
                    result.C[t * States + n] += dy * h[position + 1, n];
                    result.B[t * States + n] += g * step * U[i];
                    result.U[i] += g * step * B[t * States + n];
                    stepGradient += g * (A(d, n) * a * h[position, n] + B[t * States + n] * U[i]);
                    result.ALog[d * States + n] += g * a * h[position, n] * step * A(d, n);
                    carried[n] = a * g;
                }

                result.Delta[i] = stepGradient * (Softplus ? Sigmoid(Raw(t, d)) : 1);
                result.DeltaBias[d] += result.Delta[i];
            }
        }

        return result;
    }
}
