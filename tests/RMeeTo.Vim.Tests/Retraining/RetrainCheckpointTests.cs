using RMeeTo.Vim.Checkpoints;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Retraining;

namespace RMeeTo.Vim.Tests.Retraining;

/// <summary>Checkpoints that cannot be used, or cannot be written: a clear error, and the file as it was.</summary>
[TestClass]
public sealed class RetrainCheckpointTests
{
    private static readonly ImageSet s_images = TinyTask.Images(12, seed: 1);

    [TestMethod]
    public void ACheckpointOfAnotherRunIsRefusedByName()
    {
        using var folder = new TemporaryFolder();
        var options = Options(folder);
        Run(options);
        Refused(() => Run(options with { LearningRate = 2e-3 }), "LearningRate: 0.003 in the checkpoint, 0.002 now");
        Refused(() => Run(options with { Epochs = 9, Seed = 1 }), "Epochs: 1 in the checkpoint, 9 now; ", "Seed: 7 in the checkpoint, 1 now");
        Refused(() => Run(options with { Lanes = 3 }), "Lanes: 8 in the checkpoint, 3 now");
        Refused(() => Retrainer.Run(TinyTask.Model(seed: 2), s_images, null, options), "start weights: ");
        Refused(() => Retrainer.Run(TinyTask.Model(4), s_images, null, options), "schedule: 0,0,0,0 in the checkpoint, 0,4,4,4 now");
        Refused(() => Retrainer.Run(TinyTask.Model(), s_images, s_images, options), "validation images: none in the checkpoint, 12 (");
        Refused(() => Retrainer.Run(TinyTask.Model(), TinyTask.Images(12, seed: 2), null, options), "training images: 12 (");
        Refused(() => Retrainer.Run(TinyTask.Model(), TinyTask.Mislabelled(s_images), null, options), "training images: 12 (");
        Refused(() => Retrainer.Run(TinyTask.Model(), s_images, null, options with { TeacherLossWeight = 1 }, TinyTask.Model(seed: 5)),
            "teacher weights: none in the checkpoint, ");
        Run(options with { Threads = 2, Lanes = 8 }); // what decides nothing may differ

        static void Refused(Action run, params string[] messages)
        {
            string message = Assert.ThrowsExactly<InvalidDataException>(run).Message;
            foreach (string part in messages) StringAssert.Contains(message, part);
            StringAssert.Contains(message, "belongs to another run");
        }
    }

