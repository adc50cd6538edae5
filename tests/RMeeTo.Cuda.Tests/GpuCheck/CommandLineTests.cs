using RMeeTo.GpuCheck;
using RMeeTo.Vim.Devices;

namespace RMeeTo.Cuda.Tests.GpuCheck;

[TestClass]
public sealed class CommandLineTests
{
    [TestMethod]
    public void Arguments_are_read()
    {
        CommandLine line = CommandLine.Parse(
            ["--device", "1", "--skip", "golden,kernels", "--models", "vim-s", "--precision", "bfloat16,Float32", "--batch", "64", "--json", "a.json"]);
        Assert.AreEqual(1, line.Device);
        Assert.IsFalse(line.Does("golden"));
        Assert.IsTrue(line.Does("training"));
        Assert.AreEqual("Vim-S", line.Benchmark.Models.Single().Name);
        CollectionAssert.AreEqual(new[] { MatrixPrecision.BFloat16, MatrixPrecision.Float32 }, line.Precisions.ToArray());
        Assert.AreEqual(64, line.Benchmark.Batch);
        Assert.AreEqual("a.json", line.Json);
    }

    [TestMethod]
    public void The_smoke_test_has_sizes_of_its_own_that_other_arguments_change()
    {
        CommandLine line = CommandLine.Parse(["--smoke", "--batch", "3"]);
        Assert.IsTrue(line.IsSmoke);
        Assert.AreEqual("tiny", line.Benchmark.Models.Single().Name);
        Assert.AreEqual(3, line.Benchmark.Batch);
        Assert.IsFalse(CommandLine.Parse([]).IsSmoke);
    }

    [TestMethod]
    [DataRow("--nothing", "'--nothing' is no argument of this program")]
    [DataRow("--batch", "--batch needs a value")]
    [DataRow("--batch 0", "--batch is '0'; it must be a whole number from 1 up")]
    [DataRow("--skip tea", "--skip has 'tea'; known are checks, golden")]
    [DataRow("--precision Float8", "--precision has 'Float8'; known are Float32")]
    public void Wrong_ones_are_named(string arguments, string message) =>
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => CommandLine.Parse(arguments.Split(' '))).Message, message);

    [TestMethod]
    public void Tensor_operators_that_are_not_there_are_said_to_be_missing()
    {
        Assert.IsNull(TensorOperators.Load(Path.GetTempPath(), 0, out string reason));
        StringAssert.Contains(reason, "RMeeTo.TorchSharp.dll is not there");
    }

    [TestMethod]
    public void A_python_that_is_not_there_has_no_torch()
    {
        Assert.IsNull(PyTorchComparison.VersionOf("there-is-no-such-python"));
        Assert.IsNull(PyTorchComparison.PackagesOf("there-is-no-such-python"));
    }
}
