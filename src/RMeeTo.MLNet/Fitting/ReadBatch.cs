using RMeeTo.Vim.Images;

namespace RMeeTo.MLNet;

/// <summary>A few rows that are read together and decoded by all threads.</summary>
/// <param name="threads">Threads that decode.</param>
/// <param name="clipFrames">Most frames of a clip that are kept, evenly spread; 0 where rows hold single images.</param>
internal sealed class ReadBatch(int threads, int clipFrames)
{
    private const long MaxBytes = 128L << 20;
    private readonly int _capacity = Math.Max(threads, Math.Max(32, 8 * threads) / Math.Max(1, clipFrames));
    private readonly List<Row> _rows = [];
    private int _count;
    private long _bytes;

    /// <summary>True where no more rows should be added.</summary>
    public bool IsFull => _count == _capacity || _bytes > MaxBytes;

    /// <summary>The rows, in order.</summary>
    public IEnumerable<Row> Rows => _rows.Take(_count);

    /// <summary>Forgets the rows, and keeps their memory.</summary>
    public void Clear() => (_count, _bytes) = (0, 0);

    /// <summary>Takes the current row's image.</summary>
    public void Add(SampleReader reader, long position, int label, bool forValidation)
    {
        if (_count == _rows.Count) _rows.Add(new Row());
        var row = _rows[_count++];
        (row.Label, row.ForValidation) = (label, forValidation);
        reader.Read(row.Sample, position);
        _bytes += row.Sample.Length;
    }

    /// <summary>Decodes and reduces all images.</summary>
    /// <exception cref="UnreadableImageException">The first of the rows whose image cannot be read.</exception>
    public void Decode(ImageStore store, int threads, bool failOnUnreadable, CancellationToken cancellation)
    {
        Parallel.For(0, _count, new ParallelOptions { MaxDegreeOfParallelism = threads, CancellationToken = cancellation }, i =>
        {
            try
            {
                _rows[i].Decoded = [];
                _rows[i].Sample.Open();
                _rows[i].Decoded = clipFrames == 0 ? [store.Reduce(_rows[i].Sample.Decode(0))] : Frames(_rows[i].Sample, store);
            }
            catch (UnreadableImageException)
            {
                // known by Sample.Failed
            }
        });
        if (failOnUnreadable && Rows.FirstOrDefault(row => row.Sample.Failed) is { } bad) bad.Sample.ThrowFailure();
    }

    private RgbImage[] Frames(SampleInput sample, ImageStore store)
    {
        var clip = new SampleFrames(sample, views: 1).Open();
        int count = Math.Min(clip.Count, clipFrames);
        return [.. Enumerable.Range(0, count).Select(i => store.Reduce(clip[EvenlySpread(i, count, clip.Count)]))];
    }

    /// <summary>Place i of count among available, the first and the last included; the middle where it is only one.</summary>
    internal static int EvenlySpread(int i, int count, int available) =>
        count == 1 ? (available - 1) / 2 : (int)Math.Round(i * (available - 1.0) / (count - 1));

    /// <summary>One row.</summary>
    public sealed class Row
    {
        public SampleInput Sample { get; } = new();

        /// <summary>The image, or the frames that are kept of the clip.</summary>
        public RgbImage[] Decoded { get; set; } = [];

        public int Label { get; set; }

        public bool ForValidation { get; set; }
    }
}
