using RMeeTo.Vim.Images;
using RMeeTo.Vim.Tests.Devices;
using RMeeTo.Vim.Tests.Retraining;

namespace RMeeTo.Vim.Tests;

[TestClass]
public sealed class VimClassifierTests
{
    private static readonly VimModel s_model = TinyTask.Model(5);
    private static readonly RgbImage[] s_images = [.. Enumerable.Range(0, 24).Select(TinyTask.Images(24, seed: 3).Store.Read)];

    [TestMethod]
    public void ProbabilitiesOfImagesOfAnySize()
    {
        using var classifier = new VimClassifier(s_model, threads: 2);
        var probabilities = new float[3 * 3 + 1];
        probabilities[^1] = 42;
        classifier.Predict([s_images[0], RgbImage.FromGrey(new byte[50 * 70], 50, 70), new RgbImage(new byte[3], 1, 1)], probabilities);
        for (int i = 0; i < 3; i++) Assert.AreEqual(1, probabilities.AsSpan(3 * i, 3).ToArray().Sum(), 1e-6);
        Assert.AreEqual(42, probabilities[^1], "not beyond the last image");

        var normalized = new float[2 * s_model.Preprocessing.OutputLength];
        for (int i = 0; i < 2; i++) s_model.Preprocessing.Apply(s_images[i], normalized.AsSpan(i * normalized.Length / 2, normalized.Length / 2));
        var (fromImages, fromInputs) = (new float[6], new float[6]);
        classifier.Predict(s_images[..2], fromImages);
        classifier.PredictNormalized(normalized, fromInputs);
        CollectionAssert.AreEqual(fromImages, fromInputs);
        classifier.Predict([], Memory<float>.Empty);
    }

