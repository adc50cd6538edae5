using RMeeTo.Vim.Images;
using RMeeTo.Vim.Images.Augmentation;

namespace RMeeTo.Vim.Tests.Images.Augmentation;

[TestClass]
public sealed class BatchMixTests
{
    [TestMethod]
    public void KindsComeAsOftenAsStated()
    {
        const int N = 10000;
        var counts = new int[3];
        var options = new MixOptions { Probability = 0.6, SwitchProbability = 0.3 };
        // A large image, so that hardly any rectangle is empty.
        for (var i = 0; i < N; i++) counts[(int)Draw(options, i, 5000, 5000).Kind]++;
        Near(0.4, counts[(int)MixKind.None]);
        Near(0.42, counts[(int)MixKind.Mixup]);
        Near(0.18, counts[(int)MixKind.CutMix]);

        static void Near(double p, int count) => Assert.AreEqual(p * N, count, 5 * Math.Sqrt(N * p * (1 - p)));
    }

    [TestMethod]
    public void OneKindAloneNeedsNoSwitch()
    {
        for (var i = 0; i < 100; i++)
        {
            Assert.AreEqual(MixKind.Mixup, Draw(new() { CutMix = 0, SwitchProbability = 1 }, i, 50, 50).Kind);
            Assert.AreNotEqual(MixKind.Mixup, Draw(new() { Mixup = 0, SwitchProbability = 0 }, i, 50, 50).Kind);
            Assert.AreEqual(default, Draw(MixOptions.None, i, 50, 50));
            Assert.AreEqual(default, Draw(new() { Probability = 0 }, i, 50, 50));
        }

        Assert.IsTrue(MixOptions.None.IsNone && new MixOptions { Probability = 0 }.IsNone && !new MixOptions().IsNone);
        Assert.AreEqual(1, default(BatchMix).Lambda);
    }

    /// <summary>Without clipping λ would be uniform for α = 1; the mean area after clipping is an integral over size and centre.</summary>
    [TestMethod]
    public void RectanglesAreInsideAndLambdaIsWhatIsLeft()
    {
        const int N = 4000, Height = 900, Width = 1600;
        double area = 0;
        var (touchesLeft, touchesBottom) = (0, 0);
        for (var i = 0; i < N; i++)
        {
            var mix = Draw(new() { Mixup = 0 }, i, Height, Width);
            if (mix.Kind == MixKind.None) continue;
            var box = mix.Box;
            Assert.IsTrue(box is { Left: >= 0, Top: >= 0, Width: >= 1, Height: >= 1 } && box.Left + box.Width <= Width && box.Top + box.Height <= Height);
            Assert.AreEqual(1 - (double)box.Width * box.Height / (Height * Width), mix.Lambda);
            area += (1 - mix.Lambda) / N;
            if (box.Left == 0) touchesLeft++;
            if (box.Top + box.Height == Height) touchesBottom++;
        }

        // An edge of share s, centred uniformly, has s − s²/4 left on average; s² is uniform. E[(s − s²/4)²] = 1/2 − 1/5 + 1/48.
        Assert.AreEqual(0.5 - 0.2 + 1 / 48.0, area, 5 * 0.25 / Math.Sqrt(N));
        // It touches an edge with probability s/2, 1/3 on average.
        Assert.AreEqual(N / 3.0, touchesLeft, 5 * Math.Sqrt(N * 2 / 9.0));
        Assert.AreEqual(N / 3.0, touchesBottom, 5 * Math.Sqrt(N * 2 / 9.0));
    }

    [TestMethod]
    public void APlaneIsMixedPixelByPixel()
    {
        const int Height = 7, Width = 9, Planes = 6;
        float[] own = Numbers(1, Planes * Height * Width), partner = Numbers(2, own.Length);
        for (var i = 0; i < 40; i++)
        {
            var mix = Draw(new(), i, Height, Width);
            float[] expected = Expected(mix, own, partner), reverse = Expected(mix, partner, own), output = new float[own.Length];
            mix.Apply(own, partner, output);
            CollectionAssert.AreEqual(expected, output);
            float[] first = [.. own], second = [.. partner];
            mix.Apply(first, partner, first);
            CollectionAssert.AreEqual(expected, first);
            first = [.. own];
            mix.ApplyToPair(first, second);
            CollectionAssert.AreEqual(expected, first);
            CollectionAssert.AreEqual(reverse, second);
            mix.ApplyToPair(first, first);
            CollectionAssert.AreEqual(expected, first);
            mix.Apply(own, own, output);
            CollectionAssert.AreEqual(own, output);
        }

        static float[] Expected(BatchMix mix, float[] own, float[] partner) => [.. own.Select((value, i) =>
        {
            int x = i % Width, y = i / Width % Height;
            var inside = x >= mix.Box.Left && x < mix.Box.Left + mix.Box.Width && y >= mix.Box.Top && y < mix.Box.Top + mix.Box.Height;
            return mix.Kind switch
            {
                MixKind.Mixup => value * (float)mix.Lambda + partner[i] * (float)(1 - mix.Lambda),
                MixKind.CutMix when inside => partner[i],
                _ => value,
            };
        })];
    }

