namespace RMeeTo.Vim;

/// <summary>Names the streams of random numbers that the choices for one image are drawn from, one stream for each <see cref="RandomPurpose"/>.</summary>
/// <param name="Seed">Seed of the model, or of the training run.</param>
/// <param name="Epoch">Epoch of the run; 0 at inference.</param>
/// <param name="Sample">Number of the image in the training set; 0 at inference, where the choices are the same for every image.</param>
public readonly record struct SampleKey(ulong Seed, int Epoch, long Sample)
{
    /// <summary>The stream of one purpose.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The epoch is negative, or the sample outside 0 … 2⁴⁸−1.</exception>
    public CounterRandom Random(RandomPurpose purpose) => CounterRandom.For(Seed, Epoch, Sample, purpose);
}
