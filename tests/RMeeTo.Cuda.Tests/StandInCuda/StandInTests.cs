using RMeeTo.Vim.Devices;

namespace RMeeTo.Cuda.Tests.StandInCuda;

/// <summary>The provider of a real GPU, from the search for libraries to the last product, in processes beside the stand-in for CUDA.</summary>
[TestClass]
public sealed class StandInTests
{
    private const string Memory = "STANDIN_CUDA_MEMORY_MIB", Faults = "STANDIN_CUDA_FAULTS", Driver = "STANDIN_CUDA_DRIVER",
        Capability = "STANDIN_CUDA_CAPABILITY";

    [TestMethod]
    public void Operators_are_as_the_reference_says() => StandInProcess.Start(StandInScenarios.Operators);

    [TestMethod]
    public void A_network_gives_the_same_bits_from_a_graph()
    {
        var (_, calls) = StandInProcess.Start(StandInScenarios.Inference);
        Assert.HasCount(1, calls.Where(call => call.StartsWith("cuGraphInstantiate", StringComparison.Ordinal)).ToArray());
        Assert.HasCount(3, calls.Where(call => call == "cuGraphLaunch").ToArray());
    }

    [TestMethod]
    public void Training_gives_the_same_bits_from_a_graph()
    {
        var (_, calls) = StandInProcess.Start(StandInScenarios.Training);
        Assert.Contains("cuGraphLaunch", calls);
    }

    [TestMethod]
    public void Threads_share_a_provider() => StandInProcess.Start(StandInScenarios.Threads);

    [TestMethod]
    public void Other_libraries_may_use_the_GPU_while_a_graph_is_recorded() => StandInProcess.Start(StandInScenarios.OthersWhileRecording);

    [TestMethod]
    public void A_disposed_provider_says_so() => StandInProcess.Start(StandInScenarios.Disposed);

    [TestMethod]
    public void Memory_may_change_after_an_upload() => StandInProcess.Start(StandInScenarios.Uploads);

    [TestMethod]
    public void What_nobody_disposes_of_is_freed() => StandInProcess.Start(StandInScenarios.Finalizers, (Memory, "300"));

    [TestMethod]
    public void A_provider_gives_all_memory_back() => StandInProcess.Start(StandInScenarios.GivesBack);

    [TestMethod]
    public void After_a_fault_every_call_fails_and_disposing_hides_nothing() =>
        StandInProcess.Start(StandInScenarios.Broken, (Faults, "cuLaunchKernel:0:700;cuMemFree_v2:0:700;cuCtxPushCurrent_v2:8:700;cuStreamSynchronize:0:700"));

    [TestMethod]
    public void The_stand_in_is_strict() => StandInProcess.Start(StandInMisuse.IsRefused);

    [TestMethod]
    public void Too_little_memory_is_told() => StandInProcess.Start(StandInScenarios.OutOfMemory, (Memory, "64"));

    [TestMethod]
    public void An_allocation_that_fails_once_is_tried_again() => Opens(Opened((Faults, "cuMemAlloc_v2:2:2")), "cuBLAS 12.8");

    [TestMethod]
    public void A_process_may_end_without_disposing() => StandInProcess.Start(StandInScenarios.EndsWithoutDisposing);

    [TestMethod]
    public void Kernels_are_compiled_at_the_first_start_only()
    {
        string cache = Path.Combine(Path.GetTempPath(), $"rmeeto-kernels-{Guid.NewGuid():N}");
        try
        {
            var first = StandInProcess.Start(StandInScenarios.Inference, (KernelCache.Variable, cache));
            var second = StandInProcess.Start(StandInScenarios.Inference, (KernelCache.Variable, cache));
            Assert.IsGreaterThan(4, Compilations(first.Calls));
            Assert.AreEqual(0, Compilations(second.Calls));
            Assert.HasCount(Compilations(first.Calls), Directory.GetFiles(cache));
        }
        finally
        {
            if (Directory.Exists(cache)) Directory.Delete(cache, recursive: true);
        }
    }

    [TestMethod]
    public void A_GPU_that_is_newer_than_the_compiler_gets_PTX()
    {
        var opened = Opened((Capability, "120"));
        Opens(opened, "sm_120");
        Assert.Contains("cuModuleLoadData PTX", opened.Calls);
    }

