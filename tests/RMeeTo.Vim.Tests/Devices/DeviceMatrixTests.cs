using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;

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
