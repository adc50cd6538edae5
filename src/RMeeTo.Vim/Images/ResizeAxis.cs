using System.Buffers;

namespace RMeeTo.Vim.Images;

/// <summary>One axis of a resize: which part of the source goes to how many pixels, and which of those are wanted.</summary>
/// <param name="SourceLength">Pixels of the source.</param>
/// <param name="From">Where the box begins.</param>
/// <param name="To">Where the box ends.</param>
/// <param name="ResizedLength">Pixels that the box becomes; may be beyond 2³¹, for only the window is computed.</param>
/// <param name="WindowStart">First wanted pixel of these.</param>
/// <param name="WindowLength">Number of wanted pixels.</param>
internal readonly record struct ResizeAxis(int SourceLength, float From, float To, long ResizedLength, long WindowStart, int WindowLength)
{
    /// <summary>The whole axis.</summary>
    public static ResizeAxis Whole(int sourceLength, int resizedLength) => new(sourceLength, 0, sourceLength, resizedLength, 0, resizedLength);

    /// <summary>Whether every pixel stays what and where it is. The weights would be exactly 0 and 1; the pass can be left out.</summary>
    public bool IsIdentity => ResizedLength == SourceLength && From == 0 && To == SourceLength;
}

/// <summary>
/// The fixed-point weights of one axis: pixel i of the window is the sum over t of weight[i·Taps + t] · source[First(i) + t]. Rented; dispose returns them.
/// </summary>
/// <remarks>
/// Pillow, libImaging/Resample.c: precompute_coeffs and normalize_coeffs_8bpc; same order of the floating-point operations, hence the same bits.
/// </remarks>
internal readonly ref struct ResizeWeights
{
    /// <summary>Fraction bits: 32 less the 8 of a pixel and 2 for the overshoot of the negative lobes.</summary>
    public const int Precision = 32 - 8 - 2;

    /// <summary>Reach of the cubic kernel at scale 1.</summary>
    private const double Support = 2.0;

    private readonly int[] _weights;
    private readonly int[] _bounds;
    private readonly int _length;

    public ResizeWeights(ResizeAxis axis)
    {
        var scale = (double)(axis.To - axis.From) / axis.ResizedLength;
        var filterScale = Math.Max(scale, 1.0);
        var support = Support * filterScale;
        Taps = (int)Math.Ceiling(support) * 2 + 1;
        _length = axis.WindowLength;
        var total = (long)Taps * _length;
        if (total > Array.MaxLength)
            throw new ArgumentException($"Resizing {axis.SourceLength} pixels to {axis.ResizedLength} needs {total} weights, more than an array holds; reduce the image first.");

        _weights = ArrayPool<int>.Shared.Rent((int)total);
        _bounds = ArrayPool<int>.Shared.Rent(2 * _length);
        var kernel = ArrayPool<double>.Shared.Rent(Taps);
        for (var i = 0; i < _length; i++)
        {
            var center = axis.From + (axis.WindowStart + i + 0.5) * scale;
            var first = Math.Max((int)(center - support + 0.5), 0);
            var count = Math.Min((int)(center + support + 0.5), axis.SourceLength) - first;
            _bounds[2 * i] = first;
            _bounds[2 * i + 1] = count;
            Fill(kernel.AsSpan(0, count), first, center, 1.0 / filterScale);
            Quantise(kernel.AsSpan(0, count), _weights.AsSpan(i * Taps));
        }

        ArrayPool<double>.Shared.Return(kernel);
    }

    /// <summary>Distance between the weights of two neighbouring pixels of the window.</summary>
    public int Taps { get; }

    /// <summary>[WindowLength, <see cref="Taps"/>].</summary>
    public ReadOnlySpan<int> Weights => _weights.AsSpan(0, _length * Taps);

    /// <summary>[WindowLength, 2]: first source pixel, number of source pixels.</summary>
    public ReadOnlySpan<int> Bounds => _bounds.AsSpan(0, 2 * _length);

    /// <summary>First source pixel that the window needs.</summary>
    public int First => _bounds[0];

    /// <summary>One beyond the last source pixel that the window needs.</summary>
    public int End => _bounds[2 * _length - 2] + _bounds[2 * _length - 1];

    public void Dispose()
    {
        ArrayPool<int>.Shared.Return(_weights);
        ArrayPool<int>.Shared.Return(_bounds);
    }

    private static void Fill(Span<double> kernel, int first, double center, double inverseScale)
    {
        var sum = 0.0;
        for (var t = 0; t < kernel.Length; t++)
        {
            kernel[t] = Cubic((t + first - center + 0.5) * inverseScale);
            sum += kernel[t];
        }

        if (sum != 0)
        {
            foreach (ref var weight in kernel)
                weight /= sum;
        }
    }

    /// <summary>Rounds half away from zero.</summary>
    private static void Quantise(ReadOnlySpan<double> kernel, Span<int> weights)
    {
        for (var t = 0; t < kernel.Length; t++)
            weights[t] = (int)(kernel[t] * (1 << Precision) + (kernel[t] < 0 ? -0.5 : 0.5));
    }

    /// <summary>Keys' cubic convolution kernel with a = −1/2.</summary>
    private static double Cubic(double x)
    {
        const double A = -0.5;
        x = Math.Abs(x);
        if (x < 1.0)
            return ((A + 2.0) * x - (A + 3.0)) * x * x + 1;
        if (x < 2.0)
            return (((x - 5) * x + 8) * x - 4) * A;
        return 0.0;
    }
}
