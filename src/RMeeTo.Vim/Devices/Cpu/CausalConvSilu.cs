namespace RMeeTo.Vim.Devices.Cpu;

/// <summary>
/// Operands of a depthwise causal convolution over one image in one direction: y_t = act(bias + Σ_k w_k·x_{t-(K-1)+k}). L tokens, D channels, K taps; strides
/// in floats.
/// </summary>
internal unsafe struct CausalConvArguments
{
    /// <summary>L.</summary>
    public int Length;

    /// <summary>D; any positive number.</summary>
    public int Channels;

    /// <summary>K, 1 to 4.</summary>
    public int Taps;

    /// <summary>[L, D].</summary>
    public float* X;
    public nint XStride;

    /// <summary>[D, K], contiguous; the last tap is the current token's.</summary>
    public float* Weight;

    /// <summary>[D], or null.</summary>
    public float* Bias;

    /// <summary>act = SiLU; otherwise none.</summary>
    public bool Silu;

    /// <summary>Walks from the last token to the first: y_t depends on x_t, x_{t+1}, ….</summary>
    public bool Reverse;
}

/// <summary>Destinations of the gradient of a causal convolution.</summary>
internal unsafe struct CausalConvGradients
{
    /// <summary>Gradient of y [L, D].</summary>
    public float* Y;
    public nint YStride;

    /// <summary>Gradient of x [L, D].</summary>
    public float* X;
    public nint XStride;

    /// <summary>Adds to the gradient of x: both directions of a mixer read the same x.</summary>
    public bool AccumulateX;

    /// <summary>[D, K], contiguous, added to; or null.</summary>
    public float* Weight;

    /// <summary>[D], added to; or null.</summary>
    public float* Bias;
}

/// <summary>
/// Depthwise causal convolution and SiLU. One vector of channels at a time walks down a chunk of tokens with the past in registers; chunks keep
/// rows together, so that memory is read in order. Fewer than four taps count as four with zeros for the oldest.
/// </summary>
internal static unsafe class CausalConvSilu
{
    private const int Taps = 4;
    private const int Past = Taps - 1;
    private const int ChunkTokens = 16;

    /// <summary>Floats of scratch for either pass.</summary>
    public static nint ScratchFloats<TSimd, TVector>(int channels) where TSimd : struct, ISimd<TVector> where TVector : struct =>
        (nint)PaddedChannels<TSimd, TVector>(channels) * (2 * (Taps + 1) + Past) + 3 * (Past + ChunkTokens) * TSimd.Count;

    private static int PaddedChannels<TSimd, TVector>(int channels) where TSimd : struct, ISimd<TVector> where TVector : struct =>
        (channels + TSimd.Count - 1) / TSimd.Count * TSimd.Count;

    /// <summary>
    /// y = act(bias + w ∗ x); <paramref name="y"/> [L, D] must not overlap x. <paramref name="scratch"/> needs no preparation, or holds what the call before
    /// this one left where that had the same parameters (<paramref name="sameParameters"/>).
    /// </summary>
    public static void Forward<TSimd, TVector>(in CausalConvArguments arguments, float* y, nint yStride, float* scratch, bool sameParameters = false) where TSimd : struct, ISimd<TVector> where TVector : struct
    {
        var padded = PaddedChannels<TSimd, TVector>(arguments.Channels);
        var weights = scratch;
        var staged = weights + (Taps + 1) * padded;
        var stagedY = staged + (Past + ChunkTokens) * TSimd.Count;
        if (!sameParameters) PrepareWeights<TSimd, TVector>(arguments, weights, padded);
        nint sign = arguments.Reverse ? -1 : 1;
        var xStride = sign * arguments.XStride;
        for (var start = 0; start < arguments.Length; start += ChunkTokens)
        {
            var tokens = Math.Min(ChunkTokens, arguments.Length - start);
            nint first = arguments.Reverse ? arguments.Length - 1 - start : start;
            var x = arguments.X + first * arguments.XStride;
            var target = y + first * yStride;
            var channel = 0;
            for (; channel + TSimd.Count <= arguments.Channels; channel += TSimd.Count)
                ForwardChunk<TSimd, TVector>(weights + channel, padded, x + channel, xStride, target + channel, sign * yStride, start, tokens, arguments.Silu);
            if (channel == arguments.Channels) continue;
            var width = arguments.Channels - channel;
            var current = StageRows<TSimd, TVector>(x + channel, xStride, start, tokens, width, staged);
            ForwardChunk<TSimd, TVector>(weights + channel, padded, current, TSimd.Count, stagedY, TSimd.Count, start, tokens, arguments.Silu);
            SelectiveScanScratch<TSimd, TVector>.Unstage(stagedY, TSimd.Count, tokens, width, target + channel, sign * yStride);
        }
    }

