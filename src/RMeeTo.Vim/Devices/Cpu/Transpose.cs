using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using AdvSimd64 = System.Runtime.Intrinsics.Arm.AdvSimd.Arm64;

namespace RMeeTo.Vim.Devices.Cpu;

/// <summary>Turns small blocks of floats round. Strides are floats from one row to the next.</summary>
internal static unsafe class Transpose
{
    /// <summary>target [columns, rows] = source [rows, columns] turned round, in blocks of 4×4 where they are whole.</summary>
    public static void Block(float* source, long sourceStride, int rows, int columns, float* target, long targetStride)
    {
        int wholeRows = rows & ~3, wholeColumns = columns & ~3;
        for (var i = 0; i < wholeRows; i += 4)
        {
            for (var j = 0; j < wholeColumns; j += 4) FourByFour(source + i * sourceStride + j, sourceStride, target + j * targetStride + i, targetStride);
            Plain(source, sourceStride, i, i + 4, wholeColumns, columns, target, targetStride);
        }
        Plain(source, sourceStride, wholeRows, rows, 0, columns, target, targetStride);
    }

    private static void Plain(float* source, long sourceStride, int row, int rowEnd, int column, int columnEnd, float* target, long targetStride)
    {
        for (var i = row; i < rowEnd; i++)
            for (var j = column; j < columnEnd; j++) target[j * targetStride + i] = source[i * sourceStride + j];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void FourByFour(float* source, long sourceStride, float* target, long targetStride)
    {
        var row0 = Vector128.Load(source);
        var row1 = Vector128.Load(source + sourceStride);
        var row2 = Vector128.Load(source + 2 * sourceStride);
        var row3 = Vector128.Load(source + 3 * sourceStride);
        var (even0, even1) = (ZipLow(row0, row2), ZipHigh(row0, row2));
        var (odd0, odd1) = (ZipLow(row1, row3), ZipHigh(row1, row3));
        ZipLow(even0, odd0).Store(target);
        ZipHigh(even0, odd0).Store(target + targetStride);
        ZipLow(even1, odd1).Store(target + 2 * targetStride);
        ZipHigh(even1, odd1).Store(target + 3 * targetStride);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> ZipLow(Vector128<float> a, Vector128<float> b)
    {
        if (Sse.IsSupported) return Sse.UnpackLow(a, b);
        if (AdvSimd64.IsSupported) return AdvSimd64.ZipLow(a, b);
        return Vector128.Create(a[0], b[0], a[1], b[1]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> ZipHigh(Vector128<float> a, Vector128<float> b)
    {
        if (Sse.IsSupported) return Sse.UnpackHigh(a, b);
        if (AdvSimd64.IsSupported) return AdvSimd64.ZipHigh(a, b);
        return Vector128.Create(a[2], b[2], a[3], b[3]);
    }
}
