using RMeeTo.Vim.Devices.Cpu;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Images.Augmentation;
using RMeeTo.Vim.Retraining;

namespace RMeeTo.Vim.Tests.Retraining;

/// <summary>The queue of prepared steps: the same images whoever prepares them and when, nothing more than is needed, and no thread left.</summary>
[TestClass]
public sealed class TrainingFeedTests
{
    private const int Lanes = 4;

    private static readonly ImageSet s_set = TinyTask.Images(21, seed: 1);

    private static readonly RetrainOptions s_options = TinyTask.Options with { BatchSize = 8, Epochs = 3, MinimumCropArea = 0.3 };

    private static readonly MixOptions[] s_mixes = [MixOptions.None, new() { CutMix = 0 }, new() { Mixup = 0 }, new()];

    /// <summary>Two epochs and a part of the third, begun anywhere, against images that are prepared and mixed one by one.</summary>
    [TestMethod]
    [DataRow(0, 2, 0)]
    [DataRow(1, 1, 4)]
    [DataRow(1, 2, 2)]
    [DataRow(3, 3, 5)]
    [DataRow(5, 8, 8)]
    public void StepsAreThoseOfTheOrder(int loaders, int batches, int firstStep)
    {
        foreach (var mix in s_mixes)
            foreach (int repetitions in new[] { 1, 2 })
            {
                var options = s_options with
                {
                    PreparedBatches = batches, Mix = mix, MixGroupSize = 4, RepeatedAugmentation = repetitions, RepeatedEpoch = RepeatedEpoch.Copies,
                };
                var images = Images(options);
                using var feed = new TrainingFeed(images, options, LaneRange.All(Lanes), loaders, firstStep);
                for (int n = firstStep; n < images.Plan.Steps * options.Epochs; n++)
                {
                    var batch = feed.Take();
                    AssertStep(images, options, batch, n / images.Plan.Steps, n % images.Plan.Steps, LaneRange.All(Lanes));
                    feed.Return();
                }
            }
    }

    /// <summary>The same for a device that takes all inputs of a step at once; they are mixed where they lie.</summary>
    [TestMethod]
    [DataRow(0, 2, 0)]
    [DataRow(1, 1, 4)]
    [DataRow(3, 3, 5)]
    [DataRow(5, 8, 8)]
    public void AllInputsOfAStepLieTogether(int loaders, int batches, int firstStep)
    {
        using var device = CpuDevice.Create();
        foreach (var mix in s_mixes)
            foreach (var lanes in new LaneRange[] { LaneRange.All(Lanes), new(1, 2, Lanes) })
            {
                var options = s_options with { PreparedBatches = batches, Mix = mix, MixGroupSize = 4 };
                var images = Images(options);
                using var feed = new TrainingFeed(images, options, lanes, loaders, firstStep, device);
                for (int n = firstStep; n < images.Plan.Steps * options.Epochs; n++)
                {
                    var batch = feed.Take();
                    var inputs = batch.Complete(new ImageReadBuffer(), default);
                    AssertStep(images, options, batch, n / images.Plan.Steps, n % images.Plan.Steps, lanes,
                        i => inputs.Floats((long)i * images.InputLength, images.InputLength).ToArray());
                    feed.Return();
                }
            }
    }

    /// <summary>Each of three processes prepares the images of its lanes and their partners; together they have all.</summary>
    [TestMethod]
    public void OnlyTheLanesThatAreComputedHereArePrepared()
    {
        int read = 0;
        foreach (var lanes in new LaneRange[] { new(0, 1, Lanes), new(1, 3, Lanes), new(3, 4, Lanes) })
        {
            var options = s_options with { Mix = new() { CutMix = 0 } };
            var images = Images(options);
            var batch = new TrainingBatch(images);
            batch.Begin(images.Order(0), 0, 0, lanes);
            var buffer = new ImageReadBuffer();
            int prepared = 0;
            while (batch.PrepareNext(buffer)) prepared++;
            Assert.AreEqual(4, prepared, "own images and their partners; the two lanes in the middle mirror each other");
            AssertStep(images, options, batch, 0, 0, lanes);
            batch.Begin(images.Order(0), 0, 2, lanes);
            AssertStep(images, options, batch, 0, 2, lanes);
            read += lanes.Images(batch.Count).End - lanes.Images(batch.Count).First;
        }
        Assert.AreEqual(5, read, "the last step of 21 images in batches of 8");
    }

    [TestMethod]
    [DataRow(0, false)]
    [DataRow(2, false)]
    [DataRow(0, true)]
    [DataRow(2, true)]
    public void AnImageThatCannotBePreparedIsNamed(int loaders, bool together)
    {
        using var device = CpuDevice.Create();
        Fails<InvalidOperationException>(new NotSupportedException("out of ink"));
        Fails<IOException>(new EndOfStreamException("out of ink"));

        void Fails<TException>(Exception cause) where TException : Exception
        {
            var images = new TrainingImages(new ImageSet(s_set.Store, new OneBadImage(21, 13, cause)), Preprocessing, 0, s_options);
            using var feed = new TrainingFeed(images, s_options, LaneRange.All(Lanes), loaders, 0, together ? device : null);
            var e = Assert.ThrowsExactly<TException>(() =>
            {
                for (int step = 0; step < images.Plan.Steps; step++)
                {
                    var batch = feed.Take();
                    if (together) batch.Complete(new ImageReadBuffer(), default);
                    else for (int i = 0; i < batch.Count; i++) _ = batch.Input(i, [], new ImageReadBuffer());
                    feed.Return();
                }
            });
            Assert.AreEqual("Training image 'image 13' could not be prepared for epoch 1: out of ink", e.Message);
            Assert.AreSame(cause, e.InnerException);
        }
    }

