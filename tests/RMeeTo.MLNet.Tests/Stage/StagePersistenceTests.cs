using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using RMeeTo.Vim;
using RMeeTo.Vim.Images;

namespace RMeeTo.MLNet.Tests.Stage;

/// <summary>Model.Save and Model.Load.</summary>
[TestClass]
public sealed class StagePersistenceTests
{
    private readonly MLContext _ml = new(seed: 1);
    private readonly string _folder = Directory.CreateTempSubdirectory("rmeeto-models-").FullName;

    [TestCleanup]
    public void Clean() => Directory.Delete(_folder, recursive: true);

    private string Zip(string name = "model.zip") => Path.Combine(_folder, name);

    private string SaveShared()
    {
        _ml.Model.Save(Tiny.Chain, Tiny.Data(_ml, 0, 1).Schema, Zip());
        return Zip();
    }

    private static VimMergedClassifierTransformer Last(ITransformer model) =>
        model as VimMergedClassifierTransformer ?? ((IEnumerable<ITransformer>)model).OfType<VimMergedClassifierTransformer>().Single();

    private static string Lines(IEnumerable<Scored> rows) =>
        string.Join('\n', rows.Select(row => $"{row.PredictedLabel} {string.Join(' ', row.Score.Select(BitConverter.SingleToInt32Bits))}"));

    [TestMethod]
    public void LoadsInAnotherContextToTheBit()
    {
        var expected = Tiny.Read(_ml, Tiny.Chain.Transform(Tiny.Data(_ml, 60, 20)));
        var other = new MLContext();
        var loaded = other.Model.Load(SaveShared(), out var schema);
        Assert.IsNotNull(schema.GetColumnOrNull("ImagePath"));
        Tiny.AreSame(expected, Tiny.Read(other, loaded.Transform(Tiny.Data(other, 60, 20))));
        var classifier = Last(loaded);
        CollectionAssert.AreEqual(Pictures.Classes, classifier.ClassNames.ToArray());
        Assert.AreEqual(Tiny.Classifier.Schedule.ToString(), classifier.Schedule.ToString());
        Assert.IsNull(classifier.Retraining);
        Assert.AreEqual(
            _ml.MulticlassClassification.Evaluate(Tiny.Chain.Transform(Tiny.Data(_ml, 60, 20))).LogLoss,
            other.MulticlassClassification.Evaluate(loaded.Transform(Tiny.Data(other, 60, 20))).LogLoss);
        using var engine = other.Model.CreatePredictionEngine<PathRow, Scored>(loaded);
        CollectionAssert.AreEqual(expected[3].Score, engine.Predict(Pictures.Rows(63, 1)[0]).Score);
    }

    [TestMethod]
    public void LoadedModelSavesAgainTheSame()
    {
        var loaded = _ml.Model.Load(SaveShared(), out var schema);
        _ml.Model.Save(loaded, schema, Zip("again.zip"));
        CollectionAssert.AreEqual(Content(Zip()), Content(Zip("again.zip")));
    }

    [TestMethod]
    public void LoadsInAnotherProcessToTheBit()
    {
        var options = Tiny.FromPaths(Tiny.Options(epochs: 2));
        using var fitted = _ml.Transforms.VimMergedClassifier(options).Fit(Tiny.Data(_ml, 0, 30, wholePaths: true));
        _ml.Model.Save(fitted, null, Zip());
        string expected = Lines(Tiny.Read(_ml, fitted.Transform(Tiny.Data(_ml, 0, 10, wholePaths: true))));
        string output = Path.Combine(_folder, "scores.txt");
        using var process = AnotherProcess.Start("score", Zip(), Pictures.Folder, output);
        string errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.AreEqual(0, process.ExitCode, errors);
        Assert.AreEqual(expected, string.Join('\n', File.ReadAllLines(output)));
    }

    [TestMethod]
    public void LabelsAndPolicyComeBackInTheirOwnType()
    {
        var rows = Pictures.Rows(0, 12, wholePaths: true).Select((row, i) => new { row.Id, row.ImagePath, Kind = i % 3 * 1.5 });
        var options = Tiny.FromPaths(Tiny.Options(epochs: 1));
        (options.LabelColumnName, options.ScoreColumnName, options.PredictedLabelColumnName, options.UnreadableImages) =
            ("Kind", "S", "P", UnreadableImages.Missing);
        using var fitted = _ml.Transforms.VimMergedClassifier(options).Fit(_ml.Data.LoadFromEnumerable(rows));
        _ml.Model.Save(fitted, null, Zip());
        using var loaded = Last(new MLContext().Model.Load(Zip(), out _));
        var bad = loaded.Transform(_ml.Data.LoadFromEnumerable(new PathRow[] { new() { ImagePath = "absent.png" } }));
        Assert.AreEqual(0u, bad.GetColumn<uint>("P").Single());
        VBuffer<double> values = default;
        bad.Schema["P"].GetKeyValues(ref values);
        CollectionAssert.AreEqual(new[] { 0, 1.5, 3 }, values.DenseValues().ToArray());
    }

