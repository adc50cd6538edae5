using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Cpu;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Tests.Devices;
using RMeeTo.Vim.Tests.Retraining;

namespace RMeeTo.Vim.Tests;

[TestClass]
public sealed class NetworkRunnerTests
{
    private const int Images = 21; // more than two batches of 8

    public static IEnumerable<object[]> Widths => SimdWidths.Supported.Select(width => new object[] { width.ToString() });

    /// <summary>Alone, in batches of any size, on any number of threads: the same bits.</summary>
    [TestMethod]
    [DynamicData(nameof(Widths))]
    public void AnImageDoesNotDependOnTheImagesBesideIt(string width)
    {
        var provider = new CpuDeviceProvider(Enum.Parse<SimdWidth>(width));
        foreach (int tokensPerMerge in new[] { 0, 5 })
        {
            using var device = provider.CreateDevice();
            using var weights = new DeviceWeights(device, TinyTask.Model().Weights, forTraining: false);
            var network = new VimNetwork(weights, MergeSchedule.Uniform(TinyTask.Config, tokensPerMerge, interval: 1), MergeOptions.Default);
            using var single = new NetworkRunner(network, provider, threads: 1);
            float[][] alone = [.. Enumerable.Range(0, Images).Select(i => Run(single, i, 1)[0])];
            foreach (int threads in new[] { 1, 2, 3 })
            {
                using var runner = new NetworkRunner(network, provider, threads);
                Assert.AreEqual(8, runner.BatchCapacity);
                foreach (int count in new[] { 1, 2, 3, 8, 9, Images })
                    foreach (var (got, i) in Run(runner, 0, count).Select((result, i) => (result, i)))
                        Assert.IsTrue(alone[i].AsSpan().SequenceEqual(got), $"{width}, {tokensPerMerge} a merge, {threads} threads, image {i} of {count}");
            }
        }
    }

    /// <summary>A device that takes whole batches, of any size, and computes late: the bits of the CPU, in order, every image prepared once.</summary>
    [TestMethod]
    [DataRow(1, 1)]
    [DataRow(3, 2)]
    [DataRow(4, 3)]
    [DataRow(null, 2)]
    public void ADeviceOfWholeBatchesGivesTheSame(int? batch, int threads)
    {
        foreach (var (tokensPerMerge, options) in new[] { (0, MergeOptions.Default), (5, MergeOptions.Default), (5, new() { ShuffleRate = 0.5 }) })
        {
            using var cpu = CpuDevice.Create();
            using var weights = new DeviceWeights(cpu, TinyTask.Model().Weights, forTraining: false);
            var schedule = MergeSchedule.Uniform(TinyTask.Config, tokensPerMerge, interval: 1);
            using var single = new NetworkRunner(new VimNetwork(weights, schedule, options), CpuDeviceProvider.Instance, threads: 1);
            float[][] expected = Run(single, 0, Images);

            var gpu = new PlayedGpu { Batch = batch };
            using var device = gpu.CreateDevice();
            using var own = new DeviceWeights(device, TinyTask.Model().Weights, forTraining: false);
            using var runner = new NetworkRunner(new VimNetwork(own, schedule, options), gpu, threads);
            foreach (int count in new[] { 1, 2, 3, 8, 9, Images, Images, Images })
            {
                var (filled, order) = (new int[count], new List<int>());
                int waits = gpu.Queue.Waits;
                runner.Run(count, (i, destination) =>
                {
                    Interlocked.Increment(ref filled[i]);
                    Draw(i, destination);
                }, (i, probabilities, features) =>
                {
                    order.Add(i);
                    CollectionAssert.AreEqual(expected[i], (float[])[.. probabilities, .. features], $"image {i} of {count}, {tokensPerMerge} a merge");
                }, withFeatures: true);
                Assert.IsTrue(filled.All(times => times == 1) && order.SequenceEqual(Enumerable.Range(0, count)), string.Join(", ", order));
                int batches = (count + runner.BatchCapacity - 1) / runner.BatchCapacity;
                if (options.ShuffleRate == 0) Assert.AreEqual(batches, gpu.Queue.Waits - waits, "a wait a batch");
            }
            Assert.AreEqual(options.ShuffleRate == 0, gpu.Queue.Repeats > 0, "recorded");
            Assert.IsLessThanOrEqualTo(4, gpu.Devices, "weights, to look at the memory, memory to copy from, activations");
        }
    }

    [TestMethod]
    public void ABatchFitsIntoTheMemoryOfTheDevice()
    {
        using var cpu = CpuDevice.Create();
        using var weights = new DeviceWeights(cpu, TinyTask.Model().Weights, forTraining: false);
        var network = new VimNetwork(weights, MergeSchedule.Dense(TinyTask.Config), MergeOptions.Default);
        long ofSixteen = sizeof(float) * network.ActivationsLength(cpu, 16) + 16L * network.InputLength;
        Assert.AreEqual(128, Capacity(long.MaxValue));
        Assert.AreEqual(16, Capacity((long)(1.3 * ofSixteen)));
        Assert.AreEqual(8, Capacity((long)(1.2 * ofSixteen)), "a fifth is left alone");
        Assert.AreEqual(1, Capacity(1), "one is always tried");

        int Capacity(long free)
        {
            using var runner = new NetworkRunner(network, new PlayedGpu { Batch = 128, FreeMemory = free }, threads: 1);
            return runner.BatchCapacity;
        }
    }

