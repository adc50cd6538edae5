using System.Text.Json;
using RMeeTo.Vim.Retraining;

namespace RMeeTo.Vim.Tests.Retraining;

/// <summary>The lines of a log, one by one and of a whole run; what an error of the file does.</summary>
[TestClass]
public sealed class RetrainLogTests
{
    [TestMethod]
    public void EveryLineIsJsonWithWhatAPlotNeeds()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("run.jsonl");
        using (var log = new RetrainLog(path, null, new FakeClock()))
        {
            log.Begin(new Dictionary<string, string> { ["Seed"] = "7" }, 0, 0);
            log.Report(Progress(step: 1, ended: false));
            log.Report(Progress(step: 4, ended: true));
            log.End(RetrainEnding.Completed, 2, 0.5);
        }
        var lines = Lines(path);
        CollectionAssert.AreEqual(new[] { "started", "step", "epoch", "ended" }, lines.Select(line => line.GetProperty("event").GetString()).ToArray());
        Assert.AreEqual("7", lines[0].GetProperty("settings").GetProperty("Seed").GetString());
        Assert.AreEqual(1.25, lines[1].GetProperty("loss").GetDouble());
        Assert.AreEqual(3e-4, lines[1].GetProperty("learningRate").GetDouble());
        Assert.IsFalse(lines[1].TryGetProperty("validationTop1", out _), "A value that is not known is left out.");
        Assert.AreEqual(0.75, lines[2].GetProperty("validationTop1").GetDouble());
        Assert.AreEqual(2, lines[3].GetProperty("bestEpoch").GetInt32());
    }

    [TestMethod]
    public void StepsAreWrittenOnceASecondAndEpochsAlways()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("run.jsonl");
        var clock = new FakeClock();
        using (var log = new RetrainLog(path, null, clock))
        {
            for (int step = 1; step <= 25; step++)
            {
                log.Report(Progress(step, ended: false));
                clock.Pass(0.1);
            }
            log.Report(Progress(25, ended: true));
        }
        CollectionAssert.AreEqual(new[] { 1, 11, 21, 25 }, Lines(path).Select(line => line.GetProperty("step").GetInt32()).ToArray());
    }

    [TestMethod]
    public void AResumedRunWritesOnAfterALineThatWasCutOff()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("run.jsonl");
        File.WriteAllText(path, "{\"event\":\"started\"}\n{\"event\":\"st");
        using (var log = new RetrainLog(path, null, TimeProvider.System)) log.Begin(new Dictionary<string, string>(), 1, 20);
        string[] lines = File.ReadAllLines(path);
        Assert.HasCount(3, lines);
        Assert.AreEqual("{\"event\":\"st", lines[1]);
        Assert.AreEqual("resumed", JsonElement.Parse(lines[2]).GetProperty("event").GetString());
    }

    /// <summary>A whole run, killed by its listener and resumed: the listener is told as well, and the file tells both parts.</summary>
    [TestMethod]
    public void ARunWritesItsLog()
    {
        using var folder = new TemporaryFolder();
        var options = TinyTask.Options with { LogPath = folder.File("run.jsonl"), CheckpointPath = folder.File("run.state"), Epochs = 2 };
        var images = TinyTask.Images(30, 1);
        var killed = options with { Progress = new Told<RetrainProgress>(value => { if (value.Epoch == 2) throw new NotSupportedException("stop here"); }) };
        Assert.ThrowsExactly<NotSupportedException>(() => Retrainer.Run(TinyTask.Model(), images, images, killed));
        int told = 0;
        var result = Retrainer.Run(TinyTask.Model(), images, images, options with { Progress = new Told<RetrainProgress>(_ => told++) });

        var lines = Lines(options.LogPath);
        string[] events = [.. lines.Select(line => line.GetProperty("event").GetString()!).Where(name => name != "step")];
        CollectionAssert.AreEqual(new[] { "started", "epoch", "epoch", "failed", "resumed", "epoch", "ended" }, events);
        Assert.AreEqual("stop here", lines.Single(line => line.GetProperty("event").GetString() == "failed").GetProperty("error").GetString());
        var resumed = lines.Single(line => line.GetProperty("event").GetString() == "resumed");
        Assert.AreEqual(1, resumed.GetProperty("epoch").GetInt32());
        Assert.AreEqual("30", resumed.GetProperty("settings").GetProperty("training images").GetString()!.Split(' ')[0]);
        Assert.AreEqual(result.Epochs[1].Loss, lines[^2].GetProperty("loss").GetDouble());
        Assert.AreEqual(result.BestTop1, lines[^1].GetProperty("bestTop1").GetDouble());
        Assert.AreEqual("Completed", lines[^1].GetProperty("ending").GetString());
        Assert.IsGreaterThan(3, told);
    }

    /// <summary>At the start nothing is lost by an error; hours later a line is left out.</summary>
    [TestMethod]
    public void AFullDiskStopsABeginningRunAndNoOther()
    {
        const string FullDisk = "/dev/full";
        if (!File.Exists(FullDisk)) Assert.Inconclusive($"There is no {FullDisk} here.");
        using var log = new RetrainLog(FullDisk, null, new FakeClock());
        var error = Assert.ThrowsExactly<IOException>(() => log.Begin(new Dictionary<string, string>(), 0, 0));
        StringAssert.Contains(error.Message, $"The training log '{FullDisk}' cannot be written");
        log.Report(Progress(1, ended: true));
        log.Fail(error);
        log.End(RetrainEnding.Completed, 1, null);
    }

    /// <summary>The file is closed where a run ends before its first step, and says why.</summary>
    [TestMethod]
    public void ARunThatCannotBeginClosesItsLog()
    {
        using var folder = new TemporaryFolder();
        var options = TinyTask.Options with { LogPath = folder.File("run.jsonl") };
        var images = TinyTask.Images(9, 1);
        var unreadable = new ImageSet(images.Store, new OneBadImage(9, 0, new NotSupportedException("out of ink"), looksBefore: 3));
        Assert.ThrowsExactly<NotSupportedException>(() => Retrainer.Run(TinyTask.Model(), unreadable, null, options));
        using (new FileStream(options.LogPath, FileMode.Open, FileAccess.ReadWrite, FileShare.None)) { }
        Assert.AreEqual("out of ink", Lines(options.LogPath).Single().GetProperty("error").GetString());
    }

    [TestMethod]
    public void AnUnknownFolderIsNamed()
    {
        using var folder = new TemporaryFolder();
        string path = Path.Combine(folder.Path, "nowhere", "run.jsonl");
        var error = Assert.ThrowsExactly<IOException>(() => new RetrainLog(path, null, TimeProvider.System));
        StringAssert.Contains(error.Message, path);
        StringAssert.Contains(error.Message, "LogPath");
    }

    private static List<JsonElement> Lines(string path) => [.. File.ReadLines(path).Select(line => JsonElement.Parse(line))];

    private static RetrainProgress Progress(int step, bool ended) => new()
    {
        Epoch = 1,
        Epochs = 2,
        Step = step,
        Steps = 4,
        Loss = 1.25,
        LearningRate = 3e-4,
        ImagesPerSecond = 10,
        ValidationTop1 = ended ? 0.75 : null,
        EpochEnded = ended,
        Elapsed = TimeSpan.FromSeconds(step),
        Remaining = null,
    };
}
