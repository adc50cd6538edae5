namespace RMeeTo.Vim.Devices.Cpu;

/// <summary>Operands of an addition followed by a normalisation: s = residual + hidden, y = norm(s). M rows, C channels; strides in floats.</summary>
internal unsafe struct AddNormArguments
{
    public int Rows;
    public int Channels;

    /// <summary>LayerNorm (mean taken out, bias allowed) instead of RMSNorm.</summary>
    public bool Layer;
    public float Epsilon;

    /// <summary>[C].</summary>
    public float* Weight;

    /// <summary>[C], or null.</summary>
    public float* Bias;

    /// <summary>[M, C].</summary>
    public float* Residual;
    public nint ResidualStride;

    /// <summary>[M, C], or null: s = residual.</summary>
    public float* Hidden;
    public nint HiddenStride;

    /// <summary>s [M, C]; may be the residual itself.</summary>
    public float* Sum;
    public nint SumStride;

    /// <summary>y [M, C].</summary>
    public float* Y;
    public nint YStride;

    /// <summary>[M, 2] with its stride: mean (0 for RMSNorm) and 1 / deviation of each row.</summary>
    public float* Statistics;
    public nint StatisticsStride;
}

/// <summary>Destinations of the gradient of a normalisation.</summary>
internal unsafe struct AddNormGradients
{
    /// <summary>Gradient of y [M, C].</summary>
    public float* Y;
    public nint YStride;

    /// <summary>Gradient of s [M, C], added to; it is that of residual and hidden as well.</summary>
    public float* Sum;
    public nint SumStride;

    /// <summary>[C], added to; or null.</summary>
    public float* Weight;

    /// <summary>[C], added to; or null.</summary>
    public float* Bias;
}

/// <summary>
/// Addition and RMSNorm (y = s / sqrt(mean(s²) + ε)·w) or LayerNorm (y = (s - mean) / sqrt(var + ε)·w + b), one row after the other.
/// Channels beyond the last whole vector are done one by one.
/// </summary>
internal static unsafe class AddNorm
{
    /// <summary>Reads Weight, Bias, Residual, Hidden; writes Sum, Y, Statistics.</summary>
    public static void Forward<TSimd, TVector>(in AddNormArguments a) where TSimd : struct, ISimd<TVector> where TVector : struct
    {
        for (nint r = 0; r < a.Rows; r++)
        {
            var residual = a.Residual + r * a.ResidualStride;
            var sum = a.Sum + r * a.SumStride;
            var hidden = a.Hidden == null ? null : a.Hidden + r * a.HiddenStride;
            if (hidden != null) Add<TSimd, TVector>(residual, hidden, sum, a.Channels);
            else if (sum != residual) new Span<float>(residual, a.Channels).CopyTo(new Span<float>(sum, a.Channels));

            var mean = a.Layer ? Sum<TSimd, TVector>(sum, a.Channels) / a.Channels : 0f;
            var inverse = 1f / MathF.Sqrt(SumOfSquares<TSimd, TVector>(sum, mean, a.Channels) / a.Channels + a.Epsilon);
            a.Statistics[r * a.StatisticsStride] = mean;
            a.Statistics[r * a.StatisticsStride + 1] = inverse;
            Normalise<TSimd, TVector>(sum, mean, inverse, a.Weight, a.Bias, a.Y + r * a.YStride, a.Channels);
        }
    }

    /// <summary>
    /// Reads Weight, Sum, Statistics. With x̂ = (s - mean)/deviation and h = dy·w: ds += (h - x̂·mean(h·x̂) [- mean(h)])/deviation; dw += Σ dy·x̂; db += Σ dy.
    /// </summary>
    public static void Backward<TSimd, TVector>(in AddNormArguments a, in AddNormGradients g) where TSimd : struct, ISimd<TVector> where TVector : struct
    {
        for (nint r = 0; r < a.Rows; r++)
        {
            var sum = a.Sum + r * a.SumStride;
            var dy = g.Y + r * g.YStride;
            float mean = a.Statistics[r * a.StatisticsStride], inverse = a.Statistics[r * a.StatisticsStride + 1];
            var product = Products<TSimd, TVector>(sum, mean, dy, a.Weight, a.Channels, out var plain) * inverse / a.Channels;
            plain = a.Layer ? plain / a.Channels : 0f;
            AddInputGradient<TSimd, TVector>(sum, mean, inverse, dy, a.Weight, product, plain, g.Sum + r * g.SumStride, a.Channels);
            if (g.Weight != null) AddWeightGradient<TSimd, TVector>(sum, mean, inverse, dy, g.Weight, a.Channels);
            if (g.Bias != null) Add<TSimd, TVector>(g.Bias, dy, g.Bias, a.Channels);
        }
    }

    private static void Add<TSimd, TVector>(float* a, float* b, float* destination, int count) where TSimd : struct, ISimd<TVector> where TVector : struct
    {
        var i = 0;
        for (; i + TSimd.Count <= count; i += TSimd.Count) TSimd.Store(TSimd.Add(TSimd.Load(a + i), TSimd.Load(b + i)), destination + i);
        for (; i < count; i++) destination[i] = a[i] + b[i];
    }

