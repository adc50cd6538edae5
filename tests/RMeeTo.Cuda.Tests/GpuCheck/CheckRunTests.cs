using System.Text.Json;
using RMeeTo.Cuda.Tests.Emulation;
using RMeeTo.Cuda.Tests.Runtime;
using RMeeTo.GpuCheck;
using RMeeTo.GpuCheck.Checks;
using RMeeTo.GpuCheck.Timing;
using RMeeTo.Vim;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Cpu;
using RMeeTo.Vim.Devices.Reference;
using RMeeTo.Vim.Tests.Devices;

namespace RMeeTo.Cuda.Tests.GpuCheck;

/// <summary>What the program RMeeTo.GpuCheck does, on an emulated GPU and a tiny network. Its times are those of an emulator.</summary>
[TestClass]
public sealed class CheckRunTests
{
    private static readonly VimConfig s_tiny = new() { ImageHeight = 48, ImageWidth = 48, PatchSize = 8, Stride = 8, Width = 16, Depth = 4, Classes = 5 };

    private static readonly CommandLine s_line = new()
    {
        Skipped = ["pytorch"],
        Precisions = [MatrixPrecision.Float32],
        Benchmark = new BenchmarkSettings([("tiny", s_tiny)], [11], [11], Batch: 2, Rounds: 1, SampleSeconds: 0),
    };

    private static readonly CommandLine s_checksOnly = s_line with { Skipped = ["pytorch", "golden", "inference", "training", "kernels"] };

    [TestMethod]
    public void Everything_is_checked_and_measured()
    {
        var output = new StringWriter();
        // Another device stands for tensor operators on the same GPU.
        var run = Tiny(s_line, output, tensors: new TensorOperators(() => CpuDevice.Create(), "another device"));
        Assert.IsTrue(run.Run(), string.Join('\n', run.Report.Failures));

        string[] titles = [.. run.Report.Tables.Select(table => table.Title)];
        string[] parts =
        [
            "Operators on", "Tests that every device", "Recorded data", "Inference, Float32,", "without CUDA graphs", "Training, Float32,", "Operators of tiny",
            "Inference, tensor operators of another device", "Training, tensor operators of another device",
        ];
        foreach (string part in parts)
            Assert.IsTrue(titles.Any(title => title.Contains(part, StringComparison.Ordinal)), $"no table '{part}' among: {string.Join("; ", titles)}");
        foreach (Table table in run.Report.Tables) StringAssert.Contains(output.ToString(), table.Title);

        Table inference = run.Report.Tables.First(table => table.Title.StartsWith("Inference", StringComparison.Ordinal));
        CollectionAssert.AreEqual(new[] { "tiny dense", "tiny r=11" }, inference.Rows.Select(row => row[0]).ToArray());
        Assert.IsTrue(inference.Rows.All(row => row[1] is double rate and > 0));
        Assert.AreEqual(1.0, inference.Rows[0][3], "dense, in units of dense");

        Assert.IsTrue(run.Report.Targets.Rows.Any(row => ((string)row[0]!).StartsWith("tiny r=11, Float32", StringComparison.Ordinal)));
        Assert.IsTrue(run.Report.Targets.Rows.Any(row => ((string)row[0]!).StartsWith("SelectiveScanGradient", StringComparison.Ordinal)));

        Table kernels = run.Report.Tables.First(table => table.Title.StartsWith("Operators of", StringComparison.Ordinal));
        Assert.HasCount(new KernelCases(s_tiny, 2).All.Count(), kernels.Rows, string.Join('\n', kernels.Remarks));
        Assert.IsTrue(kernels.Rows.All(row => row[^1] is > 0.0), "times the other device");
    }

    [TestMethod]
    public void It_runs_on_the_real_runtime()
    {
        using var played = new PlayedCuda(); // a driver that the CPU plays
        var line = s_line with { Skipped = ["pytorch", "golden", "kernels"] };
        var run = new CheckRun(line, precision => played.OpenContext(precision), null, TextWriter.Null) { Cases = [OperatorCases.All[0]] };
        Assert.IsTrue(run.Run(), string.Join('\n', run.Report.Failures));
        Assert.AreEqual(0, played.Live, "what was not given back");
    }

    [TestMethod]
    public void The_file_says_what_the_console_says()
    {
        var run = Tiny(s_line with { Skipped = ["pytorch", "golden", "training", "kernels"] }, TextWriter.Null);
        run.Run();
        using var file = new MemoryStream();
        run.Report.WriteJson(file);
        using JsonDocument json = JsonDocument.Parse(file.ToArray());
        StringAssert.Contains(json.RootElement.GetProperty("facts").GetProperty("GPU").GetString(), "CUDA on the CPU");
        Assert.AreEqual(run.Report.Tables.Count + 1, json.RootElement.GetProperty("tables").GetArrayLength());
        var row = json.RootElement.GetProperty("tables").EnumerateArray()
            .First(table => table.GetProperty("title").GetString()!.StartsWith("Inference", StringComparison.Ordinal)).GetProperty("rows")[0];
        Assert.AreEqual("tiny dense", row.GetProperty("network").GetString());
        Assert.IsGreaterThan(0, row.GetProperty("images/s").GetDouble());
    }

