using System.Reflection;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace RMeeTo.MLNet;

/// <summary>Values of one column in the rows of a batch.</summary>
internal abstract class ColumnBuffer
{
    /// <summary>A buffer for a column of the source.</summary>
    public static ColumnBuffer Create(DataViewRow row, DataViewSchema.Column column)
    {
        var type = column.Type.RawType;
        if (type == typeof(MLImage)) return new PictureBuffer(new ImageColumnReader(row, new ImageColumn(column, ImageForm.Picture, null)), row);
        if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(VBuffer<>))
            return Open(nameof(OpenVector), type.GetGenericArguments()[0], row, column);
        return Open(nameof(OpenValue), type, row, column);
    }

    /// <summary>Makes room for that many rows.</summary>
    public abstract void Reserve(int rows);

    /// <summary>Copies the current row's value.</summary>
    public abstract void Load(int row);

    /// <summary>Hands out copies of the values.</summary>
    /// <param name="current">Says which row.</param>
    public abstract Delegate Getter(Func<int> current);

    private static ColumnBuffer Open(string method, Type type, DataViewRow row, DataViewSchema.Column column) => (ColumnBuffer)typeof(ColumnBuffer)
        .GetMethod(method, BindingFlags.NonPublic | BindingFlags.Static)!
        .MakeGenericMethod(type)
        .Invoke(null, BindingFlags.DoNotWrapExceptions, null, [row, column], null)!;

    private static ColumnBuffer OpenVector<T>(DataViewRow row, DataViewSchema.Column column) => new VectorBuffer<T>(row.GetGetter<VBuffer<T>>(column));

    private static ColumnBuffer OpenValue<T>(DataViewRow row, DataViewSchema.Column column) => new ValueBuffer<T>(row.GetGetter<T>(column));

    private sealed class ValueBuffer<T>(ValueGetter<T> getter) : ColumnBuffer
    {
        private T[] _values = [];

        public override void Reserve(int rows) => Array.Resize(ref _values, rows);

        public override void Load(int row) => getter(ref _values[row]);

        public override Delegate Getter(Func<int> current) => (ValueGetter<T>)((ref T value) => value = _values[current()]);
    }

    private sealed class VectorBuffer<T>(ValueGetter<VBuffer<T>> getter) : ColumnBuffer
    {
        private VBuffer<T>[] _values = [];

        public override void Reserve(int rows) => Array.Resize(ref _values, rows);

        public override void Load(int row) => getter(ref _values[row]);

        public override Delegate Getter(Func<int> current) => (ValueGetter<VBuffer<T>>)((ref VBuffer<T> value) => _values[current()].CopyTo(ref value));
    }
}

/// <summary>
/// Pictures in the rows of a batch. An <see cref="MLImage"/> cannot be kept while the source moves on, for stages before us dispose it; so its pixels are kept,
/// and everyone who asks gets a picture of his own, which the next value or the caller disposes, as with every stage of ML.NET.
/// </summary>
internal sealed class PictureBuffer : ColumnBuffer
{
    private readonly Func<int, ImageInput> _image;
    private readonly List<ImageInput> _images = [];
    private readonly ImageColumnReader? _reader;
    private readonly DataViewRow? _row;

    /// <summary>Pictures that somebody else loads.</summary>
    /// <param name="image">The picture of a row.</param>
    public PictureBuffer(Func<int, ImageInput> image) => _image = image;

    /// <summary>Pictures of a column of their own.</summary>
    public PictureBuffer(ImageColumnReader reader, DataViewRow row) => (_image, _reader, _row) = (i => _images[i], reader, row);

    public override void Reserve(int rows)
    {
        while (_reader is not null && _images.Count < rows) _images.Add(new ImageInput());
    }

    public override void Load(int row) => _reader?.Read(_images[row], _row!.Position);

    public override Delegate Getter(Func<int> current) => (ValueGetter<MLImage>)((ref MLImage value) =>
    {
        var picture = _image(current()).CreatePicture();
        value?.Dispose();
        value = picture!;
    });
}
