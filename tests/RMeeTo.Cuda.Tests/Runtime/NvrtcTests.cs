using System.Text;
using RMeeTo.Vim;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Tests.Devices;

namespace RMeeTo.Cuda.Tests.Runtime;

/// <summary>
/// Every kernel that the tests and the published networks launch compiles with NVRTC for each generation of GPUs. Registers, spills and shared memory go to
/// kernels.md beside the tests.
/// </summary>
[TestClass]
public sealed class NvrtcTests
{
    private static readonly int[] s_capabilities = [70, 80, 90];

    /// <summary>Some kernels have a form for GPUs with much shared memory and one for all.</summary>
    private static readonly int[] s_sharedBytes = [227 << 10, 48 << 10];

    private static readonly Lazy<Nvrtc?> s_compiler = new(Load);
    private static readonly Lazy<CudaKernel[]> s_units =
        new(() => [.. s_sharedBytes.SelectMany(bytes => Record(bytes).Units).DistinctBy(kernel => kernel.Unit)]);

    public static IEnumerable<object[]> Units => s_units.Value.Select(kernel => new object[] { kernel.Unit });

    [TestMethod]
    [DynamicData(nameof(Units))]
    public void Kernels_compile_for_every_generation(string unit)
    {
        Nvrtc compiler = Require();
        CudaKernel kernel = s_units.Value.Single(k => k.Unit == unit);
        foreach (int capability in s_capabilities.Where(c => compiler.Architectures.Contains(c)))
        {
            string[] options = [.. CompilerOptions.For(capability, compiler.Architectures), "--ptxas-options=-v"];
            CompiledKernels compiled = compiler.Compile(unit, kernel.ReadSource(), options);
            CollectionAssert.AreEqual("\x7f"u8.ToArray().Concat("ELF"u8.ToArray()).ToArray(), compiled.Image[..4], "a CUBIN");
            Assert.IsFalse(compiled.Log.Contains("warning", StringComparison.OrdinalIgnoreCase), compiled.Log);
            KernelReport.Add(unit, capability, compiled.Log);
        }
    }

    /// <summary>A GPU that the compiler does not know gets PTX.</summary>
    [TestMethod]
    public void Ptx_is_made_for_a_newer_generation()
    {
        Nvrtc compiler = Require();
        string[] options = CompilerOptions.For(999, compiler.Architectures);
        byte[] image = compiler.Compile("rows.cu", new CudaKernel("rows.cu", "gather_rows", ("WIDTH", 4)).ReadSource(), options).Image;
        StringAssert.Contains(Encoding.UTF8.GetString(image), ".version");
        Assert.AreEqual(0, image[^1], "ends as a text of C does");
    }

    [TestMethod]
    public void An_error_shows_the_compilers_log()
    {
        Nvrtc compiler = Require();
        const string source = "#line 1 \"a.cu\"\n\n__device__ int f() { return missing; }";
        string[] options = CompilerOptions.For(90, compiler.Architectures);
        string message = Assert.ThrowsExactly<KernelCompilationException>(() => compiler.Compile("a.cu", source, options)).Message;
        foreach (string part in new[] { "NVRTC", "a.cu", "(2)", "missing", "--gpu-architecture=sm_90" }) StringAssert.Contains(message, part);
    }

    /// <summary>No kernel is left out: every embedded text is among those that are launched.</summary>
    [TestMethod]
    public void Every_text_is_used() =>
        CollectionAssert.AreEquivalent(CudaKernel.Files.ToArray(), s_units.Value.Select(kernel => kernel.File).Distinct().ToArray());

    [ClassCleanup]
    public static void WriteReport() => KernelReport.Write();

    private static Nvrtc Require()
    {
        if (s_compiler.Value is null)
            Assert.Inconclusive($"NVRTC 12 is not here; install a CUDA Toolkit, or set {LibrarySearch.Variable} to a folder that holds it.");
        return s_compiler.Value;
    }

    private static Nvrtc? Load()
    {
        try
        {
            return new Nvrtc(LibrarySearch.OfThisMachine);
        }
        catch (CudaUnavailableException)
        {
            return null;
        }
    }

    /// <summary>Runs every operator case, and networks of the published sizes forward and backward, where nothing is computed.</summary>
    private static LaunchRecorder Record(int sharedBytes)
    {
        var recorder = new LaunchRecorder { MaximumSharedBytes = sharedBytes };
        using var device = new CudaDevice(new CudaContext(recorder, recorder));
        foreach (OperatorCase operatorCase in OperatorCases.All.Where(c => c.Tokens <= 65)) OperatorTests.Run(operatorCase, device);
        var options = new MergeOptions();
        foreach (VimConfig config in new[] { VimConfig.VimTiny, VimConfig.VimSmall, VimConfig.VimBase })
        {
            VimConfig shallow = config with { Depth = 2 };
            using var weights = new DeviceWeights(device, new VimWeights(shallow), forTraining: true);
            var network = new VimNetwork(weights, MergeSchedule.Uniform(shallow, 5, interval: 1), options);
            using var workspace = network.CreateWorkspace(device, 1, forTraining: true);
            using var gradients = new ParameterBuffer(device, weights.Parameters);
            network.Forward(device, workspace, 1);
            network.Backward(device, workspace, 1, gradients);
        }
        return recorder;
    }
}
