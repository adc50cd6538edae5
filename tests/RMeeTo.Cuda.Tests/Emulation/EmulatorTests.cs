namespace RMeeTo.Cuda.Tests.Emulation;

/// <summary>The emulator does what CUDA does, in every order of blocks, warps and lanes.</summary>
[TestClass]
public sealed class EmulatorTests
{
    private static readonly float[] s_ramp = [.. Enumerable.Range(0, 1000).Select(i => i * 0.25f - 7)];

    public static IEnumerable<object[]> Orders =>
        [[LaunchOrder.Forward, 0], [LaunchOrder.Reverse, 0], [LaunchOrder.Shuffled, 1], [LaunchOrder.Shuffled, 2]];

    [TestMethod]
    [DynamicData(nameof(Orders))]
    public void Every_thread_of_every_block_runs_once(LaunchOrder order, int seed)
    {
        const string source = """
            extern "C" __global__ void count(const Arguments a) {
                int block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
                atomicAdd(a.z + block * blockDim.x + threadIdx.x, 1 + (int)threadIdx.y + (int)(blockDim.y - 1));
            }
            """;
        using var run = new KernelRun(source, "count", [], 1, 5 * 3 * 2 * 70, order, (ulong)seed);
        CollectionAssert.AreEqual(Enumerable.Repeat(1, 5 * 3 * 2 * 70).ToArray(), run.Launch(5, 70, gridY: 3, gridZ: 2).Numbers);
    }

    [TestMethod]
    [DynamicData(nameof(Orders))]
    public void Sums_over_blocks_are_exact(LaunchOrder order, int seed)
    {
        const string source = """
            extern "C" __global__ void __launch_bounds__(256) sum(const Arguments a) {
                __shared__ float sums[8];
                long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
                float value = i < a.count ? a.x[i] : 0.0f;
                for (int step = 16; step > 0; step /= 2) value += __shfl_xor_sync(0xffffffffu, value, step);
                if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = value;
                __syncthreads();
                if (threadIdx.x > 0) return;
                float total = 0;
                for (int w = 0; w < 8; w++) total += sums[w];
                a.y[blockIdx.x] = total;
            }
            """;
        using var run = new KernelRun(source, "sum", s_ramp, 4, 1, order, (ulong)seed);
        CollectionAssert.AreEqual(s_ramp.Chunk(256).Select(chunk => chunk.Sum()).ToArray(), run.Launch(4, 256).Outputs);
    }

    /// <summary>The four shuffles against the table of the PTX manual (shfl.sync), for every width.</summary>
    [TestMethod]
    [DynamicData(nameof(Orders))]
    public void Shuffles_take_the_value_of_the_lane_that_the_manual_says(LaunchOrder order, int seed)
    {
        const string source = """
            extern "C" __global__ void shuffle(const Arguments a) {
                int lane = threadIdx.x, width = 1 << blockIdx.x, by = blockIdx.y;
                int place = (blockIdx.x * gridDim.y + by) * 32 + lane, kind = gridDim.x * gridDim.y * 32;
                a.z[place] = __shfl_sync(0xffffffffu, lane, by, width);
                a.z[kind + place] = __shfl_up_sync(0xffffffffu, lane, by, width);
                a.z[2 * kind + place] = (int)__shfl_down_sync(0xffffffffu, (unsigned)lane, by, width);
                a.z[3 * kind + place] = (int)__shfl_xor_sync(0xffffffffu, (float)lane, by, width);
            }
            """;
        using var run = new KernelRun(source, "shuffle", [], 1, 4 * 6 * 32 * 32, order, (ulong)seed);
        var expected = new List<int>();
        foreach (var sourceOf in new Func<int, int, int>[] { (_, by) => by, (lane, by) => lane - by, (lane, by) => lane + by, (lane, by) => lane ^ by })
            for (int width = 1; width <= 32; width *= 2)
                for (int by = 0; by < 32; by++)
                    for (int lane = 0; lane < 32; lane++)
                    {
                        int first = lane / width * width, place = expected.Count / (6 * 32 * 32);
                        int from = place == 0 ? first + by % width : sourceOf(lane, by);
                        bool outside = place switch { 1 => from < first, 2 or 3 => from > first + width - 1, _ => false };
                        expected.Add(outside ? lane : from);
                    }
        CollectionAssert.AreEqual(expected, run.Launch(6, 32, gridY: 32).Numbers);
    }

    [TestMethod]
    [DynamicData(nameof(Orders))]
    public void Votes_count_every_lane_of_the_warp(LaunchOrder order, int seed)
    {
        const string source = """
            extern "C" __global__ void vote(const Arguments a) {
                int warp = threadIdx.x / 32;
                unsigned odd = __ballot_sync(0xffffffffu, threadIdx.x % 2);
                int any = __any_sync(0xffffffffu, threadIdx.x == 40), all = __all_sync(0xffffffffu, threadIdx.x < 64);
                unsigned half = threadIdx.x % 32 < 16 ? __ballot_sync(0x0000ffffu, 1) : __ballot_sync(0xffff0000u, threadIdx.x % 4 == 0);
                a.z[threadIdx.x] = (odd == 0xaaaaaaaau) + 2 * any + 4 * all + 8 * (half == (threadIdx.x % 32 < 16 ? 0x0000ffffu : 0x11110000u)) + 16 * warp;
            }
            """;
        using var run = new KernelRun(source, "vote", [], 1, 96, order, (ulong)seed);
        int[] expected = [.. Enumerable.Range(0, 96).Select(t => 1 + (t / 32 == 1 ? 2 : 0) + (t < 64 ? 4 : 0) + 8 + 16 * (t / 32))];
        CollectionAssert.AreEqual(expected, run.Launch(1, 96).Numbers);
    }

