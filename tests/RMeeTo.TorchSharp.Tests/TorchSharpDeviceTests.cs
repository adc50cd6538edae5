using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Reference;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Tests.Devices;
using RMeeTo.Vim.Tests.Golden;
using TorchSharp;

namespace RMeeTo.TorchSharp.Tests;

/// <summary>What the shared tests of devices do not ask: operands of another device, rounded products, devices on several threads.</summary>
[TestClass]
public sealed class TorchSharpDeviceTests
{
    /// <summary>Relative to the largest value: sums of products of numbers of 8 significant bits, rounded to 8 bits themselves.</summary>
    private const double BFloat16 = 1e-2;

    [TestMethod]
    public void Operands_of_another_kind_are_refused_by_name()
    {
        using var device = DevicesUnderTest.Create(DevicesUnderTest.Names[0]);
        using var other = new ReferenceDevice();
        DeviceMatrix own = device.Matrix(4, 3), foreign = other.Matrix(4, 3);
        Assert.AreEqual("targets lies on another kind of device. (Parameter 'targets')", Refused(foreign));
        Assert.AreEqual("targets is none; this operator needs [4, 3]. (Parameter 'targets')", Refused(default));
        Assert.AreEqual("targets is [4, 2]; this operator needs [4, 3]. (Parameter 'targets')", Refused(device.Matrix(4, 2)));
        var outside = new DeviceMatrix(own.Buffer, 1, 4, 3, 3);
        Assert.AreEqual("targets covers 12 values from 1 of a buffer of 12. (Parameter 'targets')", Refused(outside));

        using var plan = other.CreateMergePlan(1, new MergeStep(0, 4, 1, -1, -1), MergeOptions.Default);
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => device.Merge(1, plan, own, device.Matrix(3, 3))).Message, "another kind of device");
        using var full = device.CreateMergePlan(2, new MergeStep(0, 4, 1, -1, -1), MergeOptions.Default);
        foreach (int batch in new[] { 0, 3 })
        {
            string message = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => device.Merge(batch, full, own, own)).Message;
            StringAssert.Contains(message, "room for 1 to 2 images");
        }

        string Refused(DeviceMatrix targets) => Assert.ThrowsExactly<ArgumentException>(
            () => device.Loss(new(1, 0), own, targets, default, 1, device.Matrix(4, 1), device.Matrix(4, 3))).Message;
    }

    [TestMethod]
    public void A_buffer_that_is_disposed_of_is_not_used()
    {
        using var device = DevicesUnderTest.Create(DevicesUnderTest.Names[0]);
        DeviceMatrix x = device.Matrix(2, 3), y = device.Matrix(2, 3);
        x.Buffer.Dispose();
        x.Buffer.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => device.Softmax(x, y));
        Assert.ThrowsExactly<ObjectDisposedException>(() => x.Buffer.Clear());
        Assert.ThrowsExactly<ObjectDisposedException>(() => x.Buffer.Read(new float[1]));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => device.Allocate(-1));
    }

    /// <summary>What a library cannot do arrives as an exception, and the device works on.</summary>
    [TestMethod]
    public void Too_little_memory_is_an_exception()
    {
        using var device = DevicesUnderTest.Create(DevicesUnderTest.Names[0]);
        Assert.ThrowsExactly<System.Runtime.InteropServices.ExternalException>(() => device.Allocate(1L << 50));
        DeviceMatrix x = device.Matrix(1, 2, [0, 0]), y = device.Matrix(1, 2);
        device.Softmax(x, y);
        CollectionAssert.AreEqual(new[] { 0.5, 0.5 }, y.Values());
    }

    /// <summary>A picture of one colour: who stands where in a product does not change its bits, so the first of equals wins.</summary>
    [TestMethod]
    [DataRow(36, 5)]
    [DataRow(98, 48)]
    [DataRow(197, 192)]
    [DataRow(197, 384)]
    public void Ties_go_to_the_first_in_products_of_every_size(int tokens, int channels)
    {
        using var device = DevicesUnderTest.Create(DevicesUnderTest.Names[0]);
        var random = new Random(channels);
        double[] row = [.. Enumerable.Range(0, channels).Select(_ => (double)(2 * random.NextSingle() - 1))];
        var merge = new MergeOnDevice(device, [.. Enumerable.Repeat(row, tokens)], tokens / 2, tokens / 4, MergeOptions.Default);
        using var reference = new ReferenceDevice();
        var expected = new MergeOnDevice(reference, [.. Enumerable.Repeat(row, tokens)], tokens / 2, tokens / 4, MergeOptions.Default);
        CollectionAssert.AreEqual(expected.Destinations, merge.Destinations);
    }

    [TestMethod]
    public void Products_in_bfloat16_are_close()
    {
        DevicesUnderTest.RequireLibTorch();
        using var reference = new ReferenceDevice();
        using var rounded = new TorchSharpDevice(torch.CPU, MatrixPrecision.BFloat16);
        double[][] expected = Products(reference), actual = Products(rounded);
        for (int i = 0; i < expected.Length; i++)
        {
            Tolerances.AssertClose($"product {i}", actual[i], expected[i], BFloat16);
            Assert.IsGreaterThan(1e-6, Tolerances.RelativeError(actual[i], expected[i]), "they are rounded");
        }
        using var weight = rounded.CreateLinear(rounded.Matrix(2, 2), forTraining: false);
        StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(
            () => rounded.Linear(rounded.Matrix(1, 2), weight, default, rounded.Matrix(1, 2))).Message, "Refresh");
    }

    /// <summary>The switch is libtorch's, for the whole process; what the application set it to comes back.</summary>
    [TestMethod]
    public void The_switch_of_tensor_cores_is_turned_back()
    {
        DevicesUnderTest.RequireLibTorch();
        foreach (bool before in new[] { true, false })
        {
            torch.backends.cuda.matmul.allow_tf32 = before;
            foreach (bool allowed in new[] { true, false })
            {
                using (TensorCores.Allow(DeviceType.CUDA, allowed)) Assert.AreEqual(allowed, torch.backends.cuda.matmul.allow_tf32);
                Assert.AreEqual(before, torch.backends.cuda.matmul.allow_tf32);
                using (TensorCores.Allow(DeviceType.CPU, allowed)) Assert.AreEqual(before, torch.backends.cuda.matmul.allow_tf32);
            }
        }
    }

    [TestMethod]
    public void A_weight_for_inference_has_no_input_gradient()
    {
        using var device = DevicesUnderTest.Create(DevicesUnderTest.Names[0]);
        using var weight = device.CreateLinear(device.Matrix(2, 2), forTraining: false);
        Assert.ThrowsExactly<InvalidOperationException>(() => device.LinearInputGradient(device.Matrix(1, 2), weight, device.Matrix(1, 2)));
    }

    /// <summary>Each thread has a device and scopes of its own.</summary>
    [TestMethod]
    public void Devices_on_several_threads_do_not_disturb_each_other()
    {
        DevicesUnderTest.RequireLibTorch();
        double[][] expected = Scores(0);
        var threads = new double[4][][];
        Parallel.For(0, threads.Length, i => threads[i] = Scores(i));
        foreach (var scores in threads)
            for (int i = 0; i < expected.Length; i++) CollectionAssert.AreEqual(expected[i], scores[i]);

        static double[][] Scores(int thread)
        {
            using var device = DevicesUnderTest.Create(DevicesUnderTest.Names[0]);
            double[][] results = Products(device);
            for (int again = 0; again < 5; again++) results = Products(device);
            return results;
        }
    }

    /// <summary>y = x Wᵀ + b added to ones, and both gradients.</summary>
    private static double[][] Products(VimDevice device)
    {
        const int rows = 37, inputs = 48, outputs = 29;
        var random = new Random(1);
        DeviceMatrix x = Drawn(rows, inputs), w = Drawn(outputs, inputs), b = Drawn(1, outputs), dy = Drawn(rows, outputs), y = Drawn(rows, outputs);
        DeviceMatrix dx = device.Matrix(rows, inputs), dw = Drawn(outputs, inputs), db = Drawn(1, outputs);
        using var weight = device.CreateLinear(w, forTraining: true);
        device.Refresh(weight);
        device.Linear(x, weight, b, y, accumulate: true);
        device.LinearInputGradient(dy, weight, dx);
        device.LinearWeightGradient(dy, x, dw, db);
        return [y.Values(), dx.Values(), dw.Values()];

        DeviceMatrix Drawn(int r, int c) => device.Matrix(r, c, [.. Enumerable.Range(0, r * c).Select(_ => (double)(2 * random.NextSingle() - 1))]);
    }
}
