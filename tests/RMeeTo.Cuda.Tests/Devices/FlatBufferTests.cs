using RMeeTo.Cuda.Tests.Emulation;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Tests.Devices;

namespace RMeeTo.Cuda.Tests.Devices;

/// <summary>What the table of operators does not ask of flat buffers: many sources, ranges cut anywhere, memory to upload from.</summary>
[TestClass]
public sealed class FlatBufferTests
{
    [TestMethod]
    [DataRow(0)]
    [DataRow(1)]
    [DataRow(63)]
    [DataRow(64)]
    [DataRow(65)]
    [DataRow(200)]
    public void Any_number_of_sources_is_added_in_order(int count)
    {
        using CudaContext context = DevicesUnderTest.Emulated(LaunchOrder.Forward);
        using var device = new CudaDevice(context);
        const int Length = 9;
        var random = new Random(count);
        var (sources, expected) = (new List<DeviceBuffer>(), new float[Length]);
        for (int k = 0; k < count; k++)
        {
            float[] values = Random(random, Length);
            for (int i = 0; i < Length; i++) expected[i] = k == 0 ? values[i] : expected[i] + values[i];
            sources.Add(Buffer(device, values));
        }
        using DeviceBuffer sum = Buffer(device, Random(random, Length));
        device.SumBuffers(sum, sources, 0, Length);
        CollectionAssert.AreEqual(expected, Values(sum));
        if (count == 0) return;
        device.SumBuffers(sources[0], sources, 0, Length);
        CollectionAssert.AreEqual(expected, Values(sources[0]), "the destination is a source too");
        foreach (DeviceBuffer source in sources) source.Dispose();
    }

    [TestMethod]
    public void A_destination_among_late_sources_is_refused()
    {
        using CudaContext context = DevicesUnderTest.Emulated(LaunchOrder.Forward);
        using var device = new CudaDevice(context);
        DeviceBuffer[] sources = [.. Enumerable.Range(0, 70).Select(_ => device.Allocate(4))];
        Assert.ThrowsExactly<ArgumentException>(() => device.SumBuffers(sources[69], sources, 0, 4));
    }

    [TestMethod]
    public void AdamW_does_not_depend_on_how_a_range_is_cut()
    {
        using CudaContext context = DevicesUnderTest.Emulated(LaunchOrder.Forward);
        using var device = new CudaDevice(context);
        const int Length = 53;
        var random = new Random(1);
        float[][] start = [.. Enumerable.Range(0, 4).Select(k => Array.ConvertAll(Random(random, Length), v => k == 3 ? v * v : v))];
        DeviceBuffer[] whole = [.. start.Select(values => Buffer(device, values))], cut = [.. start.Select(values => Buffer(device, values))];
        var step = new AdamWStep(5, 1e-2, 0.9, 0.999, 1e-8, 0.05) { GradientScale = 1.0 / 3 };
        device.AdamW(step, whole[0], whole[1], whole[2], whole[3], 0, Length);
        for (int offset = 0; offset < Length; offset += 11) device.AdamW(step, cut[0], cut[1], cut[2], cut[3], offset, Math.Min(11, Length - offset));
        for (int k = 0; k < 4; k++) CollectionAssert.AreEqual(Values(whole[k]), Values(cut[k]));
        CollectionAssert.AreNotEqual(start[0], Values(whole[0]));
    }

    [TestMethod]
    public void Floats_and_bytes_are_uploaded_from_host_memory()
    {
        using CudaContext context = DevicesUnderTest.Emulated(LaunchOrder.Forward);
        using var device = new CudaDevice(context);
        using HostBuffer host = device.AllocateHost(40);
        for (int i = 0; i < 10; i++) host.Floats(i, 1)[0] = i;
        using DeviceBuffer floats = device.Allocate(8);
        device.Upload(host, 3, floats, 7);
        CollectionAssert.AreEqual(new float[] { 3, 4, 5, 6, 7, 8, 9, 0 }, Values(floats));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => device.Upload(host, 0, floats, 9), "more than the destination has");
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => device.Upload(host, 4, floats, 7), "more than the source has");

        for (int i = 0; i < 40; i++) host.Bytes(i, 1)[0] = (byte)i;
        using DeviceBytes bytes = device.AllocateBytes(6);
        device.Upload(host, 10, bytes, 6);
        var table = new float[3 * 256];
        for (int i = 0; i < table.Length; i++) table[i] = i % 256;
        DeviceMatrix images = new(device.Allocate(6), 1, 6);
        device.NormalizeImages(1, bytes, new DeviceMatrix(Buffer(device, table), 3, 256), images);
        CollectionAssert.AreEqual(new float[] { 10, 13, 11, 14, 12, 15 }, Values(images.Buffer));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => device.Upload(host, 0, bytes, 7), "more than the destination has");
    }

    private static float[] Random(Random random, int length) => [.. Enumerable.Range(0, length).Select(_ => 2 * random.NextSingle() - 1)];

    private static DeviceBuffer Buffer(VimDevice device, float[] values)
    {
        DeviceBuffer buffer = device.Allocate(values.Length);
        buffer.Write(values);
        return buffer;
    }

    private static float[] Values(DeviceBuffer buffer)
    {
        var values = new float[buffer.Length];
        buffer.Read(values);
        return values;
    }
}
