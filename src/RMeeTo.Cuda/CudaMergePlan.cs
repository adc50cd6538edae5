using System.Runtime.InteropServices;
using RMeeTo.Vim.Merging;

namespace RMeeTo.Cuda;

/// <summary>The decisions of a merge in the memory of a GPU, laid out once; see <c>MergePlan</c> of common.cuh.</summary>
internal sealed unsafe class CudaMergePlan : MergePlan
{
    private const int Alignment = 256, SourceBytes = sizeof(int) + sizeof(float);

    private readonly ICudaRuntime _runtime;
    private readonly int[] _rowAtPlace;
    private readonly PlanArgument _argument;
    private nint _memory;

    /// <summary>Takes memory of the GPU; see the base class for what is checked.</summary>
    public CudaMergePlan(ICudaRuntime runtime, int batchCapacity, MergeStep step, MergeOptions options) : base(batchCapacity, step, options)
    {
        _runtime = runtime;
        long rows = (long)batchCapacity * step.TokensIn, bytes = 0;
        _rowAtPlace = options.ShuffleRate > 0 ? new int[rows] : [];
        long destinations = Place(rows * sizeof(int)), weights = Place(rows * sizeof(float)), sources = Place(rows * SourceBytes);
        long offsets = Place(batchCapacity * (step.TokensOut + 1L) * sizeof(int)), classRows = Place((long)batchCapacity * sizeof(int));
        long orders = Place((long)_rowAtPlace.Length * sizeof(int));
        _memory = runtime.Allocate(bytes);
        runtime.Clear(_memory, bytes);
        _argument = new PlanArgument
        {
            Destinations = At(destinations),
            Weights = At(weights),
            Offsets = At(offsets),
            Sources = At(sources),
            ClassRows = At(classRows),
            Tokens = step.TokensIn,
            MergedTokens = step.TokensOut,
        };
        RowAtPlacePointer = _rowAtPlace.Length == 0 ? 0 : At(orders);

        long Place(long length)
        {
            long start = bytes;
            bytes += (length + Alignment - 1) / Alignment * Alignment;
            return start;
        }

        nint At(long offset) => _memory + (nint)offset;
    }

    /// <summary>As kernels receive it.</summary>
    /// <exception cref="ObjectDisposedException">The plan is disposed.</exception>
    public PlanArgument Argument
    {
        get
        {
            ObjectDisposedException.ThrowIf(_memory == 0, this);
            return _argument;
        }
    }

    /// <summary>[B, L] on the GPU: the row at each place; 0 where tokens are not shuffled.</summary>
    public nint RowAtPlacePointer { get; }

    /// <summary>True where the memory is that of this GPU.</summary>
    public bool IsOf(ICudaRuntime runtime) => ReferenceEquals(_runtime, runtime);

    /// <summary>Copies the orders of the first images to the GPU, where tokens are shuffled.</summary>
    public void UploadRowOrders(int batch)
    {
        if (_rowAtPlace.Length == 0) return;
        int length = Step.TokensIn;
        for (int image = 0; image < batch; image++)
            for (int place = 0; place < length; place++) _rowAtPlace[image * length + place] = RowAtPlace(image, place);
        fixed (int* rows = _rowAtPlace) _runtime.CopyToDevice(RowAtPlacePointer, rows, (long)batch * length * sizeof(int));
    }

    /// <inheritdoc/>
    public override void Read(int image, Span<int> destinations, Span<float> weights)
    {
        CheckImage(image);
        int length = Step.TokensIn;
        if (destinations.Length < length || weights.Length < length)
            throw new ArgumentException($"There is room for {destinations.Length} destinations and {weights.Length} weights; this plan has {length} rows.");
        nint first = image * (nint)length;
        fixed (int* rows = &MemoryMarshal.GetReference(destinations))
            _runtime.CopyToHost(rows, Argument.Destinations + first * sizeof(int), (long)length * sizeof(int));
        fixed (float* factors = &MemoryMarshal.GetReference(weights))
            _runtime.CopyToHost(factors, Argument.Weights + first * sizeof(float), (long)length * sizeof(float));
        GC.KeepAlive(this);
    }

    /// <summary>Frees the memory of a plan that nobody disposed of.</summary>
    ~CudaMergePlan() => Dispose(false);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        nint memory = Interlocked.Exchange(ref _memory, 0);
        if (memory != 0) _runtime.Free(memory);
    }
}

/// <summary><c>MergePlan</c> of common.cuh.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct PlanArgument
{
    public nint Destinations, Weights, Offsets, Sources, ClassRows;
    public int Tokens, MergedTokens;
}
