using RMeeTo.Vim.Images.Augmentation;
using RMeeTo.Vim.Retraining;

namespace RMeeTo.Vim.Tests.Retraining;

[TestClass]
public sealed class RetrainOptionsTests
{
    [TestMethod]
    public void ValuesOutOfRangeAreNamedWhereTheyAreSet()
    {
        Check(() => new RetrainOptions { Epochs = -1 }, "Epochs is -1; it must be from 0 to 100000");
        Check(() => new RetrainOptions { BatchSize = 0 }, "BatchSize is 0");
        Check(() => new RetrainOptions { LearningRate = double.NaN }, "LearningRate is NaN");
        Check(() => new RetrainOptions { Beta2 = 1 }, "Beta2 is 1");
        Check(() => new RetrainOptions { LabelSmoothing = 1 }, "LabelSmoothing is 1");
        Check(() => new RetrainOptions { FlipProbability = 1.5 }, "FlipProbability is 1.5");
        Check(() => new RetrainOptions { DropPath = 0.95 }, "DropPath is 0.95; it must be from 0 to 0.9");
        Check(() => new RetrainOptions { TeacherDropPath = (TeacherDropPath)2 }, "TeacherDropPath is 2; it must be one of None, ReferenceTrainMode");
        Check(() => new RetrainOptions { MinimumCropArea = 0 }, "MinimumCropArea is 0");
        Check(() => new RetrainOptions { RandomErasing = 1.5 }, "RandomErasing is 1.5; it must be from 0 to 1");
        Check(() => new RetrainOptions { MixGroupSize = -1 }, "MixGroupSize is -1");
        Check(() => new RetrainOptions { RepeatedAugmentation = 0 }, "RepeatedAugmentation is 0; it must be from 1");
        Check(() => new RetrainOptions { RepeatedEpoch = (RepeatedEpoch)2 }, "RepeatedEpoch is 2");
        Check(() => new RetrainOptions { LastBatch = (LastBatch)2 }, "LastBatch is 2");
        Check(() => new RetrainOptions { Lanes = 257 }, "Lanes is 257");
        Check(() => new RetrainOptions { Threads = -1 }, "Threads is -1");

        static void Check(Func<RetrainOptions> make, string message) =>
            StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => make()).Message, message);
    }

    [TestMethod]
    public void AMinimumAboveTheLearningRateIsRefused()
    {
        var e = Assert.ThrowsExactly<ArgumentException>(() => Retrainer.Run(TinyTask.Model(), TinyTask.Images(3, 1), null, new() { LearningRate = 1e-7 }));
        StringAssert.Contains(e.Message, "MinimumLearningRate is 1E-06 and LearningRate 1E-07");
    }

    [TestMethod]
    public void AMixGroupThatDoesNotDivideTheBatchIsRefused()
    {
        var e = Assert.ThrowsExactly<ArgumentException>(
            () => Retrainer.Run(TinyTask.Model(), TinyTask.Images(3, 1), null, new() { BatchSize = 12, MixGroupSize = 5 }));
        StringAssert.Contains(e.Message, "MixGroupSize is 5 and BatchSize 12");
    }

    [TestMethod]
    public void OneFileForCheckpointAndLogIsRefused()
    {
        var e = Assert.ThrowsExactly<ArgumentException>(() =>
            Retrainer.Run(TinyTask.Model(), TinyTask.Images(3, 1), null, new() { CheckpointPath = "run.state", LogPath = Path.GetFullPath("run.state") }));
        StringAssert.Contains(e.Message, "CheckpointPath and LogPath are the same file, 'run.state'");
    }

    /// <summary>Such as one that is to do as many epochs as fit into a time budget.</summary>
    [TestMethod]
    public void ARunOfMoreStepsThanCanBeCountedIsRefused()
    {
        var images = new ImageSet(TinyTask.Images(3, 1).Store, new int[20_000]);
        var options = TinyTask.Options with { Epochs = 100_000, BatchSize = 1, TimeBudget = TimeSpan.FromHours(1) };
        var e = Assert.ThrowsExactly<ArgumentException>(() => Retrainer.Run(TinyTask.Model(), images, null, options));
        StringAssert.Contains(e.Message, "100000 epochs (the larger of RetrainOptions.Epochs and WarmupEpochs) of 20000 steps are 2000000000 steps");
        StringAssert.Contains(e.Message, "at most 1073741824. Set at most 53687 epochs");
        e = Assert.ThrowsExactly<ArgumentException>(() => Retrainer.Run(TinyTask.Model(), images, null, options with { Epochs = 1, WarmupEpochs = 99_999.5 }));
        StringAssert.Contains(e.Message, "99999.5 epochs");
    }

    [TestMethod]
    public void ARunThatHasNothingToLearnIsRefused()
    {
        var options = TinyTask.Options with { TargetLossWeight = 0 };
        Refused(TinyTask.Model(4), options, "TargetLossWeight is 0, and there is no teacher (TeacherLossWeight is 0)");
        Refused(TinyTask.Model(), options with { TeacherLossWeight = 0.5 }, "(TeacherLossWeight is 0.5, and a network without merges does not teach itself)");
        Retrainer.Run(TinyTask.Model(4), TinyTask.Images(3, 1), null, options with { TeacherLossWeight = 0.5, Epochs = 1 });

        static void Refused(VimModel model, RetrainOptions options, string message) =>
            StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => Retrainer.Run(model, TinyTask.Images(3, 1), null, options)).Message, message);
    }

    /// <summary>A run must not be carried on with another augmentation.</summary>
    [TestMethod]
    public void TheFingerprintTellsAugmentationsApart()
    {
        var plain = new RetrainOptions();
        var seen = new HashSet<string>();
        foreach (var options in new[]
        {
            plain,
            plain with { RandAugment = new() },
            plain with { RandAugment = new() { MagnitudeStd = 0.25 } },
            plain with { RandomErasing = 0.25 },
            plain with { Mix = new() },
            plain with { Mix = new() { SwitchProbability = 0.25 } },
            plain with { MixGroupSize = 16 },
            plain with { RepeatedAugmentation = 3 },
            plain with { RepeatedEpoch = RepeatedEpoch.Copies },
            plain with { LastBatch = LastBatch.Dropped },
        })
        {
            var fingerprint = RunFingerprint.Of(TinyTask.Model(), TinyTask.Images(3, 1), null, options, null);
            Assert.IsTrue(seen.Add(string.Join("; ", fingerprint.Entries.OrderBy(entry => entry.Key, StringComparer.Ordinal))), options.ToString());
        }
    }

    [TestMethod]
    public void LanesFollowTheSizeOfTheGradients()
    {
        var options = new RetrainOptions();
        Assert.AreEqual(8, options.LanesFor(4L * 7_148_008), "Vim-Tiny");
        Assert.AreEqual(8, options.LanesFor(4L * 25_796_584), "Vim-Small");
        Assert.AreEqual(2, options.LanesFor(4L * 97_598_440), "Vim-Base");
        Assert.AreEqual(4, options.LanesFor(1L << 28));
        Assert.AreEqual(2, options.LanesFor(1L << 40));
        Assert.AreEqual(16, (options with { Lanes = 16 }).LanesFor(1L << 40), "asked for");
        Assert.AreEqual(3, (options with { BatchSize = 3 }).LanesFor(1), "no more than images");
    }
}
