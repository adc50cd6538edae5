using System.Reflection;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.Data;

[AttributeUsage(AttributeTargets.Field | AttributeTargets.Property)]
public sealed class KeyTypeAttribute : Attribute
{
    public KeyTypeAttribute() => throw new NotSupportedException("KeyType needs a count.");
    public KeyTypeAttribute(ulong count) => Count = count;
    internal ulong Count { get; }
}

[AttributeUsage(AttributeTargets.Field | AttributeTargets.Property)]
public sealed class VectorTypeAttribute : Attribute
{
    public VectorTypeAttribute() { }
    public VectorTypeAttribute(int size) : this([size]) { }

    public VectorTypeAttribute(params int[] dimensions)
    {
        Contracts.CheckParam(dimensions.All(d => d >= 0), nameof(dimensions), "A dimension must not be negative.");
        Dimensions = dimensions;
    }

    internal int[] Dimensions { get; } = [];
}

[AttributeUsage(AttributeTargets.Field | AttributeTargets.Property)]
public sealed class ColumnNameAttribute(string name) : Attribute
{
    internal string Name => name;
}

[AttributeUsage(AttributeTargets.Field | AttributeTargets.Property)]
public sealed class NoColumnAttribute : Attribute;

/// <summary>Which member of a class is which column.</summary>
public sealed class SchemaDefinition : List<SchemaDefinition.Column>
{
    private SchemaDefinition() { }

    [Flags]
    public enum Direction
    {
        Read = 1,
        Write = 2,
        Both = Read | Write,
    }

    public Column this[string columnName]
    {
        get => this.FirstOrDefault(c => c.ColumnName == columnName);
        set
        {
            Contracts.CheckValue(value, nameof(value));
            Contracts.CheckParam(value.ColumnName == columnName, nameof(columnName), $"The column is named '{value.ColumnName}', the index '{columnName}'.");
            int index = FindIndex(c => c.ColumnName == columnName);
            if (index >= 0)
                this[index] = value;
            else
                Add(value);
        }
    }

    public static SchemaDefinition Create(Type userType, Direction direction = Direction.Both)
    {
        Contracts.CheckValue(userType, nameof(userType));
        var definition = new SchemaDefinition();
        foreach (MemberInfo member in Members(userType, direction))
        {
            string name = member.GetCustomAttribute<ColumnNameAttribute>()?.Name ?? member.Name;
            Contracts.CheckParam(definition[name] is null, nameof(userType), $"Duplicate column name '{name}'.");
            definition.Add(new Column(member.Name, TypeOf(member), name));
        }
        return definition;
    }

    internal static MemberInfo Member(Type type, string name) => type.GetField(name) ?? (MemberInfo)type.GetProperty(name)
        ?? throw new ArgumentOutOfRangeException(nameof(name), $"{type} has no field or property '{name}'.");

    internal static Type MemberType(MemberInfo member) => member is FieldInfo field ? field.FieldType : ((PropertyInfo)member).PropertyType;

    private static IEnumerable<MemberInfo> Members(Type type, Direction direction)
    {
        const BindingFlags All = BindingFlags.Public | BindingFlags.Instance;
        IEnumerable<MemberInfo> properties = type.GetProperties(All).Where(p => p.GetIndexParameters().Length == 0
            && (direction.HasFlag(Direction.Read) && p.GetGetMethod() is not null || direction.HasFlag(Direction.Write) && p.GetSetMethod() is not null));
        return type.GetFields(All).Concat(properties)
            .Where(m => m.GetCustomAttribute<NoColumnAttribute>() is null && MemberType(m) != typeof(IChannel));
    }

    private static DataViewType TypeOf(MemberInfo member)
    {
        Type type = MemberType(member);
        DataViewTypeAttribute attribute = member.GetCustomAttribute<DataViewTypeAttribute>();
        attribute?.Register();
        if (DataViewTypeManager.Find(type, attribute) is { } registered)
            return registered;

        bool isVector = type.IsArray || type.IsGenericType && type.GetGenericTypeDefinition() == typeof(VBuffer<>);
        Type itemType = type.IsArray ? type.GetElementType() : isVector ? type.GetGenericArguments()[0] : type;
        PrimitiveDataViewType item = PrimitiveDataViewType.FromRaw(itemType)
            ?? throw new ArgumentOutOfRangeException(nameof(member), $"Member '{member.Name}' is {type}, which no column type stands for.");
        if (member.GetCustomAttribute<KeyTypeAttribute>() is { } key)
            item = new KeyDataViewType(itemType, key.Count);

        int[] dimensions = member.GetCustomAttribute<VectorTypeAttribute>()?.Dimensions;
        Contracts.CheckParam(dimensions is null || isVector, nameof(member), $"Member '{member.Name}' has a VectorType, but is {type}.");
        return !isVector ? item : dimensions is null or [] ? new VectorDataViewType(item) : new VectorDataViewType(item, dimensions);
    }

    public sealed class Column
    {
        private readonly Dictionary<string, Action<DataViewSchema.Annotations.Builder>> _annotations = [];

        internal Column(string memberName, DataViewType type, string name) => (MemberName, ColumnType, ColumnName) = (memberName, type, name);

        public string MemberName { get; }
        public string ColumnName { get; set; }
        public DataViewType ColumnType { get; set; }

        public DataViewSchema.Annotations Annotations
        {
            get
            {
                var builder = new DataViewSchema.Annotations.Builder();
                foreach (Action<DataViewSchema.Annotations.Builder> add in _annotations.Values)
                    add(builder);
                return builder.ToAnnotations();
            }
        }

        public void AddAnnotation<T>(string kind, T value, DataViewType annotationType)
        {
            Contracts.CheckValue(kind, nameof(kind));
            Contracts.CheckValue(annotationType, nameof(annotationType));
            Contracts.Check(_annotations.TryAdd(kind, builder => builder.Add(kind, annotationType, Getter(value, annotationType))), $"The column has an annotation '{kind}' already.");
        }

        private static Delegate Getter<T>(T value, DataViewType type)
        {
            if (typeof(T) == type.RawType)
                return (ValueGetter<T>)((ref T destination) => destination = value);
            if (value is string text)
                return (ValueGetter<ReadOnlyMemory<char>>)((ref ReadOnlyMemory<char> destination) => destination = text.AsMemory());
            if (value is string[] texts)
                return (ValueGetter<VBuffer<ReadOnlyMemory<char>>>)((ref VBuffer<ReadOnlyMemory<char>> destination) =>
                    destination = new VBuffer<ReadOnlyMemory<char>>(texts.Length, [.. texts.Select(t => t.AsMemory())]));
            throw new ArgumentOutOfRangeException(nameof(type), $"{typeof(T)} is no value of {type}.");
        }
    }
}
