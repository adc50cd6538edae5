namespace RMeeTo.Vim.Devices;

/// <summary>How a GPU computes matrix products. Everything else is single precision always: scan, normalisation, losses, optimizer, all that is kept.</summary>
public enum MatrixPrecision
{
    /// <summary>Single precision (24 significant bits).</summary>
    Float32,

    /// <summary>
    /// Operands rounded to TF32 (11 significant bits), sums in single precision; on GPUs from compute capability 8.0, elsewhere single precision.
    /// </summary>
    TensorFloat32,

    /// <summary>Operands rounded to bfloat16 (8 significant bits), sums in single precision; on GPUs from compute capability 8.0.</summary>
    BFloat16,
}