    [TestMethod]
    public void A_wrong_operator_is_a_failure_and_the_others_still_run()
    {
        // Tells the device under test other numbers than the reference.
        var wrong = new OperatorCase("Wrong operator", 1, OperandLayout.Dense, b =>
        {
            var x = b.Input("x", 4, 8);
            var factors = b.Input("factors", 4, 1, b.Device is ReferenceDevice ? 1 : 1.001f, b.Device is ReferenceDevice ? 1 : 1.001f);
            var y = b.Output("y", 4, 8);
            b.Forward(() => b.Device.ScaleImages(x, factors, y));
        });
        var throws = new OperatorCase("Broken operator", 1, OperandLayout.Dense, b => throw new InvalidOperationException("broken on purpose"));
        var run = Tiny(s_checksOnly, TextWriter.Null, [wrong, throws, OperatorCases.All[0]]);
        Assert.IsFalse(run.Run());
        Assert.HasCount(2, run.Report.Failures);
        StringAssert.Contains(run.Report.Failures[0], "Wrong operator: y: relative error 1.0e-03");
        StringAssert.Contains(run.Report.Failures[1], "broken on purpose");
        CollectionAssert.AreEqual(new object[] { 1, 1, 0 }, run.Report.Tables[0].Rows.Select(row => row[2]).ToArray());
    }

    [TestMethod]
    [DataRow(MatrixPrecision.BFloat16)]
    [DataRow(MatrixPrecision.TensorFloat32)]
    public void Products_of_another_precision_have_a_tolerance_of_their_own(MatrixPrecision precision)
    {
        var run = Tiny(s_checksOnly with { Precisions = [precision] }, TextWriter.Null);
        Assert.IsTrue(run.Run(), string.Join('\n', run.Report.Failures));
        object?[] row = run.Report.Tables.Single().Rows.Single();
        Assert.AreEqual("Linear", row[0]);
        Assert.IsGreaterThan(0.05, (double)row[5]!, "share of the tolerance: it is not so wide that nothing could fail");
    }

    [TestMethod]
    public void A_precision_that_the_GPU_has_not_is_no_failure()
    {
        var line = s_checksOnly with { Precisions = [MatrixPrecision.BFloat16] };
        var run = new CheckRun(line, _ => throw new NotSupportedException("no bfloat16"), null, TextWriter.Null);
        Assert.IsTrue(run.Run());
        CollectionAssert.Contains(run.Report.Facts, ("BFloat16", "no bfloat16"));
    }

    [TestMethod]
    public void A_failing_test_is_reported_and_a_skipped_one_counted()
    {
        var report = new Report();
        SharedTests.Run("planted", [typeof(PlantedTests)], report);
        CollectionAssert.AreEquivalent(new[] { "PlantedTests.Rows 1 1 0", "PlantedTests.Skipped 0 0 1" },
            report.Tables[0].Rows.Select(row => string.Join(' ', row)).ToArray());
        StringAssert.Contains(report.Failures.Single(), "PlantedTests.Rows(2): ");
    }

    /// <summary>Not a class of tests: the test platform is not to find it.</summary>
#pragma warning disable MSTEST0003, MSTEST0030
    private sealed class PlantedTests
    {
        public static IEnumerable<object[]> Numbers => [[1], [2]];

        [TestMethod]
        [DynamicData(nameof(Numbers))]
        public void Rows(int number) => Assert.AreEqual(1, number);

        [TestMethod]
        public void Skipped() => Assert.Inconclusive("on purpose");
    }
#pragma warning restore MSTEST0003, MSTEST0030

    private static CheckRun Tiny(CommandLine line, TextWriter output, IReadOnlyList<OperatorCase>? cases = null, TensorOperators? tensors = null) =>
        new(line, Emulated, tensors, output)
        {
            Cases = cases ?? [.. OperatorCases.All.Where((_, i) => i % 40 == 0)],
            Tests = [typeof(Vim.Tests.Golden.GoldenLossTests)],
            Sizes = new CheckSizes(1 << 16, 32, 0),
        };

    private static CudaContext Emulated(MatrixPrecision precision)
    {
        CppCompiler.Require();
        var cuda = new EmulatedCuda();
        return new CudaContext(cuda, new EmulatedProducts(cuda, precision));
    }
}
