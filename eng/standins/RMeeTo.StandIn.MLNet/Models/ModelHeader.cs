using System.Text;
using Microsoft.ML.Runtime;

namespace Microsoft.ML;

/// <summary>Signature and versions of a model block. Internal in ML.NET; declared public here because the stage uses it.</summary>
public readonly struct VersionInfo(string modelSignature, uint verWrittenCur, uint verReadableCur, uint verWeCanReadBack,
    string loaderAssemblyName, string loaderSignature = null, string loaderSignatureAlt = null)
{
    internal string ModelSignature => modelSignature.Replace(' ', '\0');
    internal uint VerWrittenCur => verWrittenCur;
    internal uint VerReadableCur => verReadableCur;
    internal uint VerWeCanReadBack => verWeCanReadBack;
    internal string LoaderAssemblyName => loaderAssemblyName;
    internal string LoaderSignature => loaderSignature ?? "";
    internal string LoaderSignatureAlt => loaderSignatureAlt ?? "";
}

/// <summary>The 256 bytes at the start of a Model.key, field for field where ML.NET has them, so that either reads the other's.</summary>
internal sealed record ModelHeader(
    string ModelSignature, uint VerWritten, uint VerReadable, string LoaderSignature, string LoaderAssemblyName, string[] Strings)
{
    public const int Size = 256;
    private const int LoaderSize = 24;
    private const ulong Signature = 0x4C45444F4D004C4D, TailSignature = 0x4D4C004D4F44454C;
    private const uint FormatVersion = 0x00010002;

    /// <summary>Puts the header in front of a model's block, and strings and assembly name behind it.</summary>
    public static byte[] Finish(MemoryStream stream, VersionInfo version, List<string> strings)
    {
        using var writer = new BinaryWriter(stream, Encoding.Latin1, leaveOpen: true);
        long modelEnd = stream.Position, end = 0;
        foreach (string text in strings)
            writer.Write(end += 2L * text.Length);
        long characters = stream.Position;
        writer.Write(Encoding.Unicode.GetBytes(string.Concat(strings)));
        long assemblyName = stream.Position;
        writer.Write(Encoding.Unicode.GetBytes(version.LoaderAssemblyName));
        long tail = stream.Position;
        writer.Write(TailSignature);
        long limit = stream.Position;

        stream.Position = 0;
        writer.Write(Signature);
        writer.Write(FormatVersion);
        writer.Write(FormatVersion);
        long[] table = strings is [] ? [0, 0, 0, 0] : [modelEnd, 8L * strings.Count, characters, end];
        foreach (long value in (long[])[Size, modelEnd - Size, .. table])
            writer.Write(value);
        writer.Write(version.ModelSignature.ToCharArray());
        writer.Write(version.VerWrittenCur);
        writer.Write(version.VerReadableCur);
        writer.Write(version.LoaderSignature.PadRight(LoaderSize, '\0').ToCharArray());
        writer.Write(version.LoaderSignatureAlt.PadRight(LoaderSize, '\0').ToCharArray());
        writer.Write(tail);
        writer.Write(limit);
        writer.Write(assemblyName);
        writer.Write(2 * version.LoaderAssemblyName.Length);
        return stream.ToArray();
    }

    public static ModelHeader Parse(byte[] file)
    {
        Contracts.CheckDecode(file.Length >= Size);
        using var reader = new BinaryReader(new MemoryStream(file), Encoding.Latin1);
        Contracts.CheckDecode(reader.ReadUInt64() == Signature, "This is no model file.");
        reader.BaseStream.Position = 32;
        long stringTable = reader.ReadInt64(), stringTableSize = reader.ReadInt64(), characters = reader.ReadInt64(), charactersSize = reader.ReadInt64();
        string signature = new(reader.ReadChars(8));
        uint written = reader.ReadUInt32(), readable = reader.ReadUInt32();
        string loader = new string(reader.ReadChars(LoaderSize)).TrimEnd('\0');
        reader.BaseStream.Position += LoaderSize + 16;
        long assemblyName = reader.ReadInt64(), assemblyNameSize = reader.ReadInt32();

        string chars = Text(file, characters, charactersSize);
        var strings = new string[stringTableSize / 8];
        for (int i = 0, from = 0; i < strings.Length; i++)
        {
            int to = (int)BitConverter.ToInt64(file, (int)stringTable + 8 * i) / 2;
            strings[i] = chars[from..to];
            from = to;
        }
        return new ModelHeader(signature, written, readable, loader, Text(file, assemblyName, assemblyNameSize), strings);
    }

    private static string Text(byte[] file, long offset, long size)
    {
        Contracts.CheckDecode(offset >= 0 && size >= 0 && offset + size <= file.Length);
        return Encoding.Unicode.GetString(file, (int)offset, (int)size);
    }
}
