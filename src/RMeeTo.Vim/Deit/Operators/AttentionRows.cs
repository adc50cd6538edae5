using RMeeTo.Vim.Devices.Cpu;

namespace RMeeTo.Vim.Deit.Operators;

/// <summary>
/// The softmax of attention, row by row. Rows are filled up to whole vectors: what lies behind the last key gets a logit so low that its probability is
/// nothing, and is never
/// multiplied by anything.
/// </summary>
internal static unsafe class AttentionRows<TSimd, TVector> where TSimd : struct, ISimd<TVector> where TVector : struct
{
    private const float Nothing = -1e30f;

    /// <summary>result = ln σ of each token, 0 without sizes; −∞, as far as sums can bear it, behind the last.</summary>
    public static void LogSizes(float* sizes, long stride, int length, int columns, float* result)
    {
        for (int i = 0; i < length; i++) result[i] = sizes == null ? 0 : MathF.Log(sizes[i * stride]);
        for (int i = length; i < columns; i++) result[i] = Nothing;
    }

    /// <summary>row = softmax(scale · row + bias).</summary>
    /// <param name="row">[columns]; what lies behind the length may be anything.</param>
    /// <param name="scale">Factor of the logits.</param>
    /// <param name="bias">[columns], from <see cref="LogSizes"/>.</param>
    /// <param name="length">Keys.</param>
    /// <param name="columns">Whole vectors.</param>
    public static void Softmax(float* row, float scale, float* bias, int length, int columns)
    {
        new Span<float>(row + length, columns - length).Clear();
        TVector factor = TSimd.Create(scale), largest = TSimd.Create(float.NegativeInfinity);
        for (int i = 0; i < columns; i += TSimd.Count)
        {
            var logit = TSimd.MultiplyAdd(factor, TSimd.Load(row + i), TSimd.Load(bias + i));
            TSimd.Store(logit, row + i);
            largest = TSimd.Max(largest, logit);
        }
        TVector shift = TSimd.Create(LargestLane(largest)), sum = TSimd.Create(0f);
        for (int i = 0; i < columns; i += TSimd.Count)
        {
            var power = VectorMath.Exp<TSimd, TVector>(TSimd.Subtract(TSimd.Load(row + i), shift));
            TSimd.Store(power, row + i);
            sum = TSimd.Add(sum, power);
        }
        RowMath<TSimd, TVector>.Scale(row, 1 / TSimd.Sum(sum), row, columns);
    }

    /// <summary>From the gradient of the probabilities p to that of the products q·k, in place: p (dp − Σ p dp) · scale.</summary>
    /// <param name="p">[columns]</param>
    /// <param name="scale">Factor of the logits.</param>
    /// <param name="dp">[columns]; what lies behind the length may be anything.</param>
    /// <param name="length">Keys.</param>
    /// <param name="columns">Whole vectors.</param>
    public static void SoftmaxGradient(float* p, float scale, float* dp, int length, int columns)
    {
        new Span<float>(dp + length, columns - length).Clear();
        var sum = TSimd.Create(0f);
        for (int i = 0; i < columns; i += TSimd.Count) sum = TSimd.MultiplyAdd(TSimd.Load(p + i), TSimd.Load(dp + i), sum);
        TVector mean = TSimd.Create(TSimd.Sum(sum)), factor = TSimd.Create(scale);
        for (int i = 0; i < columns; i += TSimd.Count)
            TSimd.Store(TSimd.Multiply(TSimd.Multiply(factor, TSimd.Load(p + i)), TSimd.Subtract(TSimd.Load(dp + i), mean)), dp + i);
    }

    private static float LargestLane(TVector vector)
    {
        float* lanes = stackalloc float[TSimd.Count];
        TSimd.Store(vector, lanes);
        float largest = lanes[0];
        for (int i = 1; i < TSimd.Count; i++) largest = MathF.Max(largest, lanes[i]);
        return largest;
    }
}
