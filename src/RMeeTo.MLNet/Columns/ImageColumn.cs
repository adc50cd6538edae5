using Microsoft.ML;
using Microsoft.ML.Data;

namespace RMeeTo.MLNet;

/// <summary>The forms in which a column may hold an image, or the frames of a clip.</summary>
internal enum ImageForm
{
    /// <summary><see cref="MLImage"/>.</summary>
    Picture,

    /// <summary>An encoded file, vector of <see cref="byte"/>.</summary>
    Encoded,

    /// <summary>Path of a file, text.</summary>
    Path,

    /// <summary>Path of a folder that holds the frames of a clip, text.</summary>
    Folder,

    /// <summary>Paths of the frames of a clip, vector of text.</summary>
    Paths,
}

/// <summary>Which column holds the images, in which form, and what to call an image in messages.</summary>
/// <param name="Column">The images.</param>
/// <param name="Form">Their form.</param>
/// <param name="NameColumn">A text column that names them, or null.</param>
internal sealed record ImageColumn(DataViewSchema.Column Column, ImageForm Form, DataViewSchema.Column? NameColumn)
{
    /// <summary>Who names the column of frames.</summary>
    public const string FramesOption = nameof(VimMergedClassifierOptions.FrameColumnNames);

    private const string ImageOption = "imageColumnName";

    /// <summary>Finds and checks the column.</summary>
    /// <param name="schema">Where.</param>
    /// <param name="name">Its name.</param>
    /// <param name="nameColumn">Name of the text column that names the images; null: the usual name.</param>
    /// <param name="clip">Whether it must hold whole clips, or single images.</param>
    /// <param name="option">Who names the column, for messages.</param>
    /// <exception cref="ArgumentOutOfRangeException">It is missing or of another type.</exception>
    public static ImageColumn Find(DataViewSchema schema, string name, string? nameColumn, bool clip, string option = ImageOption)
    {
        var column = SchemaChecks.Find(schema, name, "image", option);
        var form = (clip ? ClipFormOf(column.Type) : FormOf(column.Type)) ?? throw WrongType(name, column.Type.ToString()!, clip, option);
        return new(column, form, clip ? null : NameColumnOf(schema, name, nameColumn)); // a clip and its frames are named by their paths
    }

    /// <summary>The same where only the shape of the schema is known.</summary>
    /// <param name="schema">Where.</param>
    /// <param name="name">Its name.</param>
    /// <param name="orClip">Whether it may as well hold whole clips.</param>
    /// <param name="option">Who names the column, for messages.</param>
    /// <exception cref="ArgumentOutOfRangeException">The column is missing or of another type.</exception>
    public static void Check(SchemaShape schema, string name, bool orClip, string option = ImageOption)
    {
        var column = SchemaChecks.Find(schema, name, "image", option);
        bool scalar = column.Kind == SchemaShape.Column.VectorKind.Scalar, isText = column.ItemType is TextDataViewType;
        if (column.IsKey || !(scalar ? column.ItemType.RawType == typeof(MLImage) || isText : column.ItemType.RawType == typeof(byte) || (orClip && isText)))
            throw WrongType(name, SchemaChecks.TypeName(column), clip: false, option);
    }

    /// <summary>Checks the column that is said to name the images.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is missing or holds no texts.</exception>
    public static void CheckName(DataViewSchema schema, string name)
    {
        const string Option = nameof(VimMergedClassifierOptions.ImageNameColumnName);
        if (SchemaChecks.Find(schema, name, "image name", Option).Type is { } type and not TextDataViewType)
            throw new ArgumentOutOfRangeException("inputSchema", $"Column '{name}' is {type}; {Option} needs a column of texts that name the images. Name one, "
                + "or leave it null.");
    }

    private static ImageForm? ClipFormOf(DataViewType type) => type switch
    {
        TextDataViewType => ImageForm.Folder,
        VectorDataViewType { ItemType: TextDataViewType } => ImageForm.Paths,
        _ => null,
    };

    private static ImageForm? FormOf(DataViewType type) => type switch
    {
        { } when type.RawType == typeof(MLImage) => ImageForm.Picture,
        VectorDataViewType { ItemType: NumberDataViewType item } when item.RawType == typeof(byte) => ImageForm.Encoded,
        TextDataViewType => ImageForm.Path,
        _ => null,
    };

    private static DataViewSchema.Column? NameColumnOf(DataViewSchema schema, string name, string? nameColumn)
    {
        if (nameColumn is null) return schema.GetColumnOrNull(name + "Path") is { Type: TextDataViewType } found ? found : null;
        return schema.GetColumnOrNull(nameColumn) is { Type: TextDataViewType } named ? named : null;
    }

    private static ArgumentOutOfRangeException WrongType(string name, string type, bool clip, string option) => new("inputSchema", clip
        ? $"Column '{name}' is {type}; a network for video needs the frames of a clip: a text column with the folder of each clip, a vector of texts with "
            + "the paths of its frames, or FrameColumnNames with one image column a frame."
        : $"Column '{name}' is {type}; VimMergedClassifier needs an image column. Add LoadImages(...) before it, or name a column of MLImage, encoded bytes "
            + $"or paths with {option}.");
}

/// <summary>Reads the image column of a row into something that outlives the row.</summary>
internal sealed class ImageColumnReader
{
    private readonly string _columnName;
    private readonly ValueGetter<ReadOnlyMemory<char>>? _nameGetter;
    private readonly Action<ImageInput> _read;
    private MLImage? _picture; // one reference for all rows: the getters of ML.NET dispose the picture of the row before
    private VBuffer<byte> _bytes;
    private ReadOnlyMemory<char> _text;

    public ImageColumnReader(DataViewRow row, ImageColumn column)
    {
        _columnName = column.Column.Name;
        _nameGetter = column.NameColumn is { } name ? row.GetGetter<ReadOnlyMemory<char>>(name) : null;
        _read = column.Form switch
        {
            ImageForm.Picture => PictureReader(row.GetGetter<MLImage>(column.Column)),
            ImageForm.Encoded => BytesReader(row.GetGetter<VBuffer<byte>>(column.Column)),
            _ => PathReader(row.GetGetter<ReadOnlyMemory<char>>(column.Column)),
        };
    }

    /// <summary>Takes the image of the current row; a failure to do so is kept for whoever wants the image.</summary>
    /// <param name="input">Receives it.</param>
    /// <param name="row">Number of the row, for messages.</param>
    public void Read(ImageInput input, long row)
    {
        input.Begin(_columnName, row, "");
        try
        {
            if (_nameGetter is not null)
            {
                _nameGetter(ref _text);
                input.Begin(_columnName, row, _text.ToString());
            }
            _read(input);
        }
        catch (Exception failure) when (failure is not (OperationCanceledException or OutOfMemoryException))
        {
            input.Fail(failure.Message, failure);
        }
    }

    private Action<ImageInput> PictureReader(ValueGetter<MLImage> getter) => input =>
    {
        getter(ref _picture!);
        if (_picture is null) input.Fail("there is no image");
        else input.SetPicture(_picture);
    };

    private Action<ImageInput> BytesReader(ValueGetter<VBuffer<byte>> getter) => input =>
    {
        getter(ref _bytes);
        if (_bytes.Length == 0) input.Fail("there are no bytes");
        else input.SetEncoded(_bytes);
    };

    private Action<ImageInput> PathReader(ValueGetter<ReadOnlyMemory<char>> getter) => input =>
    {
        getter(ref _text);
        if (_text.Span.IsWhiteSpace()) input.Fail("the path is empty");
        else input.SetPath(_text.ToString());
    };
}
