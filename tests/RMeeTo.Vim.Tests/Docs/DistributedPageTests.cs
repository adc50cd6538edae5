using RMeeTo.Vim.Retraining;
using RMeeTo.Vim.Retraining.Distributed;

namespace RMeeTo.Vim.Tests.Docs;

/// <summary>The code of docs/distributed.md, which so compiles.</summary>
[TestClass]
public sealed class DistributedPageTests
{
    [TestMethod]
    public void EveryBlockOfThePageIsCompiledHere() => PageCode.AssertCompiled("distributed.md");

    internal static void Train(VimModel model, ImageSet training, ImageSet validation, IProgress<RetrainProgress> progress)
    {
        using IProcessGroup processes = MpiGroup.IsLaunched ? MpiGroup.Start() : SingleProcess.Instance;
        var result = Retrainer.Run(model, training, validation, new RetrainOptions
        {
            Processes = processes,
            CheckpointPath = "run.checkpoint",   // process 0 reads and writes it; the others get from it what they need
            Progress = progress,                 // process 0 reports, and writes the LogPath
        });
        if (processes.Rank == 0) result.Model.Save("model.safetensors");   // every process has the result
    }
}
