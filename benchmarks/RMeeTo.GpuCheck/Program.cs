using RMeeTo.Cuda;
using RMeeTo.GpuCheck;
using RMeeTo.GpuCheck.Checks;
using RMeeTo.Vim.Tests.Devices;

const int Failed = 1, NoGpu = 2, WrongArguments = 64;

CommandLine line;
try
{
    line = CommandLine.Parse(args);
}
catch (ArgumentException e)
{
    Console.Error.WriteLine(e.Message);
    return WrongArguments;
}
if (line.WantsHelp)
{
    Console.WriteLine(CommandLine.Help);
    return 0;
}
if (line.Golden is not null) Environment.SetEnvironmentVariable("RMEETO_GOLDEN", line.Golden); // before anything asks for recorded data

Gpu.LookIn(line.TorchSharp, PyTorchComparison.PackagesOf(line.Python));
IEnumerable<(string, string)> facts;
try
{
    Gpu.Open(line.Device, line.Precisions[0]).Dispose();
    facts = Gpu.Facts();
}
catch (Exception e) when (e is CudaUnavailableException or CudaException or NotSupportedException)
{
    Console.Error.WriteLine(e.Message);
    return NoGpu;
}

TensorOperators? tensors = TensorOperators.Load(line.TorchSharp, line.Device, out string reason);
var run = new CheckRun(line, precision => Gpu.Open(line.Device, precision), tensors, Console.Out)
{
    // The table of operators is gone through by itself, with the worst errors.
    Tests = [.. SharedTests.ClassesOf(typeof(CheckRun).Assembly).Where(type => type != typeof(OperatorTests))],
    BeforeTests = DevicesUnderTest.Set,
};
run.Report.Facts.AddRange([.. facts, ("TorchSharp", tensors?.LibTorch ?? reason)]);
bool passed = run.Run();
foreach (string failure in run.Report.Failures) Console.Error.WriteLine($"FAILED {failure}");
Console.WriteLine(passed ? "All checks passed." : $"{run.Report.Failures.Count} checks failed.");
if (line.Json is not null)
{
    using FileStream file = File.Create(line.Json);
    run.Report.WriteJson(file);
}
return passed ? 0 : Failed;
