using System.Runtime.CompilerServices;

namespace RMeeTo.Vim.Devices.Cpu;

/// <summary>
/// What forward and backward scan share: sizes, the parameters in channel-vector layout, and the staging of rows that a vector would overrun.
/// Channels are cut into groups of one vector; "channel-vector layout" is [groups, states, lanes]. States are padded to a multiple of 4 with zeros,
/// which neither produce nor receive anything.
/// </summary>
internal static unsafe class SelectiveScanScratch<TSimd, TVector> where TSimd : struct, ISimd<TVector> where TVector : struct
{
    /// <summary>Tokens that are worked on at a time, and the distance of checkpoints.</summary>
    public const int ChunkTokens = 8;

    /// <summary>States that one pass over a chunk holds in registers.</summary>
    public const int StatesPerPass = 4;

    private const int CacheLineFloats = 16;

    public static int Groups(int channels) => (channels + TSimd.Count - 1) / TSimd.Count;

    public static int PaddedStates(int states) => (states + StatesPerPass - 1) / StatesPerPass * StatesPerPass;

    public static int PaddedChannels(int channels) => Groups(channels) * TSimd.Count;

    public static int Chunks(int length) => (length + ChunkTokens - 1) / ChunkTokens;

    /// <summary>Floats of one value for every channel and state.</summary>
    public static nint StateFloats(int channels, int states) => (nint)PaddedChannels(channels) * PaddedStates(states);

    /// <summary>Vectors that straddle cache lines cost twice; a caller's buffer is at least aligned for floats.</summary>
    public static float* Align(float* pointer) => (float*)(((nuint)pointer + CacheLineFloats * sizeof(float) - 1) & ~(nuint)(CacheLineFloats * sizeof(float) - 1));

    public const int AlignmentFloats = CacheLineFloats;

    /// <summary>Writes A·log2(e) = -exp(aLog)·log2(e) in channel-vector layout; padding is zero. <paramref name="buffer"/> takes padded D·N floats.</summary>
    public static void PrepareDecay(float* aLog, int channels, int states, float* decay, float* buffer)
    {
        var count = (nint)channels * states;
        nint i = 0;
        for (; i + TSimd.Count <= count; i += TSimd.Count) TSimd.Store(Decay(TSimd.Load(aLog + i)), buffer + i);
        if (i < count)
        {
            var rest = (int)(count - i);
            CopyRow(aLog + i, buffer + i, rest, TSimd.Count);
            TSimd.Store(Decay(TSimd.Load(buffer + i)), buffer + i);
        }

        var padded = PaddedStates(states);
        if (padded != states || PaddedChannels(channels) != channels) new Span<float>(decay, checked((int)StateFloats(channels, states))).Clear();
        for (nint d = 0; d < channels; d += TSimd.Count)
            Transpose.Block(buffer + d * states, states, (int)Math.Min(TSimd.Count, channels - d), states, decay + d * padded, TSimd.Count);
    }

    private static TVector Decay(TVector aLog) => TSimd.Multiply(VectorMath.Exp<TSimd, TVector>(aLog), TSimd.Create(-VectorMath.Log2E));

    /// <summary>A parameter of D floats, or zeros for null, padded to whole vectors.</summary>
    public static void PrepareVector(float* source, int channels, float* destination)
    {
        var padded = PaddedChannels(channels);
        if (source == null) new Span<float>(destination, padded).Clear();
        else CopyRow(source, destination, channels, padded);
    }

    /// <summary>[tokens, width] into rows of <paramref name="paddedWidth"/> floats, the rest zero.</summary>
    public static void Stage(float* source, nint stride, int tokens, int width, float* destination, int paddedWidth)
    {
        for (var t = 0; t < tokens; t++) CopyRow(source + t * stride, destination + (nint)t * paddedWidth, width, paddedWidth);
    }

    /// <summary>The other way: the first <paramref name="width"/> floats of rows of <paramref name="paddedWidth"/> into [tokens, width].</summary>
    public static void Unstage(float* source, int paddedWidth, int tokens, int width, float* destination, nint stride)
    {
        for (var t = 0; t < tokens; t++)
            for (var i = 0; i < width; i++) destination[t * stride + i] = source[(nint)t * paddedWidth + i];
    }

    /// <summary>Channel-vector layout back to [D, N].</summary>
    public static void CopyOut(float* lanes, int channels, int states, float* destination)
    {
        var padded = PaddedStates(states);
        for (var d = 0; d < channels; d++)
        {
            var lane = lanes + (nint)(d / TSimd.Count) * padded * TSimd.Count + d % TSimd.Count;
            for (var n = 0; n < states; n++) destination[(nint)d * states + n] = lane[n * TSimd.Count];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void CopyRow(float* source, float* destination, int width, int paddedWidth)
    {
        for (var i = 0; i < width; i++) destination[i] = source[i];
        for (var i = width; i < paddedWidth; i++) destination[i] = 0f;
    }
}
