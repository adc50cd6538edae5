using System.Text.Json;
using RMeeTo.Vim.Retraining;

namespace RMeeTo.Vim.Tests.Retraining;

[TestClass]
public sealed class RetrainLogTests
{
    [TestMethod]
    public void EveryLineIsJsonWithWhatAPlotNeeds()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("run.jsonl");
        using (var log = new RetrainLog(path, new StoppedClock()))
        {
            log.Begin(new Dictionary<string, string> { ["Seed"] = "7" }, 0, 0);
            log.Report(Progress(step: 1, ended: false));
            log.Report(Progress(step: 4, ended: true));
            log.End("completed", 2, 0.5);
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
        var clock = new StoppedClock();
        using (var log = new RetrainLog(path, clock))
        {
            for (int step = 1; step <= 25; step++)
            {
                log.Report(Progress(step, ended: false));
                clock.Pass(TimeSpan.FromMilliseconds(100));
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
        using (var log = new RetrainLog(path)) log.Begin(new Dictionary<string, string>(), 1, 20);
        string[] lines = File.ReadAllLines(path);
        Assert.HasCount(3, lines);
        Assert.AreEqual("{\"event\":\"st", lines[1]);
        Assert.AreEqual("resumed", JsonElement.Parse(lines[2]).GetProperty("event").GetString());
    }

    [TestMethod]
    public void AnUnknownFolderIsNamed()
    {
        using var folder = new TemporaryFolder();
        string path = Path.Combine(folder.Path, "nowhere", "run.jsonl");
        var error = Assert.ThrowsExactly<IOException>(() => new RetrainLog(path));
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

    private sealed class StoppedClock : TimeProvider
    {
        private long _ticks = TimeSpan.TicksPerDay;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _ticks;

        public override DateTimeOffset GetUtcNow() => new(_ticks, TimeSpan.Zero);

        public void Pass(TimeSpan time) => _ticks += time.Ticks;
    }
}
