using System.IO.Compression;
using Microsoft.ML.Runtime;

namespace Microsoft.ML;

/// <summary>Reads one model. Internal in ML.NET; declared public here because the stage uses it.</summary>
public sealed class ModelLoadContext
{
    private readonly ZipArchive _archive;
    private readonly string _directory, _temporary;
    private readonly ModelHeader _header;

    private ModelLoadContext(ZipArchive archive, string directory, string temporary, byte[] file)
    {
        (_archive, _directory, _temporary, _header) = (archive, directory, temporary, ModelHeader.Parse(file));
        Reader = new BinaryReader(new MemoryStream(file));
        Reader.BaseStream.Position = ModelHeader.Size;
    }

    public readonly BinaryReader Reader;

    public void CheckAtModel(VersionInfo ver)
    {
        Contracts.Check(Reader.BaseStream.Position == ModelHeader.Size, "Something was read before the model's block.");
        Contracts.CheckDecode(_header.ModelSignature == ver.ModelSignature, "Unknown file type");
        Contracts.CheckDecode(_header.VerReadable <= ver.VerWrittenCur && _header.VerWritten >= ver.VerWeCanReadBack,
            $"'{ver.LoaderSignature}' reads versions {ver.VerWeCanReadBack:x} to {ver.VerWrittenCur:x}, not {_header.VerWritten:x}.");
    }

    public string LoadNonEmptyString()
    {
        int index = Reader.ReadInt32();
        Contracts.CheckDecode((uint)index < (uint)_header.Strings.Length);
        return _header.Strings[index];
    }

    public bool TryLoadBinaryStream(string name, Action<BinaryReader> action)
    {
        if (FindEntry(_archive, $"{_directory}/{name}") is not { } entry)
            return false;
        using FileStream file = ModelSaveContext.TemporaryFile(_temporary);
        using (Stream packed = entry.Open())
            packed.CopyTo(file);
        file.Position = 0;
        using var reader = new BinaryReader(file);
        action(reader);
        return true;
    }

    internal ITransformer LoadModel(IHostEnvironment env, string name) => Load(env, _archive, $"{_directory}/{name}", _temporary);

    internal static ITransformer Load(IHostEnvironment env, ZipArchive archive, string directory, string temporary)
    {
        ZipArchiveEntry entry = FindEntry(archive, $"{directory}/Model.key") ?? throw new FormatException("Corrupt model file");
        using var file = new MemoryStream();
        using (Stream stream = entry.Open())
            stream.CopyTo(file);
        var ctx = new ModelLoadContext(archive, directory, temporary, file.ToArray());
        return LoadableClassAttribute.Load(env, ctx, ctx._header.LoaderAssemblyName, ctx._header.LoaderSignature);
    }

    /// <summary>ML.NET writes names with the separator of its system; '/' stands for either.</summary>
    internal static ZipArchiveEntry FindEntry(ZipArchive archive, string name) => archive.Entries.FirstOrDefault(e => e.FullName.Replace('\\', '/') == name);
}
