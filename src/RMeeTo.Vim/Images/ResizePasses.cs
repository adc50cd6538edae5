using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace RMeeTo.Vim.Images;

/// <summary>Rows of RGB bytes in pinned memory.</summary>
/// <param name="pixels">First byte of the first row.</param>
/// <param name="stride">Bytes from a row to the next.</param>
/// <param name="end">One beyond the last byte that may be read.</param>
internal readonly unsafe struct ResizeSource(byte* pixels, nint stride, byte* end)
{
    public readonly byte* Pixels = pixels;
    public readonly nint Stride = stride;
    public readonly byte* End = end;

    public ResizeSource Skip(int rows) => new(Pixels + rows * Stride, Stride, End);
}

/// <summary>The two passes of the resize: fixed-point sums of bytes, rounded and clamped to bytes.</summary>
internal static unsafe class ResizePasses
{
    private const int Half = 1 << (ResizeWeights.Precision - 1);

    /// <summary>Every row by itself: output is [rows, rowBytes / 3, 3].</summary>
    public static void Horizontal(ResizeSource source, int rows, ResizeWeights weights, byte* output, int rowBytes)
    {
        // A pixel is read as four bytes, so a row needs one byte more than it has. Only the last row of an image lacks it.
        var needed = 3 * (nint)weights.End + 1;
        for (var y = 0; y < rows; y++)
        {
            var row = source.Pixels + y * source.Stride;
            var destination = output + (nint)y * rowBytes;
            if (source.End - row >= needed)
            {
                HorizontalRow(row, weights, destination);
                continue;
            }

            var padded = ArrayPool<byte>.Shared.Rent((int)needed);
            new ReadOnlySpan<byte>(row, (int)needed - 1).CopyTo(padded);
            fixed (byte* copy = padded)
                HorizontalRow(copy, weights, destination);
            ArrayPool<byte>.Shared.Return(padded);
        }
    }

    /// <summary>Every column by itself: output is [window, rowBytes]; row <paramref name="firstRow"/> of the axis is at <paramref name="source"/>.</summary>
    public static void Vertical(byte* source, nint stride, int firstRow, int rowBytes, ResizeWeights weights, byte* output)
    {
        var bounds = weights.Bounds;
        fixed (int* allWeights = weights.Weights)
        {
            for (var y = 0; 2 * y < bounds.Length; y++)
            {
                var rows = source + (bounds[2 * y] - firstRow) * stride;
                VerticalRow(rows, stride, bounds[2 * y + 1], allWeights + (nint)y * weights.Taps, output + (nint)y * rowBytes, rowBytes);
            }
        }
    }

    private static void HorizontalRow(byte* row, ResizeWeights weights, byte* destination)
    {
        var bounds = weights.Bounds;
        fixed (int* allWeights = weights.Weights)
        {
            var weight = allWeights;
            for (var i = 0; i + 1 < bounds.Length; i += 2)
            {
                var pixel = row + 3 * (nint)bounds[i];
                var sum = Vector128.Create(Half);
                for (var t = 0; t < bounds[i + 1]; t++)
                {
                    sum += Widen(pixel) * Vector128.Create(weight[t]);
                    pixel += 3;
                }

                var bytes = Vector128.Narrow(Clamp(sum, sum), Vector128<ushort>.Zero).AsUInt32()[0];
                *(ushort*)destination = (ushort)bytes;
                destination[2] = (byte)(bytes >> 16);
                destination += 3;
                weight += weights.Taps;
            }
        }
    }

    private static void VerticalRow(byte* rows, nint stride, int count, int* weights, byte* destination, int rowBytes)
    {
        var x = 0;
        for (; x <= rowBytes - 16; x += 16)
            VerticalBlock(rows + x, stride, count, weights, destination + x);
        if (x < rowBytes && rowBytes >= 16)
        {
            // The last block overlaps the one before, which gives the same bytes again.
            VerticalBlock(rows + rowBytes - 16, stride, count, weights, destination + rowBytes - 16);
            return;
        }

        for (; x < rowBytes; x++)
        {
            var sum = Half;
            for (var t = 0; t < count; t++)
                sum += rows[t * stride + x] * weights[t];
            destination[x] = (byte)Math.Clamp(sum >> ResizeWeights.Precision, 0, 255);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void VerticalBlock(byte* column, nint stride, int count, int* weights, byte* destination)
    {
        Vector128<int> a = Vector128.Create(Half), b = a, c = a, d = a;
        for (var t = 0; t < count; t++)
        {
            var weight = Vector128.Create(weights[t]);
            var (low, high) = Vector128.Widen(Vector128.Load(column));
            var (low0, low1) = Vector128.Widen(low);
            var (high0, high1) = Vector128.Widen(high);
            a += low0.AsInt32() * weight;
            b += low1.AsInt32() * weight;
            c += high0.AsInt32() * weight;
            d += high1.AsInt32() * weight;
            column += stride;
        }

        Vector128.Narrow(Clamp(a, b), Clamp(c, d)).Store(destination);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> Widen(byte* pixel) =>
        Vector128.WidenLower(Vector128.WidenLower(Vector128.CreateScalarUnsafe(*(uint*)pixel).AsByte())).AsInt32();

    /// <summary>Drops the fraction bits and clamps to 0 … 255.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<ushort> Clamp(Vector128<int> low, Vector128<int> high)
    {
        var shorts = Vector128.NarrowWithSaturation(low >> ResizeWeights.Precision, high >> ResizeWeights.Precision);
        return Vector128.Min(Vector128.Max(shorts, Vector128<short>.Zero), Vector128.Create((short)255)).AsUInt16();
    }
}
