using System.Buffers.Binary;
using RMeeTo.Vim.Checkpoints.PyTorch;

namespace RMeeTo.Vim.Checkpoints;

/// <summary>
/// Reads the weights in a file of <c>torch.save</c> (<c>.pth</c>, <c>.pt</c>): of the zip format of PyTorch 1.6 and later, or of the legacy format before
/// it. Of a training checkpoint, one set of weights is taken; optimizer state, options and whatever else stands beside it is passed over, and its numbers
/// are never read.
/// </summary>
/// <remarks>
/// <para>Such a file is a program for Python's pickle machine. Here it is data: a machine with the steps that PyTorch writes and no others, which knows by
/// name the functions and classes that weights need and refuses every other name. None is ever looked up, and nothing is executed. No size is believed
/// before it is checked: storages lie inside the file, tensors inside their storages, checksums agree, the pickle's objects together take no more memory
/// than the file is long (and 4 MiB), and no buffer is longer than the file, small fixed ones aside.</para>
/// <para>The tensors may be views of one storage, transposed or strided. A tensor that shows numbers more than once, and tensors that together have more
/// than four times the file's bytes, are refused: a small file must not ask for a large network.</para>
/// </remarks>
public sealed class PyTorchReader : ICheckpointSource
{
    private const int MaxGrowth = 4;
    private const byte ProtocolStep = 0x80;

    private readonly Dictionary<string, TensorView> _views = [];
    private readonly ITorchContainer _container;
    private readonly TorchFault _fault;
    private readonly Stream _stream;
    private readonly bool _leaveOpen;
    private byte[]? _chunk;

    /// <summary>Reads the pickle and checks everything but the numbers.</summary>
    /// <param name="stream">One that can seek is read from its current position to its end, on demand, and must stay open. One that cannot is read to its
    /// end at once and kept in memory.</param>
    /// <param name="name">What messages call it; "The stream" unless given.</param>
    /// <param name="options">Which weights; <see cref="CheckpointWeights.Model"/> unless given.</param>
    /// <param name="leaveOpen">False: <see cref="Dispose"/> closes the stream.</param>
    /// <exception cref="CheckpointFormatException">The file is damaged, refused, or of another format; the message says why.</exception>
    /// <exception cref="CheckpointMismatchException">It does not hold the set of weights that is asked for.</exception>
    /// <exception cref="ArgumentException"><paramref name="stream"/> cannot be read.</exception>
    public PyTorchReader(Stream stream, string? name = null, CheckpointReadOptions? options = null, bool leaveOpen = false)
    {
        ArgumentNullException.ThrowIfNull(stream);
        if (!stream.CanRead) throw new ArgumentException("This stream cannot be read; open it for reading.", nameof(stream));
        options ??= new();
        Name = name ?? "The stream";
        _fault = new(Name);
        (_stream, _leaveOpen) = (stream, leaveOpen);
        if (!stream.CanSeek)
        {
            (_stream, _leaveOpen) = (ReadAll(stream), true);
            if (!leaveOpen) stream.Dispose();
        }
        long length = _stream.Length - _stream.Position;
        _container = IsZip(_stream) ? new ZipContainer(_stream, options.UnknownObjects, _fault) : new LegacyContainer(_stream, options.UnknownObjects, _fault);
        var chosen = StateDict.Choose(_container.Root, options.Weights, _fault);
        Notes = chosen.Notes;
        Tensors = Check(chosen, length);
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public IReadOnlyList<CheckpointTensor> Tensors { get; }

    /// <summary>Empty: the format has no texts.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; } = new Dictionary<string, string>();

    /// <inheritdoc/>
    public IReadOnlyList<string> Notes { get; }

    /// <summary>Whether a file that begins so is for this reader: a zip archive or a pickle.</summary>
    internal static bool Recognises(ReadOnlySpan<byte> start) => IsZip(start) || start is [ProtocolStep, <= 5, ..];

    /// <inheritdoc/>
    public CheckpointTensor? Find(string name) => _views.GetValueOrDefault(name)?.Tensor;

    /// <inheritdoc/>
    public void Read(string name, Span<float> destination)
    {
        StoredNumbers.CheckRead(Name, name, Find(name), destination.Length);
        var view = _views[name];
        view.Read(_container.Open(view.Storage), destination, ref _chunk, _fault);
    }

    /// <summary>Closes the stream, unless it was to be left open.</summary>
    public void Dispose()
    {
        if (!_leaveOpen) _stream.Dispose();
    }

    private CheckpointTensor[] Check(StateDict chosen, long length)
    {
        Int128 bytes = 0;
        foreach (var (name, tensor) in chosen.Tensors)
        {
            _container.Check(tensor.Storage);
            var view = TensorView.Check(name, tensor, _fault);
            bytes += view.Bytes;
            _views.Add(name, view);
        }
        if (bytes > (Int128)length * MaxGrowth)
            throw _fault.Refused($"describes tensors of {bytes} bytes in a file of {length}, most of them the same numbers",
                "Save copies: {name: tensor.clone() for each tensor}.");
        return [.. chosen.Tensors.Select(t => _views[t.Name].Tensor)];
    }

    private static bool IsZip(Stream stream)
    {
        Span<byte> start = stackalloc byte[4];
        long position = stream.Position;
        int got = stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false);
        stream.Position = position;
        return IsZip(start[..got]);
    }

    // A local header, or the end of an empty archive.
    private static bool IsZip(ReadOnlySpan<byte> start) => start.Length >= 4 && BinaryPrimitives.ReadUInt32LittleEndian(start) is 0x04034b50 or 0x06054b50;

    private MemoryStream ReadAll(Stream stream)
    {
        var all = new MemoryStream();
        var chunk = new byte[1 << 16];
        for (int got; (got = stream.Read(chunk)) > 0;)
        {
            if (all.Length > Array.MaxLength - got)
                throw _fault.Refused($"is longer than {Array.MaxLength} bytes, which a stream that cannot seek must not be", "Pass a file.");
            all.Write(chunk, 0, got);
        }
        all.Position = 0;
        return all;
    }
}
