using Microsoft.ML.Runtime;

namespace Microsoft.ML.Data;

/// <summary>Reads one column of a row as a type that a user's class declares.</summary>
internal static class CellReader
{
    public static bool CanRead(DataViewType column, Type type) =>
        column.RawType == type
        || column is TextDataViewType && type == typeof(string)
        || column is VectorDataViewType vector && type.IsArray && CanRead(vector.ItemType, type.GetElementType());

    public static Func<object> Create(DataViewRow row, DataViewSchema.Column column, Type type)
    {
        bool asArray = type.IsArray;
        Type raw = asArray ? ((VectorDataViewType)column.Type).ItemType.RawType : column.Type.RawType;
        return (Func<object>)Contracts.Generic(typeof(CellReader), asArray ? nameof(Array) : nameof(Single), [raw], null, row, column, type);
    }

    private static Func<object> Single<T>(DataViewRow row, DataViewSchema.Column column, Type type)
    {
        ValueGetter<T> getter = row.GetGetter<T>(column);
        return () =>
        {
            T value = default;
            getter(ref value);
            return type == typeof(string) ? value.ToString() : value;
        };
    }

    private static Func<object> Array<T>(DataViewRow row, DataViewSchema.Column column, Type type)
    {
        ValueGetter<VBuffer<T>> getter = row.GetGetter<VBuffer<T>>(column);
        return () =>
        {
            VBuffer<T> value = default;
            getter(ref value);
            return type == typeof(string[]) ? value.DenseValues().Select(v => v.ToString()).ToArray() : value.DenseValues().ToArray();
        };
    }
}

/// <summary>Fills an object of a user's class from a row.</summary>
internal sealed class ObjectFiller<TRow> where TRow : class
{
    private readonly List<(ObjectMember Member, DataViewSchema.Column Column)> _members = [];

    public ObjectFiller(DataViewSchema schema, bool ignoreMissingColumns)
    {
        foreach (ObjectMember member in ObjectMember.Of(typeof(TRow), written: true))
        {
            if (schema.GetColumnOrNull(member.Name) is not { } column)
            {
                if (ignoreMissingColumns)
                    continue;
                throw Contracts.NotFound(member.Name);
            }
            Contracts.Check(CellReader.CanRead(column.Type, member.Type), $"Column '{column}' does not fit member '{member.Name}' of type {member.Type}.");
            _members.Add((member, column));
        }
    }

    public IEnumerable<DataViewSchema.Column> Columns => _members.Select(m => m.Column);

    public Action<TRow> Bind(DataViewRow row)
    {
        (Action<object, object> Set, Func<object> Read)[] cells = [.. _members.Select(m => (m.Member.Set, CellReader.Create(row, m.Column, m.Member.Type)))];
        return target =>
        {
            foreach ((Action<object, object> set, Func<object> read) in cells)
                set(target, read());
        };
    }
}

/// <summary>What a user's class looks like as a row: its schema, and a getter for every column.</summary>
internal sealed class ObjectSchema<TRow> where TRow : class
{
    private readonly ObjectMember[] _members = ObjectMember.Of(typeof(TRow), written: false);

    public ObjectSchema()
    {
        var builder = new DataViewSchema.Builder();
        foreach (ObjectMember member in _members)
            builder.AddColumn(member.Name, member.ColumnType);
        Schema = builder.ToSchema();
    }

    public DataViewSchema Schema { get; }

    public ValueGetter<T> Getter<T>(DataViewSchema.Column column, Func<TRow> current)
    {
        Func<object, object> get = _members[column.Index].Get;
        Delegate getter = column.Type switch
        {
            VectorDataViewType vector => (Delegate)Contracts.Generic(typeof(ObjectSchema<TRow>), nameof(Vector), [vector.ItemType.RawType], null, get, current),
            TextDataViewType => (ValueGetter<ReadOnlyMemory<char>>)((ref ReadOnlyMemory<char> value) => value = (get(current()) as string).AsMemory()),
            KeyDataViewType key when key.RawType == typeof(T) => (ValueGetter<T>)((ref T value) => value = Key<T>(get(current()), key.Count)),
            { } type when type.RawType == typeof(T) => (ValueGetter<T>)((ref T value) => value = (T)get(current())),
            _ => null,
        };
        return Contracts.Cast<T>(getter, column);
    }

    /// <summary>An object holds a key counted from 0; a row counts from 1, and 0 is a missing one.</summary>
    private static T Key<T>(object raw, ulong count)
    {
        ulong value = Convert.ToUInt64(raw);
        return (T)Convert.ChangeType(value < count ? value + 1 : 0, typeof(T));
    }

    private static ValueGetter<VBuffer<TItem>> Vector<TItem>(Func<object, object> get, Func<TRow> current) => (ref VBuffer<TItem> value) =>
    {
        object items = get(current());
        if (items is string[] texts)
            items = Array.ConvertAll(texts, t => t.AsMemory());
        VBufferEditor.Fill(ref value, (TItem[])items);
    };
}

/// <summary>The row of a prediction engine: one object, put in again and again.</summary>
internal sealed class ObjectRow<TRow>(ObjectSchema<TRow> source) : DataViewRow where TRow : class
{
    private TRow _current;
    private long _position = -1;

    public override long Position => _position;
    public override long Batch => 0;
    public override DataViewSchema Schema => source.Schema;
    public override bool IsColumnActive(DataViewSchema.Column column) => true;
    public override ValueGetter<DataViewRowId> GetIdGetter() => (ref DataViewRowId id) => id = new DataViewRowId((ulong)_position, 0);
    public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column) => source.Getter<TValue>(column, () => _current);

    public void Put(TRow row)
    {
        ArgumentNullException.ThrowIfNull(row);
        _current = row;
        _position++;
    }
}
