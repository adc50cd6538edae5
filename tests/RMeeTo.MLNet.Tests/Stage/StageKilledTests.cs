using System.Globalization;
using Microsoft.ML;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace RMeeTo.MLNet.Tests.Stage;

/// <summary>Processes that are killed while they fit: the same Fit goes on from the checkpoint and ends with the same bits.</summary>
[TestClass]
public sealed class StageKilledTests
{
    private const int Images = 60, Epochs = 6;
    private readonly MLContext _ml = new(seed: 1);
    private readonly string _folder = Directory.CreateTempSubdirectory("rmeeto-killed-").FullName;

    [TestCleanup]
    public void Clean() => Directory.Delete(_folder, recursive: true);

    /// <summary>The Fit that is killed.</summary>
    internal static VimMergedClassifierOptions Options(string? checkpoint)
    {
        var options = Tiny.FromPaths(Tiny.Options(Epochs));
        options.Retraining = options.Retraining with { BatchSize = 4, CheckpointPath = checkpoint, CheckpointInterval = TimeSpan.Zero };
        return options;
    }

    /// <summary>Its rows.</summary>
    internal static IDataView Data(MLContext ml, string folder) => ml.Data.LoadFromEnumerable(Enumerable.Range(0, Images)
        .Select(i => new PathRow { Id = "r" + i, Label = Pictures.Classes[i % 3], ImagePath = Path.Combine(folder, $"{i}.png") }));

    [TestMethod]
    public void TheSameFitGoesOnAndEndsWithTheSameWeights()
    {
        using var whole = Fit(null);
        string checkpoint = Path.Combine(_folder, "run.checkpoint");
        var reached = new List<string>();
        foreach (string mark in (string[])["1 2 False", "2 1 False", "4 7 False"]) reached.Add(KillAt(mark, checkpoint));
        Assert.AreEqual("0 0 True", reached[0], "the first process begins at the beginning");
        Assert.IsTrue(InsideAnEpoch(reached[1]) && InsideAnEpoch(reached[2]), $"the others go on where they were killed: {string.Join(", ", reached)}");
        using var resumed = Fit(checkpoint);
        Assert.HasCount(Epochs, resumed.Retraining!.Epochs);
        CollectionAssert.AreEqual(Losses(whole), Losses(resumed));
        Assert.IsTrue(whole.Model.Weights.Values.AsSpan().SequenceEqual(resumed.Model.Weights.Values));
        CollectionAssert.AreEqual(new[] { checkpoint }, Directory.GetFiles(_folder), "nothing else is left behind");
    }

    private static bool InsideAnEpoch(string told) => told.Split(' ') is [_, var step, "False"] && int.Parse(step, CultureInfo.InvariantCulture) > 1;

    private static double[] Losses(VimMergedClassifierTransformer fitted) => [.. fitted.Retraining!.Epochs.Select(epoch => epoch.Loss)];

    private VimMergedClassifierTransformer Fit(string? checkpoint) =>
        _ml.Transforms.VimMergedClassifier(Options(checkpoint)).Fit(Data(_ml, Pictures.Folder));

    /// <summary>Kills (SIGKILL) a process that fits, once it has told that it is as far as the mark or further; returns the first that it told.</summary>
    private static string KillAt(string mark, string checkpoint)
    {
        using var process = AnotherProcess.Start("fit", Pictures.Folder, checkpoint);
        string? first = null;
        while (process.StandardOutput.ReadLine() is { } line)
        {
            first ??= line;
            if (line == mark) break;
        }
        process.Kill();
        string errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return first ?? throw new AssertFailedException($"The process told nothing: {errors}");
    }
}
