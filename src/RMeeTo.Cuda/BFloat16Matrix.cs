namespace RMeeTo.Cuda;

/// <summary>
/// How copies of matrices in bfloat16 lie: dense, columns filled up with zeros to a multiple of eight, so that every row begins at a multiple of 16 bytes as
/// tensor cores like it, and a sum over the columns may run over the filled ones too.
/// </summary>
internal static class BFloat16Matrix
{
    private const int Group = 8;

    /// <summary>The next multiple of eight.</summary>
    public static int Padded(int count) => checked((count + Group - 1) / Group * Group);

    /// <summary>Room for a copy, in floats; a multiple of 16 bytes.</summary>
    public static long Floats(int rows, int columns) => (long)rows * Padded(columns) / 2;
}
