using RMeeTo.Vim.Images;
using RMeeTo.Vim.Images.Augmentation;

namespace RMeeTo.Vim.Tests.Images.Augmentation;

[TestClass]
public sealed class RandAugmentTests
{
    private const int N = 30000;
    private const int Kinds = 15;

    [TestMethod]
    public void TextIsReadAsTimmReadsIt()
    {
        Assert.AreEqual(new RandAugment(), RandAugment.Parse("rand-m9-mstd0.5-inc1"));
        Assert.AreEqual(new RandAugment { Magnitude = 5, MagnitudeStd = 0.25, Operations = 2 }, RandAugment.Parse("rand-m5-n2-mstd0.25-inc1"));
        Assert.AreEqual(new RandAugment { Magnitude = 10, MagnitudeStd = 0, Operations = 3 }, RandAugment.Parse("rand-inc1-n3"));
        foreach (var policy in new[] { new RandAugment(), new RandAugment { Magnitude = 0.1, MagnitudeStd = 1.5, Operations = 7 } })
            Assert.AreEqual(policy, RandAugment.Parse(policy.ToString()));
    }

    [TestMethod]
    [DataRow("", "begins with ''")]
    [DataRow("augmix-m5", "begins with 'augmix'")]
    [DataRow("rand-m9-mstd0.5", "append '-inc1'")]
    [DataRow("rand-m9-inc0", "'inc0'")]
    [DataRow("rand-m9-w0-inc1", "'w0'")]
    [DataRow("rand-m-inc1", "'m' must end with a number")]
    [DataRow("rand-n2.5-inc1", "'n2.5' must end with a whole number")]
    [DataRow("rand-m9-m8-inc1", "'m' is in it twice")]
    [DataRow("rand-x9-inc1", "'x9' is none of m, n, mstd and inc1")]
    [DataRow("rand--inc1", "'' is none of")]
    public void FaultsInTheTextAreNamed(string text, string message)
    {
        var e = Assert.ThrowsExactly<FormatException>(() => RandAugment.Parse(text));
        StringAssert.Contains(e.Message, message);
        StringAssert.Contains(e.Message, "rand-m9-mstd0.5-inc1");
    }

