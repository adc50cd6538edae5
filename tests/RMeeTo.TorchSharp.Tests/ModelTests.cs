using RMeeTo.Vim;
using RMeeTo.Vim.Retraining;
using RMeeTo.Vim.Tests.Devices;
using RMeeTo.Vim.Tests.Retraining;

namespace RMeeTo.TorchSharp.Tests;

/// <summary>Models from end to end: trained on one device, used on the other.</summary>
[TestClass]
public sealed class ModelTests
{
    [TestMethod]
    public void A_model_trained_here_runs_on_the_CPU_device_and_the_other_way_round()
    {
        DevicesUnderTest.RequireLibTorch();
        var torchSharp = TorchSharpDeviceProvider.Cpu();
        var (training, images) = (TinyTask.Images(90, 1), TinyTask.Images(30, 2));
        var options = TinyTask.Options with { Epochs = 2, LearningRate = 1e-2, Lanes = 1 };
        var here = Retrainer.Run(TinyTask.Model(4), training, null, options with { Device = torchSharp });
        var there = Retrainer.Run(TinyTask.Model(4), training, null, options);

        // The same images in the same order: the two runs drift apart by rounding only.
        double moved = Distance(there.Model, TinyTask.Model(4)), drifted = Distance(here.Model, there.Model);
        Assert.IsGreaterThan(5e-3, moved, "it learns");
        Assert.IsLessThan(0.05 * moved, drifted, "both learn the same");
        foreach (var (first, second) in here.Epochs.Zip(there.Epochs)) Assert.AreEqual(second.Loss, first.Loss, 0.01 * second.Loss, $"epoch {first.Epoch}");

        foreach (var model in new[] { here.Model, there.Model })
        {
            var file = new MemoryStream();
            model.Save(file);
            file.Position = 0;
            var loaded = VimModel.Load(file);
            using VimClassifier plain = new(loaded, threads: 1), onTorch = new(loaded, threads: 1, torchSharp);
            float[] expected = Scores(plain, images), actual = Scores(onTorch, images);
            for (int i = 0; i < expected.Length; i++) Assert.AreEqual(expected[i], actual[i], 1e-4f, $"probability {i}");
        }
    }

    /// <summary>The mean distance of a weight from its counterpart.</summary>
    private static double Distance(VimModel a, VimModel b) => a.Weights.Values.Zip(b.Weights.Values, (x, y) => Math.Abs(x - y)).Average();

    private static float[] Scores(VimClassifier classifier, ImageSet images)
    {
        var probabilities = new float[images.Count * TinyTask.Config.Classes];
        classifier.Predict([.. images.Indices.Select(images.Store.Read)], probabilities);
        return probabilities;
    }
}
