using RMeeTo.Vim;
using RMeeTo.Vim.Analysis;
using RMeeTo.Vim.Devices.Cpu;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;

namespace RMeeTo.Benchmarks;

/// <summary>
/// Whether arithmetic tells how fast a schedule is: the paper's schedules beside those that a search finds (few large merges), as times as fast as the plain network, counted
/// (<see cref="VimCost.Bidirectional"/>) and measured on one thread. All schedules of a network take turns in every round.
/// </summary>
internal static class ScheduleBenchmark
{
    public static void Run(BenchmarkOptions options)
    {
        Console.WriteLine($"{$"{Clock.Name} One thread.",-60}{"counted",10}{"measured",10}");
        Network(options, "96 px net", NetworkCase.SmallNet, [Uniform(8), Uniform(18), Uniform(24), At((7, 61)), At((3, 38), (6, 18), (8, 17))]);
        Network(options, "Vim-Ti", VimConfig.VimTiny, [Uniform(5), Uniform(11), At((12, 60)), At((6, 40), (12, 35), (16, 30))]);

        static Func<VimConfig, MergeSchedule> Uniform(int removed) => config => MergeSchedule.Uniform(config, removed);

        static Func<VimConfig, MergeSchedule> At(params (int Block, int Removed)[] merges) => config =>
            MergeSchedule.Custom(config, [.. Enumerable.Range(0, config.Depth).Select(block => merges.FirstOrDefault(merge => merge.Block == block).Removed)]);
    }

    private static void Network(BenchmarkOptions options, string name, VimConfig config, Func<VimConfig, MergeSchedule>[] schedules)
    {
        if (!options.Selects(name)) return;
        using var device = CpuDevice.Create();
        using var weights = new DeviceWeights(device, VimInitializer.Create(config, 1), forTraining: false);
        MergeSchedule[] all = [MergeSchedule.Dense(config), .. schedules.Select(make => make(config))];
        TakingTurns[] cases = [.. all.Select(Case)];
        for (int round = 0; round < (options.Smoke ? 1 : 15); round++)
            foreach (var item in cases) item.Time(options.Smoke ? 1 : 4);
        foreach (var (schedule, item) in all.Zip(cases))
            Console.WriteLine($"{item.Name,-60}{VimCost.Speedup(config, schedule, MergeOptions.Default),10:F3}{cases[0].Median / item.Median,10:F3}");

        TakingTurns Case(MergeSchedule schedule)
        {
            var network = new VimNetwork(weights, schedule, MergeOptions.Default);
            int batch = NetworkRunner.BatchFor(config.Tokens);
            var workspace = network.CreateWorkspace(device, batch, forTraining: false);
            var random = new Random(1);
            workspace.Images.Buffer.Write([.. Enumerable.Range(0, (int)workspace.Images.Buffer.Length).Select(_ => 2 * random.NextSingle() - 1)]);
            string merges = string.Join(", ", schedule.Steps.Select(step => $"{step.Removed} at {step.Block}"));
            bool uniform = schedule.Steps.Count > 3;
            return new($"{name} {(schedule.IsDense ? "dense" : uniform ? $"r={schedule.Steps[0].Removed}" : merges)}", () => network.Forward(device, workspace, batch));
        }
    }
}
