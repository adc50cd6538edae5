using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using RMeeTo.Vim.Devices.Cpu;

namespace RMeeTo.Benchmarks;

/// <summary>The rate of multiply-adds on registers alone: what a kernel is measured against, in the same run.</summary>
internal static unsafe class FmaPeak<TSimd, TVector> where TSimd : struct, ISimd<TVector> where TVector : struct
{
    private const int Chains = 12, Rounds = 20_000;

    private static float s_sink;

    public static TimedCase Case => new("peak", 2.0 * Chains * Rounds * TSimd.Count, Run);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Run()
    {
        var (factor, term) = (TSimd.Create(0.999f), TSimd.Create(1e-3f));
        TVector a = term, b = term, c = term, d = term, e = term, f = term, g = term, h = term, i = term, j = term, k = term, l = term;
        for (var round = 0; round < Rounds; round++)
        {
            a = TSimd.MultiplyAdd(a, factor, term);
            b = TSimd.MultiplyAdd(b, factor, term);
            c = TSimd.MultiplyAdd(c, factor, term);
            d = TSimd.MultiplyAdd(d, factor, term);
            e = TSimd.MultiplyAdd(e, factor, term);
            f = TSimd.MultiplyAdd(f, factor, term);
            g = TSimd.MultiplyAdd(g, factor, term);
            h = TSimd.MultiplyAdd(h, factor, term);
            i = TSimd.MultiplyAdd(i, factor, term);
            j = TSimd.MultiplyAdd(j, factor, term);
            k = TSimd.MultiplyAdd(k, factor, term);
            l = TSimd.MultiplyAdd(l, factor, term);
        }
        var (left, right) = (TSimd.Add(TSimd.Add(a, b), TSimd.Add(c, d)), TSimd.Add(TSimd.Add(e, f), TSimd.Add(g, h)));
        s_sink = TSimd.Sum(TSimd.Add(TSimd.Add(left, right), TSimd.Add(TSimd.Add(i, j), TSimd.Add(k, l))));
    }
}

/// <summary>The peak of the widest vectors, sampled between other measurements. Samples are short, so that the very best of them tells of the clock and not of the processor.</summary>
internal sealed class PeakRate
{
    private readonly TimedCase _case = SimdWidths.Best switch
    {
        SimdWidth.Vector512 => FmaPeak<Simd512, Vector512<float>>.Case,
        SimdWidth.Vector256 => FmaPeak<Simd256, Vector256<float>>.Case,
        _ => FmaPeak<Simd128, Vector128<float>>.Case,
    };

    private readonly List<double> _rates = [];

    /// <summary>Floating-point operations a second: a tenth of the samples is faster.</summary>
    public double Rate => _rates.OrderDescending().ElementAt(_rates.Count / 10);

    public void Sample()
    {
        for (int i = 0; i < 10; i++)
        {
            double start = Clock.Thread;
            _case.Run();
            _rates.Add(_case.Work / (Clock.Thread - start));
        }
    }
}
