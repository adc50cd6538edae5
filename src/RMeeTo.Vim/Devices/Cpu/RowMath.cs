using System.Runtime.CompilerServices;
using RMeeTo.Vim.Merging;

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

    /// <summary>destination = the larger (or smaller) of destination and factor · a, value by value; an equal value changes nothing.</summary>
    /// <param name="a">Row.</param>
    /// <param name="factor">Factor.</param>
    /// <param name="combination">Max or Min.</param>
    /// <param name="number">What <paramref name="winners"/> receives where a wins.</param>
    /// <param name="destination">Updated.</param>
    /// <param name="winners">Updated; or null.</param>
    /// <param name="count">Values.</param>
    public static void Contest(float* a, float factor, MergeCombination combination, float number, float* destination, float* winners, int count)
    {
        bool max = combination == MergeCombination.Max;
        var (f, name) = (TSimd.Create(factor), TSimd.Create(number));
        int i = 0;
        for (; i <= count - TSimd.Count; i += TSimd.Count)
        {
            TVector value = TSimd.Multiply(f, TSimd.Load(a + i)), held = TSimd.Load(destination + i);
            var (left, right) = max ? (value, held) : (held, value);
            if (winners != null) TSimd.Store(TSimd.SelectGreater(left, right, name, TSimd.Load(winners + i)), winners + i);
            TSimd.Store(TSimd.SelectGreater(left, right, value, held), destination + i);
        }
        for (; i < count; i++)
        {
            float value = factor * a[i];
            if (!(max ? value > destination[i] : value < destination[i])) continue;
            destination[i] = value;
            if (winners != null) winners[i] = number;
        }
    }

    /// <summary>destination = factor · a where the winner has this number, else 0.</summary>
    public static void ScaleWhere(float* winners, float number, float* a, float factor, float* destination, int count)
    {
        TVector f = TSimd.Create(factor), name = TSimd.Create(number), half = TSimd.Create(0.5f), zero = TSimd.Create(0f);
        int i = 0;
        for (; i <= count - TSimd.Count; i += TSimd.Count)
        {
            var distance = TSimd.Abs(TSimd.Subtract(TSimd.Load(winners + i), name)); // of whole numbers
            TSimd.Store(TSimd.SelectGreater(half, distance, TSimd.Multiply(f, TSimd.Load(a + i)), zero), destination + i);
        }
        for (; i < count; i++) destination[i] = winners[i] == number ? factor * a[i] : 0;
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
