using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Cpu;
using RMeeTo.Vim.Retraining.Distributed;
using RMeeTo.Vim.Tests.Devices;

namespace RMeeTo.Vim.Tests.Retraining.Distributed;

/// <summary>The sum of the lanes of several processes is that of one process, bit for bit.</summary>
[TestClass]
public sealed class OrderedSumTests
{
    [TestMethod]
    public void TheSumIsThatOfOneProcessBitForBit()
    {
        foreach (int size in (int[])[2, 3, 4, 5])
        foreach (int lanes in (int[])[5, 8])
        foreach (var (length, chunk) in ((int, int)[])[(1, 4), (255, 16), (1000, 1000), (1000, 7), (200_000, 70_000)])
        {
            float[] expected = Expected(Lanes(lanes, length));
            foreach (float[] sum in InMemoryGroup.Run(size, group => Sum(group, lanes, length, chunk)))
                CollectionAssert.AreEqual(expected, sum, $"{size} processes, {lanes} lanes, {length} values in chunks of {chunk}");
        }
    }

    /// <summary>Otherwise the test above would hold any order for right.</summary>
    [TestMethod]
    public void TheOrderDecidesTheLastBits()
    {
        float[][] lanes = Lanes(5, 1000);
        CollectionAssert.AreNotEqual(Expected(lanes), Expected([.. lanes.Reverse()]));
    }

    /// <summary>It has threads enough for a chunk, and would wait for many small ranges.</summary>
    [TestMethod]
    public void AGpuAddsAChunkAtOnce()
    {
        const int size = 3, lanes = 5, length = 400_000, chunk = 150_000;
        PlayedGpu[] gpus = [new(), new(), new()];
        float[] expected = Expected(Lanes(lanes, length));
        foreach (float[] sum in InMemoryGroup.Run(size, group => Sum(group, gpus[group.Rank], lanes, length, chunk))) CollectionAssert.AreEqual(expected, sum);
        foreach (var gpu in gpus) Assert.AreEqual(2 * 3, gpu.Queue.Called, "sums of three chunks, twice");
    }

    /// <summary>In a process: sums its lanes with those of the others, twice, so that what the first sum left cannot hide in the second.</summary>
    public static float[] Sum(IProcessGroup group, int lanes, int length, int chunk) => Sum(group, CpuDeviceProvider.Instance, lanes, length, chunk);

    private static float[] Sum(IProcessGroup group, IVimDeviceProvider provider, int lanes, int length, int chunk)
    {
        using var device = provider.CreateDevice();
        using var team = new WorkerTeam(2);
        int first = lanes * group.Rank / group.Size, end = lanes * (group.Rank + 1) / group.Size;
        var mine = Lanes(lanes, length)[first..end];
        var buffers = mine.Select(_ => device.Allocate(length)).ToList();
        using var sum = new OrderedSum(group, team, provider, buffers, chunk);
        var result = new float[length];
        for (int repeat = 0; repeat < 2; repeat++)
        {
            for (int i = 0; i < mine.Length; i++) buffers[i].Write(mine[i]);
            sum.Run();
            sum.Result[0].Read(result);
        }
        buffers.ForEach(buffer => buffer.Dispose());
        return result;
    }

    /// <summary>What is added to a sum is added to it once, after lane 0: as in a process alone, where the sum is left in lane 0.</summary>
    [TestMethod]
    public void ASumThatGoesOnStaysInLaneZeroAlone()
    {
        float[][] lanes = Lanes(5, 300);
        float[] expected = Expected([Expected(lanes), .. lanes]);
        foreach (float[] sum in InMemoryGroup.Run(3, Twice)) CollectionAssert.AreEqual(expected, sum);

        float[] Twice(IProcessGroup group)
        {
            using var device = CpuDeviceProvider.Instance.CreateDevice();
            using var team = new WorkerTeam(1);
            var mine = lanes[(5 * group.Rank / 3)..(5 * (group.Rank + 1) / 3)];
            var buffers = mine.Select(_ => device.Allocate(300)).ToList();
            using var sum = new OrderedSum(group, team, CpuDeviceProvider.Instance, buffers, chunk: 100);
            for (int i = 0; i < mine.Length; i++) buffers[i].Write(mine[i]);
            sum.Run(goesOn: true);
            var values = new float[300];
            for (int i = 0; i < mine.Length; i++)
            {
                buffers[i].Read(values);
                bool first = group.Rank == 0 && i == 0;
                CollectionAssert.AreEqual(first ? Expected(lanes) : new float[300], values, $"lane {i} of process {group.Rank}");
                // The first lane's gradient is added to the sum, the others' to nothing; added, not summed, so that the order is that of the lanes.
                buffers[i].Write([.. values.Zip(mine[i], (x, y) => x + y)]);
            }
            sum.Run();
            sum.Result[0].Read(values);
            buffers.ForEach(buffer => buffer.Dispose());
            return values;
        }
    }

    /// <summary>A lane that is too short stands for a device that fails. The others, which wait for values, are not left waiting.</summary>
    [TestMethod]
    [DataRow(0)]
    [DataRow(1)]
    [DataRow(2)]
    public void ADeviceThatFailsEndsTheGroup(int failing)
    {
        var errors = InMemoryGroup.Run(3, group => Assert.ThrowsExactly<ProcessGroupException>(() =>
        {
            using var device = CpuDeviceProvider.Instance.CreateDevice();
            using var team = new WorkerTeam(2);
            using DeviceBuffer first = device.Allocate(300), second = device.Allocate(group.Rank == failing ? 150 : 300);
            using var sum = new OrderedSum(group, team, CpuDeviceProvider.Instance, [first, second], chunk: 100);
            sum.Run();
        }));
        StringAssert.StartsWith(errors[failing].Message, $"Process {failing} of 3 failed when gradients were summed: ");
        Assert.IsNotNull(errors[failing].InnerException);
    }

    /// <summary>Values of many sizes, so that the order of a sum shows.</summary>
    public static float[][] Lanes(int lanes, int length) => [.. Enumerable.Range(0, lanes).Select(lane =>
    {
        var random = new Random(lane);
        return Enumerable.Range(0, length).Select(_ => (float)((random.NextDouble() - 0.5) * Math.Pow(10, random.Next(-6, 7)))).ToArray();
    })];

    /// <summary>((lane 0 + lane 1) + lane 2) + …</summary>
    public static float[] Expected(float[][] lanes) => lanes.Aggregate((sum, lane) => [.. sum.Zip(lane, (x, y) => x + y)]);
}
