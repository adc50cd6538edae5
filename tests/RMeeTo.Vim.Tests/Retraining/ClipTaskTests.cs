using RMeeTo.Vim.Analysis;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Retraining;
using RMeeTo.Vim.Tests.Devices;

namespace RMeeTo.Vim.Tests.Retraining;

/// <summary>Networks for clips from a store of videos to class probabilities.</summary>
[TestClass]
public sealed class ClipTaskTests
{
    private static readonly VimConfig Config = TinyTask.Config with { Frames = 4, TubeletSize = 2, ClassToken = ClassTokenPosition.First, AverageDirections = false };

    private static readonly string[] Names = ["down", "still", "up"];

    /// <summary>Which way a bright patch moves: who only sees whether it moves is right in two cases of three.</summary>
    [TestMethod]
    public void WhatMovesHowIsLearntWithMerges()
    {
        var (training, validation) = (Clips(150, 1), Clips(60, 2));
        // Vim's initialisation: VideoMamba's is small, for widths that are not, and takes longer to leave the plateau.
        var model = new VimModel(VimInitializer.Create(Config, 1, family: InitialisationFamily.Vim), Names, MergeSchedule.Uniform(Config, 6, interval: 1));
        var options = TinyTask.Options with { Epochs = 16, Threads = 0, FlipProbability = 0, LearningRate = 6e-3 };
        var result = Retrainer.Run(model, training, validation, options);
        Assert.IsGreaterThan(0.72, result.BestTop1!.Value, $"from {result.StartTop1}: {string.Join(" ", result.Epochs.Select(e => $"{e.Loss:0.00}/{e.ValidationTop1:0.00}"))}");
        using var classifier = new VimClassifier(result.Model);
        var probabilities = new float[60 * 3];
        classifier.PredictClips([.. Enumerable.Range(0, 60).Select(i => Clip(validation, i))], probabilities);
        double top1 = Enumerable.Range(0, 60).Count(k => ImageClassifier.IndexOfMax(probabilities.AsSpan(k * 3, 3)) == validation.Label(k)) / 60.0;
        Assert.AreEqual(result.BestTop1!.Value, top1, 1e-9);
    }

    [TestMethod]
    public void TheThreadsDoNotMatter()
    {
        var training = Clips(20, 1);
        var model = new VimModel(VimInitializer.Create(Config, 1), Names, MergeSchedule.Uniform(Config, 6, interval: 1));
        var runs = new[] { 1, 3 }.Select(threads => Retrainer.Run(model, training, null, TinyTask.Options with { Threads = threads, MinimumCropArea = 0.5, TeacherLossWeight = 0.5 })).ToList();
        TinyTask.AssertSameWeights(runs[0].Model, runs[1].Model, "1 and 3 threads");
        CollectionAssert.AreNotEqual(model.Weights.Values, runs[0].Model.Weights.Values);

        var clips = Enumerable.Range(0, 5).Select(i => Clip(training, i)).ToList();
        float[][] results = [.. new[] { 1, 3 }.Select(threads =>
        {
            using var classifier = new VimClassifier(model, threads);
            var probabilities = new float[5 * 3];
            classifier.PredictClips(clips, probabilities, ClipViews.Published);
            return probabilities;
        })];
        CollectionAssert.AreEqual(results[0], results[1]);
    }

    /// <summary>Training, validation and views of clips on a device of whole batches, which takes their frames as pixels: the same bits.</summary>
    [TestMethod]
    public void ADeviceOfWholeBatchesDoesNotMatter()
    {
        var (training, validation) = (Clips(20, 1), Clips(9, 2));
        var model = new VimModel(VimInitializer.Create(Config, 1), Names, MergeSchedule.Uniform(Config, 6, interval: 1));
        var options = TinyTask.Options with { MinimumCropArea = 0.5, TeacherLossWeight = 0.5, Mix = new(), RandomErasing = 0.5 };
        var expected = Retrainer.Run(model, training, validation, options with { Lanes = 1, Device = new CpuInBatches(10) });
        RepeatedRuns.AssertSame(expected, Retrainer.Run(model, training, validation, options with { Device = new PlayedGpu { Batch = 4 } }), "clips");

        var clips = Enumerable.Range(0, 5).Select(i => Clip(training, i)).Append(Images.VideoClipTests.Clip(3, 24, 24, 50)).ToList();
        float[][] results = [.. new IVimDeviceProvider?[] { null, new PlayedGpu { Batch = 4 }, new PlayedGpu { TakesImageBytes = false } }.Select(device =>
        {
            using var classifier = new VimClassifier(model, 2, device);
            var probabilities = new float[6 * 3];
            classifier.PredictClips(clips, probabilities, ClipViews.Published);
            return probabilities;
        })];
        CollectionAssert.AreEqual(results[0], results[1]);
        CollectionAssert.AreEqual(results[0], results[2]);
    }

