using System.Runtime.InteropServices;

namespace RMeeTo.StandIn;

/// <summary>JPEG through libturbojpeg of the system. Where there is none, <see cref="IsAvailable"/> is false and decoding says so.</summary>
public static unsafe class JpegCodec
{
    private const int Rgba = 7, Cmyk = 11, ColourSpaceCmyk = 3, ColourSpaceYcck = 4, Fatal = 1;

    private static readonly IntPtr Library = Find();

    public static bool IsAvailable => Library != IntPtr.Zero;

    internal static bool IsJpeg(ReadOnlySpan<byte> file) => file.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xD8, 0xFF]);

    /// <summary>Null where the file is damaged; a file that only ends early gives what is there.</summary>
    internal static (int Width, int Height, byte[] Rgba)? Decode(byte[] file)
    {
        IntPtr handle = ((delegate* unmanaged<IntPtr>)Function("tjInitDecompress"))();
        try
        {
            fixed (byte* source = file)
            {
                int width, height, subsampling, colourSpace;
                var size = new CULong((uint)file.Length);
                var header = (delegate* unmanaged<IntPtr, byte*, CULong, int*, int*, int*, int*, int>)Function("tjDecompressHeader3");
                if (header(handle, source, size, &width, &height, &subsampling, &colourSpace) != 0 && width <= 0 || (long)width * height > int.MaxValue / 8)
                    return null;
                bool cmyk = colourSpace is ColourSpaceCmyk or ColourSpaceYcck;
                var pixels = new byte[width * height * 4];
                fixed (byte* target = pixels)
                {
                    var decode = (delegate* unmanaged<IntPtr, byte*, CULong, byte*, int, int, int, int, int, int>)Function("tjDecompress2");
                    var error = (delegate* unmanaged<IntPtr, int>)Function("tjGetErrorCode");
                    if (decode(handle, source, size, target, width, width * 4, height, cmyk ? Cmyk : Rgba, 0) != 0 && error(handle) == Fatal)
                        return null;
                }
                if (cmyk)
                    FromCmyk(pixels);
                return (width, height, pixels);
            }
        }
        finally
        {
            Destroy(handle);
        }
    }

    /// <summary>Files with four inks hold them inverted, so ink times black is the colour.</summary>
    private static void FromCmyk(byte[] pixels)
    {
        for (int i = 0; i < pixels.Length; i += 4)
        {
            for (int c = 0; c < 3; c++)
                pixels[i + c] = (byte)(pixels[i + c] * pixels[i + 3] / 255);
            pixels[i + 3] = 255;
        }
    }

    private static void Destroy(IntPtr handle) => ((delegate* unmanaged<IntPtr, int>)Function("tjDestroy"))(handle);

    private static IntPtr Function(string name) => IsAvailable ? NativeLibrary.GetExport(Library, name)
        : throw new InvalidOperationException("This is the stand-in for ML.NET, which reads JPEG through libturbojpeg, and the system has none. "
            + "Install it (Debian: apt-get install libturbojpeg0), use PNG, or build against the real ML.NET.");

    private static IntPtr Find()
    {
        foreach (string name in (string[])["libturbojpeg.so.0", "libturbojpeg.so", "turbojpeg", "libturbojpeg", "libturbojpeg.dylib",
            "/opt/homebrew/lib/libturbojpeg.dylib", "/usr/local/lib/libturbojpeg.dylib"])
            if (NativeLibrary.TryLoad(name, out IntPtr library))
                return library;
        return IntPtr.Zero;
    }
}
