using System.Globalization;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace Microsoft.ML;

/// <summary>Column types, values and whole schemas in the stand-in's own binary form.</summary>
internal static class ValueCodec
{
    private const string Magic = "stand-in schema 1";
    private static readonly PrimitiveDataViewType[] Primitives =
    [
        TextDataViewType.Instance, BooleanDataViewType.Instance, NumberDataViewType.SByte, NumberDataViewType.Byte, NumberDataViewType.Int16,
        NumberDataViewType.UInt16, NumberDataViewType.Int32, NumberDataViewType.UInt32, NumberDataViewType.Int64, NumberDataViewType.UInt64,
        NumberDataViewType.Single, NumberDataViewType.Double, DateTimeDataViewType.Instance, DateTimeOffsetDataViewType.Instance,
        TimeSpanDataViewType.Instance,
    ];

    /// <summary>Images and other types of a program's own are not, as in ML.NET.</summary>
    public static bool IsSavable(DataViewType type) => type is KeyDataViewType || type is VectorDataViewType vector && IsSavable(vector.ItemType) || Array.IndexOf(Primitives, type) >= 0;

    public static void AddVector<T>(DataViewSchema.Annotations.Builder builder, string name, PrimitiveDataViewType itemType, T[] values)
    {
        var buffer = new VBuffer<T>(values.Length, values);
        builder.Add(name, new VectorDataViewType(itemType, values.Length), (ref VBuffer<T> destination) => buffer.CopyTo(ref destination));
    }

    public static void WriteType(BinaryWriter writer, DataViewType type)
    {
        switch (type)
        {
            case VectorDataViewType vector:
                writer.Write((byte)201);
                writer.Write(vector.Dimensions.Length);
                foreach (int dimension in vector.Dimensions)
                    writer.Write(dimension);
                WriteType(writer, vector.ItemType);
                break;
            case KeyDataViewType key:
                writer.Write((byte)200);
                writer.Write(key.Count);
                WriteType(writer, PrimitiveDataViewType.FromRaw(key.RawType));
                break;
            default:
                writer.Write((byte)Array.IndexOf(Primitives, type));
                break;
        }
    }

    public static DataViewType ReadType(BinaryReader reader)
    {
        byte code = reader.ReadByte();
        if (code == 200)
        {
            ulong count = reader.ReadUInt64();
            return new KeyDataViewType(ReadType(reader).RawType, count);
        }
        if (code == 201)
        {
            var dimensions = new int[reader.ReadInt32()];
            for (int i = 0; i < dimensions.Length; i++)
                dimensions[i] = reader.ReadInt32();
            return new VectorDataViewType((PrimitiveDataViewType)ReadType(reader), dimensions);
        }
        Contracts.CheckDecode(code < Primitives.Length);
        return Primitives[code];
    }

    public static void WriteVector<T>(BinaryWriter writer, T[] values)
    {
        writer.Write(values.Length);
        foreach (T value in values)
            WriteValue(writer, value);
    }

    public static T[] ReadVector<T>(BinaryReader reader)
    {
        var values = new T[reader.ReadInt32()];
        for (int i = 0; i < values.Length; i++)
            values[i] = (T)ReadValue(reader, typeof(T));
        return values;
    }

    private static void WriteValue(BinaryWriter writer, object value)
    {
        switch (value)
        {
            case ReadOnlyMemory<char> v: writer.Write(v.ToString()); break;
            case bool v: writer.Write(v); break;
            case float v: writer.Write(v); break;
            case double v: writer.Write(v); break;
            case ulong v: writer.Write(v); break;
            case DateTime v: writer.Write(v.ToBinary()); break;
            case DateTimeOffset v: writer.Write(v.ToString("O", CultureInfo.InvariantCulture)); break;
            case TimeSpan v: writer.Write(v.Ticks); break;
            default: writer.Write(Convert.ToInt64(value)); break;
        }
    }