    [TestMethod]
    public void TheResultOfSeveralViewsIsTheirMean()
    {
        var model = new VimModel(VimInitializer.Create(Config, 5), Names);
        var clips = new[] { Images.VideoClipTests.Clip(11, 40, 30), Images.VideoClipTests.Clip(3, 24, 24, 50) };
        var views = new ClipViews { Times = 2, Crops = 3 };
        using var classifier = new VimClassifier(model, threads: 2);
        float[] together = new float[2 * 3], features = new float[2 * 16], inputs = new float[2 * 6 * Config.InputLength], alone = new float[2 * 6 * 3];
        classifier.PredictClipsWithFeatures(clips, together, features, views);
        for (int i = 0; i < 12; i++) model.Preprocessing.Apply(clips[i / 6], 4, views, i % 6, inputs.AsSpan(i * Config.InputLength, Config.InputLength));
        classifier.PredictNormalized(inputs, alone);
        for (int i = 0; i < 6; i++)
            Assert.AreEqual(Enumerable.Range(0, 6).Average(view => (double)alone[(i / 3 * 6 + view) * 3 + i % 3]), together[i], 1e-6);
        Assert.IsTrue(features.All(f => f != 0));
        Assert.IsGreaterThan(1, Enumerable.Range(0, 6).Select(view => alone[view * 3]).Distinct().Count(), "views differ");
        Assert.AreEqual(1, model.Preprocessing.CropRatio, "clips are not cut at all four edges");
    }

    [TestMethod]
    public void TheTokensOfAClipAreFollowed()
    {
        var model = new VimModel(VimInitializer.Create(Config, 5), Names, MergeSchedule.Uniform(Config, 9, interval: 1));
        var sources = MergedTokens.Trace(model, Images.VideoClipTests.Clip(4, 24, 24));
        Assert.AreEqual(73, model.Config.Tokens);
        int[] rows = [.. Enumerable.Range(0, 73).Select(token => sources.RowOfToken[token])];
        Assert.AreEqual(0, rows[0], "class token");
        Assert.AreEqual(73 - 3 * 9, rows.Distinct().Count());
        Assert.ThrowsExactly<ArgumentException>(() => MergedTokens.Trace(model, RgbImage.FromGrey(new byte[4], 2, 2)));
        Assert.ThrowsExactly<ArgumentException>(() => MergedTokens.Trace(TinyTask.Model(), Images.VideoClipTests.Clip(4, 24, 24)));
    }

    [TestMethod]
    public void SchedulesAreSearchedOnClipsToo()
    {
        var model = new VimModel(VimInitializer.Create(Config, 5), Names);
        using var evaluator = new ScheduleEvaluator(model, Clips(6, 1), threads: 1);
        var evaluation = evaluator.Evaluate(MergeSchedule.Uniform(Config, 9, interval: 1));
        Assert.IsGreaterThan(1, evaluation.Speedup);
        Assert.IsGreaterThan(0, evaluation.Divergence);
        Assert.ThrowsExactly<ArgumentException>(() => new ScheduleEvaluator(TinyTask.Model(), Clips(6, 1), threads: 1));
    }

    [TestMethod]
    public void ImagesAreNoClipsAndClipsNoImages()
    {
        var (video, image) = (new VimModel(VimInitializer.Create(Config, 5), Names), TinyTask.Model());
        var clips = Clips(6, 1);
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => Retrainer.Run(image, clips, null, TinyTask.Options)).Message, "is a clip of 6 frames and the network takes images");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => Retrainer.Run(image, TinyTask.Images(6, 1), null, TinyTask.Options with { TeacherLossWeight = 1 }, video)).Message, "classes");
        using var forClips = new VimClassifier(video);
        using var forImages = new VimClassifier(image);
        StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(() => forClips.Predict([clips.Store.Read(0)], new float[3])).Message, "clips of 4 frames; call PredictClips");
        StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(() => forImages.PredictClips([Clip(clips, 0)], new float[3])).Message, "for images; call Predict");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => forClips.PredictNormalized(new float[5], new float[3])).Message, "3·4·24·24");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => forClips.PredictClips([Clip(clips, 0)], new float[2])).Message, "there is room for 2");
        // A single image is a video that stands still.
        Assert.HasCount(1, Retrainer.Run(video, TinyTask.Images(6, 1), null, TinyTask.Options with { Epochs = 1 }).Epochs);
    }

    private static VideoClip Clip(ImageSet set, int k)
    {
        int index = set.Indices[k];
        return new([.. Enumerable.Range(0, set.Store.Frames(index)).Select(frame => set.Store.ReadFrame(index, frame, new ImageReadBuffer()))]);
    }

    /// <summary>Videos of six frames; a bright patch of 4×4 goes down, stays, or goes up.</summary>
    private static ImageSet Clips(int count, int seed)
    {
        var random = new Random(seed);
        var store = new ImageStore();
        for (int i = 0; i < count; i++)
        {
            int label = i % 3, left = 4 * random.Next(6), middle = 8 + random.Next(5);
            store.AddClip(new VideoClip([.. Enumerable.Range(0, 6).Select(t => Frame(random, left, middle + (1 - label) * (int)(3.2 * (t - 2.5))))]), label, $"clip {i}");
        }
        return new ImageSet(store);
    }

    private static RgbImage Frame(Random random, int left, int top)
    {
        const int edge = 24;
        var pixels = new byte[3 * edge * edge];
        for (int p = 0; p < pixels.Length; p++) pixels[p] = (byte)random.Next(60);
        for (int y = 0; y < 4; y++) pixels.AsSpan(3 * ((top + y) * edge + left), 12).Fill(255);
        return new RgbImage(pixels, edge, edge);
    }
}
