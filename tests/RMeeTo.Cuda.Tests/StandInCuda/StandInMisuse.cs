using System.Text;

namespace RMeeTo.Cuda.Tests.StandInCuda;

/// <summary>The stand-in is as strict as CUDA: what a scenario could do wrong is refused with CUDA's own numbers.</summary>
internal static unsafe class StandInMisuse
{
    private const int InvalidValue = 1, InvalidContext = 201, InvalidHandle = 400, Unsupported = 900, Invalidated = 901, Implicit = 906;

    private static CudaDriver Driver => CudaDriver.Instance;

    /// <summary>All of it.</summary>
    public static void IsRefused()
    {
        nint memory, context;
        Expect(InvalidContext, Driver.MemoryAllocate(&memory, 100), "no context is current");
        Expect(0, Driver.PrimaryContextRetain(&context, 0), "");
        Expect(0, Driver.ContextPushCurrent(context), "");
        Memory();
        Recording(0, Implicit, Invalidated, "a blocking stream records and another library uses the default stream");
        Recording(CudaDriver.StreamNonBlocking, 0, 0, "a stream records that the default stream has nothing to do with");
        Launches();
        Expect(0, Driver.PrimaryContextRelease(0), "");
        Expect(709, Driver.MemoryAllocate(&memory, 100), "the context is gone");
    }

    private static void Memory()
    {
        nint memory, stream;
        Expect(0, Driver.MemoryAllocate(&memory, 100), "");
        Expect(0, Driver.StreamCreate(&stream, 0), "");
        Expect(InvalidValue, Driver.Fill(memory, 0, 101, stream), "beyond the end");
        Expect(InvalidHandle, Driver.Fill(memory, 0, 100, 4096), "a stream that there is not");
        Expect(InvalidValue, Driver.MemoryFree(memory + 4), "not where an allocation begins");
        Expect(0, Driver.MemoryFree(memory), "");
        Expect(InvalidValue, Driver.MemoryFree(memory), "freed twice");
        Expect(0, Driver.StreamDestroy(stream), "");
        Expect(InvalidHandle, Driver.StreamSynchronize(stream), "destroyed");

        // What is queued is done late, but it is done.
        byte value = 1;
        nint pinned;
        Expect(0, Driver.HostMemoryAllocate(&pinned, 1, 0), "");
        Expect(0, Driver.MemoryAllocate(&memory, 1), "");
        Expect(0, Driver.StreamCreate(&stream, 0), "");
        *(byte*)pinned = 7;
        Expect(0, Driver.CopyHostToDevice(memory, pinned, 1, stream), "");
        *(byte*)pinned = 8;
        Expect(0, Driver.CopyDeviceToHost((nint)(&value), memory, 1, stream), "");
        Expect(1, value, "nobody has waited");
        Expect(0, Driver.StreamSynchronize(stream), "");
        Expect(8, value, "the GPU copied what was there when its turn came");
        Expect(0, Driver.StreamDestroy(stream), "");
    }

    private static void Recording(uint flags, int other, int end, string what)
    {
        nint stream, memory, graph, executable;
        Expect(0, Driver.StreamCreate(&stream, flags), "");
        Expect(0, Driver.MemoryAllocate(&memory, 100), "");
        Expect(0, Driver.StreamBeginCapture(stream, CudaDriver.CaptureThreadLocal), "");
        Expect(0, Driver.Fill(memory, 3, 100, stream), "");
        Expect(other, Driver.Fill(memory, 2, 100, 0), what);
        Expect(end, Driver.StreamEndCapture(stream, &graph), what);
        if (end == 0)
        {
            byte value = 0;
            Expect(0, Driver.GraphInstantiate(&executable, graph, 0), "");
            Expect(0, Driver.GraphLaunch(executable, stream), "");
            Expect(0, Driver.CopyDeviceToHost((nint)(&value), memory, 1, stream), "");
            Expect(0, Driver.StreamSynchronize(stream), "");
            Expect(3, value, "the graph ran");
        }
        Expect(0, Driver.StreamBeginCapture(stream, CudaDriver.CaptureThreadLocal), "");
        nint more;
        Expect(Unsupported, Driver.MemoryAllocate(&more, 100), "memory while this thread records");
        Expect(Invalidated, Driver.StreamEndCapture(stream, &graph), "which spoils the recording");
        Expect(0, Driver.MemoryFree(memory), "");
    }

    private static void Launches()
    {
        const string source = """
            struct Argument { float* values; };
            extern "C" __global__ void __launch_bounds__(64) fill(const Argument a) { a.values[threadIdx.x] = 1; }
            """;
        var compiler = new Nvrtc(LibrarySearch.OfThisMachine);
        foreach (string option in new[] { "--gpu-architecture=sm_42", "--fast-everything" })
            try
            {
                compiler.Compile("fill.cu", source, [option]);
                throw new InvalidOperationException($"{option} was taken");
            }
            catch (KernelCompilationException e)
            {
                if (!e.Message.Contains("NVRTC_ERROR_INVALID_OPTION", StringComparison.Ordinal)) throw;
            }

        Expect(209, Load(compiler.Compile("fill.cu", source, ["--gpu-architecture=sm_80"]).Image, out _), "machine code for another generation");
        Expect(0, Load(compiler.Compile("fill.cu", source, ["--gpu-architecture=compute_80"]).Image, out _), "PTX of an older one");
        Expect(0, Load(compiler.Compile("fill.cu", source, ["--gpu-architecture=sm_90"]).Image, out nint module), "");
        nint function, memory, stream;
        Expect(500, GetFunction(&function, module, "empty"), "no such kernel");
        Expect(0, GetFunction(&function, module, "fill"), "");
        Expect(0, Driver.MemoryAllocate(&memory, 1024), "");
        Expect(0, Driver.StreamCreate(&stream, 0), "");
        Expect(0, Launch(function, 64, 48 << 10, memory, stream), "");
        Expect(701, Launch(function, 65, 0, memory, stream), "more threads than the kernel is compiled for");
        Expect(InvalidValue, Launch(function, 64, (48 << 10) + 1, memory, stream), "shared memory that was not asked for");
        Expect(InvalidValue, Driver.FunctionSetAttribute(function, CudaDriver.FunctionMaximumDynamicShared, (227 << 10) + 1), "more than there is");
        Expect(0, Driver.StreamSynchronize(stream), "");
    }

    private static int Load(byte[] image, out nint module)
    {
        nint loaded = 0;
        int result;
        fixed (byte* first = image) result = Driver.ModuleLoadData(&loaded, first);
        module = loaded;
        return result;
    }

    private static int GetFunction(nint* function, nint module, string name)
    {
        fixed (byte* text = Encoding.UTF8.GetBytes(name + '\0')) return Driver.ModuleGetFunction(function, module, text);
    }

    private static int Launch(nint function, int threads, int sharedBytes, nint memory, nint stream)
    {
        void* argument = &memory;
        return Driver.LaunchKernel(function, 1, 1, 1, (uint)threads, 1, 1, (uint)sharedBytes, stream, &argument, null);
    }

    private static void Expect(int expected, int actual, string what)
    {
        if (expected != actual) throw new InvalidOperationException($"{actual} and not {expected}: {what}");
    }
}
