namespace RMeeTo.Cuda.Tests.Emulation;

/// <summary>The emulator finds what a GPU would do wrong without a word.</summary>
[TestClass]
public sealed class PlantedFaultTests
{
    private static readonly float[] s_inputs = [.. Enumerable.Range(1, 128).Select(i => (float)i)];

    /// <summary>Neighbours exchange values through shared memory: without the barrier somebody reads what is not written yet, in some order.</summary>
    [TestMethod]
    [DataRow("__syncthreads();", false)]
    [DataRow("", true)]
    [DataRow("__syncwarp();", true)]
    public void A_missing_barrier_shows_in_another_order(string barrier, bool faulty)
    {
        string source = $$"""
            extern "C" __global__ void rotate(const Arguments a) {
                __shared__ float values[128];
                values[threadIdx.x] = a.x[threadIdx.x];
                {{barrier}}
                a.y[threadIdx.x] = values[(threadIdx.x + 127) % 128];
            }
            """;
        float[][] results = [.. Orders(source, "rotate", 128, run => run.Launch(1, 128).Outputs)];
        Assert.AreEqual(faulty, results.Any(r => !r.SequenceEqual(results[0])));
    }

    /// <summary>Within a warp lanes do not run in step: a __syncwarp is needed.</summary>
    [TestMethod]
    [DataRow("__syncwarp();", false)]
    [DataRow("", true)]
    public void Lanes_do_not_run_in_step(string barrier, bool faulty)
    {
        string source = $$"""
            extern "C" __global__ void swap(const Arguments a) {
                __shared__ float values[128];
                values[threadIdx.x] = a.x[threadIdx.x];
                {{barrier}}
                a.y[threadIdx.x] = values[threadIdx.x ^ 1];
            }
            """;
        float[][] results = [.. Orders(source, "swap", 128, run => run.Launch(1, 128).Outputs)];
        Assert.AreEqual(faulty, results.Any(r => !r.SequenceEqual(results[0])));
    }

    /// <summary>A block that uses what another block wrote in the same launch.</summary>
    [TestMethod]
    public void Blocks_that_depend_on_each_other_show_in_another_order()
    {
        const string source = """extern "C" __global__ void chain(const Arguments a) { a.z[blockIdx.x + 1] = a.z[blockIdx.x] + 1; }""";
        float[][] results = [.. Orders(source, "chain", 1, run => [.. run.Launch(6, 1).Numbers.Select(n => (float)n)], 7)];
        Assert.IsTrue(results.Any(r => !r.SequenceEqual(results[0])));
    }

    [TestMethod]
    [DataRow("if (threadIdx.x < 64) __syncthreads();", "threads 0 to 63 wait for the block at test.cu:3")]
    [DataRow("if (threadIdx.x >= 40) return; __syncthreads();", "threads 40 to 127 have returned")]
    [DataRow("if (threadIdx.x < 64) __syncthreads(); else\n__syncthreads();", "threads 64 to 127 wait for the block at test.cu:4")]
    [DataRow("if (threadIdx.x % 32 < 7) __syncwarp();", "threads 0 to 6 wait for their warp at test.cu:3 (mask ffffffff)")]
    [DataRow("if (threadIdx.x == 5) return; a.y[0] = __shfl_xor_sync(0xffffffffu, 1.0f, 1);", "threads 5 to 5 have returned")]
    [DataRow("if (threadIdx.x / 32 == 1) __syncwarp(); else __syncthreads();", "threads 0 to 31 wait for the block")]
    [DataRow("__syncwarp(1u << (threadIdx.x % 32 ^ 1));", "with a mask 00000002 that it is not in")]
    [DataRow("if (threadIdx.x % 32 < 16) a.y[0] = __shfl_sync(0xffffu, 1.0f, 20);", "reads lane 20, which is not in the mask")]
    public void Threads_that_wait_in_vain_are_told(string statement, string told) => Told(statement, 128, 0, told);

    [TestMethod]
    public void A_warp_operation_of_a_block_that_is_not_of_whole_warps_is_told() =>
        Told("__syncwarp();", 40, 0, "names lane 8, which the block of 40 threads does not have");

