using System.IO.Compression;
using System.Text;
using Microsoft.ML.Runtime;

namespace Microsoft.ML;

/// <summary>The 256 bytes at the start of a Model.key, field for field where ML.NET has them, so that either reads the other's.</summary>
internal sealed record ModelHeader(ulong ModelSignature, uint VerWritten, uint VerReadable, string LoaderSignature, string LoaderAssemblyName, string[] Strings)
{
    public const int Size = 0x100;
    public const string EntryName = "Model.key";
    private const ulong Signature = 0x4C45444F4D004C4D, TailSignature = 0x4D4C004D4F44454C;
    private const uint FormatVersion = 0x00010002;

    /// <summary>Entry names have the separator of the system that wrote them, in ML.NET; '/' reads everywhere.</summary>
    public static string Combine(string directory, string name) => string.IsNullOrEmpty(directory) ? name : $"{directory}/{name}";

    public static ZipArchiveEntry FindEntry(ZipArchive archive, string name) => archive.Entries.FirstOrDefault(e => e.FullName.Replace('\\', '/') == name);

    /// <summary>Eight characters of a text, from <paramref name="start"/> on, one a byte.</summary>
    public static ulong Pack(string text, int start)
    {
        ulong packed = 0;
        for (int i = 0; i < 8 && start + i < text.Length; i++)
        {
            Contracts.Check(text[start + i] <= 0xFF, $"'{text}' must be Latin letters.");
            packed |= (ulong)text[start + i] << (8 * i);
        }
        return packed;
    }

    public static byte[] Finish(MemoryStream stream, VersionInfo version, List<string> strings)
    {
        using var writer = new BinaryWriter(stream, Encoding.UTF8, leaveOpen: true);
        long modelEnd = stream.Position, stringTable = 0, stringChars = 0, assemblyName = 0;
        if (strings.Count > 0)
        {
            stringTable = modelEnd;
            long end = 0;
            foreach (string text in strings)
                writer.Write(end += 2L * text.Length);
            stringChars = stream.Position;
            writer.Write(Encoding.Unicode.GetBytes(string.Concat(strings)));
        }
        long stringEnd = stream.Position;
        string assembly = version.LoaderAssemblyName ?? "";
        if (assembly.Length > 0)
            assemblyName = stringEnd;
        writer.Write(Encoding.Unicode.GetBytes(assembly));
        long tail = stream.Position;
        writer.Write(TailSignature);
        long limit = stream.Position;

        stream.Position = 0;
        writer.Write(Signature);
        writer.Write(FormatVersion);
        writer.Write(FormatVersion);
        foreach (long value in (long[])[Size, modelEnd - Size, stringTable, 8L * strings.Count, stringChars, strings.Count > 0 ? stringEnd - stringChars : 0])
            writer.Write(value);
        writer.Write(version.ModelSignature);
        writer.Write(version.VerWrittenCur);
        writer.Write(version.VerReadableCur);
        foreach (string loader in (string[])[version.LoaderSignature ?? "", version.LoaderSignatureAlt ?? ""])
        {
            Contracts.Check(loader.Length <= 24, $"The loader signature '{loader}' has more than 24 characters.");
            for (int start = 0; start < 24; start += 8)
                writer.Write(Pack(loader, start));
        }
        writer.Write(tail);
        writer.Write(limit);
        writer.Write(assemblyName);
        writer.Write((uint)(2 * assembly.Length));
        return stream.ToArray();
    }

    public static ModelHeader Parse(byte[] file)
    {
        Contracts.CheckDecode(file.Length >= Size);
        using var reader = new BinaryReader(new MemoryStream(file));
        Contracts.CheckDecode(reader.ReadUInt64() == Signature, "This is no model file.");
        reader.ReadUInt32();
        Contracts.CheckDecode(reader.ReadUInt32() <= FormatVersion, "The model file is of a later version.");
        Contracts.CheckDecode(reader.ReadInt64() == Size);
        reader.ReadInt64();
        long stringTable = reader.ReadInt64(), stringTableSize = reader.ReadInt64(), stringChars = reader.ReadInt64(), stringCharsSize = reader.ReadInt64();
        ulong signature = reader.ReadUInt64();
        uint written = reader.ReadUInt32(), readable = reader.ReadUInt32();
        string loader = Encoding.Latin1.GetString(reader.ReadBytes(24)).TrimEnd('\0');
        reader.ReadBytes(24 + 16);
        long assemblyName = reader.ReadInt64();
        long assemblyNameSize = reader.ReadUInt32();

        string Text(long offset, long size)
        {
            Contracts.CheckDecode(offset >= 0 && size >= 0 && offset <= file.Length && size <= file.Length - offset);
            return Encoding.Unicode.GetString(file, (int)offset, (int)size);
        }
        string chars = Text(stringChars, stringCharsSize);
        Contracts.CheckDecode(stringTable >= 0 && stringTableSize >= 0 && stringTable <= file.Length && stringTableSize <= file.Length - stringTable);
        var strings = new string[stringTableSize / 8];
        int from = 0;
        for (int i = 0; i < strings.Length; i++)
        {
            long end = BitConverter.ToInt64(file, (int)stringTable + 8 * i) / 2;
            Contracts.CheckDecode(end >= from && end <= chars.Length);
            strings[i] = chars[from..(int)end];
            from = (int)end;
        }
        return new ModelHeader(signature, written, readable, loader, Text(assemblyName, assemblyNameSize), strings);
    }
}
