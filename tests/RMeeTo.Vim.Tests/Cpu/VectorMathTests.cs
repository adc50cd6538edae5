namespace RMeeTo.Vim.Tests.Cpu;

[TestClass]
public sealed unsafe class VectorMathTests
{
    private static double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));

    private static double Softplus(double x) => x > 20 ? x : x < -10 ? Math.Exp(x) * (1 - Math.Exp(x) / 2) : Math.Log(1 + Math.Exp(x));

    [TestMethod]
    [DataRow(512)]
    [DataRow(256)]
    [DataRow(128)]
    public void RelativeErrorsAreAsDocumented(int bits)
    {
        // Without a fused multiply-add the rounding of x·log2 e cannot be recovered.
        var fused = System.Runtime.Intrinsics.X86.Fma.IsSupported || System.Runtime.Intrinsics.Arm.AdvSimd.IsSupported;
        Check(bits, VectorFunction.Exp, Math.Exp, fused ? 2.5e-7 : 1e-6);
        Check(bits, VectorFunction.Softplus, Softplus, fused ? 3.5e-7 : 1e-6);
        Check(bits, VectorFunction.SoftplusWithSlope, Softplus, fused ? 3.5e-7 : 1e-6, Sigmoid, fused ? 3.5e-7 : 1e-6);
        Check(bits, VectorFunction.Sigmoid, Sigmoid, 1.2e-6);
        Check(bits, VectorFunction.Silu, x => x * Sigmoid(x), 1.2e-6);
    }

    [TestMethod]
    [DataRow(512)]
    [DataRow(256)]
    [DataRow(128)]
    public void ExtremeArgumentsSaturate(int bits)
    {
        float[] x = [-1e30f, -200f, -88f, 88f, 200f, 1e30f, float.NegativeInfinity, float.PositiveInfinity, float.NaN, 0f, 17.5f, 20.5f, -0f, 1e-30f, -30f, 30f];
        fixed (float* source = x)
        {
            var softplus = stackalloc float[x.Length];
            var slope = stackalloc float[x.Length];
            Kernels.Of(bits).Apply(VectorFunction.SoftplusWithSlope, source, softplus, slope, x.Length);
            for (var i = 0; i < x.Length; i++)
            {
                Assert.AreEqual(float.IsNaN(x[i]), float.IsNaN(softplus[i]), $"softplus({x[i]})");
                Assert.AreEqual(float.IsNaN(x[i]), float.IsNaN(slope[i]), $"slope at {x[i]}");
                if (x[i] > 17.4f) Assert.AreEqual(x[i], softplus[i], "softplus is the identity for large arguments.");
                if (x[i] > 20f) Assert.AreEqual(1f, slope[i]);
                if (x[i] < -87f) Assert.IsTrue(softplus[i] >= 0 && softplus[i] < 1e-37f, $"softplus({x[i]}) = {softplus[i]}");
            }
        }
    }

    private static void Check(int bits, VectorFunction function, Func<double, double> exact, double allowed, Func<double, double>? exactSlope = null, double allowedSlope = 0)
    {
        const int count = 1 << 16;
        using var arena = new Arena(1);
        Matrix x = arena.Vector(count, -20, 20), y = arena.Vector(count), slope = arena.Vector(count);
        Kernels.Of(bits).Apply(function, x.Pointer, y.Pointer, slope.Pointer, count);
        double worst = 0, worstSlope = 0;
        for (var i = 0; i < count; i++)
        {
            worst = Math.Max(worst, Math.Abs(y[0, i] / exact(x[0, i]) - 1));
            if (exactSlope != null) worstSlope = Math.Max(worstSlope, Math.Abs(slope[0, i] / exactSlope(x[0, i]) - 1));
        }

        Assert.IsTrue(worst <= allowed, $"{function}, {bits} bits: relative error {worst:E2}, allowed {allowed:E1}");
        Assert.IsTrue(worstSlope <= allowedSlope, $"slope of {function}, {bits} bits: relative error {worstSlope:E2}, allowed {allowedSlope:E1}");
    }
}
