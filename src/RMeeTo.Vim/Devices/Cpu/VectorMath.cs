using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace RMeeTo.Vim.Devices.Cpu;

/// <summary>
/// Elementary functions on vectors of float32. Errors are the largest relative ones over [-20, 20], compared with double; NaN gives NaN.
/// </summary>
internal static unsafe class VectorMath
{
    public const float Log2E = 1.44269504f;
    public const float Ln2 = 0.693147181f;

    private const float Log2EMissing = 1.9259630e-8f; // log2(e) - (float)log2(e)

    // e^±88 is still an ordinary float, so that the correction below never meets infinity.
    private const float LargestArgument = 88f;

    /// <summary>e^x, 2.2e-7 relative; saturates for |x| &gt; 87.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Exp<TSimd, TVector>(TVector x) where TSimd : struct, ISimd<TVector> where TVector : struct
    {
        x = TSimd.Min(TSimd.Create(LargestArgument), TSimd.Max(TSimd.Create(-LargestArgument), x));
        return ExpClamped<TSimd, TVector>(x);
    }

    /// <summary>ln(1 + e^x), 3.5e-7 relative, far into the negative side too; equals x above 17.4, so the usual threshold of 20 needs no test.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Softplus<TSimd, TVector>(TVector x) where TSimd : struct, ISimd<TVector> where TVector : struct =>
        SoftplusOfExp<TSimd, TVector>(x, ExpOfMinusAbs<TSimd, TVector>(x));

    /// <summary>softplus(x) and its derivative 1 / (1 + e^-x) from one exponential, both 3.5e-7 relative.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector SoftplusWithSlope<TSimd, TVector>(TVector x, out TVector slope) where TSimd : struct, ISimd<TVector> where TVector : struct
    {
        var e = ExpOfMinusAbs<TSimd, TVector>(x);
        var one = TSimd.Create(1f);
        slope = TSimd.Divide(TSimd.SelectGreater(x, TSimd.Create(0f), one, e), TSimd.Add(one, e));
        return SoftplusOfExp<TSimd, TVector>(x, e);
    }

    /// <summary>1 / (1 + e^-x), 3e-7 relative for x ≥ 0, 1.2e-6 at -20, where only the absolute error matters to a gate.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Sigmoid<TSimd, TVector>(TVector x) where TSimd : struct, ISimd<TVector> where TVector : struct
    {
        var one = TSimd.Create(1f);
        return TSimd.Divide(one, TSimd.Add(one, TSimd.Exp2(TSimd.Multiply(x, TSimd.Create(-Log2E)))));
    }

    /// <summary>x·sigmoid(x).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Silu<TSimd, TVector>(TVector x) where TSimd : struct, ISimd<TVector> where TVector : struct
    {
        var one = TSimd.Create(1f);
        return TSimd.Divide(x, TSimd.Add(one, TSimd.Exp2(TSimd.Multiply(x, TSimd.Create(-Log2E)))));
    }

    /// <summary>x·s and its derivative s·(1 + x·(1 - s)), with s = sigmoid(x).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector SiluWithSlope<TSimd, TVector>(TVector x, out TVector slope) where TSimd : struct, ISimd<TVector> where TVector : struct
    {
        var sigmoid = Sigmoid<TSimd, TVector>(x);
        var silu = TSimd.Multiply(x, sigmoid);
        slope = TSimd.MultiplyAdd(silu, TSimd.Subtract(TSimd.Create(1f), sigmoid), sigmoid);
        return silu;
    }

    /// <summary>Asks for a cache line that will be read soon; nothing where the processor has no such request. Any address is allowed.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Prefetch(float* address)
    {
        if (Sse.IsSupported) Sse.Prefetch0(address);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector ExpOfMinusAbs<TSimd, TVector>(TVector x) where TSimd : struct, ISimd<TVector> where TVector : struct =>
        ExpClamped<TSimd, TVector>(TSimd.Multiply(TSimd.Min(TSimd.Create(LargestArgument), TSimd.Abs(x)), TSimd.Create(-1f)));

    /// <summary>
    /// 2^(x·log2 e) alone would carry the rounding of the product, up to 7e-7 at 20. A fused multiply-add recovers what the product lost:
    /// with p = round(x·log2 e) and d = p - x·log2 e, e^x = 2^p·(1 - d·ln 2).
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector ExpClamped<TSimd, TVector>(TVector x) where TSimd : struct, ISimd<TVector> where TVector : struct
    {
        var product = TSimd.Multiply(x, TSimd.Create(Log2E));
        var excess = TSimd.MultiplyAdd(x, TSimd.Create(-Log2E), product);
        excess = TSimd.MultiplyAdd(x, TSimd.Create(-Log2EMissing), excess);
        var power = TSimd.Exp2(product);
        return TSimd.MultiplyAdd(TSimd.Multiply(power, excess), TSimd.Create(-Ln2), power);
    }

    /// <summary>max(x, 0) + ln(1 + e) for e = e^-|x| in [0, 1]; ln(1 + e)/e as a minimax polynomial in the relative sense (3e-8).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector SoftplusOfExp<TSimd, TVector>(TVector x, TVector e) where TSimd : struct, ISimd<TVector> where TVector : struct
    {
        var p = TSimd.MultiplyAdd(TSimd.Create(0.0052326941f), e, TSimd.Create(-0.029505238f));
        p = TSimd.MultiplyAdd(p, e, TSimd.Create(0.078225955f));
        p = TSimd.MultiplyAdd(p, e, TSimd.Create(-0.13663246f));
        p = TSimd.MultiplyAdd(p, e, TSimd.Create(0.19106007f));
        p = TSimd.MultiplyAdd(p, e, TSimd.Create(-0.24842982f));
        p = TSimd.MultiplyAdd(p, e, TSimd.Create(0.33319098f));
        p = TSimd.MultiplyAdd(p, e, TSimd.Create(-0.49999493f));
        p = TSimd.MultiplyAdd(p, e, TSimd.Create(0.99999994f));
        return TSimd.MultiplyAdd(p, e, TSimd.Max(TSimd.Create(0f), x));
    }
}
