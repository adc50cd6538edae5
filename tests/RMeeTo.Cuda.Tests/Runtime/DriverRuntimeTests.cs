using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Reference;
using RMeeTo.Vim.Tests.Devices;
using RMeeTo.Vim.Tests.Golden;

namespace RMeeTo.Cuda.Tests.Runtime;

/// <summary>
/// The runtime on a driver that the CPU plays: calls, order, recordings, memory, errors. What a real one does beyond that only a GPU shows.
/// </summary>
[TestClass]
[DoNotParallelize] // one library holds the kernels of all
public sealed unsafe class DriverRuntimeTests
{
    /// <summary>Every seventh case: about all operators.</summary>
    public static IEnumerable<object[]> Cases => OperatorCases.All.Where((c, i) => i % 7 == 0 && c.Tokens <= 40).Select(c => new object[] { c.Name });

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Operators_agree_with_the_reference(string caseName)
    {
        using var cuda = new PlayedCuda();
        OperatorCase operatorCase = OperatorCases.Find(caseName);
        using (CudaContext context = cuda.OpenContext())
        using (var device = new CudaDevice(context))
        using (var reference = new ReferenceDevice())
        {
            foreach (var ((name, tolerance, values), (_, _, right)) in OperatorTests.Run(operatorCase, device).Zip(OperatorTests.Run(operatorCase, reference)))
                Tolerances.AssertClose(name, values, right, tolerance);
            Assert.AreEqual(0, cuda.Contexts, "the thread has its own context again");
        }
    }

    [TestMethod]
    public void Names_and_sizes_are_those_of_the_GPU()
    {
        using var cuda = new PlayedCuda();
        using CudaContext context = cuda.OpenContext();
        Assert.AreEqual("Played GPU (sm_90)", context.Runtime.Name);
        Assert.AreEqual("cuBLAS 12.8", context.Products.Name);
        Assert.AreEqual((90, 5, 227 << 10), (context.Runtime.ComputeCapability, context.Runtime.Multiprocessors, context.Runtime.MaximumSharedBytes));
        Assert.AreEqual(256L << 20, context.Runtime.Memory.Total);
        using var provider = new CudaDeviceProvider(context);
        Assert.AreEqual("Played GPU (sm_90), cuBLAS 12.8, Float32", provider.Name);
        Assert.IsTrue(provider.TakesWholeBatches && provider.TakesImageBytes && provider.Workers(16) == 1);
        Assert.AreEqual(context.Runtime.Memory.Free, provider.FreeMemory);
    }

    /// <summary>Longer than the staging memory, and changed as soon as the call returns: nothing that is queued may read it later.</summary>
    [TestMethod]
    public void What_was_written_may_change_at_once()
    {
        using var cuda = new PlayedCuda();
        using DriverRuntime runtime = cuda.Open();
        float[] values = [.. Enumerable.Range(0, 5_000_001).Select(i => (float)i)], back = new float[values.Length];
        nint memory = runtime.Allocate(values.Length * sizeof(float));
        fixed (float* first = values) runtime.CopyToDevice(memory, first, values.Length * sizeof(float));
        Array.Clear(values);
        fixed (float* first = values) runtime.CopyToDevice(memory, first, 3 * sizeof(float));
        values[0] = 9;
        fixed (float* first = back) runtime.CopyToHost(first, memory, back.Length * sizeof(float));
        for (int i = 0; i < back.Length; i++)
            if (back[i] != (i < 3 ? 0 : i)) Assert.Fail($"value {i} is {back[i]}");
    }

    [TestMethod]
    public void A_copy_from_locked_memory_is_in_order()
    {
        using var cuda = new PlayedCuda();
        using DriverRuntime runtime = cuda.Open();
        nint memory = runtime.Allocate(64), other = runtime.Allocate(64), host = runtime.AllocateHost(64);
        new Span<int>((void*)host, 16).Fill(5);
        runtime.Clear(memory, 64);
        runtime.CopyToDeviceLater(memory, (void*)host, 32);
        runtime.CopyOnDevice(other, memory, 64);
        int[] back = new int[16];
        fixed (int* first = back) runtime.CopyToHost(first, other, 64);
        CollectionAssert.AreEqual(Enumerable.Range(0, 16).Select(i => i < 8 ? 5 : 0).ToArray(), back);
        runtime.FreeHost(host);
    }