    /// <summary>No operator is called image by image, not even where a part of the tokens would do.</summary>
    [TestMethod]
    public void ADeviceOfWholeBatchesIsCalledNoMoreOftenForManyImages()
    {
        var gpu = new PlayedGpu();
        using var device = gpu.CreateDevice();
        using var weights = new DeviceWeights(device, TinyTask.Model().Weights, forTraining: false);
        var network = new VimNetwork(weights, MergeSchedule.Uniform(TinyTask.Config, 5, interval: 1), MergeOptions.Default);
        using var workspace = network.CreateWorkspace(device, 9, forTraining: false);
        Assert.AreEqual(Calls(2), Calls(9));

        long Calls(int batch)
        {
            long before = gpu.Queue.Called;
            network.Forward(device, workspace, batch);
            return gpu.Queue.Called - before;
        }
    }

    /// <summary>A single image is not kept waiting by a long run, and no more images are prepared at once than there are threads.</summary>
    [TestMethod]
    public void CallersOfADeviceOfWholeBatchesTakeTurns()
    {
        const int Callers = 5, Threads = 2;
        var gpu = new PlayedGpu { Batch = 2 };
        using var device = gpu.CreateDevice();
        using var weights = new DeviceWeights(device, TinyTask.Model().Weights, forTraining: false);
        using var runner = new NetworkRunner(new VimNetwork(weights, MergeSchedule.Dense(TinyTask.Config), MergeOptions.Default), gpu, Threads);
        float[] expected = Run(runner, 0, 1)[0];
        using var longRunsEnd = new CancellationTokenSource();
        int preparing = 0;
        long longest = 0;
        var longRuns = Enumerable.Range(0, Callers).Select(_ => Task.Factory.StartNew(() => runner.Run(int.MaxValue, Fill, (i, probabilities, _) =>
        {
            if (i == 0) CollectionAssert.AreEqual(expected[..3], probabilities.ToArray());
        }, longRunsEnd.Token), TaskCreationOptions.LongRunning)).ToList();
        for (int i = 0; i < 20; i++) CollectionAssert.AreEqual(expected, Run(runner, 0, 1)[0]);
        longRunsEnd.Cancel();
        foreach (var run in longRuns) Assert.Throws<OperationCanceledException>(() => run.GetAwaiter().GetResult());
        Assert.IsLessThanOrEqualTo(Threads, (int)longest, "images at once");
        Assert.IsLessThanOrEqualTo(4, gpu.Devices);

        void Fill(int i, Span<float> destination)
        {
            int now = Interlocked.Increment(ref preparing);
            InterlockedMax(ref longest, now);
            Draw(i, destination);
            Interlocked.Decrement(ref preparing);
        }

        static void InterlockedMax(ref long largest, long value)
        {
            for (long seen = Volatile.Read(ref largest); value > seen;)
                if (Interlocked.CompareExchange(ref largest, value, seen) is var found && found == seen) return;
                else seen = found;
        }
    }

    [TestMethod]
    public void AnExceptionOfAnImageLeavesADeviceOfWholeBatchesAsItWas()
    {
        var gpu = new PlayedGpu { Batch = 3 };
        using var device = gpu.CreateDevice();
        using var weights = new DeviceWeights(device, TinyTask.Model().Weights, forTraining: false);
        using var runner = new NetworkRunner(new VimNetwork(weights, MergeSchedule.Dense(TinyTask.Config), MergeOptions.Default), gpu, threads: 2);
        float[][] expected = Run(runner, 0, Images);
        foreach (int bad in new[] { 0, 4, Images - 1 })
        {
            var e = Assert.ThrowsExactly<FormatException>(() => runner.Run(Images, (i, destination) =>
            {
                if (i == bad) throw new FormatException($"image {i}");
                Draw(i, destination);
            }, (i, _, _) => Assert.IsLessThan(bad, i)));
            Assert.AreEqual($"image {bad}", e.Message);
            Assert.Throws<InvalidCastException>(() => runner.Run(Images, Draw, (i, _, _) => throw new InvalidCastException()));
            using var stop = new CancellationTokenSource();
            Assert.Throws<OperationCanceledException>(() => runner.Run(Images, (i, destination) =>
            {
                if (i == bad) stop.Cancel();
                Draw(i, destination);
            }, (i, _, _) => Assert.IsLessThan(bad, i), stop.Token));
            Assert.IsTrue(Run(runner, 0, Images).Zip(expected).All(pair => pair.First.SequenceEqual(pair.Second)));
        }
    }

