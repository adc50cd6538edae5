using RMeeTo.Vim.Images;

namespace RMeeTo.Vim.Tests.Images;

[TestClass]
public sealed class ImageStoreTests
{
    [TestMethod]
    public void FromMemoryAndFromTheFileComeTheSameBytesOnManyThreads()
    {
        using var folder = new Folder();
        using var store = new ImageStore(new ImageStoreOptions { MemoryBudget = 20_000, TemporaryFolder = folder.Path });
        var images = Enumerable.Range(0, 60).Select(i => TestImages.Make((Pattern)(i % 3), 10 + i, 70 - i)).ToArray();
        for (var i = 0; i < images.Length; i++)
            Assert.AreEqual(i, store.Add(images[i], i % 4 - 1, $"image {i}"));
        Assert.IsTrue(store.MemoryBytes is > 0 and <= 20_000);
        Assert.AreEqual(60, store.Count);

        Parallel.For(0, 8, thread =>
        {
            var buffer = new ImageReadBuffer();
            foreach (var i in CounterRandom.Permutation(60, 1, thread))
            {
                var image = store.Read(i, buffer);
                Assert.AreEqual((images[i].Width, images[i].Height), (image.Width, image.Height));
                Assert.IsTrue(images[i].Pixels.Span.SequenceEqual(image.Pixels.Span), $"image {i}");
                Assert.AreEqual(i % 4 - 1, store.Label(i));
                Assert.AreEqual($"image {i}", store.Name(i));
            }
        });
        var inFile = images.Where((_, i) => !InMemory(store, i)).ToArray();
        Assert.IsTrue(inFile.Length is > 0 and < 60, $"{inFile.Length} images are in the file");
        Assert.AreEqual(inFile.Sum(image => (long)image.Pixels.Length), store.FileBytes);
        Assert.IsTrue(images[59].Pixels.Span.SequenceEqual(store.Read(59).Pixels.Span));
    }

    [TestMethod]
    public void ReadingGoesOnWhileImagesAreAdded()
    {
        using var store = new ImageStore(new ImageStoreOptions { MemoryBudget = 3 * 25 * 100 });
        var image = TestImages.Make(Pattern.Noise, 5, 5);
        var reader = Task.Run(() =>
        {
            var buffer = new ImageReadBuffer();
            while (store.Count < 1000)
            {
                if (store.Count > 0)
                    Assert.IsTrue(image.Pixels.Span.SequenceEqual(store.Read(store.Count - 1, buffer).Pixels.Span));
            }
        });
        for (var i = 0; i < 1000; i++)
            store.Add(image);
        reader.GetAwaiter().GetResult();
    }

    [TestMethod]
    public void TheTemporaryFileIsGone()
    {
        using var folder = new Folder();
        var store = new ImageStore(new ImageStoreOptions { MemoryBudget = 0, TemporaryFolder = folder.Path });
        store.Add(TestImages.Make(Pattern.Ramp, 9, 9));
        Assert.AreEqual(0, store.MemoryBytes);
        Assert.AreEqual(243, store.FileBytes);
        // Where an open file can be unlinked it has no name from the start, so that not even a killed process leaves it behind.
        if (!OperatingSystem.IsWindows())
            Assert.IsEmpty(Directory.GetFileSystemEntries(folder.Path));
        store.Dispose();
        store.Dispose();
        Assert.IsEmpty(Directory.GetFileSystemEntries(folder.Path));
        Assert.ThrowsExactly<ObjectDisposedException>(() => store.Read(0));
        Assert.ThrowsExactly<ObjectDisposedException>(() => store.Add(TestImages.Make(Pattern.Ramp, 9, 9)));
    }

