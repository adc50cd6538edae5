using RMeeTo.Vim.Devices;

namespace RMeeTo.GpuCheck.Timing;

/// <summary>Each operator by itself, at the shapes of a network: as a share of what the GPU can do, and against another device on the same GPU.</summary>
/// <param name="rates">What the GPU can do.</param>
/// <param name="cacheBytes">Operands come to so much, in as many sets as it takes, before they are used again: none is found in the cache.</param>
/// <param name="settings">Samples.</param>
/// <param name="report">Receives tables and targets.</param>
internal sealed class KernelBenchmark(DeviceRates rates, long cacheBytes, BenchmarkSettings settings, Report report)
{
    private const double ScanShare = 0.7; // of the copy, which a selective scan is to reach
    private const int MostSets = 64;

    /// <summary>Times operators.</summary>
    /// <param name="name">Of the network, for the heading.</param>
    /// <param name="cases">Operators.</param>
    /// <param name="device">The device that is measured.</param>
    /// <param name="other">The same operators as plain tensor operators; null where there is no such device.</param>
    public void Run(string name, IEnumerable<KernelCase> cases, VimDevice device, VimDevice? other)
    {
        var table = new Table(
            $"Operators of {name}, batch {settings.Batch}; copy {rates.CopyBytes / 1e9:F0} GB/s, product {rates.ProductWork / 1e12:F1} TFLOP/s",
            new("operator"), new("us"), new("MB", "0.0"), new("GB/s", "0"), new("of copy", "0 %"), new("TFLOP/s", "0.0"), new("of product", "0 %"),
            new("times tensor operators"));
        foreach (KernelCase c in cases)
        {
            try
            {
                double seconds = Seconds(c, device);
                Add(table, c, seconds, other is null ? null : Seconds(c, other));
                if (c.Name.StartsWith("SelectiveScan", StringComparison.Ordinal))
                    report.Expect($"{c.Name}, {name}: of copy", c.Bytes / seconds / rates.CopyBytes, ScanShare);
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

    private void Add(Table table, KernelCase c, double seconds, double? others)
    {
        double bytes = c.Bytes / seconds, work = c.Work / seconds;
        bool isProduct = c.Work > 0;
        table.Add(c.Name, 1e6 * seconds, c.Bytes / 1e6, bytes / 1e9, bytes / rates.CopyBytes, isProduct ? work / 1e12 : null,
            isProduct ? work / rates.ProductWork : null, others / seconds);
    }

    private double Seconds(KernelCase c, VimDevice device)
    {
        using var target = new TimedTarget(device);
        var sets = new KernelOperands[(int)Math.Clamp(cacheBytes / Math.Max(1, c.Bytes) + 1, 1, MostSets)];
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