    [TestMethod]
    [DynamicData(nameof(Orders))]
    public void Dynamic_shared_memory_is_the_blocks_own(LaunchOrder order, int seed)
    {
        const string source = """
            extern "C" __global__ void turn(const Arguments a) {
                DYNAMIC_SHARED(float, values);
                values[threadIdx.x] = a.x[blockIdx.x * blockDim.x + threadIdx.x];
                __syncthreads();
                a.y[blockIdx.x * blockDim.x + threadIdx.x] = values[blockDim.x - 1 - threadIdx.x];
            }
            """;
        using var run = new KernelRun(source, "turn", s_ramp, 1000, 1, order, (ulong)seed);
        CollectionAssert.AreEqual(s_ramp.Chunk(100).SelectMany(chunk => chunk.Reverse()).ToArray(), run.Launch(10, 100, 400).Outputs);
    }

    [TestMethod]
    public void Nothing_is_zero_that_nobody_wrote()
    {
        const string source = """
            extern "C" __global__ void peek(const Arguments a) {
                __shared__ float fixed[4];
                DYNAMIC_SHARED(float, dynamic);
                a.z[0] = isnan(fixed[a.count]) + 2 * isnan(dynamic[1]) + 4 * isnan(a.y[0]);
                fixed[a.count] = dynamic[1] = 0; // for the next block
            }
            """;
        using var run = new KernelRun(source, "peek", [], 1);
        Assert.AreEqual(7, run.Launch(3, 1, 16).Numbers[0]);
    }

    [TestMethod]
    public void Definitions_and_templates_work()
    {
        const string source = """
            #define STATES 3
            #define THREADS (32 * 2)
            template <int N> __device__ __forceinline__ float power(float x) { return x * power<N - 1>(x); }
            template <> __device__ __forceinline__ float power<0>(float) { return 1; }
            #if STATES == 4
            extern "C" __global__ void absent(const Arguments a) { }
            #endif
            extern "C" __global__ void __launch_bounds__(THREADS, 2) power_of(const Arguments a) {
                if (threadIdx.x < a.count) a.y[threadIdx.x] = power<STATES>(a.x[threadIdx.x]);
            }
            extern "C" __global__ __launch_bounds__(max(THREADS, 8)) void same(const Arguments a) { }
            """;
        using var run = new KernelRun(source, "power_of", [1, 2, -3], 3);
        CollectionAssert.AreEqual(new float[] { 1, 8, -27 }, run.Launch(1, 64).Outputs);
        StringAssert.Contains(Assert.ThrowsExactly<EmulationException>(() => run.Launch(1, 65)).Message, "1 to 64");
        var absent = Assert.ThrowsExactly<EmulationException>(() => run.Cuda.GetFunction("test.cu", KernelRun.Head + source, "absent"));
        StringAssert.Contains(absent.Message, "'absent'");
    }

    /// <summary>What the GPU computes with its special function unit is as inaccurate here.</summary>
    [TestMethod]
    public void Fast_functions_are_no_better_than_on_the_GPU()
    {
        const string source = """
            extern "C" __global__ void fast(const Arguments a) {
                float x = a.x[threadIdx.x];
                a.y[4 * threadIdx.x] = __expf(x);
                a.y[4 * threadIdx.x + 1] = __logf(x);
                a.y[4 * threadIdx.x + 2] = __fdividef(1.0f, x);
                a.y[4 * threadIdx.x + 3] = rsqrtf(x);
            }
            """;
        float[] x = [1.0001f, 3.5f, 60];
        using var run = new KernelRun(source, "fast", x, 12);
        float[] y = run.Launch(1, 3).Outputs;
        Assert.AreEqual(Math.Log(1.0001f), y[1], 3e-7, "absolute error of a logarithm near 1");
        Assert.AreNotEqual(Math.Log(1.0001f), y[1], 1e-9, "and not less");
        for (int i = 0; i < 3; i++)
        {
            Assert.AreEqual(1, y[4 * i] / Math.Exp(x[i]), 1e-5);
            Assert.AreEqual(1, y[4 * i + 2] * (double)x[i], 2e-7);
            Assert.AreEqual(1, y[4 * i + 3] * Math.Sqrt(x[i]), 2e-7);
        }
    }

    [TestMethod]
    public void A_graph_runs_what_was_recorded_with_its_arguments_as_often_as_asked()
    {
        const string source = """extern "C" __global__ void add(const Arguments a) { a.z[0] += a.count; }""";
        using var run = new KernelRun(source, "add", [1, 2, 3], 1);
        run.Cuda.BeginCapture();
        run.Launch(1, 1);
        run.Arguments = run.Arguments with { Count = 100 };
        run.Launch(1, 1);
        Assert.ThrowsExactly<EmulationException>(() => run.Cuda.Allocate(4));
        Assert.ThrowsExactly<EmulationException>(() => run.Numbers);
        Assert.ThrowsExactly<EmulationException>(run.Cuda.Synchronize);
        nint graph = run.Cuda.EndCapture();
        Assert.AreEqual(0, run.Numbers[0], "recorded, not run");
        run.Cuda.LaunchGraph(graph);
        run.Cuda.LaunchGraph(graph);
        Assert.AreEqual(206, run.Numbers[0]);
        run.Cuda.FreeGraph(graph);
    }

    [TestMethod]
    public void A_text_that_does_not_compile_is_told_by_file_and_line()
    {
        CppCompiler.Require();
        using var cuda = new EmulatedCuda();
        string message = Assert.ThrowsExactly<EmulationException>(() => cuda.GetFunction("wrong.cu", "\n\nint f() { return missing; }", "f")).Message;
        StringAssert.Contains(message, "wrong.cu:3");
        StringAssert.Contains(message, "missing");
    }
}
