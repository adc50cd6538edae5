using RMeeTo.Vim.Deit;
using RMeeTo.Vim.Devices.Cpu;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Retraining;
using RMeeTo.Vim.Tests.Retraining;

namespace RMeeTo.Vim.Tests.Deit;

/// <summary>
/// The same re-training as a Vision Mamba's, of a transformer: it learns, recovers from merging, and is the same to the last bit from any number of threads and
/// after a resume.
/// </summary>
[TestClass]
public sealed class DeitRetrainingTests
{
    private static readonly Lazy<RetrainResult<DeitModel>> s_uninterrupted = new(() => RepeatedRuns.Run(DeitTask.Model(6), RepeatedRuns.Options));

    [TestMethod]
    public void ItLearnsAndRecoversFromMerging()
    {
        var (train, test) = (TinyTask.Images(150, 1), TinyTask.Images(90, 2));
        var scratch = Retrainer.Run(DeitTask.Model(), train, test, TinyTask.Options with { Epochs = 30, LearningRate = 5e-3 });
        Assert.IsGreaterThan(0.9, scratch.BestTop1!.Value);
        Assert.AreEqual(scratch.BestTop1.Value, DeitTask.Top1(scratch.Model, test), 0.02);

        var merged = scratch.Model.WithSchedule(DeitMergeSchedule.Uniform(DeitTask.Config, 14));
        var rebuilt = Retrainer.Run(merged, train, test, TinyTask.Options with { Epochs = 6, TeacherLossWeight = 0.5 });
        Console.WriteLine($"dense {scratch.BestTop1:P1}, merged {rebuilt.StartTop1:P1}, rebuilt {rebuilt.BestTop1:P1}");
        Assert.IsLessThan(scratch.BestTop1.Value, rebuilt.StartTop1!.Value);
        Assert.IsGreaterThan(rebuilt.StartTop1.Value, rebuilt.BestTop1!.Value);
        CollectionAssert.AreEqual(new[] { 14, 14, 14 }, rebuilt.Model.Schedule.RemovedPerBlock.ToArray());
    }

    [TestMethod]
    [DataRow(2)]
    [DataRow(3)]
    public void ThreadsDoNotMatter(int threads)
    {
        var result = RepeatedRuns.Run(DeitTask.Model(6), RepeatedRuns.Options with { Threads = threads });
        RepeatedRuns.AssertSame(s_uninterrupted.Value, result, $"{threads} threads");
    }

    [TestMethod]
    [DataRow(1, 2)]
    [DataRow(3, 1)]
    public void ACancelledRunResumes(int epoch, int step)
    {
        using var folder = new TemporaryFolder();
        var options = RepeatedRuns.Options with { CheckpointPath = folder.File("run.safetensors") };
        Assert.IsTrue(RepeatedRuns.CancelledRun(DeitTask.Model(6), options, epoch, step).Cancelled);
        RepeatedRuns.AssertSame(s_uninterrupted.Value, RepeatedRuns.Run(DeitTask.Model(6), options with { Threads = 2 }), "resumed");
    }

    [TestMethod]
    public void ACheckpointOfOtherMergesIsRefused()
    {
        using var folder = new TemporaryFolder();
        var options = RepeatedRuns.Options with { CheckpointPath = folder.File("run.safetensors"), Epochs = 1 };
        RepeatedRuns.Run(DeitTask.Model(6), options);
        var other = DeitTask.Model(6, merging: new DeitMergeOptions { Metric = DeitMetric.Keys });
        var e = Assert.ThrowsExactly<InvalidDataException>(() => RepeatedRuns.Run(other, options));
        Assert.Contains("Metric", e.Message);
        Assert.IsFalse(e.Message.Contains("schedule"), e.Message);
    }

