namespace RMeeTo.Vim.Checkpoints.PyTorch;

/// <summary>A tensor that was checked against its storage: every number it shows lies inside.</summary>
/// <param name="Tensor">Name, type and shape.</param>
/// <param name="Storage">Where its numbers lie.</param>
/// <param name="First">Its first number, counted in its own type from the storage's beginning.</param>
/// <param name="Strides">Numbers from one to the next along each edge.</param>
/// <param name="Span">Numbers of the storage from its first to its last, those between included; 0 where it is empty.</param>
internal sealed record TensorView(CheckpointTensor Tensor, PickledStorage Storage, long First, long[] Strides, long Span)
{
    /// <summary>Checks a tensor that a pickle describes.</summary>
    /// <exception cref="CheckpointFormatException">Its type cannot be read, or it reaches beyond its storage, or it shows numbers more than once.</exception>
    public static TensorView Check(string name, PickledTensor tensor, TorchFault fault)
    {
        string shown = SafetensorsHeader.Show(name);
        if (tensor.DataType is not { } type)
            throw fault.Refused($"holds tensor {shown} of a type that no weights have (in a {tensor.Storage.TypeName})", "Save it as Float32.");
        // Int128: shapes may be anything yet, and a product of eight edges is met before its zero.
        Int128 length = 1, last = 0;
        for (int i = 0; i < tensor.Shape.Length; i++)
        {
            length *= Math.Max(1, tensor.Shape[i]);
            if (length > long.MaxValue) throw fault.Bad($"tensor {shown} of shape {Text(tensor.Shape)} is too large for any file");
            last += (Int128)Math.Max(0, tensor.Shape[i] - 1) * tensor.Strides[i];
        }
        long held = tensor.Storage.IsUntyped ? tensor.Storage.Count / StoredNumbers.SizeOf(type) : tensor.Storage.Count;
        bool empty = tensor.Shape.Contains(0);
        if (!empty && tensor.Offset + last >= held)
            throw fault.Bad($"tensor {shown} of shape {Text(tensor.Shape)}, strides {Text(tensor.Strides)}, offset {tensor.Offset} "
                + $"reaches beyond its storage of {held} numbers");
        if (!empty && length > held)
            throw fault.Refused($"holds tensor {shown} of shape {Text(tensor.Shape)} over a storage of {held} numbers, which shows numbers more than once",
                "Save it with .contiguous().");
        (long first, long span) = empty ? (0, 0) : (tensor.Offset, (long)last + 1);
        return new(new(name, type, tensor.Shape), tensor.Storage, tensor.Storage.Begin + first, tensor.Strides, span);
    }

    /// <summary>Bytes of its numbers.</summary>
    public long Bytes => Span == 0 ? 0 : Tensor.Length * StoredNumbers.SizeOf(Tensor.DataType);

    /// <summary>Whether its numbers stand one after the other in the storage, row-major.</summary>
    public bool IsContiguous
    {
        get
        {
            long expected = 1;
            for (int i = Strides.Length - 1; i >= 0; i--)
            {
                if (Tensor.Shape[i] == 1) continue;
                if (Strides[i] != expected) return false;
                expected *= Tensor.Shape[i];
            }
            return true;
        }
    }

    /// <summary>Reads the numbers, row-major.</summary>
    /// <param name="storage">The storage's bytes.</param>
    /// <param name="destination">As many values as the shape says.</param>
    /// <param name="chunk">A buffer of the reader's.</param>
    /// <param name="fault">For messages.</param>
    /// <exception cref="CheckpointFormatException">The file is cut off, or the stretch that a view of a large storage spans is too long for memory.</exception>
    public void Read(StoredBytes storage, Span<float> destination, ref byte[]? chunk, TorchFault fault)
    {
        if (Span == 0) return;
        int size = StoredNumbers.SizeOf(Tensor.DataType);
        storage.Position = First * size;
        if (IsContiguous)
        {
            StoredNumbers.Read(storage.Fill, Tensor.DataType, destination, ref chunk);
            return;
        }
        if (Span > Array.MaxLength / size)
            throw fault.Refused($"holds tensor {SafetensorsHeader.Show(Tensor.Name)}, which is spread over {Span} numbers, more than can be read at once",
                "Save it with .contiguous().");
        var region = new byte[Span * size];
        storage.Fill(region);
        var place = new long[Strides.Length];
        long at = 0;
        StoredNumbers.Read(bytes => at = Gather(region, size, place, at, bytes), Tensor.DataType, destination, ref chunk);
    }

    /// <summary>Copies the next numbers in row-major order; <paramref name="place"/> and the result say where to go on.</summary>
    private long Gather(byte[] region, int size, long[] place, long at, Span<byte> bytes)
    {
        for (; !bytes.IsEmpty; bytes = bytes[size..])
        {
            region.AsSpan((int)(at * size), size).CopyTo(bytes);
            for (int axis = place.Length - 1; axis >= 0; axis--)
            {
                at += Strides[axis];
                if (++place[axis] < Tensor.Shape[axis]) break;
                at -= Tensor.Shape[axis] * Strides[axis];
                place[axis] = 0;
            }
        }
        return at;
    }

    private static string Text(long[] numbers) => $"({string.Join(", ", numbers)})";
}
