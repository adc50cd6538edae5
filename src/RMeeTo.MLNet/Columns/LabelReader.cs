using System.Reflection;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace RMeeTo.MLNet;

/// <summary>Reads a label column as class indices. For texts and numbers classes are numbered in order of appearance, as MapValueToKey does.</summary>
internal abstract class LabelReader
{
    /// <summary>More classes than this are surely no classes.</summary>
    public const int MaxClasses = 1 << 17;

    /// <summary>Class of the current row, from 0; −1 where the label is missing.</summary>
    public abstract int Read();

    /// <summary>The classes, once all rows have been read.</summary>
    public abstract LabelClasses Classes();

    /// <summary>Checks the column where only the shape of the schema is known.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is missing or of another type.</exception>
    public static void Check(SchemaShape schema, string name)
    {
        var column = SchemaChecks.Find(schema, name, "label");
        if (column.Kind != SchemaShape.Column.VectorKind.Scalar || !(column.IsKey || LabelClasses.IsSupported(column.ItemType)))
            throw WrongType(name, SchemaChecks.TypeName(column));
    }

    /// <summary>Finds and checks the column.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is missing or of another type, or a key with too many values.</exception>
    public static DataViewSchema.Column Find(DataViewSchema schema, string name)
    {
        var column = SchemaChecks.Find(schema, name, "label");
        if (column.Type is KeyDataViewType key)
        {
            if (key.Count > MaxClasses)
                throw new ArgumentOutOfRangeException("inputSchema", $"Column '{name}' is a key with {key.Count} values; at most {MaxClasses} classes are "
                    + "possible. Use MapValueToKey, or set the Count of KeyType to the number of classes.");
        }
        else if (!LabelClasses.IsSupported(column.Type)) throw WrongType(name, column.Type.ToString()!);
        return column;
    }

    /// <summary>Opens the column.</summary>
    public static LabelReader Open(DataViewRow row, DataViewSchema.Column column) => (LabelReader)typeof(LabelReader)
        .GetMethod(column.Type is KeyDataViewType ? nameof(OpenKey) : nameof(OpenValue), BindingFlags.NonPublic | BindingFlags.Static)!
        .MakeGenericMethod(column.Type.RawType)
        .Invoke(null, BindingFlags.DoNotWrapExceptions, null, [row, column], null)!;

    private static LabelReader OpenKey<T>(DataViewRow row, DataViewSchema.Column column) => new KeyReader<T>(row, column, (KeyDataViewType)column.Type);

    private static LabelReader OpenValue<T>(DataViewRow row, DataViewSchema.Column column) => new ValueReader<T>(row, column);

    private static ArgumentOutOfRangeException WrongType(string name, string type) =>
        new("inputSchema", $"Column '{name}' is {type}; VimMergedClassifier needs labels that are a key, a text or a number. Add "
            + $"Conversion.MapValueToKey(\"{name}\") before it.");

    private sealed class KeyReader<T>(DataViewRow row, DataViewSchema.Column column, KeyDataViewType type) : LabelReader
    {
        private readonly ValueGetter<T> _getter = row.GetGetter<T>(column);
        private readonly LabelClasses _classes = LabelClasses.OfKey(column, (int)type.Count);
        private T _value = default!;

        public override int Read()
        {
            _getter(ref _value);
            ulong key = Convert.ToUInt64(_value);
            return key == 0 || key > type.Count ? -1 : (int)(key - 1);
        }

        public override LabelClasses Classes() => _classes;
    }

    private sealed class ValueReader<T>(DataViewRow row, DataViewSchema.Column column) : LabelReader
    {
        private readonly ValueGetter<T> _getter = row.GetGetter<T>(column);
        private readonly Dictionary<string, int> _index = [];
        private readonly List<T> _values = [];
        private T _value = default!;

        public override int Read()
        {
            _getter(ref _value);
            if (_value is float.NaN or double.NaN) return -1;
            string name = LabelClasses.Format(_value);
            if (name.Length == 0) return -1;
            if (_index.TryGetValue(name, out int index)) return index;
            if (_values.Count == MaxClasses)
                throw new InvalidOperationException($"Column '{column.Name}' has more than {MaxClasses} different values; these are no classes. Name another "
                    + "label column.");
            _index.Add(name, _values.Count);
            _values.Add(_value is ReadOnlyMemory<char> ? (T)(object)name.AsMemory() : _value);
            return _values.Count - 1;
        }

        public override LabelClasses Classes() => new LabelClasses<T>((PrimitiveDataViewType)column.Type, [.. _values]);
    }
}
