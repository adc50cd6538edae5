namespace RMeeTo.Vim.Devices.Cpu;

/// <summary>One step of an exponential moving average over a flat range: average ← average + (1 − decay)·(values − average).</summary>
internal static unsafe class MovingAverageKernel
{
    /// <summary>Updates the average. A value's result does not depend on where a range starts or ends.</summary>
    public static void Step<TSimd, TVector>(double decay, float* average, float* values, nint count) where TSimd : struct, ISimd<TVector> where TVector : struct
    {
        var share = TSimd.Create((float)(1 - decay));
        nint i = 0;
        for (; i + TSimd.Count <= count; i += TSimd.Count) TSimd.Store(Moved(TSimd.Load(average + i), TSimd.Load(values + i)), average + i);
        var rest = (int)(count - i);
        if (rest > 0) TSimd.StorePartial(Moved(TSimd.LoadPartial(average + i, rest), TSimd.LoadPartial(values + i, rest)), average + i, rest);

        TVector Moved(TVector mean, TVector next) => TSimd.MultiplyAdd(TSimd.Subtract(next, mean), share, mean);
    }
}
