using System.Diagnostics;
using RMeeTo.GpuCheck;
using RMeeTo.GpuCheck.Checks;
using RMeeTo.GpuCheck.Timing;
using RMeeTo.Vim;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Cpu;
using RMeeTo.Vim.Retraining;
using RMeeTo.Vim.Tests.Devices;
using RMeeTo.Vim.Tests.Retraining;

namespace RMeeTo.Cuda.Tests.StandInCuda;

/// <summary>What a process does beside the stand-in for CUDA. Each scenario throws where something is not as it should be.</summary>
internal static unsafe class StandInScenarios
{
    private static readonly NetworkCase s_network = new("tiny", TinyTask.Config, Removed: 3);

    /// <summary>A part of the table of operators, in every precision.</summary>
    public static void Operators()
    {
        foreach (MatrixPrecision precision in Enum.GetValues<MatrixPrecision>())
        {
            using CudaContext context = CudaDeviceProvider.Open(0, precision);
            using var device = new CudaDevice(context);
            var report = new Report();
            var all = OperatorCases.All;
            if (precision == MatrixPrecision.Float32) OperatorChecks.Run(device, all.Where((_, i) => i % 9 == 0), report);
            else OperatorChecks.Run(device, all.Where(c => c.Name.StartsWith("Linear", StringComparison.Ordinal) && !c.Name.Contains('#')), report, 1e-2);
            Require(report.Failures.Count == 0, string.Join('\n', report.Failures));
        }
    }

    /// <summary>Forward passes, the third and later ones from a graph: the bits of the plain ones, and close to the CPU.</summary>
    public static void Inference()
    {
        using var provider = new CudaDeviceProvider(0);
        Require(provider.Name.Contains("Stand-in GPU (sm_90), cuBLAS 12.8", StringComparison.Ordinal), provider.Name);
        float[] plain = Logits(provider, recorded: false);
        Require(plain.AsSpan().SequenceEqual(Logits(provider, recorded: true)), "a graph gives other bits");
        using var cpu = CpuDevice.Create();
        using var pass = new InferencePass(cpu, s_network, 3);
        pass.Queue();
        Tolerances.AssertClose("logits", [.. plain.Select(x => (double)x)], [.. pass.Logits.Select(x => (double)x)], 1e-4);
    }

    /// <summary>Training steps with graphs: the weights and losses of the plain ones, bit for bit; and a whole run of the trainer.</summary>
    public static void Training()
    {
        using var provider = new CudaDeviceProvider(0);
        Require(Losses(provider, recorded: false).AsSpan().SequenceEqual(Losses(provider, recorded: true)), "a graph gives other bits");

        RetrainOptions options = TinyTask.Options with { Epochs = 2, BatchSize = 6, DropPath = 0.1 };
        RetrainResult<VimModel> Train(IVimDeviceProvider? device) =>
            Retrainer.Run(TinyTask.Model(4), TinyTask.Images(18, seed: 1), null, options with { Device = device });
        var (expected, actual) = (Train(null), Train(provider));
        for (int epoch = 0; epoch < 2; epoch++)
            Require(Math.Abs(expected.Epochs[epoch].Loss - actual.Epochs[epoch].Loss) < 1e-4,
                $"loss {actual.Epochs[epoch].Loss}, on the CPU {expected.Epochs[epoch].Loss}");
    }

    /// <summary>Several threads, each with a device that records and repeats, while another one uses the default stream, as libtorch would.</summary>
    public static void Threads()
    {
        using var provider = new CudaDeviceProvider(0);
        float[] expected = Logits(provider, recorded: false);
        using var done = new CancellationTokenSource();
        var other = Task.Run(() => UseDefaultStream(done.Token));
        var results = new float[3][];
        Parallel.For(0, results.Length, new ParallelOptions { MaxDegreeOfParallelism = results.Length }, i => results[i] = Logits(provider, recorded: true));
        done.Cancel();
        Require(other.Result > 0, "the other library was never in turn");
        foreach (float[] result in results) Require(expected.AsSpan().SequenceEqual(result), "other bits on one of the threads");
    }

