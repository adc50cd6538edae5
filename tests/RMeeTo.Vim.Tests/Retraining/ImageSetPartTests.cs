using RMeeTo.Vim.Images;
using RMeeTo.Vim.Retraining;

namespace RMeeTo.Vim.Tests.Retraining;

/// <summary>Parts of a training set: the same share of every class, or what Python would choose.</summary>
[TestClass]
public sealed class ImageSetPartTests
{
    /// <summary>random.seed(s); random.sample(range(N), k), recorded with CPython 3.11: count, last four, and the sum.</summary>
    [TestMethod]
    [DataRow(1_281_167, 0.1, 0u, 128_116, new[] { 290041, 1040509, 984604, 1273319 }, 81_884_536_718)]
    [DataRow(1_281_167, 0.05, 0u, 64_058, new[] { 1244102, 397538, 166651, 682384 }, 40_934_237_937)]
    [DataRow(1_281_167, 0.01, 0u, 12_811, new[] { 552481, 1218160, 937039, 1008462 }, 8_182_743_320)]
    [DataRow(9_469, 0.5, 7u, 4_734, new[] { 4064, 6947, 4390, 7675 }, 22_424_970)]
    public void SamplesArePythons(int count, double fraction, uint seed, int expectedCount, int[] lastFour, long sum)
    {
        int[] sample = new PythonRandom(seed).Sample(count, (int)(count * fraction));
        Assert.HasCount(expectedCount, sample);
        CollectionAssert.AreEqual(lastFour, sample[^4..]);
        Assert.AreEqual(sum, sample.Sum(i => (long)i));
    }

    [TestMethod]
    public void ASmallSampleIsDrawnFromAList() =>
        CollectionAssert.AreEqual(
            new[] { 24, 48, 26, 2, 16, 32, 31, 25, 19, 30, 22, 37, 13, 44, 8, 18, 35, 6, 45, 29 }, new PythonRandom(0).Sample(50, 20));

    [TestMethod]
    public void TheReferencePartTakesTheDrawnPlacesOfTheSet()
    {
        var all = TinyTask.Images(60, 1);
        var set = new ImageSet(all.Store, [.. all.Indices.Skip(10)]);
        var part = set.ReferencePart(0.4);
        CollectionAssert.AreEqual(new PythonRandom(0).Sample(50, 20).Select(k => k + 10).ToArray(), part.Indices.ToArray());
        CollectionAssert.AreNotEqual(part.Indices.ToArray(), set.ReferencePart(0.4, 1).Indices.ToArray(), "another seed");
    }

    [TestMethod]
    public void EveryClassKeepsItsShare()
    {
        var store = new ImageStore();
        int[] counts = [100, 40, 3, 1];
        for (int i = 0; i < counts.Max(); i++)
            for (int label = 0; label < counts.Length; label++)
                if (i < counts[label]) store.Add(new RgbImage(new byte[3], 1, 1), label);
        var set = new ImageSet(store);
        foreach (double fraction in new[] { 0.1, 0.05, 0.01, 1 })
        {
            var part = set.StratifiedPart(fraction, 5);
            for (int label = 0; label < counts.Length; label++)
            {
                int expected = Math.Max(1, (int)Math.Round(fraction * counts[label]));
                Assert.AreEqual(expected, part.Indices.Count(i => store.Label(i) == label), $"{fraction} of class {label}");
            }
            CollectionAssert.AreEqual(part.Indices.Distinct().Order().ToArray(), part.Indices.ToArray(), "each once, in order");
        }
        int[] ten = [.. set.StratifiedPart(0.1, 5).Indices], again = [.. set.StratifiedPart(0.1, 5).Indices], other = [.. set.StratifiedPart(0.1, 6).Indices];
        CollectionAssert.AreEqual(ten, again);
        CollectionAssert.AreNotEqual(ten, other);
        Assert.IsTrue(set.StratifiedPart(0.05, 5).Indices.All(ten.Contains), "a smaller part is a part of the larger");
    }

    [TestMethod]
    public void APartOutOfRangeIsNamed()
    {
        var set = TinyTask.Images(9, 1);
        foreach (double fraction in new[] { 0, -0.1, 1.1, double.NaN })
        {
            var e = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => set.StratifiedPart(fraction, 0));
            StringAssert.Contains(e.Message, "it must be above 0 and at most 1");
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => set.ReferencePart(fraction));
        }
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => set.ReferencePart(0.1)).Message, "0.1 of 9 images is less than one");
    }
}
