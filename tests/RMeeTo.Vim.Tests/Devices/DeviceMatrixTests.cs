using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Cpu;
using RMeeTo.Vim.Devices.Reference;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Tests.Golden;

namespace RMeeTo.Vim.Tests.Devices;

/// <summary>Ranges and shapes that must be refused: behind them is memory that no runtime watches.</summary>
[TestClass]
public sealed class DeviceMatrixTests
{
    public static IEnumerable<object[]> Names => DevicesUnderTest.Names.Select(name => new object[] { name });

    [TestMethod]
    [DynamicData(nameof(Names))]
    public void A_range_outside_the_buffer_is_refused(string deviceName)
    {
        using VimDevice device = DevicesUnderTest.Create(deviceName);
        using DeviceBuffer buffer = device.Allocate(8);
        var three = new float[3];
        foreach (long offset in new[] { -1, 6, 8, long.MaxValue, long.MaxValue - 2, long.MinValue })
        {
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => buffer.Read(three, offset));
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => buffer.Write(three, offset));
        }
        buffer.Write([1, 2, 3], 5);
        buffer.Read(three, 5);
        CollectionAssert.AreEqual(new float[] { 1, 2, 3 }, three);
        buffer.Write([], 8);
    }

    [TestMethod]
    [DynamicData(nameof(Names))]
    public void An_upload_outside_its_source_or_destination_is_refused(string deviceName)
    {
        using VimDevice device = DevicesUnderTest.Create(deviceName);
        using HostBuffer host = device.AllocateHost(8 * sizeof(float));
        using DeviceBuffer buffer = device.Allocate(4);
        using DeviceBytes bytes = device.AllocateBytes(4);
        for (int i = 0; i < 8; i++) host.Floats(i, 1)[0] = i;
        foreach (var (first, count) in new[] { (-1L, 2L), (6, 3), (0, 5), (9, 0), (long.MaxValue, 1), (1, long.MaxValue), (0, -1) })
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => device.Upload(host, first, buffer, count), $"{count} from {first}");
        foreach (var (first, count) in new[] { (-1L, 2L), (30, 3), (0, 5), (33, 0), (1, long.MaxValue) })
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => device.Upload(host, first, bytes, count), $"{count} bytes from {first}");
        device.Upload(host, 4, buffer, 4);
        var values = new float[4];
        buffer.Read(values);
        CollectionAssert.AreEqual(new float[] { 4, 5, 6, 7 }, values);
        device.Upload(host, 8, buffer, 0);
        device.Upload(host, 28, bytes, 4);
        foreach (int length in new[] { 9, 33, -1 }) Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => host.Floats(0, length));
    }

    [TestMethod]
    [DynamicData(nameof(Names))]
    public void Pixels_that_are_no_whole_images_are_refused(string deviceName)
    {
        using VimDevice device = DevicesUnderTest.Create(deviceName);
        using DeviceBytes pixels = device.AllocateBytes(2 * 12);
        var table = device.Matrix(3, 256);
        device.NormalizeImages(2, pixels, table, device.Matrix(2, 12));
        foreach (var (frames, rows, columns) in new[] { (2, 2, 9), (1, 1, 11), (0, 1, 12), (1, 3, 12) })
            Assert.ThrowsExactly<ArgumentException>(() => device.NormalizeImages(frames, pixels, table, device.Matrix(rows, columns)));
        Assert.ThrowsExactly<ArgumentException>(() => device.NormalizeImages(1, pixels, device.Matrix(3, 255), device.Matrix(1, 12)));
    }

    [TestMethod]
    public void A_slice_lies_inside_its_matrix()
    {
        using VimDevice device = DevicesUnderTest.Create(DevicesUnderTest.Names[0]);
        var matrix = new DeviceMatrix(device.Allocate(64), 2, 4, 6, 10);
        Assert.AreEqual(matrix with { Offset = 23, Rows = 2, Columns = 5 }, matrix.SliceRows(2, 2).SliceColumns(1, 5));
        Assert.AreEqual(0, matrix.SliceRows(4, 0).Rows);
        foreach (var (start, count) in new[] { (-1, 1), (0, 7), (6, 1), (3, 4), (0, -1), (int.MaxValue, 1), (1, int.MaxValue) })
        {
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => matrix.SliceColumns(start, count));
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => matrix.SliceRows(start, count));
        }
    }

    /// <summary>Turned rows of an image that is not whole would lie behind the matrix.</summary>
    [TestMethod]
    [DynamicData(nameof(Names))]
    public void Rows_that_are_no_whole_images_are_refused(string deviceName)
    {
        using VimDevice device = DevicesUnderTest.Create(deviceName);
        var (values, metric) = (device.Matrix(5, 3), device.Matrix(5, 3));
        foreach (int batch in new[] { -1, 0, 2, 6 })
            Assert.ThrowsExactly<ArgumentException>(() => device.AddMetric(batch, values, 1, MetricPlacement.Turned, metric));
        device.AddMetric(5, values, 1, MetricPlacement.Turned, metric);
    }

    [TestMethod]
    [DynamicData(nameof(Names))]
    public void A_class_row_that_there_is_not_is_neither_read_nor_written(string deviceName)
    {
        using VimDevice device = DevicesUnderTest.Create(deviceName);
        using MergePlan plan = device.CreateMergePlan(1, new MergeStep(1, 6, 2, -1, -1), MergeOptions.Default);
        var (tokens, rows) = (device.Matrix(4, 3), device.Matrix(1, 3));
        device.Match(1, new() { Metric = device.Matrix(6, 3) }, plan, device.Matrix(4, 1));
        Assert.ThrowsExactly<ArgumentException>(() => device.GatherClassRows(plan, tokens, rows));
        Assert.ThrowsExactly<ArgumentException>(() => device.ScatterClassRows(plan, rows, tokens));
    }

    [TestMethod]
    [DynamicData(nameof(Names))]
    public void A_plan_of_another_device_is_refused_as_the_one_before(string deviceName)
    {
        using VimDevice device = DevicesUnderTest.Create(deviceName), other = device is ReferenceDevice ? CpuDevice.Create() : new ReferenceDevice();
        var options = new MergeOptions { ClassPosition = MergeClassPosition.Exact };
        using MergePlan before = other.CreateMergePlan(1, new MergeStep(1, 8, 1, 3, 3), options);
        using MergePlan plan = device.CreateMergePlan(1, new MergeStep(2, 7, 1, 3, 2), options);
        var (metric, sizes) = (device.Matrix(7, 2), device.Matrix(6, 1));
        Assert.ThrowsExactly<ArgumentException>(() => device.Match(1, new() { Metric = metric, Previous = before }, plan, sizes));
    }

    /// <summary>Tokens before, removed, class row before and after.</summary>
    [TestMethod]
    [DataRow(9, 0, 3, 3)]
    [DataRow(9, 5, 3, 1)]
    [DataRow(9, -1, 3, 3)]
    [DataRow(2, 1, 0, 0)]
    [DataRow(9, 2, 9, 2)]
    [DataRow(9, 2, -1, 2)]
    [DataRow(9, 2, 3, 7)]
    [DataRow(9, 2, 3, -1)]
    [DataRow(9, 2, 3, 1000)]
    public void A_step_that_contradicts_itself_gets_no_plan(int tokens, int removed, int classRowIn, int classRowOut)
    {
        foreach (string name in DevicesUnderTest.Names)
        {
            using VimDevice device = DevicesUnderTest.Create(name);
            Assert.ThrowsExactly<ArgumentException>(() => device.CreateMergePlan(1, new MergeStep(2, tokens, removed, classRowIn, classRowOut), MergeOptions.Default));
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => device.CreateMergePlan(0, new MergeStep(2, 9, 2, 3, 2), MergeOptions.Default));
        }
    }
}