    [TestMethod]
    public void Sequences_are_recorded_and_repeated()
    {
        using var cuda = new PlayedCuda();
        using CudaContext context = cuda.OpenContext();
        using var device = new CudaDevice(context);
        DeviceMatrix x = device.Matrix(4, 3, [.. Enumerable.Range(0, 12).Select(i => i + 1.0)]), factor = device.Matrix(1, 3, [2, 3, 4]);
        IDisposable? recording = null;
        for (int run = 1; run <= 4; run++)
        {
            device.Run(ref recording, () => device.ScaleChannels(x, factor, x));
            Assert.AreEqual(Math.Pow(2, run), x.Values()[0]);
            Assert.AreEqual(12 * Math.Pow(4, run), x.Values()[11]);
        }
        Assert.IsNull(device.RecordingFailure);
        recording!.Dispose();
    }

    /// <summary>Products are recorded too: cuBLAS has a workspace, and need not allocate one.</summary>
    [TestMethod]
    public void Products_are_recorded()
    {
        using var cuda = new PlayedCuda();
        using CudaContext context = cuda.OpenContext();
        using var device = new CudaDevice(context);
        DeviceMatrix x = device.Matrix(2, 2, [1, 2, 3, 4]), y = device.Matrix(2, 2);
        LinearWeight weight = device.CreateLinear(device.Matrix(2, 2, [1, 1, 0, 1]), forTraining: false);
        device.Refresh(weight);
        IDisposable? recording = null;
        for (int run = 1; run <= 4; run++)
        {
            device.Run(ref recording, () => device.Linear(x, weight, default, y, accumulate: true));
            CollectionAssert.AreEqual(new double[] { 3 * run, 2 * run, 7 * run, 4 * run }, y.Values());
        }
        Assert.IsNull(device.RecordingFailure);
        recording!.Dispose();
    }

    [TestMethod]
    public void While_a_thread_records_others_wait_and_nothing_is_freed()
    {
        using var cuda = new PlayedCuda();
        using DriverRuntime runtime = cuda.Open();
        nint memory = runtime.Allocate(64), freed = runtime.Allocate(64);
        runtime.Clear(memory, 64);
        runtime.BeginCapture();
        runtime.Clear(memory, 4);
        runtime.Free(freed);
        Task other = Task.Factory.StartNew(() => runtime.Clear(memory, 64), TaskCreationOptions.LongRunning);
        Assert.IsFalse(other.Wait(100));
        Assert.ThrowsExactly<InvalidOperationException>(() => runtime.Allocate(64));
        Assert.ThrowsExactly<InvalidOperationException>(runtime.Synchronize);
        Assert.ThrowsExactly<InvalidOperationException>(runtime.BeginCapture);
        nint graph = runtime.EndCapture();
        other.Wait();
        int live = cuda.Live;
        runtime.FreeGraph(graph); // and what waited
        Assert.AreEqual(live - 2, cuda.Live);
        runtime.BeginCapture();
        runtime.AbandonCapture();
        runtime.AbandonCapture(); // there is nothing left to abandon
        runtime.Synchronize();
        Assert.ThrowsExactly<InvalidOperationException>(() => runtime.EndCapture());
    }

    /// <summary>A repeated copy would take what its source holds by then, and nothing that is recorded has been computed yet.</summary>
    [TestMethod]
    public void Copies_from_and_to_the_host_are_not_recorded()
    {
        using var cuda = new PlayedCuda();
        using DriverRuntime runtime = cuda.Open();
        nint memory = runtime.Allocate(64), host = runtime.AllocateHost(64);
        runtime.BeginCapture();
        const string fromHost = "Values are copied from the host while a graph is being recorded.";
        Assert.AreEqual(fromHost, Assert.ThrowsExactly<InvalidOperationException>(() => runtime.CopyToDevice(memory, (void*)host, 64)).Message);
        Assert.AreEqual(fromHost, Assert.ThrowsExactly<InvalidOperationException>(() => runtime.CopyToDeviceLater(memory, (void*)host, 64)).Message);
        Assert.ThrowsExactly<InvalidOperationException>(() => runtime.CopyToHost((void*)host, memory, 64));
        runtime.AbandonCapture();
        runtime.CopyToDeviceLater(memory, (void*)host, 64);
        runtime.Synchronize();
        runtime.FreeHost(host);
    }

    /// <summary>Whatever goes wrong at the end of a recording, the sequence runs, and other threads go on.</summary>
    [TestMethod]
    [DataRow("cuStreamBeginCapture")]
    [DataRow("cuStreamEndCapture")]
    [DataRow("cuGraphInstantiate")]
    public void A_recording_that_fails_is_forgotten(string function)
    {
        using var cuda = new PlayedCuda();
        using CudaContext context = cuda.OpenContext();
        using var device = new CudaDevice(context);
        DeviceMatrix x = device.Matrix(1, 2, [1, 1]), factor = device.Matrix(1, 2, [2, 2]);
        IDisposable? recording = null;
        int failed = 0;
        for (int run = 1; run <= 3; run++)
        {
            if (run == 2) cuda.Fail(function);
            try
            {
                device.Run(ref recording, () => device.ScaleChannels(x, factor, x));
            }
            catch (CudaException e)
            {
                StringAssert.Contains(e.Message, "CUDA_ERROR_ILLEGAL_ADDRESS");
                failed++;
            }
        }
        Assert.AreEqual(Math.Pow(2, 3 - failed), x.Values()[0]);
        Assert.IsTrue(Task.Run(context.Runtime.Synchronize).Wait(10_000), "nobody holds the queue");
        Assert.AreEqual(0, cuda.Contexts);
    }

