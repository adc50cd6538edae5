namespace RMeeTo.Vim.Devices.Cpu;

/// <summary>Distances between all rows of two matrices where no product gives them.</summary>
internal static unsafe class RowDistances<TSimd, TVector> where TSimd : struct, ISimd<TVector> where TVector : struct
{
    // So many sums at once hide the latency of an addition, and a row of a is loaded once for as many of b.
    private const int Together = 4;

    /// <summary>result [m, n] = −Σ_c |a_ic − b_jc|, both dense. A result depends on its two rows only.</summary>
    public static void NegativeL1(float* a, int m, float* b, int n, int channels, float* result)
    {
        for (int i = 0; i < m; i++, a += channels, result += n)
        {
            int j = 0;
            for (; j <= n - Together; j += Together) Four(a, b + (nint)j * channels, channels, result + j);
            for (; j < n; j++) result[j] = One(a, b + (nint)j * channels, channels);
        }
    }

    private static void Four(float* a, float* b, int channels, float* result)
    {
        float* b1 = b + channels, b2 = b1 + channels, b3 = b2 + channels;
        TVector sum0 = TSimd.Create(0f), sum1 = sum0, sum2 = sum0, sum3 = sum0;
        int c = 0;
        for (; c <= channels - TSimd.Count; c += TSimd.Count)
        {
            var value = TSimd.Load(a + c);
            sum0 = TSimd.Add(sum0, TSimd.Abs(TSimd.Subtract(value, TSimd.Load(b + c))));
            sum1 = TSimd.Add(sum1, TSimd.Abs(TSimd.Subtract(value, TSimd.Load(b1 + c))));
            sum2 = TSimd.Add(sum2, TSimd.Abs(TSimd.Subtract(value, TSimd.Load(b2 + c))));
            sum3 = TSimd.Add(sum3, TSimd.Abs(TSimd.Subtract(value, TSimd.Load(b3 + c))));
        }
        if (c < channels)
        {
            int left = channels - c;
            var value = TSimd.LoadPartial(a + c, left);
            sum0 = TSimd.Add(sum0, TSimd.Abs(TSimd.Subtract(value, TSimd.LoadPartial(b + c, left))));
            sum1 = TSimd.Add(sum1, TSimd.Abs(TSimd.Subtract(value, TSimd.LoadPartial(b1 + c, left))));
            sum2 = TSimd.Add(sum2, TSimd.Abs(TSimd.Subtract(value, TSimd.LoadPartial(b2 + c, left))));
            sum3 = TSimd.Add(sum3, TSimd.Abs(TSimd.Subtract(value, TSimd.LoadPartial(b3 + c, left))));
        }
        (result[0], result[1], result[2], result[3]) = (-TSimd.Sum(sum0), -TSimd.Sum(sum1), -TSimd.Sum(sum2), -TSimd.Sum(sum3));
    }

    private static float One(float* a, float* b, int channels)
    {
        var sum = TSimd.Create(0f);
        int c = 0;
        for (; c <= channels - TSimd.Count; c += TSimd.Count) sum = TSimd.Add(sum, TSimd.Abs(TSimd.Subtract(TSimd.Load(a + c), TSimd.Load(b + c))));
        if (c < channels) sum = TSimd.Add(sum, TSimd.Abs(TSimd.Subtract(TSimd.LoadPartial(a + c, channels - c), TSimd.LoadPartial(b + c, channels - c))));
        return -TSimd.Sum(sum);
    }
}
