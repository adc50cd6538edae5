using RMeeTo.Vim.Devices;

namespace RMeeTo.Cuda;

/// <summary>A weight matrix, with a copy in bfloat16 where products are computed in it.</summary>
internal sealed class CudaLinearWeight : LinearWeight
{
    private readonly CudaBuffer? _copy;

    /// <param name="runtime">The GPU.</param>
    /// <param name="matrix">W [outputs, inputs]</param>
    /// <param name="forTraining">It will be multiplied by from the other side too.</param>
    /// <param name="bfloat16">A copy is wanted.</param>
    public CudaLinearWeight(ICudaRuntime runtime, DeviceMatrix matrix, bool forTraining, bool bfloat16) : base(matrix)
    {
        ForTraining = forTraining;
        if (bfloat16) _copy = new CudaBuffer(runtime, BFloat16Matrix.Floats(BFloat16Matrix.Padded(matrix.Rows), matrix.Columns));
    }

    /// <summary>The gradient with regard to its input may be asked for.</summary>
    public bool ForTraining { get; }

    /// <summary>
    /// The copy, [outputs, inputs] with rows and columns of zeros up to multiples of eight: the products run over whole groups, whichever side is summed over.
    /// </summary>
    public nint Copy => _copy?.Pointer ?? 0;

    /// <inheritdoc/>
    protected override void Dispose(bool disposing) => _copy?.Dispose();
}
