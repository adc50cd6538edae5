using RMeeTo.Cuda;
using RMeeTo.GpuCheck.Checks;
using RMeeTo.GpuCheck.Timing;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Tests.Devices;
using RMeeTo.Vim.Tests.Golden;

namespace RMeeTo.GpuCheck;

/// <summary>Sizes of what is not a network.</summary>
/// <param name="CopyBytes">Length of the copy that others are compared with.</param>
/// <param name="ProductEdge">Edge of the square matrices that products are compared with.</param>
/// <param name="CacheBytes">What operands of one operator come to together before they are used again.</param>
internal sealed record CheckSizes(long CopyBytes, int ProductEdge, long CacheBytes)
{
    /// <summary>For a GPU.</summary>
    public static CheckSizes Default { get; } = new(1L << 30, 8192, 512L << 20);

    /// <summary>For trying the program.</summary>
    public static CheckSizes Smoke { get; } = new(1 << 16, 32, 0);
}

/// <summary>All that the program does once there is a GPU.</summary>
/// <param name="line">What is asked for.</param>
/// <param name="open">Opens the GPU with its products in a precision.</param>
/// <param name="tensors">Tensor operators on the same GPU, or null.</param>
/// <param name="output">Receives every table as soon as it is there.</param>
internal sealed class CheckRun(CommandLine line, Func<MatrixPrecision, CudaContext> open, TensorOperators? tensors, TextWriter output)
{
    // Relative to the largest value of a product of some hundred terms: five to ten times what rounding both sides to 8 or 11 bits makes of random numbers.
    private const double BFloat16Tolerance = 1e-2, TensorFloat32Tolerance = 2e-3;

    private int _printed;

    /// <summary>What was found.</summary>
    public Report Report { get; } = new();

    /// <summary>Operators to check; all unless set.</summary>
    public IReadOnlyList<OperatorCase> Cases { get; init; } = line.IsSmoke ? [.. OperatorCases.All.Where((_, i) => i % 12 == 0)] : OperatorCases.All;

    /// <summary>Test classes to run; none unless set.</summary>
    public IReadOnlyList<Type> Tests { get; init; } = [];

    /// <summary>Tells the tests which GPU to use; before they run.</summary>
    public Action<CudaContext> BeforeTests { get; init; } = _ => { };

    /// <summary>Sizes for a GPU unless set.</summary>
    public CheckSizes Sizes { get; init; } = line.IsSmoke ? CheckSizes.Smoke : CheckSizes.Default;

    /// <summary>Runs every part that is not left out.</summary>
    /// <returns>True where all checks passed.</returns>
    public bool Run()
    {
        foreach (MatrixPrecision precision in line.Precisions)
            Part($"{precision}", () => Run(precision));
        if (line.Does("pytorch") && !line.IsSmoke) Part("PyTorch", ComparePyTorch);
        if (Report.Targets.Rows.Count > 0) Report.Targets.Print(output);
        return Report.Failures.Count == 0;
    }

    private void Run(MatrixPrecision precision)
    {
        CudaContext context;
        try
        {
            context = open(precision);
        }
        catch (NotSupportedException e) // no fault of the program: older GPUs have no bfloat16
        {
            Report.Facts.Add(($"{precision}", e.Message));
            output.WriteLine(e.Message);
            return;
        }
        using (context) Run(context, precision);
    }

    private void Run(CudaContext context, MatrixPrecision precision)
    {
        bool first = precision == line.Precisions[0];
        if (first) AddFacts(context);
        if (precision == MatrixPrecision.Float32 && line.Does("checks")) Part("Operators", () => CheckOperators(context));
        if (precision != MatrixPrecision.Float32 && line.Does("checks")) Part("Products", () => CheckProducts(context));
        if (precision == MatrixPrecision.Float32 && line.Does("golden")) Part("Recorded data", () => CheckRecordedData(context));
        NetworkWay own = Way(context, $"{precision}", recorded: true), plain = Way(context, $"{precision}, without CUDA graphs", recorded: false);
        if (line.Does("inference")) Part("Inference", () => NetworkBenchmark.Inference(own, line.Benchmark, Report));
        if (line.Does("inference") && first) Part("Inference without graphs", () => NetworkBenchmark.Inference(plain, Few, Report));
        if (line.Does("training")) Part("Training", () => NetworkBenchmark.Training(own, line.Benchmark, Report));
        if (line.Does("training") && first) Part("Training without graphs", () => NetworkBenchmark.Training(plain, Few, Report));
        if (line.Does("kernels")) Part("Kernels", () => MeasureKernels(context, first));
        if (precision == MatrixPrecision.Float32 && tensors is not null) MeasureTensorOperators(tensors);
    }

