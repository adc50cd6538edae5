using RMeeTo.Cuda;
using RMeeTo.Cuda.Tests.Emulation;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Reference;
using RMeeTo.Vim.Tests.Devices;
using RMeeTo.Vim.Tests.Golden;

namespace RMeeTo.Cuda.Tests.Devices;

/// <summary>Linear layers whose products are computed in bfloat16: how operands are rounded, and that all of them and nothing else are summed.</summary>
[TestClass]
public sealed class LinearPrecisionTests
{
    /// <summary>y, dx, dW and db of a layer.</summary>
    private sealed record Results(double[] Output, double[] InputGradient, double[] WeightGradient, double[] BiasGradient);

    /// <summary>Products of operands that bfloat16 holds are exact, so that the layer is that of the reference.</summary>
    [TestMethod]
    [DataRow(1, 1, 1)]
    [DataRow(3, 8, 16)]
    [DataRow(5, 12, 44)]
    [DataRow(70, 44, 12)]
    [DataRow(17, 33, 7)]
    [DataRow(9, 300, 5)]
    public void Operands_that_bfloat16_holds_give_the_results_of_the_reference(int rows, int inputs, int outputs)
    {
        foreach (bool accumulate in new[] { false, true })
        {
            using var reference = new ReferenceDevice();
            using CudaContext context = BFloat16();
            using var device = new CudaDevice(context);
            Results expected = Run(reference, rows, inputs, outputs, accumulate), actual = Run(device, rows, inputs, outputs, accumulate);
            Tolerances.AssertClose("y", actual.Output, expected.Output, Tolerances.Forward);
            Tolerances.AssertClose("dx", actual.InputGradient, expected.InputGradient, Tolerances.Gradient);
            Tolerances.AssertClose("dW", actual.WeightGradient, expected.WeightGradient, Tolerances.Gradient);
            Tolerances.AssertClose("db", actual.BiasGradient, expected.BiasGradient, Tolerances.Gradient);
        }
    }

    /// <summary>To the nearest, ties to the even one, past the largest to infinity; what is no number stays none.</summary>
    [TestMethod]
    public void Operands_are_rounded_to_the_nearest_bfloat16()
    {
        int[] upper = [0x0000, 0x0001, 0x007F, 0x0080, 0x3F7F, 0x3F80, 0x3F81, 0x4049, 0x7F7E, 0x7F7F, 0x7F80, 0x7F81, 0x7FC0, 0x7FFF];
        int[] lower = [0x0000, 0x0001, 0x7FFF, 0x8000, 0x8001, 0xFFFF];
        float[] values = [.. from sign in new[] { 0, 0x8000 } from high in upper from low in lower select BitConverter.Int32BitsToSingle((sign | high) << 16 | low)];
        using CudaContext context = BFloat16();
        using var device = new CudaDevice(context);
        DeviceMatrix x = device.Matrix(values.Length, 1), y = device.Matrix(values.Length, 1), one = device.Matrix(1, 1, [1]);
        x.Buffer.Write(values);
        using LinearWeight weight = device.CreateLinear(one, forTraining: false);
        device.Refresh(weight);
        device.Linear(x, weight, default, y);
        double[] actual = y.Values();
        for (int i = 0; i < values.Length; i++) Assert.AreEqual(Nearest(values[i]), actual[i], $"bfloat16 of {values[i]:g9} (bits {BitConverter.SingleToInt32Bits(values[i]):x8})");
    }

    [TestMethod]
    public void A_weight_is_copied_anew_when_it_is_refreshed()
    {
        using CudaContext context = BFloat16();
        using var device = new CudaDevice(context);
        DeviceMatrix x = device.Matrix(1, 2, [1, 2]), w = device.Matrix(2, 2, [1, 0, 0, 1]), y = device.Matrix(1, 2);
        using LinearWeight weight = device.CreateLinear(w, forTraining: true);
        device.Refresh(weight);
        w.Write([0, 3, 5, 0]);
        device.Refresh(weight);
        device.Linear(x, weight, default, y);
        CollectionAssert.AreEqual(new double[] { 6, 5 }, y.Values());
        device.LinearInputGradient(y, weight, x);
        CollectionAssert.AreEqual(new double[] { 25, 18 }, x.Values());
    }

    [TestMethod]
    [DataRow(MatrixPrecision.Float32)]
    [DataRow(MatrixPrecision.BFloat16)]
    public void A_weight_made_for_inference_has_no_input_gradient(MatrixPrecision precision)
    {
        using CudaContext context = Emulated(precision);
        using var device = new CudaDevice(context);
        DeviceMatrix x = device.Matrix(1, 2), w = device.Matrix(3, 2), y = device.Matrix(1, 3);
        using LinearWeight weight = device.CreateLinear(w, forTraining: false);
        Assert.ThrowsExactly<InvalidOperationException>(() => device.LinearInputGradient(y, weight, x));
    }

    private static CudaContext BFloat16() => Emulated(MatrixPrecision.BFloat16);

    private static CudaContext Emulated(MatrixPrecision precision)
    {
        CppCompiler.Require();
        var cuda = new EmulatedCuda();
        return new CudaContext(cuda, new EmulatedProducts(cuda, precision));
    }

    private static Results Run(VimDevice device, int rows, int inputs, int outputs, bool accumulate)
    {
        var random = new Random(1);
        DeviceMatrix x = Drawn(rows, inputs), w = Drawn(outputs, inputs), bias = Drawn(1, outputs), y = Drawn(rows, outputs);
        DeviceMatrix dy = Drawn(rows, outputs), dx = Drawn(rows, inputs), dw = Drawn(outputs, inputs), db = Drawn(1, outputs);
        using LinearWeight weight = device.CreateLinear(w, forTraining: true);
        device.Refresh(weight);
        device.Linear(x, weight, bias, y, accumulate);
        device.LinearInputGradient(dy, weight, dx, accumulate);
        device.LinearWeightGradient(dy, x, dw, db);
        return new(y.Values(), dx.Values(), dw.Values(), db.Values());

        // Eighths below 16: seven significant bits.
        DeviceMatrix Drawn(int height, int width) => device.Matrix(height, width, [.. Enumerable.Range(0, height * width).Select(_ => random.Next(-127, 128) / 8.0)]);
    }

    /// <summary>The nearest value of eight significant bits, found without bits: in steps of its last place.</summary>
    private static double Nearest(float value)
    {
        if (!float.IsFinite(value) || value == 0) return value;
        double step = Math.ScaleB(1, Math.Max(Math.ILogB(value), -126) - 7), nearest = Math.Round(value / step, MidpointRounding.ToEven) * step;
        return Math.Abs(nearest) < Math.ScaleB(1, 128) ? nearest : double.CopySign(double.PositiveInfinity, value);
    }
}
