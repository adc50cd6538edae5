namespace RMeeTo.Vim.Devices.Cpu;

/// <summary>destination[i] = ((sources[0][i] + sources[1][i]) + sources[2][i]) + …: the gradients of lanes, always added in the same order.</summary>
internal static unsafe class LaneSum
{
    /// <summary>Sums <paramref name="sourceCount"/> flat arrays of <paramref name="count"/> floats; the destination may be one of them.</summary>
    public static void Sum<TSimd, TVector>(float** sources, int sourceCount, float* destination, nint count) where TSimd : struct, ISimd<TVector> where TVector : struct
    {
        nint i = 0;
        for (; i + TSimd.Count <= count; i += TSimd.Count)
        {
            var sum = sourceCount > 0 ? TSimd.Load(sources[0] + i) : TSimd.Create(0f);
            for (var s = 1; s < sourceCount; s++) sum = TSimd.Add(sum, TSimd.Load(sources[s] + i));
            TSimd.Store(sum, destination + i);
        }

        for (; i < count; i++)
        {
            var sum = sourceCount > 0 ? sources[0][i] : 0f;
            for (var s = 1; s < sourceCount; s++) sum += sources[s][i];
            destination[i] = sum;
        }
    }
}
