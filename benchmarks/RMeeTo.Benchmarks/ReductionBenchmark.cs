using RMeeTo.Vim;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Cpu;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Retraining;
using RMeeTo.Vim.Retraining.Distributed;

namespace RMeeTo.Benchmarks;

/// <summary>
/// What a step of several processes costs beside its computing: the sum of the gradients of all lanes, in their order, known to all. Started by mpirun it is
/// measured over its processes; wall-clock time, the slowest process counts. Beside it, in the same run: the same lanes summed by one process.
/// </summary>
internal static class ReductionBenchmark
{
    private const int Rounds = 30;

    public static void Run(BenchmarkOptions options)
    {
        using IProcessGroup group = MpiGroup.IsLaunched ? MpiGroup.Start() : SingleProcess.Instance;
        using var device = CpuDeviceProvider.Instance.CreateDevice();
        using var team = new WorkerTeam(Math.Max(1, Environment.ProcessorCount / group.Size));
        foreach (var (name, config) in ((string, VimConfig)[])[("Vim-Ti", VimConfig.VimTiny), ("Vim-S", VimConfig.VimSmall)])
        {
            if (!options.Selects(name)) continue;
            var parameters = new VimParameters(config);
            int all = new RetrainOptions().LanesFor(parameters.BufferLength * sizeof(float)), rounds = options.Smoke ? 2 : Rounds;
            var range = new TrainingProcesses(group).LanesOf(all);
            var lanes = Enumerable.Range(0, all).Select(_ => new ParameterBuffer(device, parameters)).ToList();
            DeviceBuffer[] values = [.. lanes.Select(lane => lane.Values)];

            double alone = Median(rounds, group, () => SumAlone(team, device, values));
            string line = $"{name}: {parameters.BufferLength / 1e6:0.0} M gradients, {all} lanes. Summed by one process: {alone * 1e3:0.0} ms";
            if (group.Size > 1)
            {
                using var sum = new OrderedSum(group, team, CpuDeviceProvider.Instance, values[range.First..range.End]);
                double together = Median(rounds, group, () => sum.Run());
                line += $"; by {group.Size} processes: {together * 1e3:0.0} ms, {together / alone:0.0} times as much";
            }
            if (group.Rank == 0) Console.WriteLine(line + ".");
            lanes.ForEach(lane => lane.Dispose());
        }
        if (group.Size == 1) Console.WriteLine("For several processes: mpirun -n 2 dotnet RMeeTo.Benchmarks.dll reduction");
    }

    private static void SumAlone(WorkerTeam team, VimDevice device, DeviceBuffer[] lanes)
    {
        const int Range = 1 << 16;
        long length = lanes[0].Length;
        // One device serves all threads here: on the CPU a sum uses nothing of it.
        team.Run((int)((length + Range - 1) / Range), (_, item) =>
            device.SumBuffers(lanes[0], lanes, (long)item * Range, Math.Min(Range, length - (long)item * Range)));
    }

    /// <summary>Median over the rounds of the time of the slowest process; all begin a round together.</summary>
    private static double Median(int rounds, IProcessGroup group, Action run)
    {
        run();
        var seconds = new List<double>();
        for (int i = 0; i < rounds; i++)
        {
            group.AllGather(0);
            double started = Clock.Wall;
            run();
            seconds.Add(group.AllGather(Clock.Wall - started).Max());
        }
        return seconds.Order().ElementAt(seconds.Count / 2);
    }
}
