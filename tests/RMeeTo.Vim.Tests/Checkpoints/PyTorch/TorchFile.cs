using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Tests.Checkpoints.PyTorch;

/// <summary>Makes files of <c>torch.save</c>: a root object and its storages, in the zip format or the legacy one.</summary>
internal sealed class TorchFile
{
    public static readonly BigInteger Magic = BigInteger.Parse("1950a86a20f9469cfc6c", NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    /// <summary>What is saved.</summary>
    public object? Root { get; set; }

    /// <summary>Key, numbers, bytes.</summary>
    public List<(string Key, long Count, byte[] Bytes)> Storages { get; } = [];

    /// <summary>A new storage of single precision and a tensor over all of it.</summary>
    public TorchTensor Add(ReadOnlySpan<float> values, params long[] shape)
    {
        var bytes = new byte[4 * values.Length];
        for (int i = 0; i < values.Length; i++) BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(4 * i), values[i]);
        return Add("Float", bytes, values.Length, shape);
    }

    /// <summary>The same of any type.</summary>
    public TorchTensor Add(string type, byte[] bytes, long count, params long[] shape)
    {
        string key = Storages.Count.ToString(CultureInfo.InvariantCulture);
        Storages.Add((key, count, bytes));
        return new(key, type, count, 0, shape);
    }

    /// <summary>Weights as an OrderedDict with its <c>_metadata</c>, under the official names.</summary>
    public object StateDict(VimWeights weights, string prefix = "") => new TorchState(
        new TorchOrdered([.. weights.Parameters.All.Select(p => ((object?)(prefix + p.Name), (object?)Add(weights[p], [.. p.Shape.Select(e => (long)e)])))]),
        new (object?, object?)[] { ("_metadata", new TorchOrdered([("", new (object?, object?)[] { ("version", 1) })])) });

    /// <summary>A training checkpoint as the scripts of DeiT and Vim write it: model, optimizer, schedule, epoch, average, scaler, options.</summary>
    public static TorchFile Training(VimWeights model, VimWeights average)
    {
        var file = new TorchFile();
        object? numpy = new TorchCall(new("numpy.core.multiarray", "scalar"), [
            new TorchState(new TorchCall(new("numpy", "dtype"), ["f8", false, true]), new object?[] { 3, "<", null, null, null, -1, -1, 0 }),
            new TorchCall(new("_codecs", "encode"), ["\u0000\u0000ð?", "latin1"])]);
        object? options = new TorchState(new TorchNew(new("argparse", "Namespace"), []), new (object?, object?)[]
        {
            ("lr", 5e-4), ("model", "vim"), ("opt_betas", null), ("distributed", true), ("device", new TorchCall(new("torch", "device"), ["cuda"])),
            ("names", new TorchCall(new("__builtin__", "set"), [new List<object?> { "a", "b" }])),
            ("output_dir", new TorchCall(new("pathlib", "PosixPath"), ["/", "out"])),
        });
        object? first = file.StateDict(model), moment = file.Add([1, 2, 3], 3), second = file.StateDict(average);
        file.Root = new (object?, object?)[]
        {
            ("model", first),
            ("optimizer", new (object?, object?)[]
            {
                ("state", new (object?, object?)[] { (0, new (object?, object?)[] { ("step", 7), ("exp_avg", moment) }) }),
                ("param_groups", new List<object?>
                {
                    new (object?, object?)[] { ("lr", numpy), ("betas", new object?[] { 0.9, 0.999 }), ("params", new List<object?> { 0 }) },
                }),
            }),
            ("lr_scheduler", new (object?, object?)[] { ("base_values", new List<object?> { 5e-4 }) }), ("epoch", 299), ("model_ema", second),
            ("scaler", new (object?, object?)[] { ("scale", 65536.0), ("big", BigInteger.Pow(2, 70)) }), ("args", options),
        };
        return file;
    }

    /// <summary>The zip format.</summary>
    public byte[] Zip(
        string folder = "archive/", string? byteOrder = "little", int protocol = 2, Func<ZipItem, ZipItem>? change = null, ZipBytes? archive = null) =>
        (archive ?? new() { Zip64 = true }).Build([.. Items(folder, byteOrder, protocol).Select(change ?? (item => item))]);

    /// <summary>Its entries.</summary>
    public IEnumerable<ZipItem> Items(string folder = "archive/", string? byteOrder = "little", int protocol = 2)
    {
        yield return new($"{folder}data.pkl", PickleBytes.Of(Root, protocol: protocol)) { Descriptor = true };
        if (byteOrder != null) yield return new($"{folder}byteorder", [.. byteOrder.Select(c => (byte)c)]) { Descriptor = true };
        foreach (var (key, _, bytes) in Storages) yield return new($"{folder}data/{key}", bytes) { Descriptor = true };
        yield return new($"{folder}version", [(byte)'3', (byte)'\n']) { Descriptor = true };
    }

    /// <summary>The legacy format.</summary>
    public byte[] Legacy(int protocol = 2, bool littleEndian = true, object? magic = null)
    {
        var sizes = new (object?, object?)[] { ("short", 2), ("int", 4), ("long", 4) };
        var system = new (object?, object?)[] { ("protocol_version", 1001), ("little_endian", littleEndian), ("type_sizes", sizes) };
        IEnumerable<byte> file =
            [.. PickleBytes.Of(magic ?? Magic), .. PickleBytes.Of(1001), .. PickleBytes.Of(system), .. PickleBytes.Of(Root, legacy: true, protocol)];
        var sorted = Storages.OrderBy(s => s.Key, StringComparer.Ordinal).ToList();
        file = file.Concat(PickleBytes.Of(sorted.Select(s => (object?)s.Key).ToList()));
        foreach (var (_, count, bytes) in sorted) file = [.. file, .. BitConverter.GetBytes(count), .. bytes];
        return [.. file];
    }
}