    [TestMethod]
    public void NothingOfThisMachineIsStored()
    {
        var options = Tiny.FromPaths(Tiny.MergeOnly(Pictures.Classes));
        (options.Threads, options.BatchSize, options.GpuDeviceId, options.FallbackToCpu) = (3, 7, 0, true);
        using var fitted = _ml.Transforms.VimMergedClassifier(options).Fit(Tiny.Data(_ml, 0, 6, wholePaths: true));
        _ml.Model.Save(fitted, null, Zip());
        using var loaded = Last(new MLContext().Model.Load(Zip(), out _));
        Assert.AreEqual((0, (int?)null, (int?)null), (loaded.Threads, loaded.Engine.Options.BatchSize, loaded.Engine.Options.Gpu.DeviceId));
    }

    [TestMethod]
    public void SaveCheckpointIsAModelFile()
    {
        string path = Path.Combine(_folder, "vim.safetensors");
        Tiny.Classifier.SaveCheckpoint(path);
        var model = VimModel.Load(path);
        CollectionAssert.AreEqual(Pictures.Classes, model.ClassNames.ToArray());
        Assert.IsTrue(model.Weights.Values.AsSpan().SequenceEqual(Tiny.Classifier.Model.Weights.Values));
    }

    [TestMethod]
    public void DamagedFilesAreRefused()
    {
        static MemoryStream Written()
        {
            var stream = new MemoryStream();
            StageFile.Write(stream, new("Label", "Image", null, "Score", "PredictedLabel"), LabelClasses.OfNames(Pictures.Classes), UnreadableImages.Throw,
                ClipViews.Single, Tiny.Model(Pictures.Classes));
            return stream;
        }
        void Refused(Action<byte[]> damage, params string[] parts)
        {
            byte[] bytes = Written().ToArray();
            damage(bytes);
            Tiny.Throws<FormatException>(() => StageFile.Read(MlNetInternals.EnvironmentOf(_ml.Transforms), new MemoryStream(bytes)), parts);
        }
        Refused(bytes => bytes[0] = 0, "RMEETOML");
        Refused(bytes => bytes[8] = 9, "version 9", "Update");
        Refused(bytes => bytes[15] = 0x70, "claims");
        Refused(bytes => bytes[16] = (byte)'x', "not JSON");
        Refused(bytes => bytes[18] = (byte)'l', "lacks a field");
        Tiny.Throws<FormatException>(() => StageFile.Read(MlNetInternals.EnvironmentOf(_ml.Transforms), new MemoryStream([1, 2])), "damaged");
        byte[] cut = Written().ToArray()[..^100];
        Assert.Throws<IOException>(() => StageFile.Read(MlNetInternals.EnvironmentOf(_ml.Transforms), new MemoryStream(cut)));
    }

    [TestMethod]
    public void OptionsThatCannotBeAreRefused()
    {
        byte[] file = Content(Model("model-v2.zip"));
        int length = BinaryPrimitives.ReadInt32LittleEndian(file.AsSpan(12));
        string header = Encoding.UTF8.GetString(file, 16, length);
        void Refused(string part, string by, string message)
        {
            Assert.Contains(part, header);
            byte[] other = Encoding.UTF8.GetBytes(header.Replace(part, by));
            byte[] bytes = [.. file[..12], .. BitConverter.GetBytes(other.Length), .. other, .. file[(16 + length)..]];
            Tiny.Throws<FormatException>(() => StageFile.Read(MlNetInternals.EnvironmentOf(_ml.Transforms), new MemoryStream(bytes)), "damaged", message);
        }
        Refused("\"FrameColumns\":[\"A\",\"B\",\"C\",\"D\"]", "\"FrameColumns\":[]", "columns of the frames");
        Refused("\"A\"", "null", "columns of the frames");
        Refused("\"Times\":1", "\"Times\":0", "views are 0 × 2");
        Refused("\"Crops\":2", "\"Crops\":1000000000", "views are 1 × 1000000000");
        Refused("\"Views\"", "\"TopK\":{\"Count\":0,\"Labels\":\"L\",\"Probabilities\":\"P\"},\"Views\"", "top classes");
        Refused("\"Views\"", "\"TopK\":{\"Count\":1,\"Labels\":null,\"Probabilities\":\"P\"},\"Views\"", "top classes");
    }

