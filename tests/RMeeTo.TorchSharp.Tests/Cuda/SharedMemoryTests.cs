using RMeeTo.Cuda;
using RMeeTo.Cuda.Tests.Emulation;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Reference;
using RMeeTo.Vim.Tests.Devices;
using TorchSharp;

namespace RMeeTo.TorchSharp.Tests.Cuda;

/// <summary>Our CUDA kernels on libtorch's memory, with libtorch's products: on the CPU, which both can do.</summary>
[TestClass]
public sealed class SharedMemoryTests
{
    /// <summary>A few cases of every operator: the kernels themselves are tested elsewhere.</summary>
    public static IEnumerable<object[]> Cases =>
        from cases in OperatorCases.All.GroupBy(c => c.Name.Split(' ')[0])
        from operatorCase in cases.Where((_, i) => cases.Key == "Linear" ? i % 3 == 0 : i % 25 == 7)
        select new object[] { operatorCase.Name };

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Agrees_with_the_reference(string caseName)
    {
        using var context = Open(MatrixPrecision.Float32);
        using var device = new CudaDevice(context);
        using var reference = new ReferenceDevice();
        var operatorCase = OperatorCases.Find(caseName);
        foreach (var ((name, tolerance, expected), (_, _, actual)) in Run(operatorCase, reference).Zip(Run(operatorCase, device)))
            Tolerances.AssertClose(name, actual, expected, tolerance);
    }

    [TestMethod]
    public void Products_in_bfloat16_are_close()
    {
        using var context = Open(MatrixPrecision.BFloat16);
        using var device = new CudaDevice(context);
        using var reference = new ReferenceDevice();
        // Not with one input: libtorch 2.6 multiplies wrongly by a bfloat16 column whose values do not follow each other, on the CPU; 2.14 does it right.
        var linears = OperatorCases.All.Where(c => c.Name.StartsWith("Linear", StringComparison.Ordinal) && c.Tokens is > 30 and < 300);
        foreach (var operatorCase in linears.Where(c => !c.Name.Contains(" 1->")))
            foreach (var ((name, _, expected), (_, _, actual)) in Run(operatorCase, reference).Zip(Run(operatorCase, device)))
                Tolerances.AssertClose($"{operatorCase.Name}: {name}", actual, expected, 2e-2);
    }

    [TestMethod]
    public void Memory_is_given_back()
    {
        DevicesUnderTest.RequireLibTorch();
        using var memory = new TorchMemory(torch.CPU);
        nint first = memory.Allocate(1000), second = memory.Allocate(1);
        Assert.AreEqual(1001L, memory.Used);
        Assert.AreNotEqual(first, second);
        memory.Free(first);
        Assert.AreEqual(1L, memory.Used);
        Assert.ThrowsExactly<ArgumentException>(() => memory.Free(first));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => memory.Allocate(0));
        StringAssert.Contains(Assert.ThrowsExactly<OutOfMemoryException>(() => memory.Allocate(1L << 50)).Message, $"{1L << 30} MiB more on cpu");
        memory.Dispose();
        Assert.AreEqual(0L, memory.Used);
        memory.Free(second); // as a finalizer may
        Assert.ThrowsExactly<ObjectDisposedException>(() => memory.Allocate(1));
    }

    [TestMethod]
    public void Nothing_is_allocated_while_a_graph_is_recorded()
    {
        using var context = Open(MatrixPrecision.Float32);
        context.Runtime.BeginCapture();
        Assert.ThrowsExactly<InvalidOperationException>(() => context.Runtime.Allocate(16));
        context.Runtime.AbandonCapture();
        context.Runtime.Free(context.Runtime.Allocate(16));
        context.Dispose();
        context.Dispose();
    }

    private static CudaContext Open(MatrixPrecision precision)
    {
        DevicesUnderTest.RequireLibTorch();
        CppCompiler.Require();
        return new CudaContext(new TorchMemoryRuntime(new EmulatedOnTorch(), new TorchMemory(torch.CPU)), new TorchProducts(torch.CPU, precision, null));
    }

    private static List<(string Name, double Tolerance, double[] Values)> Run(OperatorCase operatorCase, VimDevice device)
    {
        var bench = new OperatorBench(device, operatorCase.Layout, seed: 1);
        operatorCase.Build(bench);
        bench.Run();
        return [.. bench.Results()];
    }
}
