using System.Runtime.CompilerServices;
using RMeeTo.Vim.Checkpoints;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Retraining;

namespace RMeeTo.Vim.Tests.Docs;

/// <summary>The code of docs/retraining.md, which so compiles: every block of the page stands in a method below, line by line.</summary>
[TestClass]
public sealed class RetrainingPageTests
{
    [TestMethod]
    public void EveryBlockOfThePageIsCompiledHere() => AssertCompiled("retraining.md");

    internal static void Run(VimModel merged, ImageSet training, ImageSet validation)
    {
        RetrainResult<VimModel> result = Retrainer.Run(merged, training, validation, new RetrainOptions { Epochs = 3, LearningRate = 2e-4 });
        result.Model.Save("rebuilt.safetensors");
    }

    internal static void Presets()
    {
        RetrainOptions own = RetrainOptions.Default with { Epochs = 10, Seed = 1 };
        RetrainOptions paper = RetrainOptions.Paper with { Epochs = 15 };                  // Vim-Small of the paper's table 2
        RetrainOptions onOneMachine = RetrainOptions.Paper.WithBatchSize(64);              // learning rates in proportion
    }

    internal static void Clean()
    {
        RetrainOptions clean = RetrainOptions.Paper with
        {
            Accumulation = GradientAccumulation.None,
            LearningRateRule = LearningRateRule.CosinePerStep,
            TeacherDropPath = TeacherDropPath.None,
            WeightDecayRule = WeightDecayRule.MatricesOnly,
        };
    }

    internal static void Average(VimModel model, ImageSet training, ImageSet validation)
    {
        using var file = Checkpoint.Open("vim_b_midclstok_81p9acc.pth", new CheckpointReadOptions { Weights = CheckpointWeights.Ema });
        var average = new VimModel(VimCheckpoint.Load(file, VimConfig.VimBase), model.ClassNames);
        var result = Retrainer.Run(model, training, validation, RetrainOptions.PaperVimBase with { Ema = new ModelEma { Start = average } });
    }

    internal static void Parts(ImageSet training)
    {
        ImageSet tenPercent = training.StratifiedPart(0.1, seed: 1);   // the same share of every class
        ImageSet published = training.ReferencePart(0.1);              // Python's random.seed(0); random.sample(…): the paper's table 8
    }

    internal static void Stopping()
    {
        var options = RetrainOptions.Default with
        {
            Epochs = 30,
            TimeBudget = TimeSpan.FromMinutes(20),
            Patience = 5,
            CheckpointPath = "run.checkpoint",
            CheckpointInterval = TimeSpan.FromMinutes(2),
        };
    }

    internal static void AddedClass(VimModel before, ImageSet training, ImageSet validation)
    {
        VimModel grown = before.WithHead([.. before.ClassNames, "new class"], seed: 1);      // the old rows of the head are kept
        var result = Retrainer.Run(grown, training, validation, new RetrainOptions { TeacherClasses = TeacherClasses.Some }, teacher: before);
    }

    internal static void FromScratch(VimConfig config, string[] classNames, ImageSet training, ImageSet validation)
    {
        var start = new VimModel(VimInitializer.Create(config, seed: 1), classNames);
        var result = Retrainer.Run(start, training, validation, RetrainOptions.FromScratch.WithBatchSize(128));
    }

    /// <summary>Every block of C# of a page stands in the calling file.</summary>
    internal static void AssertCompiled(string page, [CallerFilePath] string source = "")
    {
        string path = Path.Combine(Path.GetDirectoryName(source)!, "..", "..", "..", "docs", page);
        if (!File.Exists(path)) Assert.Inconclusive($"The sources of the tests are not here: '{path}' is missing.");
        string compiled = string.Join('\n', File.ReadAllLines(source).Select(line => line.Trim()));
        string[] parts = File.ReadAllText(path).ReplaceLineEndings("\n").Split("```csharp\n");
        Assert.IsGreaterThan(1, parts.Length, "the page has no code");
        foreach (string part in parts.Skip(1))
        {
            string block = string.Join('\n', part[..part.IndexOf("\n```", StringComparison.Ordinal)].Split('\n').Select(line => line.Trim()));
            Assert.Contains(block, compiled, $"This block of {page} is not in {Path.GetFileName(source)}:\n{block}");
        }
    }
}