    /// <summary>What the features are, said by the head: softmax(features · weightᵀ + bias) must be the probabilities.</summary>
    [TestMethod]
    public void FeaturesAreWhatTheHeadSees()
    {
        using var classifier = new VimClassifier(s_model, threads: 2);
        int width = s_model.Config.Width, classes = s_model.Config.Classes;
        var (probabilities, plain, features) = (new float[s_images.Length * classes], new float[s_images.Length * classes], new float[s_images.Length * width + 1]);
        features[^1] = 42;
        classifier.PredictWithFeatures(s_images, probabilities, features);
        classifier.Predict(s_images, plain);
        CollectionAssert.AreEqual(plain, probabilities);
        Assert.AreEqual(42, features[^1], "not beyond the last image");
        var weight = s_model.Weights["head.weight"].ToArray();
        var bias = s_model.Weights["head.bias"].ToArray();
        for (int i = 0; i < s_images.Length; i++)
        {
            var logits = new double[classes];
            for (int k = 0; k < classes; k++)
            {
                logits[k] = bias[k];
                for (int c = 0; c < width; c++) logits[k] += (double)weight[k * width + c] * features[i * width + c];
            }
            double sum = logits.Sum(Math.Exp);
            for (int k = 0; k < classes; k++) Assert.AreEqual(Math.Exp(logits[k]) / sum, probabilities[i * classes + k], 1e-5);
        }
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => classifier.PredictWithFeatures(s_images[..2], new float[6], new float[7])).Message, "there is room for 7");
    }

    /// <summary>A device of whole batches gives the same bits, whether it is given numbers or pixels.</summary>
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void ADeviceThatTakesPixelsGivesTheSame(bool takesPixels)
    {
        var images = s_images.Append(RgbImage.FromGrey(new byte[50 * 70], 50, 70)).Append(new RgbImage(new byte[3], 1, 1)).ToList();
        using var cpu = new VimClassifier(s_model, threads: 2);
        using var gpu = new VimClassifier(s_model, threads: 2, new PlayedGpu { TakesImageBytes = takesPixels, Batch = 7 });
        var (expected, actual) = (Predict(cpu), Predict(gpu));
        CollectionAssert.AreEqual(expected.Probabilities, actual.Probabilities);
        CollectionAssert.AreEqual(expected.Features, actual.Features);

        // And in the same call after it, inputs that are numbers whatever the device takes.
        int length = s_model.Preprocessing.OutputLength;
        var inputs = new float[images.Count * length];
        for (int i = 0; i < images.Count; i++) s_model.Preprocessing.Apply(images[i], inputs.AsSpan(i * length, length));
        var fromInputs = new float[images.Count * 3];
        gpu.PredictNormalized(inputs, fromInputs);
        CollectionAssert.AreEqual(expected.Probabilities, fromInputs);

        (float[] Probabilities, float[] Features) Predict(VimClassifier classifier)
        {
            var (probabilities, features) = (new float[images.Count * 3], new float[images.Count * s_model.Config.Width]);
            classifier.PredictWithFeatures(images, probabilities, features);
            return (probabilities, features);
        }
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void ConcurrentCallsShareTheWeightsAndNothingElse(bool wholeBatches)
    {
        using var classifier = new VimClassifier(s_model, threads: 2, wholeBatches ? new PlayedGpu { Batch = 5 } : null);
        var expected = new float[s_images.Length * 3];
        classifier.Predict(s_images, expected);
        Parallel.For(0, 40, new ParallelOptions { MaxDegreeOfParallelism = 8 }, call =>
        {
            int first = call % 7, count = 1 + call % 13;
            var probabilities = new float[count * 3];
            classifier.Predict(s_images[first..(first + count)], probabilities);
            Assert.IsTrue(expected.AsSpan(first * 3, count * 3).SequenceEqual(probabilities), $"images {first} to {first + count - 1}");
        });
    }

    [TestMethod]
    public void WrongArgumentsAreClear()
    {
        using var classifier = new VimClassifier(s_model, threads: 1);
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => classifier.Predict(s_images[..2], new float[5])).Message, "2 images of 3 classes need 6 values; there is room for 5");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => classifier.PredictNormalized(new float[1729], new float[6])).Message, "1729 values are not a whole number of images of 3·24·24 = 1728");
        Assert.ThrowsExactly<ArgumentException>(() => classifier.Predict([default], new float[3]));
        Assert.ThrowsExactly<ArgumentNullException>(() => new VimClassifier(null!));
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();
        Assert.Throws<OperationCanceledException>(() => classifier.Predict(s_images, new float[72], cancelled.Token));
    }

    [TestMethod]
    public void DisposeMayBeCalledAgainAndUseAfterwardsIsAnError()
    {
        var classifier = new VimClassifier(s_model, threads: 2);
        classifier.Predict(s_images, new float[72]);
        classifier.Dispose();
        classifier.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => classifier.Predict(s_images, new float[72]));
        Assert.ThrowsExactly<ObjectDisposedException>(() => classifier.PredictNormalized(new float[1728], new float[3]));
    }

    /// <summary>Weights are native memory; freed under a running call they would be read none the less.</summary>
    [TestMethod]
    public void ACallUnderWayIsFinishedAfterDispose()
    {
        var classifier = new VimClassifier(s_model, threads: 1);
        var (expected, actual) = (new float[72], new float[72]);
        classifier.Predict(s_images, expected);
        using ManualResetEventSlim inside = new(), disposed = new();
        var call = Task.Run(() => classifier.Predict(24, (i, destination) =>
        {
            inside.Set();
            disposed.Wait();
            s_model.Preprocessing.Apply(s_images[i], destination);
        }, actual, CancellationToken.None));
        inside.Wait();
        classifier.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => classifier.Predict(s_images, new float[72]));
        disposed.Set();
        call.Wait();
        CollectionAssert.AreEqual(expected, actual);
    }

    [TestMethod]
    public void TheLowestOfEqualsIsTheLargest()
    {
        Assert.AreEqual(1, VimClassifier.IndexOfMax([1, 3, 3, 2]));
        Assert.AreEqual(0, VimClassifier.IndexOfMax([float.NaN, float.NaN]));
    }
}