    [TestMethod]
    public void TargetsAreMixedWithSmoothing()
    {
        const double Smoothing = 0.1;
        var target = new float[5];
        for (var i = 0; i < 20; i++)
        {
            var mix = Draw(new(), i, 64, 64);
            mix.FillTarget(1, 3, Smoothing, target);
            double off = Smoothing / 5, on = 1 - Smoothing + off;
            double own = mix.Lambda * on + (1 - mix.Lambda) * off, other = mix.Lambda * off + (1 - mix.Lambda) * on;
            var expected = new[] { off, own, off, other, off };
            for (var k = 0; k < 5; k++) Assert.AreEqual(expected[k], target[k], 2e-7);
            mix.FillTarget(2, 2, Smoothing, target);
            for (var k = 0; k < 5; k++) Assert.AreEqual(k == 2 ? on : off, target[k], 1e-7);
        }

        default(BatchMix).FillTarget(0, 4, 0, target);
        CollectionAssert.AreEqual(new float[] { 1, 0, 0, 0, 0 }, target);
    }

    [TestMethod]
    public void GroupsAreDealtOutInTurnAndReversed()
    {
        var groups = new MixGroups(10, 12, 3);
        Assert.AreEqual(4, groups.Count);
        // Groups {0, 4, 8}, {1, 5, 9}, {2, 6}, {3, 7}.
        CollectionAssert.AreEqual(new[] { 8, 9, 6, 7, 4, 5, 2, 3, 0, 1 }, Enumerable.Range(0, 10).Select(groups.PartnerOf).ToArray());
        CollectionAssert.AreEqual(new[] { 3, 3, 2, 2 }, Enumerable.Range(0, 4).Select(groups.SizeOf).ToArray());
        var whole = new MixGroups(5, 8, 0);
        CollectionAssert.AreEqual(new[] { 4, 3, 2, 1, 0 }, Enumerable.Range(0, 5).Select(whole.PartnerOf).ToArray());
        var few = new MixGroups(2, 8, 2);
        Assert.AreEqual((4, 1, 0), (few.Count, few.SizeOf(1), few.SizeOf(3)));
        CollectionAssert.AreEqual(new[] { 0, 1 }, Enumerable.Range(0, 2).Select(few.PartnerOf).ToArray());
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => new MixGroups(10, 12, 5)).Message, "12");
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new MixGroups(13, 12, 3));
    }

    /// <summary>Of 13 positions of 16, dealt out in pairs to two groups of 8: {0 1, 4 5, 8 9, 12} and {2 3, 6 7, 10 11}.</summary>
    [TestMethod]
    public void CopiesThatBelongTogetherAreDealtOutTogether()
    {
        var groups = new MixGroups(13, 16, 8, together: 2);
        CollectionAssert.AreEqual(new[] { 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0 }, Enumerable.Range(0, 13).Select(groups.GroupOf).ToArray());
        Assert.AreEqual((7, 6), (groups.SizeOf(0), groups.SizeOf(1)));
        CollectionAssert.AreEqual(new[] { 12, 9, 11, 10, 8, 5, 7, 6, 4, 1, 3, 2, 0 }, Enumerable.Range(0, 13).Select(groups.PartnerOf).ToArray());
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => new MixGroups(10, 12, 4, together: 3)).Message, "a mix group of 4");
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new MixGroups(10, 12, 4, together: 0));
    }

    [TestMethod]
    public void TheSameStreamGivesTheSameDecision()
    {
        Assert.AreEqual(Draw(new(), 3, 64, 48), Draw(new(), 3, 64, 48));
        Assert.AreNotEqual(Draw(new(), 3, 64, 48), Draw(new(), 4, 64, 48));
    }

    [TestMethod]
    public void WrongArgumentsAreRefused()
    {
        foreach (var value in new[] { -0.1, 1001, double.NaN })
        {
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new MixOptions { Mixup = value });
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new MixOptions { CutMix = value });
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new MixOptions { Probability = value });
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new MixOptions { SwitchProbability = value });
        }

        var mix = Draw(new() { CutMix = 0 }, 0, 4, 4);
        var memory = new float[64];
        Assert.ThrowsExactly<ArgumentException>(() => mix.Apply(new float[16], new float[16], new float[32]));
        Assert.ThrowsExactly<ArgumentException>(() => mix.Apply(new float[20], new float[20], new float[20]));
        Assert.ThrowsExactly<ArgumentException>(() => mix.Apply(new float[16], memory.AsSpan(0, 16), memory.AsSpan(8, 16)));
        Assert.ThrowsExactly<ArgumentException>(() => mix.ApplyToPair(memory.AsSpan(0, 16), memory.AsSpan(8, 16)));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => mix.FillTarget(0, 5, 0, new float[5]));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => mix.FillTarget(-1, 0, 0, new float[5]));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => mix.FillTarget(0, 0, 1.5, new float[5]));
    }

    private static BatchMix Draw(MixOptions options, int group, int height, int width) =>
        BatchMix.Draw(CounterRandom.For(21, 0, group, RandomPurpose.Mix), options, height, width);

    private static float[] Numbers(long sample, int count)
    {
        var random = CounterRandom.For(5, 0, sample, RandomPurpose.Custom);
        var numbers = new float[count];
        foreach (ref var number in numbers.AsSpan()) number = (float)random.NextGaussian();
        return numbers;
    }
}
