using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using RMeeTo.Vim.Devices.Cpu;

namespace RMeeTo.Benchmarks;

/// <summary>The products of Vim's linear layers: forward, gradient of the input, gradient of the weight, and the packing of the weight.</summary>
internal static unsafe class GemmBenchmark
{
    /// <summary>(M, N, K): y [M, N] = x [M, K]·Wᵀ.</summary>
    private static readonly (string Name, int M, int N, int K)[] Shapes =
    [
        ("tiny in_proj", 197, 768, 192), ("tiny out_proj", 197, 192, 384), ("tiny x_proj", 197, 44, 384), ("tiny dt_proj", 197, 384, 12),
        ("small in_proj", 197, 1536, 384), ("small out_proj", 197, 384, 768), ("small x_proj", 197, 56, 768), ("small dt_proj", 197, 768, 24),
        ("d128 in_proj", 130, 512, 128), ("d128 out_proj", 130, 128, 256), ("d128 x_proj", 260, 40, 256), ("d128 dt_proj", 260, 256, 8),
        ("patches", 196, 192, 768), ("merged in_proj", 76, 768, 192), ("merged in_proj", 43, 768, 192), ("merged in_proj", 6, 768, 192),
        ("8 images in_proj", 1576, 768, 192), ("8 images in_proj", 1576, 1536, 384), ("head", 1, 1000, 192), ("head", 8, 1000, 192),
    ];

    public static void Run(BenchmarkOptions options)
    {
        Console.WriteLine(Clock.Name);
        foreach (var width in SimdWidths.Supported.Reverse())
        {
            if (width == SimdWidth.Vector512) RunWidth<Simd512, Vector512<float>>(width, options);
            if (width == SimdWidth.Vector256) RunWidth<Simd256, Vector256<float>>(width, options);
            if (width == SimdWidth.Vector128) RunWidth<Simd128, Vector128<float>>(width, options);
        }
    }

    private static string Title(SimdWidth width, (string Name, int M, int N, int K) shape) => $"{width} {shape.Name} {shape.M}x{shape.N}x{shape.K}";

    private static void RunWidth<TSimd, TVector>(SimdWidth width, BenchmarkOptions options) where TSimd : struct, ISimd<TVector> where TVector : struct
    {
        if (!Shapes.Any(shape => options.Selects(Title(width, shape)))) return;
        Console.WriteLine();
        Console.WriteLine($"{width}: GFLOP/s best/median and part of the peak at best (pack: GB/s read and written)");
        Console.WriteLine($"{"M x N x K",-38}{"peak",12}{"forward",18}{"input grad",18}{"weight grad",18}{"pack",8}{"pack grad",11}");
        foreach (var shape in Shapes.Where(shape => options.Selects(Title(width, shape))))
        {
            using var operands = new Operands<TSimd, TVector>(shape.M, shape.N, shape.K, width);
            var timings = KernelTiming.Run(operands.Cases(), options.Smoke);
            var peak = timings[0];
            var rates = timings.Skip(1).Take(3).Select(t => $"{t.BestRate / 1e9:F0}/{t.MedianRate / 1e9:F0} {t.BestRate / peak.BestRate,4:P0}".PadLeft(18));
            var packs = timings.Skip(4).Select(t => $"{t.BestRate / 1e9:F1}".PadLeft(9));
            var title = $"{shape.Name} {shape.M}x{shape.N}x{shape.K}";
            Console.WriteLine($"{title,-38}{$"{peak.BestRate / 1e9:F0}/{peak.MedianRate / 1e9:F0}",12}{string.Concat(rates)}{string.Concat(packs)}");
        }
    }

    /// <summary>The matrices of one layer: x [M, K], y or dy [M, N], W [N, K].</summary>
    private sealed class Operands<TSimd, TVector> : IDisposable where TSimd : struct, ISimd<TVector> where TVector : struct
    {
        private readonly int _m, _n, _k;
        private readonly float* _x, _y, _dx, _dy, _w, _dw;
        private readonly PackedMatrix _forward, _backward;
        private readonly GemmScratch _scratch = new();

        public Operands(int m, int n, int k, SimdWidth width)
        {
            (_m, _n, _k) = (m, n, k);
            _x = Random((long)m * k);
            _y = Random((long)m * n);
            _dx = Random((long)m * k);
            _dy = Random((long)m * n);
            _w = Random((long)n * k);
            _dw = Random((long)n * k);
            _forward = new PackedMatrix(n, k, PackedFor.Output, width);
            _backward = new PackedMatrix(n, k, PackedFor.InputGradient, width);
            _forward.Pack(_w, k);
            _backward.Pack(_w, k);
        }

        public List<TimedCase> Cases()
        {
            var work = 2.0 * _m * _n * _k;
            var bytes = 2.0 * sizeof(float) * _n * _k;
            return
            [
                FmaPeak<TSimd, TVector>.Case,
                new("forward", work, () => Gemm<TSimd, TVector>.Multiply(_x, _k, _m, _forward, _y, _n, false, null)),
                new("input gradient", work, () => Gemm<TSimd, TVector>.Multiply(_dy, _n, _m, _backward, _dx, _k, false, null)),
                new("weight gradient", work, () => GemmWeightGradient<TSimd, TVector>.Accumulate(_dy, _n, _x, _k, _m, _n, _k, _dw, _k, _scratch)),
                new("pack", bytes, () => _forward.Pack(_w, _k)),
                new("pack gradient", bytes, () => _backward.Pack(_w, _k)),
            ];
        }

        public void Dispose()
        {
            foreach (var memory in new[] { (nint)_x, (nint)_y, (nint)_dx, (nint)_dy, (nint)_w, (nint)_dw }) NativeMemory.AlignedFree((void*)memory);
            _forward.Dispose();
            _backward.Dispose();
            _scratch.Dispose();
        }

        private static float* Random(long count)
        {
            var random = new Random(1);
            var data = (float*)NativeMemory.AlignedAlloc((nuint)count * sizeof(float), 64);
            for (var i = 0L; i < count; i++) data[i] = random.NextSingle() - 0.5f;
            return data;
        }
    }
}
