using System.Runtime.CompilerServices;
using RMeeTo.Vim.Devices.Cpu;

namespace RMeeTo.Vim.Deit.Operators;

/// <summary>
/// The exact GELU, x Φ(x), and its gradient, over a row of floats. The upper tail of the normal distribution is e^(−z²/2) times a slowly varying factor (Mills'
/// ratio), which is
/// a polynomial of degree 9 in 1 / (1 + 0.26 z) without a constant: minimax in the relative sense on [0, 13], 2e-8. Tails are as exact, relatively, as the
/// middle.
/// </summary>
internal static unsafe class GeluKernel<TSimd, TVector> where TSimd : struct, ISimd<TVector> where TVector : struct
{
    private const float InverseSqrtTwoPi = 0.39894228f;

    /// <summary>y = x Φ(x); in place where both are the same.</summary>
    public static void Forward(float* x, float* y, int count)
    {
        int i = 0;
        for (; i <= count - TSimd.Count; i += TSimd.Count) TSimd.Store(Value(TSimd.Load(x + i)), y + i);
        if (i < count) TSimd.StorePartial(Value(TSimd.LoadPartial(x + i, count - i)), y + i, count - i);
    }

    /// <summary>dx = dy (Φ(x) + x φ(x)); in place where dy and dx are the same.</summary>
    public static void Backward(float* x, float* dy, float* dx, int count)
    {
        int i = 0;
        for (; i <= count - TSimd.Count; i += TSimd.Count) TSimd.Store(TSimd.Multiply(TSimd.Load(dy + i), Slope(TSimd.Load(x + i))), dx + i);
        if (i < count) TSimd.StorePartial(TSimd.Multiply(TSimd.LoadPartial(dy + i, count - i), Slope(TSimd.LoadPartial(x + i, count - i))), dx + i, count - i);
    }

    // x Φ(x) = max(0, x) − |x| Q(|x|), Q the upper tail.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Value(TVector x)
    {
        var z = TSimd.Abs(x);
        return TSimd.Subtract(TSimd.Max(TSimd.Create(0f), x), TSimd.Multiply(z, TSimd.Multiply(Gaussian(x), MillsRatio(z))));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Slope(TVector x)
    {
        TVector gaussian = Gaussian(x), tail = TSimd.Multiply(gaussian, MillsRatio(TSimd.Abs(x)));
        var distribution = TSimd.SelectGreater(x, TSimd.Create(0f), TSimd.Subtract(TSimd.Create(1f), tail), tail);
        return TSimd.MultiplyAdd(TSimd.Multiply(x, TSimd.Create(InverseSqrtTwoPi)), gaussian, distribution);
    }

    /// <summary>e^(−x²/2).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Gaussian(TVector x) => VectorMath.Exp<TSimd, TVector>(TSimd.Multiply(TSimd.Multiply(x, x), TSimd.Create(-0.5f)));

    /// <summary>e^(z²/2) Q(z) for z ≥ 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector MillsRatio(TVector z)
    {
        var u = TSimd.Divide(TSimd.Create(1f), TSimd.MultiplyAdd(z, TSimd.Create(0.26f), TSimd.Create(1f)));
        var p = TSimd.MultiplyAdd(TSimd.Create(0.030952543854981748f), u, TSimd.Create(-0.15501705488966858f));
        p = TSimd.MultiplyAdd(p, u, TSimd.Create(0.25604482392766836f));
        p = TSimd.MultiplyAdd(p, u, TSimd.Create(-0.15620632996259878f));
        p = TSimd.MultiplyAdd(p, u, TSimd.Create(0.16462349020820613f));
        p = TSimd.MultiplyAdd(p, u, TSimd.Create(0.049437542206852515f));
        p = TSimd.MultiplyAdd(p, u, TSimd.Create(0.10344516750110833f));
        p = TSimd.MultiplyAdd(p, u, TSimd.Create(0.10295714098374259f));
        p = TSimd.MultiplyAdd(p, u, TSimd.Create(0.10376266629721008f));
        return TSimd.Multiply(p, u);
    }
}
