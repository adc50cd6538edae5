using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Reference;
using RMeeTo.Vim.Tests.Golden;

namespace RMeeTo.Vim.Tests.Devices;

/// <summary>What the table cannot say about <see cref="ReferenceDevice"/>, since it is the measure there.</summary>
[TestClass]
public sealed class ReferenceDeviceTests
{
    [TestMethod]
    public void An_operand_of_the_wrong_shape_is_named()
    {
        using var device = new ReferenceDevice();
        var (x, factor, y) = (device.Matrix(3, 4), device.Matrix(1, 5), device.Matrix(3, 4));
        var error = Assert.ThrowsExactly<ArgumentException>(() => device.ScaleChannels(x, factor, y));
        StringAssert.Contains(error.Message, "factor is [1, 5]");
        StringAssert.Contains(error.Message, "[1, 4]");
        Assert.ThrowsExactly<ArgumentException>(() => device.ScaleChannels(x, default, y));
        Assert.ThrowsExactly<ArgumentException>(() => device.ScaleChannels(x, y with { Rows = 1, Offset = 9 }, y), "beyond the end of its buffer");
    }

    /// <summary>Reversed operands, scanned forward, give the reversed output of the backward scan.</summary>
    [TestMethod]
    public void The_backward_scan_is_the_forward_scan_of_the_reversed_sequence()
    {
        const int Length = 9, Channels = 3, States = 2;
        using var device = new ReferenceDevice();
        var random = new Random(1);
        double[][] u = Rows(Channels), delta = Rows(Channels), b = Rows(States), c = Rows(States), z = Rows(Channels);
        DeviceMatrix aLog = device.Matrix(Channels, States, [.. Rows(Channels * States)[0]]);
        CollectionAssert.AreEqual(Scan(false).Reverse().SelectMany(row => row).ToArray(), Scan(true).SelectMany(row => row).ToArray());

        double[][] Rows(int width) => [.. Enumerable.Range(0, Length).Select(_ => Enumerable.Range(0, width).Select(_ => random.NextDouble()).ToArray())];

        double[][] Scan(bool reverse)
        {
            var output = device.Matrix(Length, Channels);
            device.SelectiveScan(new ScanOperands
            {
                Batch = 1,
                Length = Length,
                Reverse = reverse,
                Input = Load(u),
                DeltaRaw = Load(delta),
                ALog = aLog,
                B = Load(b),
                C = Load(c),
                Gate = Load(z),
                Softplus = true,
                OutputScale = 1,
            }, output, false, null);
            return [.. output.Values().Chunk(Channels)];

            DeviceMatrix Load(double[][] rows) => device.Matrix(Length, rows[0].Length, [.. (reverse ? rows : rows.Reverse()).SelectMany(row => row)]);
        }
    }

    /// <summary>At the first step the moments cancel: every value moves by the learning rate against the sign of its gradient, after the decay.</summary>
    [TestMethod]
    public void The_first_step_of_AdamW_is_one_learning_rate()
    {
        using var device = new ReferenceDevice();
        var values = device.Matrix(1, 3, [1, -2, 0.5]);
        var (gradient, first, second) = (device.Matrix(1, 3, [10, -1e-3, 0]), device.Matrix(1, 3), device.Matrix(1, 3));
        device.AdamW(new AdamWStep(1, 0.25, 0.5, 0.75, 0, 0.5), values.Buffer, gradient.Buffer, first.Buffer, second.Buffer, 0, 2);
        const double Decay = 1 - 0.25 * 0.5;
        Tolerances.AssertClose("values", values.Values(), [Decay - 0.25, -2 * Decay + 0.25, 0.5], 1e-12);
        Tolerances.AssertClose("first moment", first.Values(), [5, -5e-4, 0], 1e-12);
        Tolerances.AssertClose("second moment", second.Values(), [25, 2.5e-7, 0], 1e-12);
    }
}
