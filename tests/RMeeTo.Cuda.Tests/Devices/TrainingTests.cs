using RMeeTo.Cuda.Tests.Emulation;
using RMeeTo.Vim;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Retraining;
using RMeeTo.Vim.Tests.Devices;
using RMeeTo.Vim.Tests.Retraining;

namespace RMeeTo.Cuda.Tests.Devices;

/// <summary>Whole runs on the emulated GPU, against the CPU: whole batches, inputs that are sent at once, recorded passes, pixels that are normalised there.</summary>
[TestClass]
public sealed class TrainingTests
{
    private static readonly RetrainOptions s_options = TinyTask.Options with
    {
        Epochs = 2, BatchSize = 6, TeacherLossWeight = 0.5, MinimumCropArea = 0.5, DropPath = 0.1, Mix = new() { CutMix = 0 }, Ema = new() { Decay = 0.5 },
    };

    /// <summary>The numbers of both differ in the last digits, and training makes more of that; where blocks run in another order nothing may differ.</summary>
    [TestMethod]
    public void ARunEndsWhereTheCpusDoes()
    {
        var expected = Train(s_options with { Lanes = 1 });
        var first = OnGpu(LaunchOrder.Forward, device => Train(s_options with { Device = device }));
        var second = OnGpu(LaunchOrder.Shuffled, device => Train(s_options with { Device = device, LoaderThreads = 2 }));
        Assert.IsTrue(first.Model.Weights.Values.AsSpan().SequenceEqual(second.Model.Weights.Values), "the same bits in any order of blocks");
        for (int i = 0; i < expected.Epochs.Count; i++) Assert.AreEqual(expected.Epochs[i].Loss, first.Epochs[i].Loss, 1e-4);
        double moved = Distance(expected.Model, TinyTask.Model(4)), apart = Distance(expected.Model, first.Model);
        Assert.IsLessThan(0.01, apart / moved, $"{apart} apart after {moved}");
    }

    private static double Distance(VimModel a, VimModel b) =>
        Math.Sqrt(a.Weights.Values.Zip(b.Weights.Values, (x, y) => ((double)x - y) * ((double)x - y)).Sum());

    [TestMethod]
    public void AClassifierSaysWhatTheCpuSays()
    {
        var images = TinyTask.Images(11, seed: 3);
        RgbImage[] pictures = [.. images.Indices.Select(images.Store.Read)];
        var expected = Classify(null);
        foreach (float[] actual in OnGpu(LaunchOrder.Forward, device => new[] { Classify(device), Classify(device) }))
            for (int i = 0; i < expected.Length; i++) Assert.AreEqual(expected[i], actual[i], 1e-5);

        float[] Classify(IVimDeviceProvider? device)
        {
            using var classifier = new VimClassifier(TinyTask.Model(5), threads: 2, device);
            var probabilities = new float[pictures.Length * 3];
            for (int pass = 0; pass < 3; pass++) classifier.Predict(pictures, probabilities); // as it comes, recorded, repeated
            return probabilities;
        }
    }

    private static RetrainResult<VimModel> Train(RetrainOptions options) =>
        Retrainer.Run(TinyTask.Model(4), TinyTask.Images(18, seed: 1), null, options);

    private static T OnGpu<T>(LaunchOrder order, Func<IVimDeviceProvider, T> work)
    {
        using var provider = new CudaDeviceProvider(DevicesUnderTest.Emulated(order, seed: 5));
        return work(provider);
    }
}