    [TestMethod]
    public void Libraries_of_a_newer_CUDA_than_the_driver_are_left_alone()
    {
        string both = $"{StandInInstallation.Toolkit(13)}:{StandInInstallation.Toolkit(12)}";
        Opens(Opened((LibrarySearch.Variable, both)), "cuBLAS 12.8");
        Opens(Opened((LibrarySearch.Variable, both), (Driver, "13000")), "cuBLAS 13.0");
        Fails(Opened((LibrarySearch.Variable, StandInInstallation.Toolkit(13))), nameof(CudaUnavailableException),
            "NVRTC", "was not found", CudaUnavailableException.ComesWith(HostSystem.Current, newest: 12));
    }

    [TestMethod]
    public void What_is_missing_is_told()
    {
        Fails(Opened(("LD_LIBRARY_PATH", null)), nameof(CudaUnavailableException), "no NVIDIA driver", "libcuda.so.1");
        Fails(Opened(("STANDIN_CUDA_GPUS", "0")), nameof(CudaUnavailableException), "no NVIDIA GPU", "CUDA_VISIBLE_DEVICES");
        Fails(Opened((Driver, "11040")), nameof(CudaUnavailableException), "CUDA 11.4", "525");
        Fails(Opened((Capability, "61")), nameof(CudaUnavailableException), "6.1", "7.0");
        Fails(Opened((Faults, "cuInit:0:803")), nameof(CudaUnavailableException), "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", "nvidia-smi");
        Fails(Opened((LibrarySearch.Variable, "/nowhere")), nameof(CudaUnavailableException), "NVRTC", "was not found");
    }

    [TestMethod]
    public void What_fails_is_told()
    {
        Fails(Opened((Faults, "nvrtcCompileProgram:1:7")), nameof(KernelCompilationException),
            "NVRTC 12.8 does not compile", "NVRTC_ERROR_BUILTIN_OPERATION_FAILURE");
        Fails(Opened((Faults, "cublasCreate_v2:1:1")), nameof(CudaException), "cublasCreate failed: CUBLAS_STATUS_NOT_INITIALIZED");
        Fails(Opened((Faults, "cublasGemmEx:1:13")), nameof(CudaException), "cublasGemmEx failed: CUBLAS_STATUS_EXECUTION_FAILED");
        Fails(Opened((Faults, "cuModuleLoadData:1:209")), nameof(CudaException),
            "cuModuleLoadData of", "CUDA_ERROR_NO_BINARY_FOR_GPU (no kernel image is available");
        Fails(Opened((Faults, "cuLaunchKernel:1:701")), nameof(CudaException), "cuLaunchKernel of", "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES");
        Fails(Opened((Faults, "cuDevicePrimaryCtxRetain:1:2")), nameof(CudaException), "cuDevicePrimaryCtxRetain failed: CUDA_ERROR_OUT_OF_MEMORY");
        Fails(Opened((Faults, "cuStreamSynchronize:1:700")), nameof(CudaException), "cuStreamSynchronize failed: CUDA_ERROR_ILLEGAL_ADDRESS");
    }

    /// <summary>Where NVIDIA's headers are installed, the compiler holds our declarations to them.</summary>
    [TestMethod]
    public void The_declarations_are_those_of_CUDA()
    {
        string? headers = new[] { "/usr/local/cuda/include", "/usr/include", Environment.GetEnvironmentVariable("RMEETO_CUDA_HEADERS") }
            .LastOrDefault(folder => folder is not null && File.Exists(Path.Combine(folder, "cuda.h")) && File.Exists(Path.Combine(folder, "cublas_v2.h")));
        if (headers is null || !StandInInstallation.IsPossible)
            Assert.Inconclusive("Needs cuda.h, nvrtc.h and cublas_v2.h of a CUDA Toolkit (RMEETO_CUDA_HEADERS) and g++.");
        StandInInstallation.CompareWith(headers);
    }

    private static (string Output, string[] Calls) Opened(params (string, string?)[] settings) => StandInProcess.Start(StandInScenarios.Open, settings);

    private static void Opens((string Output, string[] Calls) opened, string part)
    {
        StringAssert.StartsWith(opened.Output, "Stand-in GPU");
        StringAssert.Contains(opened.Output, part);
    }

    private static void Fails((string Output, string[] Calls) opened, string type, params string[] parts)
    {
        StringAssert.StartsWith(opened.Output, type + ": ");
        foreach (string part in parts) StringAssert.Contains(opened.Output, part);
    }

    private static int Compilations(string[] calls) => calls.Count(call => call.StartsWith("nvrtcCompileProgram", StringComparison.Ordinal));
}