    [TestMethod]
    public void LargeImagesAreReducedAndTheirEvaluationDoesNotChange()
    {
        var preprocessing = new EvaluationPreprocessing { ImageHeight = 48, ImageWidth = 48 };
        var options = new ImageStoreOptions { ShorterEdge = preprocessing.ShorterEdge };
        using var store = new ImageStore(options);
        float[] expected = new float[preprocessing.OutputLength], actual = new float[preprocessing.OutputLength];
        foreach (var (width, height, reducedWidth, reducedHeight) in new[] { (150, 110, 73, 54), (110, 151, 54, 74), (54, 54, 54, 54), (30, 300, 30, 300), (2000, 60, 1800, 54) })
        {
            var image = TestImages.Make(Pattern.Noise, width, height);
            var stored = store.Read(store.Add(image));
            Assert.AreEqual((reducedWidth, reducedHeight), (stored.Width, stored.Height));
            Assert.AreEqual(stored.Pixels.Length, ImageStore.EstimateBytes(1, width, height, options));
            preprocessing.Apply(image, expected);
            preprocessing.Apply(stored, actual);
            CollectionAssert.AreEqual(expected, actual);
        }

        Assert.AreEqual(3L * 1000 * 1000 * 5_000_000, ImageStore.EstimateBytes(5_000_000, 1000, 1000, new ImageStoreOptions { ShorterEdge = null }));
    }

    [TestMethod]
    public void AUsedUpBudgetSaysWhatToDo()
    {
        using var store = new ImageStore(new ImageStoreOptions { MemoryBudget = 300, FileBudget = 300 });
        var image = TestImages.Make(Pattern.Ramp, 9, 9);
        store.Add(image);
        store.Add(image);
        var message = Assert.ThrowsExactly<InvalidOperationException>(() => store.Add(image, name: "third.png")).Message;
        foreach (var part in new[] { "third.png", "243", "300", "MemoryBudget", "FileBudget", "ShorterEdge" })
            StringAssert.Contains(message, part);
        Assert.AreEqual(2, store.Count);
        Assert.IsTrue(image.Pixels.Span.SequenceEqual(store.Read(1).Pixels.Span));
    }

    [TestMethod]
    public void AFolderThatIsNotThereIsNamed()
    {
        using var store = new ImageStore(new ImageStoreOptions { MemoryBudget = 0, TemporaryFolder = Path.Combine(Path.GetTempPath(), "no such folder") });
        var message = Assert.ThrowsExactly<IOException>(() => store.Add(TestImages.Make(Pattern.Ramp, 9, 9))).Message;
        StringAssert.Contains(message, "no such folder");
        StringAssert.Contains(message, "TemporaryFolder");
        Assert.AreEqual(0, store.Count);
    }

    [TestMethod]
    public void AFullDiskIsExplained()
    {
        if (!File.Exists("/dev/full"))
            Assert.Inconclusive("A full disk is imitated by /dev/full, which this system does not have.");
        using var file = new TemporaryFile(File.OpenHandle("/dev/full", FileMode.Open, FileAccess.Write), "folder");
        var message = Assert.ThrowsExactly<IOException>(() => file.Append(new byte[100])).Message;
        foreach (var part in new[] { "folder", "100", "TemporaryFolder", "MemoryBudget" })
            StringAssert.Contains(message, part);
        Assert.AreEqual(0, file.Length);
    }

    [TestMethod]
    public void LabelsAreCountedByClass()
    {
        using var store = new ImageStore();
        foreach (var label in new[] { 2, -1, 0, 2, 2 })
            store.Add(TestImages.Make(Pattern.Ramp, 1, 1), label);
        CollectionAssert.AreEqual(new[] { 1, 0, 3 }, store.ClassCounts());
        CollectionAssert.AreEqual(new[] { 1, 0, 3, 0, 0 }, store.ClassCounts(5));
        CollectionAssert.AreEqual(new[] { 2, -1, 0, 2, 2 }, store.Labels());
        var split = store.Split(0.4, 1);
        Assert.AreEqual(4, split.Train.Length + split.Validation.Length);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => store.Add(TestImages.Make(Pattern.Ramp, 1, 1), -2));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => store.Label(5));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => store.Read(-1));
        Assert.ThrowsExactly<ArgumentException>(() => store.Add(default));
        CollectionAssert.AreEqual(Array.Empty<int>(), new ImageStore().ClassCounts());
    }

    /// <summary>Two reads of an image in memory are views of the same bytes.</summary>
    private static bool InMemory(ImageStore store, int index) => store.Read(index).Pixels.Span.Overlaps(store.Read(index).Pixels.Span);

    private sealed class Folder : IDisposable
    {
        public string Path { get; } = Directory.CreateTempSubdirectory("rmeeto-test-").FullName;

        public void Dispose() => Directory.Delete(Path, recursive: true);
    }
}