    private static void ForwardChunk<TSimd, TVector>(float* weights, int padded, float* x, nint xStride, float* y, nint yStride, int start, int tokens, bool silu)
        where TSimd : struct, ISimd<TVector> where TVector : struct
    {
        TVector w0 = TSimd.Load(weights), w1 = TSimd.Load(weights + padded), w2 = TSimd.Load(weights + 2 * padded), w3 = TSimd.Load(weights + 3 * padded);
        var bias = TSimd.Load(weights + Taps * padded);
        TVector x0 = LoadPast<TSimd, TVector>(x - 3 * xStride, start >= 3), x1 = LoadPast<TSimd, TVector>(x - 2 * xStride, start >= 2), x2 = LoadPast<TSimd, TVector>(x - xStride, start >= 1);
        for (var t = 0; t < tokens; t++)
        {
            VectorMath.Prefetch(x + TSimd.Count);
            VectorMath.Prefetch(y + TSimd.Count);
            var x3 = TSimd.Load(x);
            var value = TSimd.MultiplyAdd(w0, x0, bias);
            value = TSimd.MultiplyAdd(w1, x1, value);
            value = TSimd.MultiplyAdd(w2, x2, value);
            value = TSimd.MultiplyAdd(w3, x3, value);
            if (silu) value = VectorMath.Silu<TSimd, TVector>(value);
            TSimd.Store(value, y);
            x0 = x1;
            x1 = x2;
            x2 = x3;
            x += xStride;
            y += yStride;
        }
    }

    /// <summary>
    /// Gradient of <see cref="Forward"/> with the same arguments; the value before the activation is computed again. For <paramref name="scratch"/> see
    /// there.
    /// </summary>
    public static void Backward<TSimd, TVector>(in CausalConvArguments arguments, in CausalConvGradients gradients, float* scratch, bool sameParameters = false) where TSimd : struct, ISimd<TVector> where TVector : struct
    {
        var padded = PaddedChannels<TSimd, TVector>(arguments.Channels);
        var weights = scratch;
        var sums = weights + (Taps + 1) * padded;
        var future = sums + (Taps + 1) * padded;
        var staged = future + Past * padded;
        var stagedY = staged + (Past + ChunkTokens) * TSimd.Count;
        var stagedX = stagedY + (Past + ChunkTokens) * TSimd.Count;
        if (!sameParameters) PrepareWeights<TSimd, TVector>(arguments, weights, padded);
        new Span<float>(sums, (Taps + 1 + Past) * padded).Clear(); // sums, future
        nint sign = arguments.Reverse ? -1 : 1;
        nint xStride = sign * arguments.XStride, dyStride = sign * gradients.YStride, dxStride = sign * gradients.XStride;
        for (var start = (arguments.Length - 1) / ChunkTokens * ChunkTokens; start >= 0; start -= ChunkTokens)
        {
            var tokens = Math.Min(ChunkTokens, arguments.Length - start);
            nint first = arguments.Reverse ? arguments.Length - 1 - start : start;
            float* x = arguments.X + first * arguments.XStride, dy = gradients.Y + first * gradients.YStride, dx = gradients.X + first * gradients.XStride;
            var channel = 0;
            for (; channel + TSimd.Count <= arguments.Channels; channel += TSimd.Count)
                BackwardChunk<TSimd, TVector>(weights + channel, sums + channel, future + channel, padded, x + channel, xStride, dy + channel, dyStride, dx + channel, dxStride,
                    start, tokens, arguments.Silu, gradients.AccumulateX);
            if (channel == arguments.Channels) continue;
            var width = arguments.Channels - channel;
            var current = StageRows<TSimd, TVector>(x + channel, xStride, start, tokens, width, staged);
            SelectiveScanScratch<TSimd, TVector>.Stage(dy + channel, dyStride, tokens, width, stagedY, TSimd.Count);
            if (gradients.AccumulateX) SelectiveScanScratch<TSimd, TVector>.Stage(dx + channel, dxStride, tokens, width, stagedX, TSimd.Count);
            BackwardChunk<TSimd, TVector>(weights + channel, sums + channel, future + channel, padded, current, TSimd.Count, stagedY, TSimd.Count, stagedX, TSimd.Count,
                start, tokens, arguments.Silu, gradients.AccumulateX);
            SelectiveScanScratch<TSimd, TVector>.Unstage(stagedX, TSimd.Count, tokens, width, dx + channel, dxStride);
        }

        AddParameterGradients(arguments, gradients, sums, padded);
    }

