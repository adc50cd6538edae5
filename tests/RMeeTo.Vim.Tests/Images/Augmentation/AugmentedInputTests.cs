using RMeeTo.Vim.Images;
using RMeeTo.Vim.Images.Augmentation;
using RMeeTo.Vim.Tests.Network;

namespace RMeeTo.Vim.Tests.Images.Augmentation;

/// <summary>Where RandAugment and random erasing come in the way of an image, and of a clip, to the network.</summary>
[TestClass]
public sealed class AugmentedInputTests
{
    private const int Height = 20, Width = 24, Plane = Height * Width;
    private static readonly EvaluationPreprocessing s_evaluation = new() { ImageHeight = Height, ImageWidth = Width };
    private static readonly TrainingPreprocessing s_plain = new(s_evaluation);
    private static readonly TrainingPreprocessing s_full = s_plain with
    {
        Policy = new RandAugment { Operations = 4 },
        Erasing = new RandomErasing { Probability = 0.5 },
    };

    [TestMethod]
    public void AnImageIsCroppedFlippedChangedNormalisedErased()
    {
        var image = TestImages.Make(Pattern.Noise, 60, 50);
        for (var sample = 0; sample < 40; sample++)
        {
            var rgb = new byte[3 * Plane];
            s_plain.Augment(image, rgb, 1, 2, sample);
            s_full.Policy!.Apply(rgb, Width, Height, new RgbColor(124, 116, 104), CounterRandom.For(1, 2, sample, RandomPurpose.RandAugment));
            float[] expected = new float[rgb.Length], actual = new float[rgb.Length];
            s_evaluation.Normalization.Apply(rgb, expected);
            s_full.Erasing!.Apply(expected, 1, Height, Width, CounterRandom.For(1, 2, sample, RandomPurpose.Erase));
            s_full.Apply(image, actual, 1, 2, sample);
            CollectionAssert.AreEqual(expected, actual);
        }
    }

    /// <summary>As VideoMamba: the operations come first, on whole frames, and fill with grey.</summary>
    [TestMethod]
    public void EveryFrameOfAClipIsChangedByTheSameDecisions()
    {
        const int Frames = 3;
        var clip = new VideoClip([TestImages.Make(Pattern.Noise, 40, 34), TestImages.Make(Pattern.Ramp, 40, 34), TestImages.Make(Pattern.Edges, 40, 34)]);
        for (var sample = 0; sample < 40; sample++)
        {
            var chosen = new int[Frames];
            FrameSampling.Random(clip.Count, CounterRandom.For(1, 2, sample, RandomPurpose.Frames), chosen);
            float[] expected = new float[3 * Frames * Plane], actual = new float[expected.Length], frame = new float[3 * Plane];
            for (var t = 0; t < Frames; t++)
            {
                var rgb = clip[chosen[t]].Pixels.ToArray();
                s_full.Policy!.Apply(rgb, 40, 34, new RgbColor(128, 128, 128), CounterRandom.For(1, 2, sample, RandomPurpose.RandAugment));
                s_plain.Apply(new RgbImage(rgb, 40, 34), frame, 1, 2, sample);
                for (var channel = 0; channel < 3; channel++) frame.AsSpan(channel * Plane, Plane).CopyTo(expected.AsSpan((channel * Frames + t) * Plane));
            }

            s_full.Erasing!.Apply(expected, Frames, Height, Width, CounterRandom.For(1, 2, sample, RandomPurpose.Erase));
            s_full.Apply(clip, Frames, actual, 1, 2, sample);
            CollectionAssert.AreEqual(expected, actual);
        }
    }

    [TestMethod]
    public void FramesOfAClipAreNotWrittenTo()
    {
        var frame = TestImages.Make(Pattern.Noise, 40, 34);
        var before = frame.Pixels.ToArray();
        for (var sample = 0; sample < 10; sample++) s_full.Apply(new VideoClip([frame]), 2, new float[6 * Plane], 1, 2, sample);
        CollectionAssert.AreEqual(before, frame.Pixels.ToArray());
    }

    [TestMethod]
    public void NothingIsAllocatedPerImage()
    {
        var image = TestImages.Make(Pattern.Noise, 60, 50);
        var output = new float[3 * Plane];
        long sample = 0;
        Assert.AreEqual(0, Allocations.OfTen(() => s_full.Apply(image, output, 1, 2, sample++ % 10)));
    }
}
