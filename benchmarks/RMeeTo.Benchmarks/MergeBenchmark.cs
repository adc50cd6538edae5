using RMeeTo.Vim;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Cpu;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;

namespace RMeeTo.Benchmarks;

/// <summary>
/// What each merge option costs: Vim-Tiny at 5 tokens a merge under every option, one thread, as a ratio to the defaults' time and to that of the plain network; and one merge of a
/// clip's 1569 tokens. All cases take turns in every round.
/// </summary>
internal static class MergeBenchmark
{
    private static readonly (string Name, MergeOptions Options)[] s_cases =
    [
        ("default", new()), ("L1", new() { Distance = MergeDistance.L1 }), ("third partner", new() { PartnerRank = 3 }), ("prune", new() { Reduction = MergeReduction.Prune }),
        ("max", new() { Combination = MergeCombination.Max }), ("odd-even", new() { Order = MergeOrder.OddEven }), ("shuffled .5", new() { ShuffleRate = 0.5 }),
        ("metric B", new() { Metric = MergeMetric.B }), ("metric delta", new() { Metric = MergeMetric.Delta }), ("exact class position", new() { ClassPosition = MergeClassPosition.Exact }),
        ("2 neighbours", new() { ProtectedNeighbours = 2 }),
    ];

    public static void Run(BenchmarkOptions options)
    {
        using var device = CpuDevice.Create();
        using var weights = new DeviceWeights(device, VimInitializer.Create(VimConfig.VimTiny, 1), false);
        List<TakingTurns> cases = [Network("dense", new VimNetwork(weights, MergeSchedule.Dense(VimConfig.VimTiny), new()))];
        foreach (var (name, merging) in s_cases.Where(c => c.Name == "default" || options.Selects(c.Name)))
            cases.Add(Network(name, new VimNetwork(weights, MergeSchedule.Uniform(VimConfig.VimTiny, 5, merging: merging), merging)));
        foreach (var (name, merging) in s_cases.Take(3).Where(c => options.Selects(c.Name)))
            cases.Add(Match($"one merge of 1569 tokens, {name}", merging));
        for (int round = 0; round < (options.Smoke ? 1 : 20); round++)
            foreach (var item in cases) item.Time(options.Smoke ? 1 : 2);
        Console.WriteLine($"{$"{Clock.Name} {device.Name}, one thread.",-50}{"ms, median",12}{"to default",13}{"to dense",13}");
        double dense = cases[0].Median, usual = cases[1].Median;
        foreach (var item in cases)
            Console.WriteLine($"{item.Name,-50}{1000 * item.Median,12:F2}{item.Median / usual,13:F3}{item.Median / dense,13:F3}");

        TakingTurns Network(string name, VimNetwork network)
        {
            var workspace = network.CreateWorkspace(device, 1, forTraining: false);
            Fill(workspace.Images);
            return new(name, () => network.Forward(device, workspace, 1));
        }

        TakingTurns Match(string name, MergeOptions merging)
        {
            var step = new MergeStep(0, 1569, 88, 0, 0);
            DeviceMatrix tokens = new(device.Allocate(1569 * 192), 1569, 192), merged = new(device.Allocate(step.TokensOut), step.TokensOut, 1);
            Fill(tokens);
            var plan = device.CreateMergePlan(1, step, merging);
            return new(name, () => device.Match(1, new() { Metric = tokens }, plan, merged));
        }
    }

    private static void Fill(DeviceMatrix matrix)
    {
        var random = new Random(1);
        matrix.Buffer.Write([.. Enumerable.Range(0, (int)matrix.Buffer.Length).Select(_ => 2 * random.NextSingle() - 1)]);
    }
}
