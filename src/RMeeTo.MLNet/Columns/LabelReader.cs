using System.Reflection;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace RMeeTo.MLNet;

/// <summary>
/// Reads a label column as class indices. For texts and numbers classes are numbered in order of appearance, as MapValueToKey does, behind the classes that are
/// kept whether they occur or not; for a key those stand behind its own.
/// </summary>
internal abstract class LabelReader
{
    /// <summary>More classes than this are surely no classes.</summary>
    public const int MaxClasses = 1 << 17;

    /// <summary>Class of the current row, from 0; −1 where the label is missing.</summary>
    public abstract int Read();

    /// <summary>The classes, once all rows have been read.</summary>
    public abstract LabelClasses Classes();

    /// <summary>Names of the classes that are kept and that the rows read so far, or the key, do not have.</summary>
    public abstract IReadOnlyList<string> Absent();

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
    /// <param name="row">The cursor.</param>
    /// <param name="column">The column.</param>
    /// <param name="kept">Classes that there are whether they occur or not; null: none.</param>
    /// <exception cref="ArgumentOutOfRangeException">The classes that are kept are of a type that does not go with the column's.</exception>
    public static LabelReader Open(DataViewRow row, DataViewSchema.Column column, LabelClasses? kept = null)
    {
        try
        {
            return (LabelReader)typeof(LabelReader)
                .GetMethod(column.Type is KeyDataViewType ? nameof(OpenKey) : nameof(OpenValue), BindingFlags.NonPublic | BindingFlags.Static)!
                .MakeGenericMethod(column.Type.RawType)
                .Invoke(null, BindingFlags.DoNotWrapExceptions, null, [row, column, kept], null)!;
        }
        catch (FormatException other) when (kept is not null)
        {
            throw new ArgumentOutOfRangeException($"Column '{column.Name}' is {column.Type}, and the classes of the previous model are {kept.ValueTypeName} "
                + $"({string.Join(", ", kept.Names.Take(3).Select(name => $"'{name}'"))}{(kept.Names.Count > 3 ? ", …" : "")}): {other.Message} Use labels of "
                + "the type that it was fitted to, or set AbsentClasses to Drop.", other);
        }
    }

    private static LabelReader OpenKey<T>(DataViewRow row, DataViewSchema.Column column, LabelClasses? kept) =>
        new KeyReader<T>(row, column, (KeyDataViewType)column.Type, kept);

    private static LabelReader OpenValue<T>(DataViewRow row, DataViewSchema.Column column, LabelClasses? kept) =>
        new ValueReader<T>(row, column, kept?.As<T>((PrimitiveDataViewType)column.Type));

    private static ArgumentOutOfRangeException WrongType(string name, string type) =>
        new("inputSchema", $"Column '{name}' is {type}; VimMergedClassifier needs labels that are a key, a text or a number. Add "
            + $"Conversion.MapValueToKey(\"{name}\") before it.");

    private sealed class KeyReader<T> : LabelReader
    {
        private readonly ValueGetter<T> _getter;
        private readonly ulong _count;
        private readonly LabelClasses _classes;
        private T _value = default!;

        public KeyReader(DataViewRow row, DataViewSchema.Column column, KeyDataViewType type, LabelClasses? kept)
        {
            (_getter, _count) = (row.GetGetter<T>(column), type.Count);
            var own = LabelClasses.OfKey(column, (int)type.Count);
            _classes = kept is null ? own : own.With(kept);
        }

        public override int Read()
        {
            _getter(ref _value);
            ulong key = Convert.ToUInt64(_value);
            return key == 0 || key > _count ? -1 : (int)(key - 1);
        }

        public override LabelClasses Classes() => _classes;

        public override IReadOnlyList<string> Absent() => [.. _classes.Names.Skip((int)_count)];
    }

    private sealed class ValueReader<T> : LabelReader
    {
        private readonly DataViewSchema.Column _column;
        private readonly ValueGetter<T> _getter;
        private readonly Dictionary<string, int> _index = [];
        private readonly List<T> _values = [];
        private readonly bool[] _keptOccurs;
        private T _value = default!;

        public ValueReader(DataViewRow row, DataViewSchema.Column column, LabelClasses<T>? kept)
        {
            (_column, _getter, _keptOccurs) = (column, row.GetGetter<T>(column), new bool[kept?.Names.Count ?? 0]);
            for (int i = 0; i < _keptOccurs.Length; i++) Add(kept!.Names[i], kept.Values[i]);
        }

        public override int Read()
        {
            _getter(ref _value);
            if (_value is float.NaN or double.NaN) return -1;
            string name = LabelClasses.Format(_value);
            if (name.Length == 0) return -1;
            if (!_index.TryGetValue(name, out int index)) return Add(name, _value is ReadOnlyMemory<char> ? (T)(object)name.AsMemory() : _value);
            if (index < _keptOccurs.Length) _keptOccurs[index] = true;
            return index;
        }

        public override LabelClasses Classes() => new LabelClasses<T>((PrimitiveDataViewType)_column.Type, [.. _values]);

        public override IReadOnlyList<string> Absent() => [.. _index.Where(entry => entry.Value < _keptOccurs.Length && !_keptOccurs[entry.Value])
            .OrderBy(entry => entry.Value).Select(entry => entry.Key)];

        private int Add(string name, T value)
        {
            if (_values.Count == MaxClasses)
                throw new InvalidOperationException($"Column '{_column.Name}' has more than {MaxClasses} different values; these are no classes. Name another "
                    + "label column.");
            _index.Add(name, _values.Count);
            _values.Add(value);
            return _values.Count - 1;
        }
    }
}
