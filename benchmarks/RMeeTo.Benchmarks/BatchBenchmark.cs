using RMeeTo.Vim;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Cpu;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;

namespace RMeeTo.Benchmarks;

/// <summary>
/// How many images a worker should take at once: more rows make better products, fewer stay in the second-level cache. The sizes take turns; the rate of each is given
/// relative to one image at a time. <c>NetworkRunner.BatchFor</c> follows from this.
/// </summary>
internal static class BatchBenchmark
{
    private static readonly int[] s_batches = [1, 2, 3, 4, 6, 8, 12, 16, 24];

    private static readonly NetworkCase[] s_cases =
    [
        NetworkCase.Dense("17 tokens", NetworkCase.IconNet with { PatchSize = 8, Stride = 8 }), NetworkCase.Dense("65 tokens", NetworkCase.IconNet),
        NetworkCase.Dense("65 tokens, 192 wide", NetworkCase.IconNet with { Width = 192 }), NetworkCase.Dense("145 tokens", NetworkCase.SmallNet),
        NetworkCase.Merged("145 tokens", NetworkCase.SmallNet, 20), NetworkCase.Dense("Vim-Ti", VimConfig.VimTiny), NetworkCase.Merged("Vim-Ti", VimConfig.VimTiny, 14),
    ];

    public static void Run(BenchmarkOptions options)
    {
        Console.WriteLine($"{Clock.Name} Images/s at once, and relative to the first column.");
        foreach (var item in s_cases.Where(item => options.Selects(item.Name)))
        {
            using var device = CpuDevice.Create();
            using var weights = new DeviceWeights(device, VimInitializer.Create(item.Config, 1), false);
            var network = new VimNetwork(weights, item.Schedule, MergeOptions.Default);
            var workspaces = s_batches.Select(batch => network.CreateWorkspace(device, batch, false)).ToArray();
            var seconds = Measure(network, device, workspaces, options.Smoke);
            var columns = s_batches.Select((batch, i) => $"{$"{batch}: {1 / seconds[i]:F0} ({seconds[0] / seconds[i]:F2})",17}");
            Console.WriteLine($"{item.Name,-26}{string.Concat(columns)}   now {NetworkRunner.BatchFor(item.Config.Tokens)}");
            foreach (var workspace in workspaces) workspace.Dispose();
        }
    }

    // Seconds an image, the best of the rounds.
    private static double[] Measure(VimNetwork network, VimDevice device, Workspace[] workspaces, bool smoke)
    {
        var best = new double[workspaces.Length];
        Array.Fill(best, double.MaxValue);
        for (int round = 0; round < (smoke ? 1 : 12); round++)
        {
            for (int i = 0; i < workspaces.Length; i++)
            {
                int calls = smoke ? 1 : 1 + 24 / s_batches[i];
                double start = Clock.Thread;
                for (int call = 0; call < calls; call++) network.Forward(device, workspaces[i], s_batches[i]);
                best[i] = Math.Min(best[i], (Clock.Thread - start) / calls / s_batches[i]);
            }
        }
        return best;
    }
}
