using RMeeTo.Vim.Devices;

namespace RMeeTo.GpuCheck.Timing;

/// <summary>Each operator by itself, at the shapes of a network: as a share of what the GPU can do, and against another device on the same GPU.</summary>
internal static class KernelBenchmark
{
    /// <summary>Times the cases.</summary>
    /// <param name="name">Sizes, for the heading.</param>
    /// <param name="cases">Operators.</param>
    /// <param name="rates">What the GPU can do.</param>
    /// <param name="device">The device that is measured.</param>
    /// <param name="other">The same operators as plain tensor operators; null where there is no such device.</param>
    /// <param name="cacheBytes">Operands are that large together, in as many sets as it takes, so that none is found in the cache.</param>
    /// <param name="settings">Samples.</param>
    /// <param name="report">Receives a table.</param>
    public static void Run(
        string name, IEnumerable<KernelCase> cases, DeviceRates rates, VimDevice device, VimDevice? other, long cacheBytes, BenchmarkSettings settings, Report report)
    {
        var table = new Table($"Operators of {name} at batch {settings.Batch}; copy {rates.CopyBytes / 1e9:F0} GB/s, product {rates.ProductWork / 1e12:F1} TFLOP/s",
            new("operator"), new("us"), new("MB", "0.0"), new("GB/s", "0"), new("of copy", "0 %"), new("TFLOP/s", "0.0"), new("of product", "0 %"), new("times tensor operators"));
        foreach (KernelCase c in cases)
        {
            try
            {
                Add(table, c, rates, Seconds(c, device, cacheBytes, settings), other is null ? null : Seconds(c, other, cacheBytes, settings));
            }
            catch (Exception e) when (e is NotSupportedException or OutOfMemoryException)
            {
                table.Remarks.Add($"{c.Name}: {e.Message}");
            }
        }
        table.Remarks.Add("MB: every operand once, single precision; 'of copy' is that over the time, against the copy's bytes read and written.");
        table.Remarks.Add($"Operands change from call to call over {cacheBytes >> 20} MiB, so that the GPU's cache does not hold them.");
        report.Tables.Add(table);
    }

    private static void Add(Table table, KernelCase c, DeviceRates rates, double seconds, double? others)
    {
        double bytes = c.Bytes / seconds, work = c.Work / seconds;
        table.Add(c.Name, 1e6 * seconds, c.Bytes / 1e6, bytes / 1e9, bytes / rates.CopyBytes, c.Work == 0 ? null : work / 1e12,
            c.Work == 0 ? null : work / rates.ProductWork, others / seconds);
    }

    private static double Seconds(KernelCase c, VimDevice device, long cacheBytes, BenchmarkSettings settings)
    {
        using var target = new TimedTarget(device);
        var sets = new KernelOperands[(int)Math.Clamp(cacheBytes / Math.Max(1, c.Bytes) + 1, 1, 64)];
        try
        {
            var calls = new Action[sets.Length];
            for (int i = 0; i < sets.Length; i++) calls[i] = c.Build(sets[i] = new KernelOperands(device));
            int next = 0;
            var timed = new Timed(target, () => calls[next = (next + 1) % calls.Length]());
            timed.WarmUp();
            for (int round = 0; round < settings.Rounds; round++) timed.Sample(settings.SampleSeconds / 4);
            return timed.Median;
        }
        finally
        {
            foreach (KernelOperands? set in sets) set?.Dispose();
        }
    }
}
