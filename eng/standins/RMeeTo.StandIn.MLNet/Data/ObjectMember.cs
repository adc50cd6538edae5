using System.Reflection;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.Data;

[AttributeUsage(AttributeTargets.Field | AttributeTargets.Property)]
public sealed class KeyTypeAttribute(ulong count) : Attribute
{
    internal ulong Count => count;
}

[AttributeUsage(AttributeTargets.Field | AttributeTargets.Property)]
public sealed class VectorTypeAttribute(int size = 0) : Attribute
{
    internal int Size => size;
}

[AttributeUsage(AttributeTargets.Field | AttributeTargets.Property)]
public abstract class DataViewTypeAttribute : Attribute
{
    /// <summary>ML.NET has a registry of such types in the place of this.</summary>
    internal abstract DataViewType ColumnType { get; }
}

/// <summary>A public field or property of a user's class, and the column that it is.</summary>
internal sealed record ObjectMember(string Name, Type Type, DataViewType ColumnType, Func<object, object> Get, Action<object, object> Set)
{
    /// <summary>The members that can be read, or those that can be written.</summary>
    public static ObjectMember[] Of(Type type, bool written) =>
    [
        .. type.GetFields(BindingFlags.Public | BindingFlags.Instance)
            .Select(f => new ObjectMember(f.Name, f.FieldType, TypeOf(f, f.FieldType), f.GetValue, f.SetValue)),
        .. type.GetProperties(BindingFlags.Public | BindingFlags.Instance)
            .Where(p => p.GetIndexParameters() is [] && (written ? p.GetSetMethod() : p.GetGetMethod()) is not null)
            .Select(p => new ObjectMember(p.Name, p.PropertyType, TypeOf(p, p.PropertyType), p.GetValue, p.SetValue)),
    ];

    private static DataViewType TypeOf(MemberInfo member, Type type)
    {
        if (member.GetCustomAttribute<DataViewTypeAttribute>() is { } own)
            return own.ColumnType;
        Type itemType = type.IsArray ? type.GetElementType() : type;
        PrimitiveDataViewType item = PrimitiveDataViewType.FromRaw(itemType)
            ?? throw new ArgumentOutOfRangeException(nameof(member), $"Member '{member.Name}' is {type}, which no column type stands for.");
        if (member.GetCustomAttribute<KeyTypeAttribute>() is { } key)
            item = new KeyDataViewType(itemType, key.Count);
        return type.IsArray ? new VectorDataViewType(item, member.GetCustomAttribute<VectorTypeAttribute>()?.Size ?? 0) : item;
    }
}