    [TestMethod]
    public void Too_much_memory_is_an_error_with_both_numbers_and_no_end()
    {
        using var cuda = new PlayedCuda();
        using DriverRuntime runtime = cuda.Open();
        nint held = runtime.Allocate(200L << 20);
        string message = Assert.ThrowsExactly<OutOfMemoryException>(() => runtime.Allocate(100L << 20)).Message;
        foreach (string part in new[] { "Played GPU", "56 of 256 MiB", "100 more" }) StringAssert.Contains(message, part);
        runtime.Free(held);
        runtime.Free(runtime.Allocate(100L << 20));
    }

    [TestMethod]
    public void Buffers_that_nobody_holds_make_room()
    {
        using var cuda = new PlayedCuda();
        using DriverRuntime runtime = cuda.Open();
        for (int i = 0; i < 20; i++) Forget(); // 20 times half of it all

        void Forget() => Assert.AreEqual(1L << 25, new CudaBuffer(runtime, 1L << 25).Length);
    }

    [TestMethod]
    public void Everything_is_given_back()
    {
        using var cuda = new PlayedCuda();
        CudaContext context = cuda.OpenContext();
        using (var device = new CudaDevice(context))
        {
            using DeviceBuffer buffer = device.Allocate(100);
            using HostBuffer host = device.AllocateHost(100);
            using DeviceBytes bytes = device.AllocateBytes(100);
        }
        context.Dispose();
        context.Dispose();
        Assert.AreEqual(0, cuda.Live);
        Assert.AreEqual(0, cuda.Contexts);
        Assert.ThrowsExactly<ObjectDisposedException>(() => context.Runtime.Allocate(4));
    }

    [TestMethod]
    [DataRow("cuMemAlloc")]
    [DataRow("cuMemsetD8Async")]
    [DataRow("cuMemcpyDtoHAsync")]
    [DataRow("cuLaunchKernel")]
    public void A_call_that_fails_is_told_by_name(string function)
    {
        using var cuda = new PlayedCuda();
        using CudaContext context = cuda.OpenContext();
        using var device = new CudaDevice(context);
        DeviceMatrix x = device.Matrix(2, 2, [1, 2, 3, 4]), factor = device.Matrix(1, 2, [1, 1]);
        cuda.Fail(function);
        string message = Assert.ThrowsExactly<CudaException>(() =>
        {
            device.ScaleChannels(x, factor, x);
            device.Allocate(7).Read(new float[7]);
        }).Message;
        StringAssert.Contains(message, function);
        StringAssert.Contains(message, "CUDA_ERROR_ILLEGAL_ADDRESS (played)");
        Assert.AreEqual(0, cuda.Contexts);
    }

    [TestMethod]
    [DataRow(2, 2, "GPU 2 was asked for, and there are 2 NVIDIA GPUs: 0 to 1")]
    [DataRow(2, -1, "GPU -1 was asked for")]
    [DataRow(1, 1, "there is 1 NVIDIA GPU: 0")]
    [DataRow(0, 0, "no NVIDIA GPU")]
    [DataRow(2, 1, "Played old GPU has compute capability 6.1; 7.0 or later is needed")]
    public void A_GPU_that_there_is_not_is_told(int gpus, int gpu, string told)
    {
        using var cuda = new PlayedCuda(gpus: gpus);
        StringAssert.Contains(Assert.ThrowsExactly<CudaUnavailableException>(() => cuda.Open(gpu)).Message, told);
    }

    [TestMethod]
    [DataRow(11080, 0, "supports CUDA 11.8, and 12.0 is needed")]
    [DataRow(12040, 999, "does not start: CUDA_ERROR_UNKNOWN")]
    [DataRow(12040, 100, "no NVIDIA GPU")]
    public void A_driver_that_cannot_be_used_is_told(int version, int startResult, string told)
    {
        using var cuda = new PlayedCuda(version, startResult);
        StringAssert.Contains(Assert.ThrowsExactly<CudaUnavailableException>(() => cuda.Open()).Message, told);
    }
}
