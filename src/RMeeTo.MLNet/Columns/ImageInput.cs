using Microsoft.ML.Data;
using RMeeTo.Vim.Images;

namespace RMeeTo.MLNet;

/// <summary>
/// The image of one row, apart from the row: pixels, an encoded file or a path. Made on the thread that reads rows, decoded on a worker; used again for row
/// after row.
/// </summary>
internal sealed class ImageInput
{
    private ImageForm _form;
    private byte[] _bytes = [];
    private int _length;
    private int _width;
    private int _height;
    private MLPixelFormat _format;
    private string? _tag;
    private string _name = "";
    private string _column = "";
    private long _row;
    private string? _failure;
    private Exception? _cause;

    /// <summary>Bytes that it holds.</summary>
    public int Length => _failure is null ? _length : 0;

    /// <summary>True where the image was found missing or damaged.</summary>
    public bool Failed => _failure is not null;

    /// <summary>Path or tag; empty where there is none.</summary>
    public string Name => _name.Length > 0 ? _name : _tag ?? "";

    /// <summary>Forgets the row before.</summary>
    public void Begin(string column, long row, string name) =>
        (_column, _row, _name, _tag, _length, _failure, _cause) = (column, row, name, null, 0, null, null);

    /// <summary>Says why there is no image.</summary>
    public void Fail(string reason, Exception? cause = null) => (_failure, _cause) = (reason, cause);

    /// <summary>Copies the pixels: the picture belongs to the rows, and is gone with the next.</summary>
    public void SetPicture(MLImage picture)
    {
        (_form, _width, _height, _format, _tag) = (ImageForm.Picture, picture.Width, picture.Height, picture.PixelFormat, picture.Tag);
        picture.Pixels.CopyTo(Room(picture.Pixels.Length));
    }

    /// <summary>Copies an encoded file.</summary>
    public void SetEncoded(in VBuffer<byte> bytes)
    {
        _form = ImageForm.Encoded;
        bytes.CopyTo(Room(bytes.Length));
    }

    /// <summary>Takes a path.</summary>
    public void SetPath(string path) => (_form, _name) = (ImageForm.Path, path);

    /// <summary>The image in red, green and blue. Its own memory.</summary>
    /// <exception cref="UnreadableImageException">There is none, or it cannot be decoded.</exception>
    public RgbImage Decode()
    {
        if (_failure is null)
        {
            try
            {
                if (_form == ImageForm.Picture) return PixelConversion.ToRgb(_bytes.AsSpan(0, _length), _width, _height, _format);
                using var file = _form == ImageForm.Path ? new MemoryStream(File.ReadAllBytes(_name), writable: false)
                    : new MemoryStream(_bytes, 0, _length, writable: false);
                if (file.Length == 0) Fail("the file is empty");
                else
                {
                    using var picture = MLImage.CreateFromStream(file);
                    return PixelConversion.ToRgb(picture.Pixels, picture.Width, picture.Height, picture.PixelFormat);
                }
            }
            catch (Exception failure) when (failure is not OutOfMemoryException)
            {
                Fail(failure is FileNotFoundException or DirectoryNotFoundException ? "there is no such file"
                    : _form == ImageForm.Path && Directory.Exists(_name) ? "it is a folder, and the network takes single images"
                    : $"it cannot be decoded ({failure.Message})", failure);
            }
        }
        throw new UnreadableImageException(Name, _row, _column, _failure!, _cause);
    }

    /// <summary>A new picture equal to the one that was read; the caller owns it. Null where there was none.</summary>
    public MLImage? CreatePicture()
    {
        if (_cause is not null) throw new UnreadableImageException(Name, _row, _column, _failure!, _cause);
        if (_failure is not null) return null;
        var picture = MLImage.CreateFromPixels(_width, _height, _format, _bytes.AsSpan(0, _length));
        if (_tag is not null) picture.Tag = _tag;
        return picture;
    }

    private Span<byte> Room(int length)
    {
        if (_bytes.Length < length) _bytes = GC.AllocateUninitializedArray<byte>(length);
        _length = length;
        return _bytes.AsSpan(0, length);
    }
}