    /// <summary>While a graph is recorded, the rest of the process may use the GPU: its default stream, and its memory.</summary>
    public static void OthersWhileRecording()
    {
        using CudaContext context = CudaDeviceProvider.Open(0, MatrixPrecision.Float32);
        using var device = new CudaDevice(context);
        var matrix = new DeviceMatrix(device.Allocate(8), 8, 1);
        matrix.Buffer.Write([1, 2, 3, 4, 5, 6, 7, 8]);
        IDisposable? recording = null;
        Exception? elsewhere = null;
        for (int run = 0; run < 3; run++)
        {
            device.Run(ref recording, () =>
            {
                device.ScaleImages(matrix, matrix, matrix);
                elsewhere ??= Task.Run(() => Record(UseDefaultStreamOnce)).Result;
            });
        }
        var values = new float[8];
        matrix.Buffer.Read(values);
        Require(elsewhere is null, $"another library got: {elsewhere}");
        Require(device.RecordingFailure is null, $"recording: {device.RecordingFailure}");
        Require(values[1] == 256, $"2 squared three times is {values[1]}");
        recording!.Dispose();
    }

    /// <summary>After a provider is disposed of, what is left of it says so, and another one can be opened.</summary>
    public static void Disposed()
    {
        VimDevice device;
        DeviceBuffer buffer;
        using (var provider = new CudaDeviceProvider(0))
        {
            device = provider.CreateDevice();
            buffer = device.Allocate(100);
        }
        RequireThrows<ObjectDisposedException>(() => device.Allocate(100), "");
        RequireThrows<ObjectDisposedException>(() => buffer.Write(new float[100]), "");
        buffer.Dispose();
        device.Dispose();
        using var second = new CudaDeviceProvider(0);
        using VimDevice works = second.CreateDevice();
        using DeviceBuffer again = works.Allocate(100);
        again.Write(Enumerable.Repeat(1f, 100).ToArray());
        var read = new float[100];
        again.Read(read);
        Require(read.All(value => value == 1), "a second provider");
        second.Dispose();
        second.Dispose();
    }

    /// <summary>All memory is back once a provider is disposed of, also that of buffers that are not, although cuBLAS keeps the context alive.</summary>
    public static void GivesBack()
    {
        long[] free = new long[3];
        var kept = new List<DeviceBuffer>();
        for (int i = 0; i < free.Length; i++)
        {
            using var provider = new CudaDeviceProvider(0);
            free[i] = provider.FreeMemory!.Value;
            kept.Add(provider.CreateDevice().Allocate(10 << 20));
            Logits(provider, recorded: true);
        }
        Require(free[0] == free[1] && free[1] == free[2], $"free at the start: {string.Join(", ", free)}");
        foreach (DeviceBuffer buffer in kept) buffer.Dispose();
    }

    /// <summary>After a kernel has failed for good, everything says so, and disposing does not hide it.</summary>
    public static void Broken()
    {
        try
        {
            using var provider = new CudaDeviceProvider(0);
            using VimDevice device = provider.CreateDevice();
            Fill(device);
        }
        catch (CudaException e)
        {
            Require(e.Message.Contains("CUDA_ERROR_ILLEGAL_ADDRESS", StringComparison.Ordinal), e.Message);
            return;
        }
        throw new InvalidOperationException("no error");
    }

    /// <summary>Uploads that come faster than the GPU takes them, from memory that changes at once.</summary>
    public static void Uploads()
    {
        using var provider = new CudaDeviceProvider(0);
        using VimDevice device = provider.CreateDevice();
        using DeviceBuffer buffer = device.Allocate(5 << 20);
        var values = new float[5 << 20]; // more than all the memory that uploads go through
        for (int round = 0; round < 3; round++)
        {
            for (int i = 0; i < values.Length; i++) values[i] = i + round;
            buffer.Write(values);
            Array.Clear(values);
            buffer.Read(values);
            for (int i = 0; i < values.Length; i++)
                if (values[i] != (float)(i + round)) throw new InvalidOperationException($"value {i} is {values[i]}");
        }
    }

    /// <summary>What nobody disposes of is freed by the garbage collector, on a thread that has no context.</summary>
    public static void Finalizers()
    {
        using var provider = new CudaDeviceProvider(0);
        using VimDevice device = provider.CreateDevice();
        long free = provider.FreeMemory!.Value;
        for (int i = 0; i < 50; i++) device.Allocate(1 << 20); // 200 MiB of 64, in all
        GC.Collect();
        GC.WaitForPendingFinalizers();
        device.Allocate(1).Dispose();
        Require(provider.FreeMemory!.Value >= free - (8 << 20), $"{free - provider.FreeMemory} bytes are lost");
    }

    /// <summary>More memory than there is.</summary>
    public static void OutOfMemory()
    {
        using var provider = new CudaDeviceProvider(0);
        using VimDevice device = provider.CreateDevice();
        RequireThrows<OutOfMemoryException>(() => device.Allocate(100L << 20),
            "Stand-in GPU (sm_90) has", "of 64 MiB free; 400 more were asked for. Use a smaller batch.");
        device.Allocate(1).Dispose();
    }

