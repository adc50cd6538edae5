using System.Runtime.CompilerServices;

namespace RMeeTo.Vim.Devices.Cpu;

/// <summary>Sums and multiples of rows of floats, of any length.</summary>
internal static unsafe class RowMath<TSimd, TVector> where TSimd : struct, ISimd<TVector> where TVector : struct
{
    /// <summary>destination = a + b.</summary>
    public static void Add(float* a, float* b, float* destination, int count)
    {
        int i = 0;
        for (; i <= count - TSimd.Count; i += TSimd.Count) TSimd.Store(TSimd.Add(TSimd.Load(a + i), TSimd.Load(b + i)), destination + i);
        for (; i < count; i++) destination[i] = a[i] + b[i];
    }

    /// <summary>destination += a.</summary>
    public static void AddTo(float* a, float* destination, int count) => Add(a, destination, destination, count);

    /// <summary>destination = factor · a.</summary>
    public static void Scale(float* a, float factor, float* destination, int count)
    {
        var f = TSimd.Create(factor);
        int i = 0;
        for (; i <= count - TSimd.Count; i += TSimd.Count) TSimd.Store(TSimd.Multiply(f, TSimd.Load(a + i)), destination + i);
        for (; i < count; i++) destination[i] = factor * a[i];
    }

    /// <summary>destination += factor · a.</summary>
    public static void AddScaled(float* a, float factor, float* destination, int count)
    {
        var f = TSimd.Create(factor);
        int i = 0;
        for (; i <= count - TSimd.Count; i += TSimd.Count) TSimd.Store(TSimd.MultiplyAdd(f, TSimd.Load(a + i), TSimd.Load(destination + i)), destination + i);
        for (; i < count; i++) destination[i] = MathF.FusedMultiplyAdd(factor, a[i], destination[i]);
    }

    /// <summary>destination = a · b, value by value.</summary>
    public static void Multiply(float* a, float* b, float* destination, int count)
    {
        int i = 0;
        for (; i <= count - TSimd.Count; i += TSimd.Count) TSimd.Store(TSimd.Multiply(TSimd.Load(a + i), TSimd.Load(b + i)), destination + i);
        for (; i < count; i++) destination[i] = a[i] * b[i];
    }

    /// <summary>destination += a · b, value by value.</summary>
    public static void AddProduct(float* a, float* b, float* destination, int count)
    {
        int i = 0;
        for (; i <= count - TSimd.Count; i += TSimd.Count) TSimd.Store(TSimd.MultiplyAdd(TSimd.Load(a + i), TSimd.Load(b + i), TSimd.Load(destination + i)), destination + i);
        for (; i < count; i++) destination[i] = MathF.FusedMultiplyAdd(a[i], b[i], destination[i]);
    }

    /// <summary>Σ a².</summary>
    public static float SumOfSquares(float* a, int count)
    {
        var sum = TSimd.Create(0f);
        int i = 0;
        for (; i <= count - TSimd.Count; i += TSimd.Count)
        {
            var value = TSimd.Load(a + i);
            sum = TSimd.MultiplyAdd(value, value, sum);
        }
        float total = TSimd.Sum(sum);
        for (; i < count; i++) total += a[i] * a[i];
        return total;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Copy(float* source, float* destination, int count) => Unsafe.CopyBlock(destination, source, (uint)count * sizeof(float));
}
