using System.IO.Compression;
using System.Text;
using Microsoft.ML.Runtime;

namespace Microsoft.ML;

/// <summary>Signature and versions of a model block. Internal in ML.NET; declared public here because the stage uses it.</summary>
public readonly struct VersionInfo
{
    public readonly ulong ModelSignature;
    public readonly uint VerWrittenCur;
    public readonly uint VerReadableCur;
    public readonly uint VerWeCanReadBack;
    public readonly string LoaderAssemblyName;
    public readonly string LoaderSignature;
    public readonly string LoaderSignatureAlt;

    public VersionInfo(string modelSignature, uint verWrittenCur, uint verReadableCur, uint verWeCanReadBack,
        string loaderAssemblyName, string loaderSignature = null, string loaderSignatureAlt = null)
    {
        Contracts.Check(modelSignature?.Length == 8, "A model signature has eight characters.");
        ModelSignature = ModelHeader.Pack(modelSignature.Replace(' ', '\0'), 0);
        (VerWrittenCur, VerReadableCur, VerWeCanReadBack) = (verWrittenCur, verReadableCur, verWeCanReadBack);
        (LoaderAssemblyName, LoaderSignature, LoaderSignatureAlt) = (loaderAssemblyName, loaderSignature, loaderSignatureAlt);
    }
}

/// <summary>Writes one model: a header, the block that the model itself writes, and a table of strings; binary streams lie beside it.</summary>
public sealed class ModelSaveContext : IDisposable
{
    private readonly ZipArchive _archive;
    private readonly string _directory;
    private readonly List<string> _strings = [];
    private VersionInfo? _version;

    internal ModelSaveContext(ZipArchive archive, string directory)
    {
        (_archive, _directory) = (archive, directory);
        Writer.Write(new byte[ModelHeader.Size]);
    }

    /// <summary>Internal in ML.NET, as is everything below but Dispose; public here because the stage uses it.</summary>
    public readonly BinaryWriter Writer = new(new MemoryStream(), Encoding.UTF8);

    public void CheckAtModel() => Contracts.Check(Writer.BaseStream.Position == ModelHeader.Size, "Something was written before the model's block.");
    public void SetVersionInfo(VersionInfo ver) => _version = ver;

    public void SaveNonEmptyString(string str)
    {
        Contracts.CheckNonEmpty(str, nameof(str));
        SaveString(str);
    }

    internal void SaveStringOrNull(string str)
    {
        if (str is null)
            Writer.Write(-1);
        else
            SaveString(str);
    }

    internal void SaveString(string str)
    {
        Contracts.CheckValue(str, nameof(str));
        int index = _strings.IndexOf(str);
        if (index < 0)
        {
            index = _strings.Count;
            _strings.Add(str);
        }
        Writer.Write(index);
    }

    public void SaveBinaryStream(string name, Action<BinaryWriter> action)
    {
        Contracts.CheckNonEmpty(name, nameof(name));
        Contracts.CheckValue(action, nameof(action));
        using FileStream file = TemporaryFile();
        using (var writer = new BinaryWriter(file, Encoding.UTF8, leaveOpen: true))
            action(writer);
        file.Position = 0;
        using Stream entry = _archive.CreateEntry(ModelHeader.Combine(_directory, name)).Open();
        file.CopyTo(entry);
    }

    /// <summary>ML.NET's binary streams are temporary files, which know their length and can seek; so are these.</summary>
    internal static FileStream TemporaryFile() => new(Path.GetTempFileName(), FileMode.Create, FileAccess.ReadWrite, FileShare.None, 1 << 16, FileOptions.DeleteOnClose);

    public void Dispose() => Writer.Dispose();

    internal void SaveModel(ICanSaveModel model, string name) => Save(_archive, model, ModelHeader.Combine(_directory, name));