    // Two partial sums: one alone would wait for the latency of every addition.
    private static float Sum<TSimd, TVector>(float* s, int count) where TSimd : struct, ISimd<TVector> where TVector : struct
    {
        TVector even = TSimd.Create(0f), odd = TSimd.Create(0f);
        var i = 0;
        for (; i + 2 * TSimd.Count <= count; i += 2 * TSimd.Count)
        {
            even = TSimd.Add(even, TSimd.Load(s + i));
            odd = TSimd.Add(odd, TSimd.Load(s + i + TSimd.Count));
        }

        var total = TSimd.Sum(TSimd.Add(even, odd));
        for (; i < count; i++) total += s[i];
        return total;
    }

    private static float SumOfSquares<TSimd, TVector>(float* s, float mean, int count) where TSimd : struct, ISimd<TVector> where TVector : struct
    {
        TVector even = TSimd.Create(0f), odd = TSimd.Create(0f), centre = TSimd.Create(mean);
        var i = 0;
        for (; i + 2 * TSimd.Count <= count; i += 2 * TSimd.Count)
        {
            var a = TSimd.Subtract(TSimd.Load(s + i), centre);
            var b = TSimd.Subtract(TSimd.Load(s + i + TSimd.Count), centre);
            even = TSimd.MultiplyAdd(a, a, even);
            odd = TSimd.MultiplyAdd(b, b, odd);
        }

        var total = TSimd.Sum(TSimd.Add(even, odd));
        for (; i < count; i++) total += (s[i] - mean) * (s[i] - mean);
        return total;
    }

    private static void Normalise<TSimd, TVector>(float* s, float mean, float inverse, float* weight, float* bias, float* y, int count) where TSimd : struct, ISimd<TVector> where TVector : struct
    {
        TVector centre = TSimd.Create(mean), factor = TSimd.Create(inverse), zero = TSimd.Create(0f);
        var i = 0;
        for (; i + TSimd.Count <= count; i += TSimd.Count)
        {
            var x = TSimd.Multiply(TSimd.Subtract(TSimd.Load(s + i), centre), factor);
            TSimd.Store(TSimd.MultiplyAdd(x, TSimd.Load(weight + i), bias == null ? zero : TSimd.Load(bias + i)), y + i);
        }

        for (; i < count; i++) y[i] = (s[i] - mean) * inverse * weight[i] + (bias == null ? 0f : bias[i]);
    }

    /// <summary>Σ dy·w·(s - mean), and <paramref name="plain"/> = Σ dy·w.</summary>
    private static float Products<TSimd, TVector>(float* s, float mean, float* dy, float* weight, int count, out float plain) where TSimd : struct, ISimd<TVector> where TVector : struct
    {
        TVector products = TSimd.Create(0f), plains = TSimd.Create(0f), centre = TSimd.Create(mean);
        var i = 0;
        for (; i + TSimd.Count <= count; i += TSimd.Count)
        {
            var h = TSimd.Multiply(TSimd.Load(dy + i), TSimd.Load(weight + i));
            products = TSimd.MultiplyAdd(h, TSimd.Subtract(TSimd.Load(s + i), centre), products);
            plains = TSimd.Add(plains, h);
        }

        var total = TSimd.Sum(products);
        plain = TSimd.Sum(plains);
        for (; i < count; i++)
        {
            total += dy[i] * weight[i] * (s[i] - mean);
            plain += dy[i] * weight[i];
        }

        return total;
    }

    private static void AddInputGradient<TSimd, TVector>(float* s, float mean, float inverse, float* dy, float* weight, float product, float plain, float* ds, int count)
        where TSimd : struct, ISimd<TVector> where TVector : struct
    {
        var slope = -inverse * product;
        TVector centre = TSimd.Create(mean), factor = TSimd.Create(inverse), slopes = TSimd.Create(slope), shift = TSimd.Create(plain);
        var i = 0;
        for (; i + TSimd.Count <= count; i += TSimd.Count)
        {
            var h = TSimd.Subtract(TSimd.Multiply(TSimd.Load(dy + i), TSimd.Load(weight + i)), shift);
            h = TSimd.MultiplyAdd(TSimd.Subtract(TSimd.Load(s + i), centre), slopes, h);
            TSimd.Store(TSimd.MultiplyAdd(h, factor, TSimd.Load(ds + i)), ds + i);
        }

        for (; i < count; i++) ds[i] += (dy[i] * weight[i] - plain + (s[i] - mean) * slope) * inverse;
    }

    private static void AddWeightGradient<TSimd, TVector>(float* s, float mean, float inverse, float* dy, float* weightGradient, int count) where TSimd : struct, ISimd<TVector> where TVector : struct
    {
        TVector centre = TSimd.Create(mean), factor = TSimd.Create(inverse);
        var i = 0;
        for (; i + TSimd.Count <= count; i += TSimd.Count)
        {
            var x = TSimd.Multiply(TSimd.Subtract(TSimd.Load(s + i), centre), factor);
            TSimd.Store(TSimd.MultiplyAdd(TSimd.Load(dy + i), x, TSimd.Load(weightGradient + i)), weightGradient + i);
        }

        for (; i < count; i++) weightGradient[i] += dy[i] * (s[i] - mean) * inverse;
    }
}
