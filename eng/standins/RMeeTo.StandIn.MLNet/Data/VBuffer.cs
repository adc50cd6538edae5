using Microsoft.ML.Runtime;

namespace Microsoft.ML.Data;

/// <summary>A vector, dense or sparse, whose arrays are used again by whoever fills it next.</summary>
public readonly struct VBuffer<T> : ICopied
{
    internal readonly T[] Values;
    internal readonly int[] Indices;
    private readonly int _count;

    public readonly int Length;

    public VBuffer(int length, T[] values) : this(length, length, values, null) { }

    public VBuffer(int length, int count, T[] values, int[] indices)
    {
        Contracts.CheckParam(0 <= count && count <= length, nameof(count));
        Contracts.CheckParam((values?.Length ?? 0) >= count, nameof(values));
        Contracts.CheckParam(count == length || indices?.Length >= count, nameof(indices));
        (Length, _count, Values, Indices) = (length, count, values, indices);
    }

    public bool IsDense => _count == Length;
    public ReadOnlySpan<T> GetValues() => Values.AsSpan(0, _count);
    public ReadOnlySpan<int> GetIndices() => IsDense ? default : Indices.AsSpan(0, _count);

    public void CopyTo(ref VBuffer<T> destination)
    {
        VBufferEditor<T> editor = VBufferEditor.Create(ref destination, Length, _count);
        GetValues().CopyTo(editor.Values);
        GetIndices().CopyTo(editor.Indices);
        destination = editor.Commit();
    }

    public void CopyTo(Span<T> destination)
    {
        Contracts.CheckParam(destination.Length >= Length, nameof(destination), "Too short for these values.");
        if (IsDense)
        {
            GetValues().CopyTo(destination);
            return;
        }
        destination[..Length].Clear();
        for (int i = 0; i < _count; i++)
            destination[Indices[i]] = Values[i];
    }

    public IEnumerable<T> DenseValues()
    {
        var dense = new T[Length];
        CopyTo(dense);
        return dense;
    }

    object ICopied.Copy()
    {
        VBuffer<T> copy = default;
        CopyTo(ref copy);
        return copy;
    }
}

/// <summary>A value that shares memory with whoever it is handed to, unless copied.</summary>
internal interface ICopied
{
    object Copy();
}

public static class VBufferEditor
{
    public static VBufferEditor<T> Create<T>(scoped ref VBuffer<T> destination, int newLogicalLength, int? valuesCount = null)
    {
        int count = valuesCount ?? newLogicalLength;
        Contracts.CheckParam(0 <= count && count <= newLogicalLength, nameof(valuesCount));
        bool enlarge = (destination.Values?.Length ?? 0) < count, needsIndices = count < newLogicalLength && (destination.Indices?.Length ?? 0) < count;
        return new(newLogicalLength, count, enlarge ? new T[count] : destination.Values, needsIndices ? new int[count] : destination.Indices, enlarge);
    }

    /// <summary>Fills a vector with all of these values.</summary>
    internal static void Fill<T>(ref VBuffer<T> destination, ReadOnlySpan<T> values)
    {
        VBufferEditor<T> editor = Create(ref destination, values.Length);
        values.CopyTo(editor.Values);
        destination = editor.Commit();
    }
}

public readonly ref struct VBufferEditor<T>
{
    private readonly int _length;
    private readonly T[] _values;
    private readonly int[] _indices;

    public readonly Span<T> Values;
    public readonly Span<int> Indices;

    internal VBufferEditor(int length, int count, T[] values, int[] indices, bool createdValues)
    {
        (_length, _values, _indices, CreatedNewValues) = (length, values, indices, createdValues);
        Values = values.AsSpan(0, count);
        Indices = count < length ? indices.AsSpan(0, count) : default;
    }

    public bool CreatedNewValues { get; }

    public VBuffer<T> Commit() => new(_length, Values.Length, _values, _indices);
}
