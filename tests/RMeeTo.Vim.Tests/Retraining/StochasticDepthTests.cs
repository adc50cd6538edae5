using RMeeTo.Vim.Retraining;
using RMeeTo.Vim.Tests.Deit;

namespace RMeeTo.Vim.Tests.Retraining;

/// <summary>Runs with stochastic depth: reproducible, and wired to the options.</summary>
[TestClass]
public sealed class StochasticDepthTests
{
    private static readonly RetrainOptions s_plain = RepeatedRuns.Options with { Epochs = 2 };
    private static readonly RetrainOptions s_student = s_plain with { DropPath = 0.4 };
    private static readonly RetrainOptions s_both = s_student with { TeacherDropPath = TeacherDropPath.ReferenceTrainMode };
    private static readonly Lazy<RetrainResult<VimModel>> s_run = new(() => RepeatedRuns.Run(TinyTask.Model(4), s_both));

    [TestMethod]
    public void ThreadsDoNotMatter()
    {
        RepeatedRuns.AssertSame(s_run.Value, RepeatedRuns.Run(TinyTask.Model(4), s_both with { Threads = 3 }), "Vision Mamba");
        var deit = RepeatedRuns.Run(DeitTask.Model(6), s_both);
        RepeatedRuns.AssertSame(deit, RepeatedRuns.Run(DeitTask.Model(6), s_both with { Threads = 3 }), "DeiT");
    }

    [TestMethod]
    public void ACancelledRunResumes()
    {
        using var folder = new TemporaryFolder();
        var options = s_both with { CheckpointPath = folder.File("run.safetensors") };
        Assert.IsTrue(RepeatedRuns.CancelledRun(TinyTask.Model(4), options, epoch: 2, step: 2).Cancelled);
        RepeatedRuns.AssertSame(s_run.Value, RepeatedRuns.Run(TinyTask.Model(4), options), "resumed");
    }

    [TestMethod]
    public void EveryOptionMatters()
    {
        VimModel[] models = [.. new[] { s_plain, s_student, s_both, s_student with { DropPath = 0.3 }, s_both with { Seed = 8 } }
            .Select(options => RepeatedRuns.Run(TinyTask.Model(4), options).Model)];
        for (int i = 0; i < models.Length; i++)
            for (int k = 0; k < i; k++) Assert.IsFalse(models[i].Weights.Values.AsSpan().SequenceEqual(models[k].Weights.Values), $"runs {k} and {i}");
        var quirk = s_plain with { TeacherDropPath = TeacherDropPath.ReferenceTrainMode };
        TinyTask.AssertSameWeights(models[0], RepeatedRuns.Run(TinyTask.Model(4), quirk).Model, "a rate of 0 drops nothing of the teacher either");
    }

    /// <summary>A student that drops nothing of itself and is its own teacher has a divergence of 0; it has none of 0 where the teacher drops.</summary>
    [TestMethod]
    public void StudentAndTeacherLoseDifferentBranches()
    {
        var onlyTeacher = s_both with { TargetLossWeight = 0, Epochs = 1, LearningRate = 0, MinimumLearningRate = 0 };
        var dense = TinyTask.Model();
        double same = Loss(onlyTeacher with { DropPath = 0, TeacherDropPath = TeacherDropPath.None }), both = Loss(onlyTeacher);
        Assert.AreEqual(0, same, 1e-7);
        Assert.IsGreaterThan(1e-5, both);

        double Loss(RetrainOptions options) => Retrainer.Run(dense, TinyTask.Images(30, 1), null, options, teacher: dense).Epochs[^1].Loss;
    }

    [TestMethod]
    public void ACheckpointOfAnotherRateIsRefused()
    {
        using var folder = new TemporaryFolder();
        var options = s_both with { CheckpointPath = folder.File("run.safetensors"), Epochs = 1 };
        RepeatedRuns.Run(TinyTask.Model(4), options);
        Assert.Contains("DropPath: 0.4 in the checkpoint, 0.1 now", Refused(options with { DropPath = 0.1 }));
        Assert.Contains("TeacherDropPath: \"ReferenceTrainMode\" in the checkpoint, \"None\" now",
            Refused(options with { TeacherDropPath = TeacherDropPath.None }));

        static string Refused(RetrainOptions options) =>
            Assert.ThrowsExactly<InvalidDataException>(() => RepeatedRuns.Run(TinyTask.Model(4), options)).Message;
    }
}