    private static object ReadValue(BinaryReader reader, Type type) =>
        type == typeof(ReadOnlyMemory<char>) ? reader.ReadString().AsMemory()
        : type == typeof(bool) ? reader.ReadBoolean()
        : type == typeof(float) ? reader.ReadSingle()
        : type == typeof(double) ? reader.ReadDouble()
        : type == typeof(ulong) ? reader.ReadUInt64()
        : type == typeof(DateTime) ? DateTime.FromBinary(reader.ReadInt64())
        : type == typeof(DateTimeOffset) ? DateTimeOffset.Parse(reader.ReadString(), CultureInfo.InvariantCulture)
        : type == typeof(TimeSpan) ? TimeSpan.FromTicks(reader.ReadInt64())
        : Convert.ChangeType(reader.ReadInt64(), type);

    public static void WriteSchema(BinaryWriter writer, DataViewSchema schema)
    {
        writer.Write(Magic);
        WriteColumns(writer, schema, null);
    }

    /// <summary>Null where ML.NET itself wrote the schema: its binary data view is not read here.</summary>
    public static DataViewSchema ReadSchema(BinaryReader reader)
    {
        byte[] magic = reader.ReadBytes(Magic.Length + 1);
        if (!magic.AsSpan(1).SequenceEqual(System.Text.Encoding.ASCII.GetBytes(Magic)))
            return null;
        var builder = new DataViewSchema.Builder();
        int count = reader.ReadInt32();
        for (int i = 0; i < count; i++)
        {
            string name = reader.ReadString();
            DataViewType type = ReadType(reader);
            var annotations = new DataViewSchema.Annotations.Builder();
            int annotationCount = reader.ReadInt32();
            for (int a = 0; a < annotationCount; a++)
                ReadAnnotation(reader, annotations);
            builder.AddColumn(name, type, annotations.ToAnnotations());
        }
        return builder.ToSchema();
    }

    private static void WriteColumns(BinaryWriter writer, DataViewSchema schema, DataViewSchema.Annotations values)
    {
        DataViewSchema.Column[] savable = [.. schema.Where(c => IsSavable(c.Type))];
        writer.Write(savable.Length);
        foreach (DataViewSchema.Column column in savable)
        {
            writer.Write(column.Name);
            WriteType(writer, column.Type);
            if (values is null)
                WriteColumns(writer, column.Annotations.Schema, column.Annotations);
            else if (column.Type is VectorDataViewType vector)
                Contracts.Generic(typeof(ValueCodec), nameof(WriteVectorAnnotation), [vector.ItemType.RawType], null, writer, values, column.Name);
            else
                Contracts.Generic(typeof(ValueCodec), nameof(WriteAnnotation), [column.Type.RawType], null, writer, values, column.Name);
        }
    }

    private static void ReadAnnotation(BinaryReader reader, DataViewSchema.Annotations.Builder builder)
    {
        string name = reader.ReadString();
        DataViewType type = ReadType(reader);
        if (type is VectorDataViewType vector)
            Contracts.Generic(typeof(ValueCodec), nameof(ReadVectorAnnotation), [vector.ItemType.RawType], null, reader, builder, name, vector);
        else
            Contracts.Generic(typeof(DataViewSchema.Annotations.Builder), "AddPrimitiveValue", [type.RawType], builder, name, type, ReadValue(reader, type.RawType), null);
    }

    private static void WriteVectorAnnotation<T>(BinaryWriter writer, DataViewSchema.Annotations annotations, string name)
    {
        VBuffer<T> value = default;
        annotations.GetValue(name, ref value);
        WriteVector(writer, value.DenseValues().ToArray());
    }

    private static void WriteAnnotation<T>(BinaryWriter writer, DataViewSchema.Annotations annotations, string name)
    {
        T value = default;
        annotations.GetValue(name, ref value);
        WriteValue(writer, value);
    }

    private static void ReadVectorAnnotation<T>(BinaryReader reader, DataViewSchema.Annotations.Builder builder, string name, VectorDataViewType type)
    {
        T[] values = ReadVector<T>(reader);
        var buffer = new VBuffer<T>(values.Length, values);
        builder.Add(name, type, (ref VBuffer<T> destination) => buffer.CopyTo(ref destination));
    }
}