    /// <summary>
    /// Up through a chunk. <paramref name="future"/> carries the gradients before the activation of the three tokens that follow, <paramref name="sums"/>
    /// those of taps and bias.
    /// </summary>
    private static void BackwardChunk<TSimd, TVector>(float* weights, float* sums, float* future, int padded, float* x, nint xStride, float* dy, nint dyStride, float* dx, nint dxStride,
        int start, int tokens, bool silu, bool accumulate) where TSimd : struct, ISimd<TVector> where TVector : struct
    {
        TVector w0 = TSimd.Load(weights), w1 = TSimd.Load(weights + padded), w2 = TSimd.Load(weights + 2 * padded), w3 = TSimd.Load(weights + 3 * padded);
        var bias = TSimd.Load(weights + Taps * padded);
        TVector sum0 = TSimd.Load(sums), sum1 = TSimd.Load(sums + padded), sum2 = TSimd.Load(sums + 2 * padded), sum3 = TSimd.Load(sums + 3 * padded);
        var sumBias = TSimd.Load(sums + Taps * padded);
        TVector next1 = TSimd.Load(future), next2 = TSimd.Load(future + padded), next3 = TSimd.Load(future + 2 * padded);
        var last = start + tokens - 1;
        x += (tokens - 1) * xStride;
        dy += (tokens - 1) * dyStride;
        dx += (tokens - 1) * dxStride;
        TVector x3 = TSimd.Load(x), x2 = LoadPast<TSimd, TVector>(x - xStride, last >= 1), x1 = LoadPast<TSimd, TVector>(x - 2 * xStride, last >= 2);
        for (var t = last; t >= start; t--)
        {
            VectorMath.Prefetch(dy + TSimd.Count);
            VectorMath.Prefetch(dx + TSimd.Count);
            VectorMath.Prefetch(x - 3 * xStride + TSimd.Count);
            var x0 = LoadPast<TSimd, TVector>(x - 3 * xStride, t >= 3);
            var gradient = TSimd.Load(dy);
            if (silu)
            {
                var value = TSimd.MultiplyAdd(w0, x0, bias);
                value = TSimd.MultiplyAdd(w1, x1, value);
                value = TSimd.MultiplyAdd(w2, x2, value);
                value = TSimd.MultiplyAdd(w3, x3, value);
                VectorMath.SiluWithSlope<TSimd, TVector>(value, out var slope);
                gradient = TSimd.Multiply(gradient, slope);
            }

            sumBias = TSimd.Add(sumBias, gradient);
            sum0 = TSimd.MultiplyAdd(gradient, x0, sum0);
            sum1 = TSimd.MultiplyAdd(gradient, x1, sum1);
            sum2 = TSimd.MultiplyAdd(gradient, x2, sum2);
            sum3 = TSimd.MultiplyAdd(gradient, x3, sum3);
            var result = TSimd.Multiply(w3, gradient);
            result = TSimd.MultiplyAdd(w2, next1, result);
            result = TSimd.MultiplyAdd(w1, next2, result);
            result = TSimd.MultiplyAdd(w0, next3, result);
            if (accumulate) result = TSimd.Add(result, TSimd.Load(dx));
            TSimd.Store(result, dx);
            next3 = next2;
            next2 = next1;
            next1 = gradient;
            x3 = x2;
            x2 = x1;
            x1 = x0;
            x -= xStride;
            dy -= dyStride;
            dx -= dxStride;
        }

        TSimd.Store(sum0, sums);
        TSimd.Store(sum1, sums + padded);
        TSimd.Store(sum2, sums + 2 * padded);
        TSimd.Store(sum3, sums + 3 * padded);
        TSimd.Store(sumBias, sums + Taps * padded);
        TSimd.Store(next1, future);
        TSimd.Store(next2, future + padded);
        TSimd.Store(next3, future + 2 * padded);
    }

    [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.AggressiveInlining)]
    private static TVector LoadPast<TSimd, TVector>(float* x, bool exists) where TSimd : struct, ISimd<TVector> where TVector : struct =>
        exists ? TSimd.Load(x) : TSimd.Create(0f);

    /// <summary>Four taps, oldest first, then the bias, each [padded channels].</summary>
    private static void PrepareWeights<TSimd, TVector>(in CausalConvArguments a, float* weights, int padded) where TSimd : struct, ISimd<TVector> where TVector : struct
    {
        if (a.Taps is < 1 or > Taps) throw new ArgumentOutOfRangeException(nameof(a), a.Taps, "A causal convolution has 1 to 4 taps.");
        new Span<float>(weights, (Taps + 1) * padded).Clear();
        Transpose.Block(a.Weight, a.Taps, a.Channels, a.Taps, weights + (Taps - a.Taps) * padded, padded);
        if (a.Bias != null) new Span<float>(a.Bias, a.Channels).CopyTo(new Span<float>(weights + Taps * padded, a.Channels));
    }

    private static void AddParameterGradients(in CausalConvArguments a, in CausalConvGradients g, float* sums, int padded)
    {
        var missing = Taps - a.Taps;
        for (var d = 0; d < a.Channels; d++)
        {
            for (var k = 0; k < a.Taps && g.Weight != null; k++) g.Weight[d * a.Taps + k] += sums[(missing + k) * padded + d];
            if (g.Bias != null) g.Bias[d] += sums[Taps * padded + d];
        }
    }

    /// <summary>
    /// The last channels are fewer than a vector: work on a copy of the chunk and the three rows before it. Returns the copy of the chunk's first row.
    /// </summary>
    private static float* StageRows<TSimd, TVector>(float* x, nint xStride, int start, int tokens, int width, float* staged) where TSimd : struct, ISimd<TVector> where TVector : struct
    {
        var past = Math.Min(Past, start);
        var current = staged + Past * TSimd.Count;
        SelectiveScanScratch<TSimd, TVector>.Stage(x - past * xStride, xStride, past + tokens, width, current - past * TSimd.Count, TSimd.Count);
        return current;
    }
}
