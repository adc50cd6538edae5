using Microsoft.ML;
using RMeeTo.Vim.Images;

namespace RMeeTo.MLNet.Tests.Stage;

/// <summary>Reading of the rows that Fit is given: decoded ahead by many threads, kept in the order of the rows.</summary>
[TestClass]
public sealed class StageReadingTests
{
    private const int Count = 90; // three batches
    private readonly MLContext _ml = new(seed: 1);

    private T Read<T>(IEnumerable<PathRow> rows, int threads, UnreadableImages policy, Func<TrainingRows, T> look, CancellationToken cancel = default)
    {
        var environment = MlNetInternals.EnvironmentOf(_ml.Transforms);
        using var channel = StageLog.Open(environment, "Test");
        using var cancellation = new FitCancellation(environment, cancel);
        var options = Tiny.FromPaths(new() { ValidationFraction = 0, UnreadableImages = policy });
        using var read = TrainingRows.Read(_ml.Data.LoadFromEnumerable(rows), options, Tiny.Config, new ImageStoreOptions { ShorterEdge = 24 }, threads,
            channel, cancellation);
        return look(read);
    }

    private static string[] Names(TrainingRows rows) => [.. Enumerable.Range(0, rows.Store.Count).Select(rows.Store.Name)];

    [TestMethod]
    public void AnyNumberOfThreadsKeepsTheSameImagesInTheOrderOfTheRows()
    {
        var rows = Pictures.Rows(0, Count, wholePaths: true);
        byte[][] Pixels(TrainingRows read)
        {
            CollectionAssert.AreEqual(rows.Select(row => row.ImagePath).ToArray(), Names(read));
            CollectionAssert.AreEqual(Enumerable.Range(0, Count).Select(i => i % 3).ToArray(), Enumerable.Range(0, Count).Select(read.Store.Label).ToArray());
            return [.. Enumerable.Range(0, Count).Select(i => read.Store.Read(i).Pixels.ToArray())];
        }
        byte[][] expected = Read(rows, 1, UnreadableImages.Throw, Pixels);
        foreach (int threads in (int[])[2, 3, 8])
        {
            byte[][] actual = Read(rows, threads, UnreadableImages.Throw, Pixels);
            for (int i = 0; i < Count; i++) CollectionAssert.AreEqual(expected[i], actual[i], $"image {i} by {threads} threads");
        }
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(3)]
    public void TheFirstImageThatCannotBeReadIsNamed(int threads)
    {
        var rows = Pictures.Rows(0, Count, wholePaths: true);
        (rows[40].ImagePath, rows[77].ImagePath) = ("absent-40.png", "absent-77.png");
        Tiny.Throws<UnreadableImageException>(() => Read(rows, threads, UnreadableImages.Throw, Names), "absent-40.png");
        string[] names = Read(rows, threads, UnreadableImages.Missing, Names);
        CollectionAssert.AreEqual(rows.Where(row => !row.ImagePath.StartsWith("absent")).Select(row => row.ImagePath).ToArray(), names);
    }

    /// <summary>Files that are gone once they were decoded are not missed: one thread has done the first two batches when it reads the last row.</summary>
    [TestMethod]
    public void EveryImageIsDecodedOnce()
    {
        var folder = Directory.CreateTempSubdirectory("rmeeto");
        try
        {
            Assert.HasCount(Count, Read(Rows(), 1, UnreadableImages.Throw, Names));
        }
        finally
        {
            folder.Delete(recursive: true);
        }

        IEnumerable<PathRow> Rows()
        {
            var rows = Pictures.Rows(0, Count, wholePaths: true);
            for (int i = 0; i < Count; i++)
            {
                string copy = Path.Combine(folder.FullName, $"{i}.png");
                File.Copy(rows[i].ImagePath, copy, overwrite: true);
                rows[i].ImagePath = copy;
                if (i == Count - 1) foreach (var row in rows[..64]) File.Delete(row.ImagePath);
                yield return rows[i];
            }
        }
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(3)]
    public void ACancelledReadEnds(int threads)
    {
        using var stop = new CancellationTokenSource();
        stop.Cancel();
        Assert.Throws<OperationCanceledException>(() => Read(Pictures.Rows(0, Count, wholePaths: true), threads, UnreadableImages.Throw, Names, stop.Token));
    }

    /// <summary>A view that fails while the rows before are decoded: its own failure comes out, once nothing is decoded any more.</summary>
    [TestMethod]
    public void AFailingViewIsToldAsItIs()
    {
        IEnumerable<PathRow> Rows()
        {
            foreach (var row in Pictures.Rows(0, 50, wholePaths: true)) yield return row;
            throw new TimeoutException("the data base does not answer");
        }
        var estimator = _ml.Transforms.VimMergedClassifier(Tiny.FromPaths(Tiny.Options()));
        Tiny.Throws<TimeoutException>(() => estimator.Fit(_ml.Data.LoadFromEnumerable(Rows())), "the data base");
    }
}