    [TestMethod]
    public void AFileThatIsNoCheckpointIsNotTouched()
    {
        using var folder = new TemporaryFolder();
        var options = Options(folder);
        TinyTask.Model().Save(options.CheckpointPath!);
        byte[] before = File.ReadAllBytes(options.CheckpointPath!);
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => Run(options)).Message, "is not a training checkpoint");
        CollectionAssert.AreEqual(before, File.ReadAllBytes(options.CheckpointPath!));
    }

    [TestMethod]
    public void ACheckpointOfAnotherFormatIsRefused()
    {
        using var folder = new TemporaryFolder();
        var options = Options(folder);
        SafetensorsWriter.Write(options.CheckpointPath!, [new("weights", [1], new float[1])], new Dictionary<string, string> { ["rmeeto.retrain"] = "2" });
        byte[] before = File.ReadAllBytes(options.CheckpointPath!);
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => Run(options)).Message,
            "has format 2, and this version of the library reads format 3");
        CollectionAssert.AreEqual(before, File.ReadAllBytes(options.CheckpointPath!));
    }

    /// <summary>Cut off everywhere, and with a flipped bit in every part.</summary>
    [TestMethod]
    public void ADamagedCheckpointIsAClearError()
    {
        using var folder = new TemporaryFolder();
        var options = Options(folder);
        Run(options);
        byte[] whole = File.ReadAllBytes(options.CheckpointPath!);
        for (int length = 0; length < whole.Length; length += Math.Max(1, whole.Length / 15)) Damaged(whole[..length]);
        Damaged(whole[..^1]);
        Damaged([.. whole, 0]);
        for (int at = 9000; at < whole.Length; at += whole.Length / 12)
        {
            byte[] flipped = [.. whole];
            flipped[at] ^= 4;
            Damaged(flipped);
        }

        void Damaged(byte[] bytes)
        {
            File.WriteAllBytes(options.CheckpointPath!, bytes);
            var e = Assert.ThrowsExactly<CheckpointFormatException>(() => Run(options), $"{bytes.Length} of {whole.Length} bytes");
            StringAssert.Contains(e.Message, $"The training checkpoint '{options.CheckpointPath}' is damaged");
            CollectionAssert.AreEqual(bytes, File.ReadAllBytes(options.CheckpointPath!), "not touched");
        }
    }

    [TestMethod]
    public void MetadataWithoutSenseAreAClearError()
    {
        using var folder = new TemporaryFolder();
        var options = Options(folder);
        Run(options);
        Dictionary<string, string> metadata;
        List<FloatTensor> tensors = [];
        using (var reader = SafetensorsReader.Open(options.CheckpointPath!))
        {
            metadata = new(reader.Metadata);
            foreach (var tensor in reader.Tensors)
            {
                var values = new float[tensor.Length];
                reader.Read(tensor.Name, values);
                tensors.Add(new(tensor.Name, [values.Length], values));
            }
        }
        foreach (string key in new[] { "fingerprint", "progress", "sha256" })
            foreach (string? value in new[] { null, "", "null", "{", "[1]", "{\"Epoch\":1}" })
            {
                var changed = new Dictionary<string, string>(metadata);
                if (value is null) changed.Remove(key);
                else changed[key] = value;
                SafetensorsWriter.Write(options.CheckpointPath!, tensors, changed);
                var e = Assert.Throws<Exception>(() => Run(options), $"{key} = {value}");
                Assert.IsTrue(e is CheckpointFormatException or InvalidDataException, $"{key} = {value}: {e}");
                StringAssert.Contains(e.Message, options.CheckpointPath);
            }
        SafetensorsWriter.Write(options.CheckpointPath!, [.. tensors.Skip(1)], metadata);
        Assert.ThrowsExactly<CheckpointFormatException>(() => Run(options));
        SafetensorsWriter.Write(options.CheckpointPath!, tensors, metadata);
        Run(options);
    }

    [TestMethod]
    public void AFolderThatCannotBeWrittenShowsAtTheStart()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("missing/run.safetensors");
        var options = Options(folder) with { CheckpointPath = path, Progress = new Told<RetrainProgress>(_ => Assert.Fail("no work before that")) };
        var e = Assert.ThrowsExactly<IOException>(() => Run(options));
        StringAssert.Contains(e.Message, $"The training checkpoint '{path}' of epoch 0 cannot be written");
        StringAssert.Contains(e.Message, "There is none from before");
    }

    /// <summary>The disk fills up in the second epoch: the error says so, and the checkpoint of the first is whole.</summary>
    [TestMethod]
    public void WhereSavingFailsTheEarlierCheckpointIsIntact()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("run.safetensors"), gone = folder.File("elsewhere");
        var options = Options(folder) with { Epochs = 2, CheckpointPath = path };
        // No disk of a given size can be had in a test; a folder that goes away fails at the same place.
        using var inside = new TemporaryFolder();
        var failing = options with
        {
            CheckpointPath = inside.File("sub/run.safetensors"),
            Progress = new Told<RetrainProgress>(p =>
            {
                if (p is { Epoch: 1, EpochEnded: true }) Directory.Move(inside.File("sub"), gone);
            }),
        };
        Directory.CreateDirectory(inside.File("sub"));
        var e = Assert.ThrowsExactly<IOException>(() => Run(failing));
        StringAssert.Contains(e.Message, "of epoch 2 cannot be written");
        Directory.Move(gone, inside.File("sub"));
        Assert.HasCount(1, Directory.GetFileSystemEntries(inside.File("sub")), "nothing else is left");
        TinyTask.AssertSameWeights(Run(options).Model, Run(failing with { Progress = null }).Model, "resumed");
    }

    /// <summary>What a kill left beside the checkpoint goes at the next start, and nothing else does.</summary>
    [TestMethod]
    public void RemainsOfAKilledSaveGo()
    {
        using var folder = new TemporaryFolder();
        var options = Options(folder);
        string remains = folder.File($".run.safetensors.{Guid.NewGuid():N}.tmp");
        string[] strangers =
        [
            folder.File(".run.safetensors.mine.tmp"), folder.File(".run.safetensors.tmp"), folder.File("run.safetensors.tmp"),
            folder.File($".other.{Guid.NewGuid():N}.tmp"),
        ];
        foreach (string file in strangers.Append(remains)) File.WriteAllText(file, "half of something");
        Run(options);
        Assert.IsFalse(File.Exists(remains));
        foreach (string file in strangers) Assert.IsTrue(File.Exists(file), file);
    }

    private static RetrainOptions Options(TemporaryFolder folder) => TinyTask.Options with { Epochs = 1, CheckpointPath = folder.File("run.safetensors") };

    private static RetrainResult<VimModel> Run(RetrainOptions options) => Retrainer.Run(TinyTask.Model(), s_images, null, options);
}
