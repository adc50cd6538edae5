using RMeeTo.Vim.Devices.Cpu;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Retraining;
using RMeeTo.Vim.Retraining.Distributed;

namespace RMeeTo.Vim.Tests.Retraining;

/// <summary>Validation counts every image, whatever the batches and threads.</summary>
[TestClass]
public sealed class ValidatorTests
{
    [TestMethod]
    [DataRow(1)]
    [DataRow(3)]
    public void EveryImageCounts(int threads)
    {
        var config = TinyTask.Config with { Classes = 7 };
        var model = new VimModel(VimInitializer.Create(config, 3), [.. Enumerable.Range(0, 7).Select(i => $"{i}")]);
        foreach (int count in new[] { 1, 2, 9, 41 })
        {
            var store = new ImageStore();
            var pictures = TinyTask.Images(count, seed: 5);
            for (int k = 0; k < count; k++) store.Add(pictures.Store.Read(k), k * 5 % 7);
            var images = new ImageSet(store);
            float[] probabilities = new float[count * 7];
            using (var classifier = new VimClassifier(model, threads: 1)) classifier.Predict([.. images.Indices.Select(images.Store.Read)], probabilities);

            var (top1, top5, loss) = (0, 0, 0.0);
            for (int k = 0; k < count; k++)
            {
                float[] row = probabilities[(k * 7)..(k * 7 + 7)];
                int[] order = [.. Enumerable.Range(0, 7).OrderByDescending(i => row[i]).ThenBy(i => i)];
                top1 += order[0] == images.Label(k) ? 1 : 0;
                top5 += order.Take(5).Contains(images.Label(k)) ? 1 : 0;
                loss -= Math.Log(row[images.Label(k)]);
            }
            var score = Score(model, images, threads);
            Assert.AreEqual((top1 / (double)count, top5 / (double)count), (score.Top1, score.Top5), $"{count} images");
            Assert.AreEqual(loss / count, score.Loss, 1e-7, $"{count} images");
        }
    }

    [TestMethod]
    public void FewerThanFiveClassesHaveNoTop5() => Assert.IsNull(Score(TinyTask.Model(), TinyTask.Images(6, 1), 1).Top5);

    /// <summary>Logits so far apart that a probability is 0: the loss is large, and can still be compared and written.</summary>
    [TestMethod]
    public void AnImpossibleClassHasAFiniteLoss()
    {
        var model = TinyTask.Model();
        model.Weights["head.bias"][0] = 1000;
        var score = Score(model, TinyTask.Images(9, 1), 1);
        Assert.AreEqual(1 / 3.0, score.Top1);
        Assert.AreEqual(2 / 3.0 * -Math.Log(float.Epsilon), score.Loss, 1e-7);
    }

    private static ValidationScore Score(VimModel model, ImageSet images, int threads)
    {
        var provider = CpuDeviceProvider.Instance;
        using var device = provider.CreateDevice();
        using var weights = new DeviceWeights(device, model.Weights, forTraining: false);
        using var validator = new Validator(images, model.Preprocessing, model.CreateNetwork(weights), provider, threads, new TrainingProcesses(null));
        var first = validator.Score(default);
        Assert.AreEqual(first, validator.Score(default), "again");
        return first;
    }
}
