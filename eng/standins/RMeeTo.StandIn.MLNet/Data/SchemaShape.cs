using System.Collections;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace Microsoft.ML;

/// <summary>What is known of a schema before anything is fitted.</summary>
public sealed class SchemaShape(IEnumerable<SchemaShape.Column> columns) : IReadOnlyList<SchemaShape.Column>
{
    private static readonly SchemaShape Empty = new([]);
    private readonly Column[] _columns = [.. columns];

    public int Count => _columns.Length;
    public Column this[int index] => _columns[index];
    public IEnumerator<Column> GetEnumerator() => ((IEnumerable<Column>)_columns).GetEnumerator();
    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    internal static SchemaShape Create(DataViewSchema schema) => new(schema.Where(c => !c.IsHidden).Select(c =>
        Shape(c.Name, c.Type, new SchemaShape(c.Annotations.Schema.Select(a => Shape(a.Name, a.Type, null))))));

    internal Column Find(string name) => Array.Find(_columns, c => c.Name == name) is { Name: not null } column ? column : throw Contracts.NotFound(name);

    /// <summary>This shape with one more column, in the place of an earlier one of its name.</summary>
    internal SchemaShape With(Column added) => _columns.Any(c => c.Name == added.Name)
        ? new SchemaShape(_columns.Select(c => c.Name == added.Name ? added : c))
        : new SchemaShape([.. _columns, added]);

    private static Column Shape(string name, DataViewType type, SchemaShape annotations)
    {
        var vector = type as VectorDataViewType;
        DataViewType item = vector?.ItemType ?? type;
        bool isKey = item is KeyDataViewType;
        return new Column(name,
            vector is null ? Column.VectorKind.Scalar : vector.IsKnownSize ? Column.VectorKind.Vector : Column.VectorKind.VariableVector,
            isKey ? PrimitiveDataViewType.FromRaw(item.RawType) : item, isKey, annotations);
    }

    public struct Column
    {
        public enum VectorKind
        {
            Scalar,
            Vector,
            VariableVector,
        }

        public readonly string Name;
        public readonly VectorKind Kind;
        public readonly DataViewType ItemType;
        public readonly bool IsKey;
        public readonly SchemaShape Annotations;

        /// <summary>Internal in ML.NET; declared public here because the stage uses it.</summary>
        public Column(string name, VectorKind vecKind, DataViewType itemType, bool isKey, SchemaShape annotations = null)
        {
            Contracts.CheckParam(itemType is not (KeyDataViewType or VectorDataViewType), nameof(itemType), "An item is neither a key nor a vector.");
            Contracts.CheckParam(!isKey || KeyDataViewType.IsValidDataType(itemType.RawType), nameof(itemType), "No key has this item type.");
            (Name, Kind, ItemType, IsKey, Annotations) = (name, vecKind, itemType, isKey, annotations ?? Empty);
        }
    }
}