    [TestMethod]
    [DataRow("DYNAMIC_SHARED(float, s); s[threadIdx.x] = 1;", 508, "byte 508 of dynamic shared memory was written; the launch asked for 508")]
    [DataRow("DYNAMIC_SHARED(float, s); s[(int)threadIdx.x - 1] = 1;", 512, "byte -4 of dynamic shared memory")]
    [DataRow("__shared__ float s[100]; s[threadIdx.x] = 1; a.y[0] = s[0];", 0, "thread 100: index 100 at test.cu:3 lies outside its array")]
    [DataRow("float s[4]; for (int i = 0; i < 4; i++) s[i] = i; a.y[0] = s[a.count - 124];", 0, "index 4 at test.cu:3")]
    [DataRow("a.y[0] = reinterpret_cast<const float4*>(a.x + threadIdx.x)->y;", 0, "at test.cu:3, which is not a multiple of 16")]
    [DataRow("a.y[threadIdx.x] = 1;", 0, "byte 16 of an allocation of 16 bytes was written")]
    [DataRow("a.y[-1] = 1;", 0, "byte -4 of an allocation of 16 bytes was written")]
    [DataRow("*(volatile float*)(a.z == nullptr ? 16 : threadIdx.x == 77 ? 64 : (long)a.y) = 1;", 0, "thread 77 uses address 0x40, which is not there")]
    [DataRow("a.z[0] = a.count / (int)threadIdx.x;", 0, "thread 0 divides a whole number by zero")]
    [DataRow("float big[36000]; for (int i = 0; i < 36000; i++) big[i] = a.count; a.y[0] = big[threadIdx.x * 300];", 0, "bytes of stack")]
    public void Accesses_outside_memory_are_told(string statement, int sharedBytes, string told) => Told(statement, 128, sharedBytes, told);

    [TestMethod]
    [DataRow(0, 1, 1, 64, 0, "0 x 1 x 1")]
    [DataRow(1, 65536, 1, 64, 0, "1 x 65536 x 1")]
    [DataRow(1, 1, 1, 1025, 0, "1 to 1024")]
    [DataRow(1, 1, 1, 64, 200_000, "200000 bytes of shared memory")]
    public void Launches_that_no_GPU_takes_are_told(int gridX, int gridY, int gridZ, int threads, int sharedBytes, string told)
    {
        using var run = new KernelRun("extern \"C\" __global__ void nothing(const Arguments a) { }", "nothing", [], 1);
        StringAssert.Contains(Assert.ThrowsExactly<EmulationException>(() => run.Launch(gridX, threads, sharedBytes, gridY, gridZ)).Message, told);
    }

    [TestMethod]
    public void An_emulator_works_on_after_a_fault()
    {
        const string source = """
            extern "C" __global__ void maybe(const Arguments a) {
                if (a.count == 1 && threadIdx.x == 3) *(volatile float*)8 = 1;
                __syncthreads();
                a.y[0] = 5;
            }
            """;
        using var run = new KernelRun(source, "maybe", [1], 1);
        for (int i = 0; i < 3; i++) Assert.ThrowsExactly<EmulationException>(() => run.Launch(1, 64));
        string? none = Absent();
        Assert.ThrowsExactly<NullReferenceException>(() => none!.Length.ToString()); // .NET still has its signals
        run.Arguments = run.Arguments with { Count = 2 };
        Assert.AreEqual(5, run.Launch(1, 64).Outputs[0]);

        static string? Absent() => Environment.GetEnvironmentVariable("a variable that nobody sets");
    }

    private static void Told(string statement, int threads, int sharedBytes, string told)
    {
        string source = $"\nextern \"C\" __global__ void fault(const Arguments a) {{\n{statement}\n}}";
        foreach (LaunchOrder order in Enum.GetValues<LaunchOrder>())
        {
            using var run = new KernelRun(source, "fault", s_inputs, 4, 4, order);
            string message = Assert.ThrowsExactly<EmulationException>(() => run.Launch(2, threads, sharedBytes)).Message;
            StringAssert.Contains(message, "fault");
            if (order == LaunchOrder.Forward) StringAssert.Contains(message, told);
        }
    }

    private static IEnumerable<float[]> Orders(string source, string kernel, int outputs, Func<KernelRun, float[]> read, int numbers = 1)
    {
        foreach (object[] order in EmulatorTests.Orders)
        {
            using var run = new KernelRun(source, kernel, s_inputs, outputs, numbers, (LaunchOrder)order[0], (ulong)(int)order[1]);
            yield return read(run);
        }
    }
}
