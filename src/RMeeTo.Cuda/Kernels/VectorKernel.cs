namespace RMeeTo.Cuda;

/// <summary>
/// A kernel in two forms of one text: four neighbouring values of a row a thread, where every row of every operand can be read so
/// (<see cref="MatrixArgument.IsVectorizable"/>), or one.
/// </summary>
/// <param name="file">Name of the embedded text, which is compiled with WIDTH = 4 and WIDTH = 1.</param>
/// <param name="function">Name of the function.</param>
internal sealed class VectorKernel(string file, string function)
{
    /// <summary>Threads a block: eight warps.</summary>
    public const int Threads = 256;

    /// <summary>Warps a block.</summary>
    public const int Warps = Threads / Warp;

    private const int Warp = 32;

    /// <summary>Four values a thread.</summary>
    public CudaKernel Four { get; } = new(file, function, ("WIDTH", 4));

    /// <summary>One value a thread.</summary>
    public CudaKernel One { get; } = new(file, function, ("WIDTH", 1));

    /// <summary>The form for these operands.</summary>
    public CudaKernel For(bool vectorizable) => vectorizable ? Four : One;

    /// <summary>Blocks along y where each covers one warp's width of columns.</summary>
    public static int ColumnBlocks(int columns, bool vectorizable) => (int)((columns - 1L) / (vectorizable ? 4 * Warp : Warp)) + 1;
}
