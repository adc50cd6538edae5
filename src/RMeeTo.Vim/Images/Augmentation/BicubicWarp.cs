using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace RMeeTo.Vim.Images.Augmentation;

/// <summary>Moves the pixels of an image by an affine map, with bicubic interpolation (a = −1) over 4×4 pixels in double precision, cut to a byte.</summary>
/// <remarks>
/// As Pillow's libImaging/Geometry.c: affine_transform and bicubic_filter32RGB, in the same order of the floating-point operations and without fused ones,
/// hence the same bytes. The three colours of a pixel are computed side by side. Pixels beyond an edge are those at the edge; a pixel of the result that
/// comes from outside the image gets the fill colour.
/// </remarks>
internal static unsafe class BicubicWarp
{
    /// <summary>Warps in place.</summary>
    /// <param name="rgb">[<paramref name="height"/>, <paramref name="width"/>, 3].</param>
    /// <param name="width">Pixels a row.</param>
    /// <param name="height">Rows.</param>
    /// <param name="map">Where pixels come from.</param>
    /// <param name="fill">Colour outside the image.</param>
    public static void Apply(Span<byte> rgb, int width, int height, in AffineMap map, RgbColor fill)
    {
        // A pixel is read as four bytes: one more than there are.
        var rented = ArrayPool<byte>.Shared.Rent(rgb.Length + 1);
        rgb.CopyTo(rented);
        fixed (byte* pixels = rented, output = &MemoryMarshal.GetReference(rgb))
        {
            var source = new Source(pixels, width, height);
            for (var y = 0; y < height; y++) WarpRow(source, y, map, fill, output + 3 * (nint)y * width);
        }

        ArrayPool<byte>.Shared.Return(rented);
    }

    private static void WarpRow(in Source source, int row, in AffineMap map, RgbColor fill, byte* output)
    {
        double yOut = row + 0.5, shiftX = map.B * yOut, shiftY = map.E * yOut;
        for (var i = 0; i < source.Width; i++, output += 3)
        {
            var xOut = i + 0.5;
            double x = map.A * xOut + shiftX + map.C, y = map.D * xOut + shiftY + map.F;
            if (!(x >= 0 && x < source.Width && y >= 0 && y < source.Height))
            {
                (output[0], output[1], output[2]) = (fill.Red, fill.Green, fill.Blue);
                continue;
            }

            var pixel = Vector256.Min(Vector256.Max(source.Interpolate(x - 0.5, y - 0.5), Vector256<double>.Zero), Vector256.Create(255.0));
            output[0] = (byte)(int)pixel[0];
            output[1] = (byte)(int)pixel[1];
            output[2] = (byte)(int)pixel[2];
        }
    }

    /// <summary>Bytes [height, width, 3] with one more byte behind them.</summary>
    private readonly struct Source(byte* pixels, int width, int height)
    {
        public int Width => width;

        public int Height => height;

        /// <summary>Red, green, blue and something at a place in units of pixels, (0, 0) being the middle of the first; −0.5 … edge − 0.5.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector256<double> Interpolate(double x, double y)
        {
            int left = (int)Math.Floor(x), top = (int)Math.Floor(y);
            double dx = x - left, dy = y - top;
            int lastX = width - 1, lastY = height - 1;
            var columns = new Columns(3 * Math.Max(left - 1, 0), 3 * Math.Max(left, 0), 3 * Math.Min(left + 1, lastX), 3 * Math.Min(left + 2, lastX));
            var row1 = AcrossRow(Math.Max(top, 0), columns, dx);
            // The polynomial at 0 is its first coefficient: a shear or shift along the rows needs no other row.
            if (dy == 0) return row1;
            var row0 = AcrossRow(Math.Max(top - 1, 0), columns, dx);
            var row2 = AcrossRow(Math.Min(top + 1, lastY), columns, dx);
            var row3 = AcrossRow(Math.Min(top + 2, lastY), columns, dx);
            var p2 = row2 - row0;
            var p3 = (row0 - row1) * 2.0 + row2 - row3;
            var p4 = row1 - row0 - row2 + row3;
            return Polynomial(row1, p2, p3, p4, dy);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private Vector256<double> AcrossRow(int row, Columns columns, double dx)
        {
            var start = pixels + 3 * (nint)row * width;
            var v1 = Pixel(start + columns.Second);
            if (dx == 0) return ToDouble(v1);
            Vector128<int> v0 = Pixel(start + columns.First), v2 = Pixel(start + columns.Third), v3 = Pixel(start + columns.Fourth);
            // Whole numbers, exact in any order.
            var p3 = (v0 - v1) * 2 + v2 - v3;
            return Polynomial(ToDouble(v1), ToDouble(v2 - v0), ToDouble(p3), ToDouble(v1 - v0 - v2 + v3), dx);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector256<double> Polynomial(Vector256<double> p1, Vector256<double> p2, Vector256<double> p3, Vector256<double> p4, double d)
        {
            var at = Vector256.Create(d);
            return p1 + at * (p2 + at * (p3 + at * p4));
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector128<int> Pixel(byte* at)
        {
            var bytes = Vector128.CreateScalarUnsafe(Unsafe.ReadUnaligned<uint>(at)).AsByte();
            return Vector128.WidenLower(Vector128.WidenLower(bytes)).AsInt32();
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector256<double> ToDouble(Vector128<int> value) => Avx.IsSupported
            ? Avx.ConvertToVector256Double(value)
            : Vector256.Create((double)value[0], value[1], value[2], value[3]);
    }

    /// <summary>Where the four columns begin in a row, in bytes.</summary>
    private readonly record struct Columns(int First, int Second, int Third, int Fourth);
}
