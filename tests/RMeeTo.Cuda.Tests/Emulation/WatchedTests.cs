namespace RMeeTo.Cuda.Tests.Emulation;

/// <summary>Where every access is watched, races and accesses outside memory are told even when no result shows them.</summary>
[TestClass]
public sealed class WatchedTests
{
    private static readonly float[] s_inputs = [.. Enumerable.Range(1, 256).Select(i => (float)i)];

    [TestMethod]
    [DataRow("s[t] = a.x[t]; __syncthreads(); a.y[t] = s[127 - t];")]
    [DataRow("s[t] = a.x[t]; __syncwarp(); a.y[t] = s[t ^ 31];")]
    [DataRow("s[t] = a.x[t]; __syncthreads(); float v = s[127 - t]; __syncthreads(); s[t] = v; __syncthreads(); a.y[t] = s[t ^ 64];")]
    [DataRow("if (t == 0) for (int i = 0; i < 128; i++) s[i] = a.x[i]; __syncthreads(); a.y[t] = s[t] + s[5];")]
    [DataRow("a.y[t] = __shfl_xor_sync(0xffffffffu, a.x[t], 1); a.z[t] = 3;")]
    [DataRow("atomicAdd(a.z, 1); atomicMax(a.z + 1, t);")]
    [DataRow("reinterpret_cast<float4*>(a.y)[t % 32] = *reinterpret_cast<const float4*>(a.x + 4 * (t % 32));",
        "thread 32 writes global memory at test.cu:4 that thread 0 of its block wrote at test.cu:4")]
    [DataRow("reinterpret_cast<unsigned short*>(a.y)[t] = 7; reinterpret_cast<char*>(a.z)[t] = 1;")] // neighbours in one word
    [DataRow("DYNAMIC_SHARED(float, d); d[t] = t; __syncthreads(); a.y[t] = d[127 - t];")]
    [DataRow("s[t] = t; a.y[t] = s[127 - t];", "that its block did not write")]
    [DataRow("s[t] = t; __syncthreads(); s[t] = s[127 - t];", "thread 64 reads shared memory at test.cu:4 that thread 63 of its block wrote at test.cu:4")]
    [DataRow("s[t] = t; __shfl_sync(0xffffffffu, 1.0f, 0); a.y[t] = s[t ^ 1];", // shuffles order nothing
        "thread 31 reads shared memory at test.cu:4 that thread 30 of its block wrote")]
    [DataRow("s[t] = t; __syncwarp(); a.y[t] = s[t ^ 32];", "did not write")]
    [DataRow("s[t % 127] = 1; __syncthreads(); a.y[t] = s[t % 127];", "thread 127 writes shared memory at test.cu:4 that thread 0 of its block wrote")]
    [DataRow("a.z[0] = 1;", "thread 1 writes global memory")]
    [DataRow("if (t == 5) a.y[256] = 1;", "thread 5 writes 4 bytes at test.cu:4, from byte 1024 of an allocation of 1024")]
    [DataRow("if (t == 5) a.y[5] = a.x[a.count + 3] * 0;", "thread 5 reads 4 bytes at test.cu:4, from byte 1036 of an allocation of 1024")]
    [DataRow("a.y[t] = s[t];", "reads shared memory at test.cu:4 that its block did not write")]
    [DataRow("DYNAMIC_SHARED(float, d); d[t] = 1; if (t == 0) a.y[0] = d[128];", "thread 0 uses byte 512 of dynamic shared memory; the launch asked for 512")]
    public void One_block(string statements, string? told = null) => Check(statements, 1, told);

    [TestMethod]
    [DataRow("if (blockIdx.x == 0) a.y[t] = t; else a.y[128 + t] = 1;")]
    [DataRow("a.y[blockIdx.x * 128 + t] = a.x[t] + a.x[0];")]
    [DataRow("s[t] = blockIdx.x; __syncthreads(); a.y[blockIdx.x * 128 + t] = s[t ^ 1];")]
    [DataRow("a.y[t] = 1;", "thread 0 writes global memory at test.cu:4 that thread 0 of another block wrote")]
    [DataRow("if (blockIdx.x == 0) a.y[t] = 1; else a.z[t] = a.y[t] > 0;", "thread 0 reads global memory at test.cu:4 that thread 0 of another block wrote")]
    [DataRow("if (blockIdx.x == 0) a.z[t] = a.y[200 - t] > 0; else if (t == 7) a.y[150] = 1;",
        "thread 7 writes global memory at test.cu:4 that thread 50 of another block read")]
    [DataRow("if (blockIdx.x == 0) s[t] = 1; else a.y[t] = s[t];", "did not write")]
    public void Two_blocks(string statements, string? told = null) => Check(statements, 2, told);

    private static void Check(string statements, int blocks, string? told)
    {
        string source = $$"""

            extern "C" __global__ void watched(const Arguments a) {
            __shared__ float s[128]; const int t = threadIdx.x;
            {{statements}}
            }
            """;
        foreach (LaunchOrder order in Enum.GetValues<LaunchOrder>())
        {
            using var run = new KernelRun(source, "watched", s_inputs, 256, 256, order, watched: true);
            if (told is null) run.Launch(blocks, 128, 512);
            else
            {
                string message = Assert.ThrowsExactly<EmulationException>(() => run.Launch(blocks, 128, 512)).Message;
                if (order == LaunchOrder.Forward) StringAssert.Contains(message, told);
            }
        }
    }
}
