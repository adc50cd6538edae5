using System.IO.Compression;
using Microsoft.ML.Runtime;

namespace Microsoft.ML;

/// <summary>
/// Writes one model: a header, the block that the model itself writes, and a table of strings; binary streams lie beside it.
/// All but Dispose is internal in ML.NET, and public here because the stage uses it.
/// </summary>
public sealed class ModelSaveContext : IDisposable
{
    private readonly ZipArchive _archive;
    private readonly string _directory, _temporary;
    private readonly List<string> _strings = [];
    private VersionInfo? _version;

    private ModelSaveContext(ZipArchive archive, string directory, string temporary)
    {
        (_archive, _directory, _temporary) = (archive, directory, temporary);
        Writer.Write(new byte[ModelHeader.Size]);
    }

    public readonly BinaryWriter Writer = new(new MemoryStream());

    public void CheckAtModel() => Contracts.Check(Writer.BaseStream.Position == ModelHeader.Size, "Something was written before the model's block.");
    public void SetVersionInfo(VersionInfo ver) => _version = ver;

    public void SaveNonEmptyString(string str)
    {
        ArgumentException.ThrowIfNullOrEmpty(str);
        if (!_strings.Contains(str))
            _strings.Add(str);
        Writer.Write(_strings.IndexOf(str));
    }

    public void SaveBinaryStream(string name, Action<BinaryWriter> action)
    {
        using FileStream file = TemporaryFile(_temporary);
        using var writer = new BinaryWriter(file);
        action(writer);
        writer.Flush();
        file.Position = 0;
        using Stream entry = _archive.CreateEntry($"{_directory}/{name}").Open();
        file.CopyTo(entry);
    }

    /// <summary>ML.NET's binary streams are temporary files, which know their length and can seek; so are these.</summary>
    internal static FileStream TemporaryFile(string folder) =>
        new(Path.Combine(folder, Path.GetRandomFileName()), FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, 1 << 16, FileOptions.DeleteOnClose);

    public void Dispose() => Writer.Dispose();

    internal void SaveModel(ICanSaveModel model, string name) => Save(_archive, model, $"{_directory}/{name}", _temporary);

    internal static void Save(ZipArchive archive, ICanSaveModel model, string directory, string temporary)
    {
        using var ctx = new ModelSaveContext(archive, directory, temporary);
        model.Save(ctx);
        Contracts.Check(ctx._version is not null, "ModelSignature not specified!");
        using Stream stream = archive.CreateEntry($"{directory}/Model.key").Open();
        stream.Write(ModelHeader.Finish((MemoryStream)ctx.Writer.BaseStream, ctx._version.Value, ctx._strings));
    }
}
