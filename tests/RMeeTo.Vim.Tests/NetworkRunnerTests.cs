using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Cpu;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;
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
        runner.Run(count, (i, destination) =>
        {
            var random = new Random(first + i);
            foreach (ref float value in destination) value = random.NextSingle() * 4 - 2;
        }, (i, probabilities, features) => results[i] = [.. probabilities, .. features], withFeatures: true);
        return results;
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