    /// <summary>Dense and one ratio: enough to compare ways of running the same.</summary>
    private BenchmarkSettings Few => line.Benchmark with { Ratios = [.. line.Benchmark.Ratios.Where(r => r == 11)], TrainingRatios = [] };

    private void AddFacts(CudaContext context)
    {
        var (free, total) = context.Runtime.Memory;
        Report.Facts.Add(("GPU", $"{context.Runtime.Name}, {context.Runtime.Multiprocessors} multiprocessors, {total >> 20} MiB, {free >> 20} MiB free"));
        Report.Facts.Add(("matrix products", context.Products.Name));
        Report.Facts.Add(("timing", "the clock of the process around many repetitions, a value read back before and after"));
        foreach (var (name, value) in Report.Facts) output.WriteLine($"{name}: {value}");
        output.WriteLine();
    }

    private void CheckOperators(CudaContext context)
    {
        using (var device = new CudaDevice(context)) OperatorChecks.Run(device, Cases, Report);
        BeforeTests(context);
        SharedTests.Run("Tests that every device is held to", Tests.Where(type => !IsGolden(type)), Report);
    }

    /// <summary>Products are all that another precision changes.</summary>
    private void CheckProducts(CudaContext context)
    {
        using var device = new CudaDevice(context);
        double tolerance = context.Products.Precision == MatrixPrecision.BFloat16 ? BFloat16Tolerance : TensorFloat32Tolerance;
        var large = OperatorCases.All.Where(c => c.Name.StartsWith("Linear", StringComparison.Ordinal) && !c.Name.Contains('#'));
        OperatorChecks.Run(device, large, Report, tolerance);
    }

    private void CheckRecordedData(CudaContext context)
    {
        BeforeTests(context);
        string folder = GoldenData.Folder ?? "(absent: --golden names their folder)";
        SharedTests.Run($"Recorded data of the official program in {folder}", Tests.Where(IsGolden), Report);
        SharedTests.AddErrors(Report);
    }

    private static bool IsGolden(Type type) => type.Namespace == typeof(GoldenData).Namespace;

    /// <summary>All operators, or only those that another precision changes.</summary>
    private void MeasureKernels(CudaContext context, bool all)
    {
        using var device = new CudaDevice(context);
        using var target = new TimedTarget(device);
        using VimDevice? other = all ? tensors?.Create() : null;
        long copyBytes = Math.Min(Sizes.CopyBytes, context.Runtime.Memory.Free / 8 & ~4095);
        DeviceRates rates = DeviceRates.Measure(context, target, copyBytes, Sizes.ProductEdge, line.Benchmark);
        var benchmark = new KernelBenchmark(rates, Sizes.CacheBytes, line.Benchmark, Report);
        foreach (var (name, config) in line.Benchmark.Models)
        {
            var cases = new KernelCases(config, line.Benchmark.Batch).All.Where(c => all || c.Work > 0);
            benchmark.Run($"{name}, {context.Products.Precision}", cases, device, other);
        }
    }

    private void MeasureTensorOperators(TensorOperators others)
    {
        var way = new NetworkWay($"tensor operators of {others.LibTorch}", others.Create, null, IsJudged: false);
        if (line.Does("inference")) Part("Inference on tensor operators", () => NetworkBenchmark.Inference(way, Few, Report));
        if (line.Does("training")) Part("Training on tensor operators", () => NetworkBenchmark.Training(way, Few, Report));
    }

    private void ComparePyTorch()
    {
        string? version = PyTorchComparison.VersionOf(line.Python);
        string found = version ?? $"none: {line.Python} is not there, or has no torch that sees a GPU";
        Report.Facts.Add(("PyTorch", found));
        output.WriteLine($"PyTorch: {found}");
        if (version is not null) PyTorchComparison.Run(line, Report, output);
    }

    private static NetworkWay Way(CudaContext context, string name, bool recorded)
    {
        return new(name, () => new CudaDevice(context) { RecordsSequences = recorded }, Used, IsJudged: recorded);

        long Used()
        {
            var (free, total) = context.Runtime.Memory;
            return total - free;
        }
    }

    /// <summary>One part; where it fails, the next still runs.</summary>
    private void Part(string name, Action run)
    {
        try
        {
            run();
        }
        catch (Exception e) // a report with a hole says more than none
        {
            Report.Failures.Add($"{name}: {e.GetType().Name}: {e.Message}");
            output.WriteLine($"{name} failed: {e}");
        }
        for (; _printed < Report.Tables.Count; _printed++) Report.Tables[_printed].Print(output);
    }
}