    internal static void Save(ZipArchive archive, ICanSaveModel model, string directory)
    {
        using var ctx = new ModelSaveContext(archive, directory);
        model.Save(ctx);
        Contracts.Check(ctx._version is not null, "ModelSignature not specified!");
        byte[] file = ModelHeader.Finish((MemoryStream)ctx.Writer.BaseStream, ctx._version.Value, ctx._strings);
        using Stream stream = archive.CreateEntry(ModelHeader.Combine(directory, ModelHeader.EntryName)).Open();
        stream.Write(file);
    }
}

/// <summary>Reads one model. Internal in ML.NET; declared public here because the stage uses it.</summary>
public sealed class ModelLoadContext : IDisposable
{
    private readonly ZipArchive _archive;
    private readonly string _directory;
    private readonly ModelHeader _header;

    internal ModelLoadContext(ZipArchive archive, string directory, byte[] file)
    {
        (_archive, _directory, _header) = (archive, directory, ModelHeader.Parse(file));
        Reader = new BinaryReader(new MemoryStream(file, writable: false), Encoding.UTF8);
        Reader.BaseStream.Position = ModelHeader.Size;
    }

    public readonly BinaryReader Reader;
    internal string LoaderAssemblyName => _header.LoaderAssemblyName;
    internal string LoaderSignature => _header.LoaderSignature;

    public void CheckAtModel() => Contracts.Check(Reader.BaseStream.Position == ModelHeader.Size, "Something was read before the model's block.");

    public void CheckAtModel(VersionInfo ver)
    {
        CheckAtModel();
        Contracts.CheckDecode(_header.ModelSignature == ver.ModelSignature, "Unknown file type");
        Contracts.CheckDecode(_header.VerReadable <= _header.VerWritten, "Corrupt file header");
        Contracts.CheckDecode(_header.VerReadable <= ver.VerWrittenCur, $"'{ver.LoaderSignature}' reads versions up to {ver.VerWrittenCur:x}; the model needs {_header.VerReadable:x}.");
        Contracts.CheckDecode(_header.VerWritten >= ver.VerWeCanReadBack, $"'{ver.LoaderSignature}' reads versions from {ver.VerWeCanReadBack:x}; the model is {_header.VerWritten:x}.");
    }

    public string LoadNonEmptyString()
    {
        string text = LoadString();
        Contracts.CheckDecode(text.Length > 0);
        return text;
    }

    public string LoadString()
    {
        string text = LoadStringOrNull();
        Contracts.CheckDecode(text is not null);
        return text;
    }

    public string LoadStringOrNull()
    {
        int index = Reader.ReadInt32();
        Contracts.CheckDecode(index >= -1 && index < _header.Strings.Length);
        return index < 0 ? null : _header.Strings[index];
    }

    public bool TryLoadBinaryStream(string name, Action<BinaryReader> action)
    {
        Contracts.CheckNonEmpty(name, nameof(name));
        Contracts.CheckValue(action, nameof(action));
        if (ModelHeader.FindEntry(_archive, ModelHeader.Combine(_directory, name)) is not { } entry)
            return false;

        using FileStream stream = ModelSaveContext.TemporaryFile();
        using (Stream packed = entry.Open())
            packed.CopyTo(stream);
        stream.Position = 0;
        using var reader = new BinaryReader(stream, Encoding.UTF8);
        action(reader);
        return true;
    }

    public void Dispose() => Reader.Dispose();

    internal T LoadModel<T>(IHostEnvironment env, string name) where T : class => Load<T>(env, _archive, ModelHeader.Combine(_directory, name));

    internal static T Load<T>(IHostEnvironment env, ZipArchive archive, string directory) where T : class
    {
        ZipArchiveEntry entry = ModelHeader.FindEntry(archive, ModelHeader.Combine(directory, ModelHeader.EntryName))
            ?? throw new FormatException("Corrupt model file");
        using var file = new MemoryStream();
        using (Stream stream = entry.Open())
            stream.CopyTo(file);
        using var ctx = new ModelLoadContext(archive, directory, file.ToArray());
        return LoadableClassAttribute.Load(env, ctx) as T ?? throw new FormatException($"Couldn't load model: '{directory}'");
    }
}
