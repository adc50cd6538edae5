using System.Runtime.InteropServices;

namespace RMeeTo.Vim.Devices.Cpu;

/// <summary>Working memory of <see cref="GemmWeightGradient{TSimd,TVector}"/>: of fixed size, so that no shape makes it grow. One for each worker.</summary>
internal sealed unsafe class GemmScratch : IDisposable
{
    /// <summary>Rows of dy and x that a weight gradient reduces at once.</summary>
    public const int MaxSteps = 256;

    /// <summary>The widest panel of any vector width, in floats.</summary>
    public const int MaxWidth = PanelLayout.FullVectors * 16;

    private const int Alignment = 64;

    private float* _memory = (float*)NativeMemory.AlignedAlloc((2 * MaxSteps + 8) * MaxWidth * sizeof(float), Alignment);

    ~GemmScratch() => Free();

    /// <summary>[MaxSteps, MaxWidth]: one panel of B.</summary>
    public float* Panel => _memory;

    /// <summary>[MaxSteps, MaxWidth]: some rows of A, transposed.</summary>
    public float* Rows => _memory + MaxSteps * MaxWidth;

    /// <summary>[8, MaxWidth]: one tile of C.</summary>
    public float* Tile => _memory + 2 * MaxSteps * MaxWidth;

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        NativeMemory.AlignedFree(_memory);
        _memory = null;
    }
}
