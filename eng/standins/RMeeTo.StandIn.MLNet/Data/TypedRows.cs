using System.Reflection;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.Data;

/// <summary>Reads one column of a row as a type that a user's class declares.</summary>
internal static class CellReader
{
    public static bool CanRead(DataViewType column, Type type) =>
        column.RawType == type
        || column is TextDataViewType && type == typeof(string)
        || column is VectorDataViewType vector && type.IsArray
            && (type.GetElementType() == vector.ItemType.RawType || vector.ItemType is TextDataViewType && type.GetElementType() == typeof(string));

    public static Func<object> Create(DataViewRow row, DataViewSchema.Column column, Type type) =>
        (Func<object>)Contracts.Generic(typeof(CellReader), column.Type is VectorDataViewType ? nameof(Vector) : nameof(Scalar),
            [column.Type is VectorDataViewType vector ? vector.ItemType.RawType : column.Type.RawType], null, row, column, type);

    private static Func<object> Scalar<T>(DataViewRow row, DataViewSchema.Column column, Type type)
    {
        ValueGetter<T> getter = row.GetGetter<T>(column);
        return () =>
        {
            T value = default;
            getter(ref value);
            return type == typeof(string) ? value.ToString() : value;
        };
    }

    private static Func<object> Vector<T>(DataViewRow row, DataViewSchema.Column column, Type type)
    {
        ValueGetter<VBuffer<T>> getter = row.GetGetter<VBuffer<T>>(column);
        return () =>
        {
            VBuffer<T> value = default;
            getter(ref value);
            return type == typeof(VBuffer<T>) ? value
                : type == typeof(string[]) ? value.DenseValues().Select(v => v.ToString()).ToArray()
                : value.DenseValues().ToArray();
        };
    }
}

/// <summary>Fills an object of a user's class from a row.</summary>
internal sealed class ObjectFiller<TRow> where TRow : class
{
    private readonly List<(MemberInfo Member, DataViewSchema.Column Column)> _members = [];

    public ObjectFiller(DataViewSchema schema, bool ignoreMissingColumns, SchemaDefinition definition)
    {
        foreach (SchemaDefinition.Column wanted in definition ?? SchemaDefinition.Create(typeof(TRow), SchemaDefinition.Direction.Write))
        {
            MemberInfo member = SchemaDefinition.Member(typeof(TRow), wanted.MemberName);
            if (schema.GetColumnOrNull(wanted.ColumnName) is not { } column)
            {
                if (ignoreMissingColumns)
                    continue;
                throw Contracts.SchemaMismatch(nameof(schema), "", wanted.ColumnName);
            }
            Contracts.Check(CellReader.CanRead(column.Type, SchemaDefinition.MemberType(member)),
                $"Column '{column.Name}' of type {column.Type} does not fit member '{member.Name}' of type {SchemaDefinition.MemberType(member)}.");
            _members.Add((member, column));
        }
    }

    public IEnumerable<DataViewSchema.Column> Columns => _members.Select(m => m.Column);

    public Action<TRow> Bind(DataViewRow row)
    {
        var fill = _members.Select(m => (m.Member, Read: CellReader.Create(row, m.Column, SchemaDefinition.MemberType(m.Member)))).ToArray();
        return target =>
        {
            foreach ((MemberInfo member, Func<object> read) in fill)
            {
                if (member is FieldInfo field)
                    field.SetValue(target, read());
                else
                    ((PropertyInfo)member).SetValue(target, read());
            }
        };
    }
}

/// <summary>What a user's class looks like as a row: its schema, and a getter for every column.</summary>
internal sealed class ObjectSchema<TRow> where TRow : class
{
    private readonly Func<TRow, object>[] _members;

    public ObjectSchema(SchemaDefinition definition)
    {
        definition ??= SchemaDefinition.Create(typeof(TRow), SchemaDefinition.Direction.Read);
        var builder = new DataViewSchema.Builder();
        foreach (SchemaDefinition.Column column in definition)
            builder.AddColumn(string.IsNullOrEmpty(column.ColumnName) ? column.MemberName : column.ColumnName, column.ColumnType, column.Annotations);
        Schema = builder.ToSchema();
        _members = [.. definition.Select(c => Reader(SchemaDefinition.Member(typeof(TRow), c.MemberName)))];
    }

    public DataViewSchema Schema { get; }

    public ValueGetter<T> Getter<T>(DataViewSchema.Column column, Func<TRow> current)
    {
        DataViewType type = column.Type;
        if (typeof(T) != type.RawType)
            throw new InvalidOperationException($"Column '{column.Name}' is {type}, not {typeof(T)}.");
        Func<TRow, object> member = _members[column.Index];
        if (type is VectorDataViewType vector)
            return (ValueGetter<T>)Contracts.Generic(typeof(ObjectSchema<TRow>), nameof(Vector), [vector.ItemType.RawType], null, member, current);
        if (type is TextDataViewType)
            return (ValueGetter<T>)(Delegate)(ValueGetter<ReadOnlyMemory<char>>)((ref ReadOnlyMemory<char> value) =>
                value = member(current()) switch { string text => text.AsMemory(), ReadOnlyMemory<char> memory => memory, _ => default });
        if (type is KeyDataViewType key)
            return (ref T value) => value = Key<T>(member(current()), key.Count);
        return (ref T value) => value = (T)member(current());
    }

    /// <summary>An object holds a key counted from 0; a row counts from 1, and 0 is a missing one.</summary>
    private static T Key<T>(object raw, ulong count)
    {
        ulong value = Convert.ToUInt64(raw);
        return (T)Convert.ChangeType(value < count ? value + 1 : 0, typeof(T));
    }

    private static ValueGetter<VBuffer<TItem>> Vector<TItem>(Func<TRow, object> member, Func<TRow> current) => (ref VBuffer<TItem> value) =>
    {
        object source = member(current());
        if (source is VBuffer<TItem> buffer)
        {
            buffer.CopyTo(ref value);
            return;
        }
        TItem[] items = source is string[] texts ? (TItem[])(object)texts.Select(t => t.AsMemory()).ToArray() : (TItem[])source ?? [];
        VBufferEditor<TItem> editor = VBufferEditor.Create(ref value, items.Length);
        items.CopyTo(editor.Values);
        value = editor.Commit();
    };

    private static Func<TRow, object> Reader(MemberInfo member) => member is FieldInfo field ? row => field.GetValue(row) : ((PropertyInfo)member).GetValue;
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

    public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column) =>
        source.Getter<TValue>(column, () => _current ?? throw new InvalidOperationException("There is no row yet."));

    public void Put(TRow row)
    {
        Contracts.CheckValue(row, nameof(row));
        _current = row;
        _position++;
    }
}