    /// <summary>A file that the first version wrote. It is never made anew: whoever breaks this test breaks the models of users.</summary>
    [TestMethod]
    public void FormatVersion1LoadsForEver()
    {
        var loaded = Last(_ml.Model.Load(Model("model-v1.zip"), out _));
        CollectionAssert.AreEqual(Pictures.Classes, loaded.ClassNames.ToArray());
        Assert.AreEqual("17 → 13 tokens, 1 merge, reduction ratio 0.08", loaded.Schedule.ToString());
        var view = loaded.Transform(Tiny.Data(_ml, 0, 3, wholePaths: true));
        Assert.AreEqual(new KeyDataViewType(typeof(uint), 3), view.Schema["PredictedLabel"].Type);
        float[][] expected = Numbers("model-v1.scores.txt");
        var rows = Tiny.Read(_ml, view);
        for (int i = 0; i < 3; i++)
            for (int k = 0; k < 3; k++) Assert.AreEqual(expected[i][k], rows[i].Score[k], 1e-4f);
    }

    /// <summary>The same with the columns of features and top classes, which files have where they were asked for.</summary>
    [TestMethod]
    public void FormatVersion1WithMoreColumnsLoadsForEver()
    {
        var loaded = Last(_ml.Model.Load(Model("model-v1-columns.zip"), out _));
        var view = loaded.Transform(Tiny.Data(_ml, 0, 3, wholePaths: true));
        CollectionAssert.AreEqual(new[] { "PredictedLabel", "Score", "Embedding", "Names", "Parts" },
            view.Schema.Select(column => column.Name).TakeLast(5).ToArray());
        float[][] expected = Numbers("model-v1-columns.features.txt");
        float[][] features = [.. view.GetColumn<VBuffer<float>>("Embedding")
            .Select(value => value.DenseValues().ToArray())]; // copies: ML.NET uses its buffer again
        for (int i = 0; i < 3; i++)
            for (int k = 0; k < 8; k++) Assert.AreEqual(expected[i][k], features[i][k], 1e-4f);
        Assert.AreEqual(new VectorDataViewType(TextDataViewType.Instance, 2), view.Schema["Names"].Type);
        Assert.AreEqual(new VectorDataViewType(NumberDataViewType.Single, 2), view.Schema["Parts"].Type);
    }

    /// <summary>A network for clips, a column a frame, two crops.</summary>
    [TestMethod]
    public void FormatVersion2LoadsForEver()
    {
        var loaded = Last(_ml.Model.Load(Model("model-v2.zip"), out _));
        Assert.AreEqual((4, new ClipViews { Crops = 2 }), (loaded.Model.Config.Frames, loaded.Views));
        var rows = Tiny.Read(_ml, loaded.Transform(_ml.Data.LoadFromEnumerable(Enumerable.Range(0, 3).Select(i => FourFramesRow.Of($"{i}", Clips.Paths(i))))));
        float[][] expected = Numbers("model-v2.scores.txt");
        for (int i = 0; i < 3; i++)
            for (int k = 0; k < 2; k++) Assert.AreEqual(expected[i][k], rows[i].Score[k], 2e-5f);
        _ml.Model.Save(loaded, null, Zip());
        CollectionAssert.AreEqual(Content(Model("model-v2.zip")), Content(Zip()));
    }

    /// <summary>What has no new option is written as ever, so that the versions before can read it.</summary>
    [TestMethod]
    public void ModelOfVersion1IsSavedAgainToTheByte()
    {
        var loaded = _ml.Model.Load(Model("model-v1.zip"), out var schema);
        _ml.Model.Save(loaded, schema, Zip());
        CollectionAssert.AreEqual(Content(Model("model-v1.zip")), Content(Zip()));
    }

    private static string Model(string name) => Path.Combine(AppContext.BaseDirectory, "Stage", "Models", name);

    private static float[][] Numbers(string name) =>
        [.. File.ReadAllLines(Model(name))
            .Select(line => line.Split(' ').Select(text => float.Parse(text, System.Globalization.CultureInfo.InvariantCulture)).ToArray())];

    /// <summary>Our stream in a model file.</summary>
    private static byte[] Content(string path)
    {
        using var zip = ZipFile.OpenRead(path);
        using var stream = zip.Entries.Single(entry => entry.Name == "Model.vim").Open();
        using var copy = new MemoryStream();
        stream.CopyTo(copy);
        return copy.ToArray();
    }
}
