namespace RMeeTo.Benchmarks;

/// <summary>Runs the benchmark that the first argument names. <c>--smoke</c> makes it very brief: it proves that it runs, its figures mean nothing.</summary>
internal static class Program
{
    private static readonly Dictionary<string, (string Summary, Action<BenchmarkOptions> Run)> Benchmarks = new()
    {
        ["gemm"] = ("products of linear layers and their gradients, one thread, every vector width", GemmBenchmark.Run),
        ["scan"] = ("selective scan, convolution, norm and AdamW, one thread, every vector width", ScanBenchmark.Run),
        ["network"] = ("images a second of whole networks, one and two threads, and where the time goes", NetworkBenchmark.Run),
        ["batch"] = ("how many images a worker should take at once", BatchBenchmark.Run),
        ["merge"] = ("what each merge option costs, one thread", MergeBenchmark.Run),
        ["schedule"] = ("whether arithmetic tells how fast a merge schedule is, one thread", ScheduleBenchmark.Run),
        ["augment"] = ("what RandAugment, its operations and random erasing cost for an image, one thread", AugmentationBenchmark.Run),
        ["training"] = ("images a second of whole training steps, one and two threads, and where the time goes", TrainingBenchmark.Run),
        ["overlap"] = ("a training epoch with the paper's augmentation against the same steps from ready tensors", OverlapBenchmark.Run),
        ["reduction"] = ("the sum of gradients over several processes, under mpirun", ReductionBenchmark.Run),
    };

    private static int Main(string[] args)
    {
        var smoke = args.Contains("--smoke");
        var rest = args.Where(arg => arg != "--smoke").ToArray();
        var names = rest.Length == 0 && smoke ? [.. Benchmarks.Keys] : rest.Take(1).ToArray();
        if (names.Length == 0 || !Benchmarks.ContainsKey(names[0]))
        {
            Console.Error.WriteLine("usage: RMeeTo.Benchmarks <benchmark> [words that a case must contain] [--smoke]");
            foreach (var (name, benchmark) in Benchmarks) Console.Error.WriteLine($"  {name,-11}{benchmark.Summary}");
            return 1;
        }
        foreach (var name in names) Benchmarks[name].Run(new BenchmarkOptions(smoke, [.. rest.Skip(1)]));
        return 0;
    }
}

/// <param name="Smoke">As brief as it can be.</param>
/// <param name="Filter">A case runs where its name contains each of these.</param>
internal sealed record BenchmarkOptions(bool Smoke, string[] Filter)
{
    public bool Selects(string name) => Filter.All(word => name.Contains(word, StringComparison.OrdinalIgnoreCase));
}
