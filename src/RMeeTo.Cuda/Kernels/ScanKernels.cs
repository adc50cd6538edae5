using System.Collections.Concurrent;
using System.Runtime.InteropServices;

namespace RMeeTo.Cuda;

/// <summary>scan.cu and scan_gradient.cu, and what their kernels receive.</summary>
internal static class ScanKernels
{
    /// <summary>Threads a block, and as many channels.</summary>
    public const int Threads = 128;

    /// <summary>Tokens from one checkpoint to the next.</summary>
    public const int Chunk = 8;

    /// <summary>States of a group; the last group is filled up.</summary>
    public const int Group = 16;

    /// <summary>Threads of a block that sums over the blocks of channels.</summary>
    public const int SumThreads = 256;

    public static readonly CudaKernel TokenSums = new("scan_sums.cu", "scan_token_sums");

    // Made when a network needs them: there is no limit to the number of states.
    private static readonly ConcurrentDictionary<int, CudaKernel> s_forward = new();
    private static readonly ConcurrentDictionary<(int Groups, GradientVariant Variant), CudaKernel> s_gradient = new();

    /// <summary>Where the gradient keeps the past of a chunk's states.</summary>
    /// <param name="Kept">Of a lane's four states, those whose past stays in registers; that of the others goes to shared memory.</param>
    /// <param name="Blocks">Blocks that a multiprocessor is to hold: this bounds the registers of a thread.</param>
    public readonly record struct GradientVariant(int Kept, int Blocks)
    {
        // Of scan_gradient.cu.
        private const int LaneStates = 4, Vector = 4;

        /// <summary>For 228 KB of shared memory a multiprocessor, as data centre GPUs from sm_90 on have.</summary>
        public static readonly GradientVariant Large = new(1, 3);

        /// <summary>Right for every GPU: no block needs more than 48 KB.</summary>
        public static readonly GradientVariant Small = new(3, 2);

        /// <summary>What suits a GPU best.</summary>
        public static GradientVariant Of(int maximumSharedBytes, int groups) => Large.Blocks * Large.SharedBytes(groups) <= maximumSharedBytes ? Large : Small;

        /// <summary>Size of <c>GradientMemory</c>.</summary>
        public int SharedBytes(int groups)
        {
            int rows = Chunk * Threads * Vector, past = (LaneStates - Kept) * Chunk * Threads * Vector + Vector, tile = Chunk * 2 * Group * groups;
            int slopes = Chunk * Threads, sums = Threads / 32 * Chunk * 2 * Group;
            return (rows + past + tile + slopes + sums) * sizeof(float);
        }
    }

    /// <summary>Groups of so many states.</summary>
    public static int Groups(int states) => (states + Group - 1) / Group;

    public static CudaKernel Forward(int groups) => s_forward.GetOrAdd(groups, static g => new CudaKernel("scan.cu", "scan_forward", ("STATE_GROUPS", g)));

    public static CudaKernel Gradient(int groups, GradientVariant variant) => s_gradient.GetOrAdd((groups, variant), static key =>
        new CudaKernel("scan_gradient.cu", "scan_gradient", ("STATE_GROUPS", key.Groups), ("KEPT", key.Variant.Kept), ("BLOCKS", key.Variant.Blocks)));

    /// <summary><c>ScanOperands</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct Operands
    {
        public MatrixArgument Input, DeltaRaw, Gate, B, C, ALog;
        public nint DeltaBias, Skip, Checkpoints;
        public int Length, Reverse, Softplus;
        public float OutputScale;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct ForwardArguments
    {
        public Operands Scan;
        public MatrixArgument Output;
        public int Accumulate, Padding;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct GradientArguments
    {
        public Operands Scan;
        public MatrixArgument OutputGradient, InputGradient, DeltaGradient, GateGradient, ParameterSums;
        public nint TokenSums;
        public int SkipColumn, BiasColumn, AccumulateGate, Padding;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct TokenSumArguments
    {
        public MatrixArgument B, C;
        public nint TokenSums;
        public int Blocks, SumColumns;
    }
}