    /// <summary>The process ends with everything open.</summary>
    public static void EndsWithoutDisposing()
    {
        var provider = new CudaDeviceProvider(0);
        VimDevice device = provider.CreateDevice();
        Fill(device);
        Console.WriteLine(provider.Name);
    }

    /// <summary>Opens a GPU and runs a kernel, and writes the type and text of what is thrown.</summary>
    public static void Open()
    {
        try
        {
            using var provider = new CudaDeviceProvider(0);
            using VimDevice device = provider.CreateDevice();
            Fill(device);
            Console.WriteLine(provider.Name);
        }
        catch (Exception e)
        {
            Console.WriteLine($"{e.GetType().Name}: {e.Message}");
        }
    }

    private static void Fill(VimDevice device)
    {
        DeviceBuffer buffer = device.Allocate(8);
        buffer.Write([1, 2, 3, 4, 5, 6, 7, 8]);
        var (x, y) = (new DeviceMatrix(buffer, 4, 2), new DeviceMatrix(device.Allocate(4), 4, 1));
        device.Linear(x, device.CreateLinear(new DeviceMatrix(buffer, 1, 2), forTraining: false), default, y);
        device.ScaleImages(y, y, y);
        var read = new float[4];
        y.Buffer.Read(read);
        Require(read is [25, 121, 289, 529], $"the product is {string.Join(' ', read)}"); // 1·1 + 2·2 and so on, squared
    }

    private static float[] Logits(CudaDeviceProvider provider, bool recorded)
    {
        using var device = (CudaDevice)provider.CreateDevice();
        device.RecordsSequences = recorded;
        using var pass = new InferencePass(device, s_network, 3);
        for (int i = 0; i < 4; i++) pass.Queue();
        float[] logits = pass.Logits;
        Require(device.RecordingFailure is null, $"recording: {device.RecordingFailure}");
        return logits;
    }

    private static float[] Losses(CudaDeviceProvider provider, bool recorded)
    {
        using var device = (CudaDevice)provider.CreateDevice();
        device.RecordsSequences = recorded;
        using var pass = new TrainingPass(device, s_network, 3);
        var losses = new List<float>();
        for (int i = 0; i < 5; i++)
        {
            pass.Queue();
            if (i is 1 or 4) losses.AddRange(pass.Losses); // not every time: what is queued piles up
        }
        Require(device.RecordingFailure is null, $"recording: {device.RecordingFailure}");
        Require(losses[0] != losses[^1], "training changes the loss");
        return [.. losses];
    }

    private static int UseDefaultStream(CancellationToken end)
    {
        int times = 0;
        do
        {
            UseDefaultStreamOnce();
            times++;
        } while (!end.IsCancellationRequested);
        return times;
    }

    /// <summary>What libtorch does on a thread of its own: memory, and work on the default stream of the primary context.</summary>
    private static void UseDefaultStreamOnce()
    {
        const int bytes = 1000;
        CudaDriver driver = CudaDriver.Instance;
        nint context, memory;
        driver.Check(driver.PrimaryContextRetain(&context, 0), "cuDevicePrimaryCtxRetain");
        driver.Check(driver.ContextPushCurrent(context), "cuCtxPushCurrent");
        driver.Check(driver.MemoryAllocate(&memory, bytes), "cuMemAlloc");
        driver.Check(driver.Fill(memory, 1, bytes, 0), "cuMemsetD8Async");
        driver.Check(driver.StreamSynchronize(0), "cuStreamSynchronize");
        driver.Check(driver.MemoryFree(memory), "cuMemFree");
        driver.Check(driver.ContextPopCurrent(&context), "cuCtxPopCurrent");
        driver.Check(driver.PrimaryContextRelease(0), "cuDevicePrimaryCtxRelease");
    }

    private static Exception? Record(Action action)
    {
        try
        {
            action();
            return null;
        }
        catch (CudaException e)
        {
            return e;
        }
    }

    private static void RequireThrows<T>(Action action, params string[] parts) where T : Exception
    {
        try
        {
            action();
        }
        catch (T e)
        {
            foreach (string part in parts) Require(e.Message.Contains(part, StringComparison.Ordinal), $"'{e.Message}' does not say '{part}'");
            return;
        }
        throw new UnreachableException($"No {typeof(T).Name} was thrown.");
    }

    private static void Require(bool condition, string otherwise)
    {
        if (!condition) throw new InvalidOperationException(otherwise);
    }
}
