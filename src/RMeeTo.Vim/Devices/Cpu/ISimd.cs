using System.Runtime.CompilerServices;

namespace RMeeTo.Vim.Devices.Cpu;

/// <summary>
/// The vector operations that a CPU kernel is written against, once for all widths. <typeparamref name="TVector"/> is the raw hardware vector, so a kernel
/// compiled for one width holds nothing but registers of that width.
/// </summary>
internal unsafe interface ISimd<TVector> where TVector : struct
{
    /// <summary>Floats in a vector.</summary>
    static abstract int Count { get; }

    static abstract TVector Load(float* source);

    static abstract void Store(TVector value, float* destination);

    static abstract TVector Create(float value);

    static abstract TVector Add(TVector a, TVector b);

    static abstract TVector Subtract(TVector a, TVector b);

    static abstract TVector Multiply(TVector a, TVector b);

    static abstract TVector Divide(TVector a, TVector b);

    /// <summary>a·b + c, rounded once where the hardware can.</summary>
    static abstract TVector MultiplyAdd(TVector a, TVector b, TVector c);

    static abstract TVector Max(TVector a, TVector b);

    static abstract TVector Min(TVector a, TVector b);

    static abstract TVector Abs(TVector a);

    /// <summary>Lane by lane: a &gt; b ? whenGreater : otherwise.</summary>
    static abstract TVector SelectGreater(TVector a, TVector b, TVector whenGreater, TVector otherwise);

    /// <summary>Sum of the lanes.</summary>
    static abstract float Sum(TVector a);

    /// <summary>2^x; about 1.5e-7 relative; saturates towards 0 and towards the largest floats.</summary>
    static abstract TVector Exp2(TVector x);

    /// <summary>The first <paramref name="count"/> floats (1 to Count), zeros behind them. No memory behind them is touched.</summary>
    static abstract TVector LoadPartial(float* source, int count);

    /// <summary>Stores the first <paramref name="count"/> lanes (1 to Count). No memory behind them is touched.</summary>
    static abstract void StorePartial(TVector value, float* destination, int count);

    static abstract TVector SquareRoot(TVector a);
}

/// <summary>
/// Minimax polynomials for 2^x, degree 5, about 1.5e-7 relative with all roundings. They are held to the exact values at the ends, 2^0 and 2^1: a scan
/// multiplies hundreds of factors next to 1, and a constant error there would add up.
/// </summary>
internal static class Exp2Polynomial
{
    /// <summary>2^x on [0, 1).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector OnUnitInterval<TSimd, TVector>(TVector x) where TSimd : struct, ISimd<TVector> where TVector : struct
    {
        var p = TSimd.MultiplyAdd(TSimd.Create(0.0018793186f), x, TSimd.Create(0.0089909947f));
        p = TSimd.MultiplyAdd(p, x, TSimd.Create(0.055818677f));
        p = TSimd.MultiplyAdd(p, x, TSimd.Create(0.24015927f));
        p = TSimd.MultiplyAdd(p, x, TSimd.Create(0.6931517f));
        return TSimd.MultiplyAdd(p, x, TSimd.Create(1f));
    }

    /// <summary>2^x on [-0.5, 0.5].</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector OnHalfInterval<TSimd, TVector>(TVector x) where TSimd : struct, ISimd<TVector> where TVector : struct
    {
        var p = TSimd.MultiplyAdd(TSimd.Create(0.0013264745f), x, TSimd.Create(0.009671499f));
        p = TSimd.MultiplyAdd(p, x, TSimd.Create(0.055507336f));
        p = TSimd.MultiplyAdd(p, x, TSimd.Create(0.24022242f));
        p = TSimd.MultiplyAdd(p, x, TSimd.Create(0.693147f));
        return TSimd.MultiplyAdd(p, x, TSimd.Create(1f));
    }
}