    /// <summary>Where there was no memory for a larger batch, smaller ones go on.</summary>
    [TestMethod]
    public void InputsThatCouldNotGrowAreThoseOfNobody()
    {
        using var device = CpuDevice.Create();
        using var staged = new StagedBatches(bytes => bytes <= 80 ? device.AllocateHost(bytes) : throw new OutOfMemoryException());
        var small = staged.Inputs(slot: 0, 40);
        Assert.AreSame(small, staged.Inputs(0, 30));
        Assert.ThrowsExactly<OutOfMemoryException>(() => staged.Inputs(0, 100));
        Assert.ThrowsExactly<ObjectDisposedException>(() => _ = small.Pointer);
        staged.Inputs(0, 40).Bytes(0, 40).Clear();
    }

    [TestMethod]
    public void NoTokensRemovedIsThePlainNetwork()
    {
        using var device = CpuDevice.Create();
        using var weights = new DeviceWeights(device, TinyTask.Model().Weights, forTraining: false);
        using var plain = new NetworkRunner(new VimNetwork(weights, MergeSchedule.Dense(TinyTask.Config), MergeOptions.Default), CpuDeviceProvider.Instance, 1);
        using var merged = new NetworkRunner(new VimNetwork(weights, MergeSchedule.Uniform(TinyTask.Config, 0, interval: 1), MergeOptions.Default), CpuDeviceProvider.Instance, 1);
        using var really = new NetworkRunner(new VimNetwork(weights, MergeSchedule.Uniform(TinyTask.Config, 1, interval: 1), MergeOptions.Default), CpuDeviceProvider.Instance, 1);
        for (int i = 0; i < 3; i++)
        {
            float[] expected = Run(plain, i, 1)[0];
            CollectionAssert.AreEqual(expected, Run(merged, i, 1)[0]);
            CollectionAssert.AreNotEqual(expected, Run(really, i, 1)[0]);
        }
    }

    [TestMethod]
    public void NoMoreDevicesWorkThanThreadsWereAskedFor()
    {
        var provider = new CountingProvider();
        using var device = CpuDevice.Create();
        using var weights = new DeviceWeights(device, TinyTask.Model().Weights, forTraining: false);
        using var runner = new NetworkRunner(new VimNetwork(weights, MergeSchedule.Dense(TinyTask.Config), MergeOptions.Default), provider, threads: 2);
        Parallel.For(0, 6, new ParallelOptions { MaxDegreeOfParallelism = 6 }, _ => Run(runner, 0, Images));
        Assert.IsLessThanOrEqualTo(2, provider.Devices);
    }

    [TestMethod]
    public void AnExceptionOfAnImageReachesTheCallerAndNothingIsLost()
    {
        var provider = new CountingProvider();
        using var device = CpuDevice.Create();
        using var weights = new DeviceWeights(device, TinyTask.Model().Weights, forTraining: false);
        using var runner = new NetworkRunner(new VimNetwork(weights, MergeSchedule.Dense(TinyTask.Config), MergeOptions.Default), provider, threads: 2);
        float[] expected = Run(runner, 0, 1)[0];
        for (int attempt = 0; attempt < 5; attempt++)
        {
            var e = Assert.ThrowsExactly<FormatException>(() => runner.Run(Images, (i, _) => throw new FormatException($"image {i}"), (_, _, _) => { }));
            StringAssert.StartsWith(e.Message, "image ");
            using var cancelled = new CancellationTokenSource();
            cancelled.Cancel();
            Assert.Throws<OperationCanceledException>(() => runner.Run(Images, (_, _) => { }, (_, _, _) => { }, cancelled.Token));
        }
        CollectionAssert.AreEqual(expected, Run(runner, 0, 1)[0]);
        Assert.IsLessThanOrEqualTo(2, provider.Devices, "devices are used again");
        runner.Run(0, (_, _) => Assert.Fail("there are no images"), (_, _, _) => { });
    }

    /// <summary>Probabilities and features of images first … first + count − 1; the pixels of an image depend on its number only.</summary>
    private static float[][] Run(NetworkRunner runner, int first, int count)
    {
        var results = new float[count][];
        runner.Run(count, (i, destination) => Draw(first + i, destination),
            (i, probabilities, features) => results[i] = [.. probabilities, .. features], withFeatures: true);
        return results;
    }

    private static void Draw(int image, Span<float> destination)
    {
        var random = new Random(image);
        foreach (ref float value in destination) value = random.NextSingle() * 4 - 2;
    }

    private sealed class CountingProvider : IVimDeviceProvider
    {
        private int _devices;

        public int Devices => _devices;

        public string Name => "counting";

        public int Workers(int threads) => threads;

        public VimDevice CreateDevice()
        {
            Interlocked.Increment(ref _devices);
            return CpuDevice.Create();
        }
    }
}