    /// <summary>The caller of a run gets the same.</summary>
    [TestMethod]
    public void AFailureOfALoaderReachesTheCallerOfTheRun()
    {
        var images = new ImageSet(s_set.Store, new OneBadImage(21, 13, new NotSupportedException("out of ink"), looksBefore: 3));
        var e = Assert.ThrowsExactly<InvalidOperationException>(() => Retrainer.Run(TinyTask.Model(), images, null, s_options with { Threads = 2 }));
        StringAssert.StartsWith(e.Message, "Training image 'image 13' could not be prepared for epoch 1: ");
    }

    /// <summary>Memory is taken once: by the first steps, and for the order of an epoch.</summary>
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void AStepAllocatesNothing(bool together)
    {
        using var device = CpuDevice.Create();
        var options = s_options with { PreparedBatches = 1, Mix = new(), Epochs = 6 };
        var images = Images(options);
        using var feed = new TrainingFeed(images, options, LaneRange.All(Lanes), loaders: 0, firstStep: 0, together ? device : null); // all by this thread
        var (mixed, target, buffer) = (new float[images.InputLength], new float[3], new ImageReadBuffer());
        long least = long.MaxValue; // a collection may empty the shared array pools at any time; what a step itself allocates is in every epoch
        for (int epoch = 0; epoch < options.Epochs && least > 0; epoch++)
        {
            Step();
            Step();
            long before = GC.GetAllocatedBytesForCurrentThread();
            Step();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }
        Assert.AreEqual(0, least);

        void Step()
        {
            var batch = feed.Take();
            if (together) batch.Complete(buffer, default);
            for (int i = 0; i < batch.Count; i++)
            {
                if (!together) _ = batch.Input(i, mixed, buffer);
                batch.FillTarget(i, 0.1, target);
            }
            feed.Return();
        }
    }

    /// <summary>Also where loaders wait for room, are at work, or have nothing left to do.</summary>
    [TestMethod]
    public void NoThreadIsLeft()
    {
        for (int taken = 0; taken < 10; taken++)
        {
            var feed = new TrainingFeed(Images(s_options), s_options, LaneRange.All(Lanes), 3, 0);
            for (int i = 0; i < Math.Min(taken, 9); i++)
            {
                var batch = feed.Take();
                for (int k = 0; k < batch.Count; k++) _ = batch.Input(k, [], new ImageReadBuffer());
                feed.Return();
            }
            feed.Dispose();
            Assert.AreEqual(0, feed.LoadersAlive);
        }
    }

    private static TrainingImages Images(RetrainOptions options) => new(s_set, Preprocessing, 0, options);

    private static TrainingPreprocessing Preprocessing => new(TinyTask.Model().Preprocessing) { Area = (0.3, 1) };

    private static void AssertStep(
        TrainingImages images, RetrainOptions options, TrainingBatch batch, int epoch, int step, LaneRange lanes, Func<int, float[]>? input = null)
    {
        var order = images.Plan.Order(options.Seed, epoch);
        var (first, count) = images.Plan.Batch(step);
        Assert.AreEqual((epoch, count), (batch.Epoch, batch.Count));
        int together = options.RepeatedEpoch == RepeatedEpoch.Copies ? options.RepeatedAugmentation : 1;
        var groups = new MixGroups(count, options.BatchSize, options.MixGroupSize, together);
        var (mixed, expected, target, expectedTarget) = (new float[images.InputLength], new float[images.InputLength], new float[3], new float[3]);
        for (int i = lanes.Images(count).First; i < lanes.Images(count).End; i++)
        {
            var (own, partner) = (order[first + i], order[first + groups.PartnerOf(i)]);
            long group = (long)step * groups.Count + groups.GroupOf(i);
            var mix = BatchMix.Draw(CounterRandom.For(options.Seed, epoch, group, RandomPurpose.Mix), options.Mix, 24, 24);
            float[] prepared = Prepared(own);
            mix.Apply(prepared, partner == own ? prepared : Prepared(partner), expected);
            mix.FillTarget(s_set.Label(own.Image), s_set.Label(partner.Image), 0.1, expectedTarget);
            var actual = input is null ? batch.Input(i, mixed, new ImageReadBuffer()) : input(i);
            Assert.IsTrue(actual.SequenceEqual(expected), $"{options.Mix}, epoch {epoch}, step {step}, image {i}");
            batch.FillTarget(i, 0.1, target);
            CollectionAssert.AreEqual(expectedTarget, target);
        }

        float[] Prepared(ShownImage image)
        {
            var input = new float[images.InputLength];
            Preprocessing.Apply(s_set.Store.Read(image.Image), input, options.Seed, epoch, image.Sample(image.Image));
            return input;
        }
    }
}