    /// <summary>Each kind of network can teach the other: a teacher is known by its logits.</summary>
    [TestMethod]
    public void NetworksOfTwoKindsTeachEachOther()
    {
        var (train, options) = (TinyTask.Images(30, 1), TinyTask.Options with { Epochs = 1, TeacherLossWeight = 0.5 });
        var vim = Retrainer.Run(TinyTask.Model(), train, null, options, teacher: DeitTask.Model());
        var alone = Retrainer.Run(TinyTask.Model(), train, null, options);
        Assert.IsFalse(vim.Model.Weights.Values.AsSpan().SequenceEqual(alone.Model.Weights.Values), "a Vision Mamba learns from a transformer");
        var deit = Retrainer.Run(DeitTask.Model(), train, null, options, teacher: TinyTask.Model());
        var deitAlone = Retrainer.Run(DeitTask.Model(), train, null, options);
        Assert.IsFalse(deit.Model.Weights.Values.AsSpan().SequenceEqual(deitAlone.Model.Weights.Values), "and the other way round");
    }

    /// <summary>An image's probabilities are the same bit for bit whatever is classified beside it.</summary>
    [TestMethod]
    [DataRow(MergeOrder.Original)]
    [DataRow(MergeOrder.OddEven)]
    public void AnImageDoesNotDependOnItsBatch(MergeOrder order)
    {
        var images = TinyTask.Images(23, 3);
        foreach (var width in SimdWidths.Supported)
        {
            var model = DeitTask.Model(6, merging: new DeitMergeOptions { Order = order });
            using var classifier = new DeitClassifier(model, threads: 2, new CpuDeviceProvider(width));
            var together = new float[23 * 3];
            classifier.Predict([.. images.Indices.Select(images.Store.Read)], together);
            var alone = new float[3];
            for (int i = 0; i < 23; i++)
            {
                classifier.Predict([images.Store.Read(i)], alone);
                Assert.IsTrue(together.AsSpan(3 * i, 3).SequenceEqual(alone), $"{width}, image {i}");
            }
        }
    }

    /// <summary>Nobody watching, the last block computes what the head looks at only: the same bits.</summary>
    [TestMethod]
    [DataRow(0)]
    [DataRow(7)]
    public void TheLastBlockMayBeShort(int tokensPerMerge)
    {
        float[] images = [.. Enumerable.Range(0, 2 * 3 * 24 * 24).Select(i => MathF.Sin(i))];
        foreach (var width in SimdWidths.Supported)
        {
            using var device = CpuDevice.Create(width);
            var schedule = DeitMergeSchedule.Uniform(DeitTask.Config, tokensPerMerge);
            using var run = new DeitRun(device, DeitTask.Model().Weights, schedule, DeitMergeOptions.Default, batch: 2, forTraining: false);
            run.Forward(images, (_, _, _) => { });
            double[] whole = run.Logits;
            run.Forward(images);
            CollectionAssert.AreEqual(whole, run.Logits, $"{width}");
        }
    }

    [TestMethod]
    [DataRow(DeitMetric.Tokens, MergeDistance.Cosine, true)]
    [DataRow(DeitMetric.Keys, MergeDistance.L1, true)]
    [DataRow(DeitMetric.Values, MergeDistance.L2, false)]
    public void NothingIsAllocatedOnceWarm(DeitMetric metric, MergeDistance distance, bool training)
    {
        var merging = new DeitMergeOptions { Metric = metric, Distance = distance, Order = MergeOrder.OddEven };
        using var device = CpuDevice.Create();
        using var weights = new DeviceWeights(device, DeitTask.Model().Weights, forTraining: true);
        var network = new DeitNetwork(weights, DeitMergeSchedule.Uniform(DeitTask.Config, 5), merging);
        using var workspace = network.CreateWorkspace(device, 2, training);
        using var gradients = new ParameterBuffer(device, weights.Parameters);
        for (int i = 0; i < 3; i++) Pass();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 10; i++) Pass();
        Assert.AreEqual(0, GC.GetAllocatedBytesForCurrentThread() - before, "bytes in ten passes");

        void Pass()
        {
            network.Forward(device, workspace, 2);
            if (training) network.Backward(device, workspace, 2, gradients);
        }
    }
}
