namespace RMeeTo.Vim;

/// <summary>
/// Random numbers that are a function of (seed, epoch, sample, purpose) and of their place in that stream, and of nothing else: not of the thread, the order of
/// the work, or what was drawn before. So a run gives the same bits on any number of threads and after a resume.
/// </summary>
/// <remarks>
/// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): the seed is the key, the other arguments are the counter, so two
/// different streams can never overlap. A mutable value: pass it by <c>ref</c>, for a copy repeats the numbers of the original.
/// </remarks>
public ref struct CounterRandom
{
    private const long MaxSample = (1L << 48) - 1;

    private readonly ulong _key;
    private readonly ulong _sampleAndPurpose;
    private readonly uint _epoch;
    private uint _block;
    private ulong _second;
    private bool _hasSecond;

    private CounterRandom(ulong seed, int epoch, long sample, RandomPurpose purpose)
    {
        _key = seed;
        _epoch = (uint)epoch;
        _sampleAndPurpose = (ulong)sample | ((ulong)purpose << 48);
    }

    /// <summary>The stream of one purpose for one sample in one epoch.</summary>
    /// <param name="seed">Seed of the run.</param>
    /// <param name="epoch">Epoch, at least 0; 0 where it has no meaning.</param>
    /// <param name="sample">Number of the sample (or class, batch, parameter), 0 … 2⁴⁸−1; 0 where it has no meaning.</param>
    /// <param name="purpose">What the numbers are for.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="epoch"/> or <paramref name="sample"/> is out of range.</exception>
    public static CounterRandom For(ulong seed, int epoch, long sample, RandomPurpose purpose)
    {
        if (epoch < 0)
            throw new ArgumentOutOfRangeException(nameof(epoch), epoch, $"Epoch {epoch} is negative; epochs count from 0.");
        if (sample is < 0 or > MaxSample)
            throw new ArgumentOutOfRangeException(nameof(sample), sample, $"Sample {sample} is outside 0 … {MaxSample}.");
        return new CounterRandom(seed, epoch, sample, purpose);
    }

    /// <summary>64 random bits.</summary>
    public ulong NextUInt64()
    {
        if (_hasSecond)
        {
            _hasSecond = false;
            return _second;
        }

        var (first, second) = Philox(_block | ((ulong)_epoch << 32), _sampleAndPurpose, _key);
        _block++;
        _second = second;
        _hasSecond = true;
        return first;
    }

    /// <summary>Uniform on [0, 1), a multiple of 2⁻⁵³.</summary>
    public double NextDouble() => (NextUInt64() >> 11) * (1.0 / (1L << 53));

    /// <summary>Uniform on [0, 1), a multiple of 2⁻²⁴.</summary>
    public float NextSingle() => (NextUInt64() >> 40) * (1.0f / (1 << 24));

    /// <summary>Uniform on [<paramref name="low"/>, <paramref name="high"/>].</summary>
    public double NextDouble(double low, double high) => low + (high - low) * NextDouble();

    /// <summary>Uniform on 0 … <paramref name="n"/>−1, without bias (Lemire 2019).</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="n"/> is less than 1.</exception>
    public int NextInt(int n)
    {
        if (n < 1)
            throw new ArgumentOutOfRangeException(nameof(n), n, $"There is no whole number from 0 to below {n}; n must be at least 1.");
        var bound = (ulong)n;
        var high = Math.BigMul(NextUInt64(), bound, out var low);
        if (low < bound)
        {
            var reject = (0 - bound) % bound;
            while (low < reject)
                high = Math.BigMul(NextUInt64(), bound, out low);
        }

        return (int)high;
    }

    /// <summary>
    /// Standard normal, by Box and Muller; always two draws, so that the place in the stream does not depend on the values. It goes through the platform's
    /// logarithm and cosine, whose last bit may differ between operating systems.
    /// </summary>
    public double NextGaussian()
    {
        // 1 - u is in (0, 1], so that the logarithm is finite.
        var radius = Math.Sqrt(-2 * Math.Log(1 - NextDouble()));
        return radius * Math.Cos(2 * Math.PI * NextDouble());
    }

    /// <summary>Two independent standard normal numbers, of the two draws that <see cref="NextGaussian"/> makes one number of.</summary>
    public (double First, double Second) NextGaussianPair()
    {
        var radius = Math.Sqrt(-2 * Math.Log(1 - NextDouble()));
        var (sine, cosine) = Math.SinCos(2 * Math.PI * NextDouble());
        return (radius * cosine, radius * sine);
    }

    /// <summary>The numbers 0 … <paramref name="n"/>−1 in the random order of an epoch.</summary>
    /// <param name="n">How many, at least 0.</param>
    /// <param name="seed">Seed of the run.</param>
    /// <param name="epoch">Epoch, at least 0.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="n"/> or <paramref name="epoch"/> is negative.</exception>
    public static int[] Permutation(int n, ulong seed, int epoch)
    {
        if (n < 0)
            throw new ArgumentOutOfRangeException(nameof(n), n, $"Cannot order {n} items; n must be at least 0.");
        var order = new int[n];
        for (var i = 0; i < n; i++)
            order[i] = i;
        var random = For(seed, epoch, 0, RandomPurpose.Shuffle);
        random.Shuffle(order.AsSpan());
        return order;
    }

    /// <summary>Puts <paramref name="items"/> into random order (Fisher and Yates), every order equally likely.</summary>
    public void Shuffle<T>(Span<T> items)
    {
        for (var i = items.Length - 1; i > 0; i--)
        {
            var j = NextInt(i + 1);
            (items[i], items[j]) = (items[j], items[i]);
        }
    }

    /// <summary>Ten rounds of Philox4x32 on the 128-bit counter; words in little-endian order.</summary>
    internal static (ulong First, ulong Second) Philox(ulong counterLow, ulong counterHigh, ulong key)
    {
        uint c0 = (uint)counterLow, c1 = (uint)(counterLow >> 32), c2 = (uint)counterHigh, c3 = (uint)(counterHigh >> 32);
        uint k0 = (uint)key, k1 = (uint)(key >> 32);
        for (var round = 0; round < 10; round++)
        {
            var product0 = 0xD2511F53UL * c0;
            var product1 = 0xCD9E8D57UL * c2;
            c0 = (uint)(product1 >> 32) ^ c1 ^ k0;
            c1 = (uint)product1;
            c2 = (uint)(product0 >> 32) ^ c3 ^ k1;
            c3 = (uint)product0;
            k0 += 0x9E3779B9;
            k1 += 0xBB67AE85;
        }

        return (c0 | ((ulong)c1 << 32), c2 | ((ulong)c3 << 32));
    }
}