    [TestMethod]
    public void NumbersOutOfRangeAreRefused()
    {
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => RandAugment.Parse("rand-m11-inc1"));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new RandAugment { Magnitude = double.NaN });
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new RandAugment { MagnitudeStd = -1 });
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new RandAugment { Operations = 101 });
        Assert.ThrowsExactly<ArgumentException>(() => new RandAugment().Draw(default, new ImageOperation[1]));
    }

    [TestMethod]
    public void EveryOperationComesAsOftenAsTheOthersAndHalfOfThemAreDone()
    {
        var (byKind, byCount, firstByKind) = (new int[Kinds], new int[3], new int[Kinds]);
        var repeated = 0;
        foreach (var drawn in Draw(new RandAugment()))
        {
            byCount[drawn.Length]++;
            foreach (var operation in drawn) byKind[(int)operation.Kind]++;
            if (drawn.Length > 0) firstByKind[(int)drawn[0].Kind]++;
            if (drawn.Length == 2 && drawn[0].Kind == drawn[1].Kind) repeated++;
        }

        Near(0.25, byCount[0], "none");
        Near(0.5, byCount[1], "one");
        Near(0.25, byCount[2], "two");
        // With replacement: the second of two is the first again with probability 1/15.
        Near(0.25 / Kinds, repeated, "twice the same");
        // The mean is one operation an image; twice the same makes its variance a little larger than a binomial one.
        for (var kind = 0; kind < Kinds; kind++)
        {
            Assert.AreEqual(N / (double)Kinds, byKind[kind], 5 * Math.Sqrt(N / (double)Kinds * 1.1), $"{(ImageOperationKind)kind}");
            Near(0.75 / Kinds, firstByKind[kind], $"{(ImageOperationKind)kind} first");
        }
    }

    /// <summary>Rotations give away magnitude and sign: degrees = ±3m.</summary>
    [TestMethod]
    public void MagnitudesAreNormalAndClampedAndSignsAreEven()
    {
        foreach (var policy in new[] { new RandAugment { Operations = 15 }, new RandAugment { Magnitude = 5, MagnitudeStd = 0.25, Operations = 15 } })
        {
            double sum = 0, squares = 0;
            int count = 0, negative = 0, greatest = 0;
            foreach (var drawn in Draw(policy))
            {
                foreach (var operation in drawn)
                {
                    if (operation.Kind != ImageOperationKind.Rotate) continue;
                    var magnitude = Math.Abs(operation.Argument) / 3;
                    count++;
                    if (operation.Argument < 0) negative++;
                    if (magnitude > 10 - 1e-9) greatest++;
                    sum += magnitude;
                    squares += (magnitude - policy.Magnitude) * (magnitude - policy.Magnitude);
                }
            }

            Assert.AreEqual(count / 2.0, negative, 5 * Math.Sqrt(count / 4.0));
            // P(m > 10) is that of two standard deviations, 0.02275; the mean of the clamped m is 9 − 0.5 · (φ(2) − 2 · 0.02275) = 8.99575.
            var paper = policy.Magnitude == 9;
            Assert.AreEqual(paper ? 8.99575 : 5, sum / count, 5 * policy.MagnitudeStd / Math.Sqrt(count));
            Assert.AreEqual(paper ? 0.02275 * count : 0, greatest, 5 * Math.Sqrt(0.02275 * count));
            if (!paper) Assert.AreEqual(0.0625, squares / count, 5 * 0.0625 * Math.Sqrt(2.0 / count));
        }
    }

    [TestMethod]
    public void WithoutSpreadTheMagnitudeIsExact()
    {
        var policy = new RandAugment { Magnitude = 7, MagnitudeStd = 0 };
        foreach (var operation in Draw(policy).Take(2000).SelectMany(drawn => drawn))
        {
            ImageOperation[] either = [ImageOperation.AtMagnitude(operation.Kind, 7, false), ImageOperation.AtMagnitude(operation.Kind, 7, true)];
            CollectionAssert.Contains(either, operation);
        }
    }

    [TestMethod]
    public void DecisionsAreAFunctionOfSeedEpochAndSample()
    {
        var policy = new RandAugment { Operations = 20 };
        CollectionAssert.AreEqual(Draw(policy, 1, 2, 3), Draw(policy, 1, 2, 3));
        foreach (var (seed, epoch, sample) in new[] { (2UL, 2, 3L), (1UL, 3, 3L), (1UL, 2, 4L) })
            CollectionAssert.AreNotEqual(Draw(policy, 1, 2, 3), Draw(policy, seed, epoch, sample));
    }

    [TestMethod]
    public void ApplyDoesWhatIsDrawnInItsOrder()
    {
        var policy = new RandAugment { Operations = 4 };
        var fill = new RgbColor(1, 2, 3);
        for (var sample = 0; sample < 30; sample++)
        {
            var expected = TestImages.Make(Pattern.Noise, 13, 11).Pixels.ToArray();
            var actual = expected.ToArray();
            foreach (var operation in Draw(policy, 1, 2, sample)) operation.Apply(expected, 13, 11, fill);
            policy.Apply(actual, 13, 11, fill, CounterRandom.For(1, 2, sample, RandomPurpose.RandAugment));
            CollectionAssert.AreEqual(expected, actual);
        }
    }

    private static IEnumerable<ImageOperation[]> Draw(RandAugment policy) => Enumerable.Range(0, N).Select(sample => Draw(policy, 4, 0, sample));

    private static ImageOperation[] Draw(RandAugment policy, ulong seed, int epoch, long sample)
    {
        var operations = new ImageOperation[policy.Operations];
        return operations[..policy.Draw(CounterRandom.For(seed, epoch, sample, RandomPurpose.RandAugment), operations)];
    }

    private static void Near(double p, int count, string what) => Assert.AreEqual(p * N, count, 5 * Math.Sqrt(N * p * (1 - p)), what);
}
