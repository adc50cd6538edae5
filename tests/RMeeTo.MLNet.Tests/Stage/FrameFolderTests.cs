using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace RMeeTo.MLNet.Tests.Stage;

/// <summary>Which files of a folder are frames, and in which order.</summary>
[TestClass]
public sealed class FrameFolderTests
{
    private readonly string _folder = Directory.CreateTempSubdirectory("rmeeto-folder-").FullName;

    [TestCleanup]
    public void Clean() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    public void NumbersInNamesCountByTheirValue()
    {
        string[] inOrder = ["1.png", "2.png", "10.png", "B.png", "a2b9.png", "a2b10.png", "a10b1.png", "frame_9.png", "frame_010.png", "frame_10.png",
            "frame_11.png", "frame_18446744073709551616000.png", "z"];
        var shuffled = inOrder.ToArray();
        new Random(4).Shuffle(shuffled);
        Array.Sort(shuffled, (a, b) => FrameFolder.Compare(a, b));
        CollectionAssert.AreEqual(inOrder, shuffled);
        foreach (string a in inOrder)
            foreach (string b in inOrder) Assert.AreEqual(Math.Sign(FrameFolder.Compare(a, b)), -Math.Sign(FrameFolder.Compare(b, a)), $"{a} and {b}");
        Assert.AreEqual(0, FrameFolder.Compare("a1", "a1"));
        Assert.IsLessThan(0, FrameFolder.Compare("a", "a1"));
    }

    [TestMethod]
    public void OnlyImageFilesOfTheFolderItselfAreFrames()
    {
        Directory.CreateDirectory(Path.Combine(_folder, "5.png"));
        foreach (string name in (string[])["3.JPG", "2.png", "10.webp", "notes.txt", ".hidden.png", "4.jpeg", "1.bmp", Path.Combine("5.png", "6.png")])
            File.WriteAllText(Path.Combine(_folder, name), "");
        CollectionAssert.AreEqual(new[] { "1.bmp", "2.png", "3.JPG", "4.jpeg", "10.webp" }, FrameFolder.List(_folder).Select(Path.GetFileName).ToArray());
        Assert.Throws<DirectoryNotFoundException>(() => FrameFolder.List(Path.Combine(_folder, "absent")));
    }
}
