using System.IO.Compression;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace Microsoft.ML;

public sealed class ModelOperationsCatalog
{
    private const string ChainEntry = "TransformerChain", SchemaEntry = "Schema", SchemaFormat = "stand-in schema 2";
    private readonly IHostEnvironmentInternal _env;

    internal ModelOperationsCatalog(IHostEnvironmentInternal env) => _env = env;

    public void Save(ITransformer model, DataViewSchema inputSchema, string filePath)
    {
        using FileStream stream = File.Create(filePath);
        Save(model, inputSchema, stream);
    }

    public void Save(ITransformer model, DataViewSchema inputSchema, Stream stream)
    {
        using var archive = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true);
        ModelSaveContext.Save(archive, model, ChainEntry, _env.TempFilePath);
        if (inputSchema is null)
            return;
        using var writer = new BinaryWriter(archive.CreateEntry(SchemaEntry).Open());
        writer.Write(SchemaFormat);
        foreach (DataViewSchema.Column column in inputSchema)
            WriteColumn(writer, column);
    }

    public ITransformer Load(string filePath, out DataViewSchema inputSchema)
    {
        using FileStream stream = File.OpenRead(filePath);
        return Load(stream, out inputSchema);
    }

    public ITransformer Load(Stream stream, out DataViewSchema inputSchema)
    {
        using var archive = new ZipArchive(stream, ZipArchiveMode.Read, leaveOpen: true);
        inputSchema = ModelLoadContext.FindEntry(archive, SchemaEntry) is { } entry ? ReadSchema(entry) : null;
        return ModelLoadContext.Load(_env, archive, ChainEntry, _env.TempFilePath);
    }

    public PredictionEngine<TSrc, TDst> CreatePredictionEngine<TSrc, TDst>(ITransformer transformer) where TSrc : class where TDst : class, new() =>
        new(transformer, new PredictionEngineOptions());

    public PredictionEngine<TSrc, TDst> CreatePredictionEngine<TSrc, TDst>(ITransformer transformer, PredictionEngineOptions options)
        where TSrc : class where TDst : class, new() => new(transformer, options);

    /// <summary>Name and type, no annotations. Images and other types of a program's own are left out, as by ML.NET.</summary>
    private static void WriteColumn(BinaryWriter writer, DataViewSchema.Column column)
    {
        var vector = column.Type as VectorDataViewType;
        if ((vector?.ItemType ?? column.Type) is not PrimitiveDataViewType item)
            return;
        writer.Write(column.Name);
        writer.Write(PrimitiveDataViewType.FromRaw(item.RawType).ToString());
        writer.Write((item as KeyDataViewType)?.Count ?? 0);
        writer.Write(vector?.Size ?? -1);
    }

    /// <summary>Null where ML.NET itself wrote the schema: its binary data view is not read here.</summary>
    private static DataViewSchema ReadSchema(ZipArchiveEntry entry)
    {
        using var unpacked = new MemoryStream();
        using (Stream stream = entry.Open())
            stream.CopyTo(unpacked);
        unpacked.Position = 0;
        using var reader = new BinaryReader(unpacked);
        if (reader.ReadByte() != SchemaFormat.Length || new string(reader.ReadChars(SchemaFormat.Length)) != SchemaFormat)
            return null;
        var builder = new DataViewSchema.Builder();
        while (unpacked.Position < unpacked.Length)
        {
            string name = reader.ReadString();
            PrimitiveDataViewType item = PrimitiveDataViewType.FromName(reader.ReadString());
            ulong keys = reader.ReadUInt64();
            int size = reader.ReadInt32();
            item = keys > 0 ? new KeyDataViewType(item.RawType, keys) : item;
            builder.AddColumn(name, size >= 0 ? new VectorDataViewType(item, size) : item);
        }
        return builder.ToSchema();
    }
}
