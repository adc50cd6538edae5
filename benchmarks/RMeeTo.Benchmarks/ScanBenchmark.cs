using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Cpu;

namespace RMeeTo.Benchmarks;

/// <summary>What a Vim block does besides linear layers: scan, convolution, norm, forward and backward, for one image and one direction; and AdamW.</summary>
internal static unsafe class ScanBenchmark
{
    private const int Tokens = 197, States = 16;

    private static readonly (string Name, int Channels)[] Sizes = [("tiny", 384), ("small", 768), ("base", 1536)];

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

    private static void RunWidth<TSimd, TVector>(SimdWidth width, BenchmarkOptions options) where TSimd : struct, ISimd<TVector> where TVector : struct
    {
        Console.WriteLine();
        Console.WriteLine($"{width}: ns per token and channel (AdamW: per parameter), best/median");
        foreach (var (name, channels) in Sizes)
        {
            if (!options.Selects($"{width} {name}")) continue;
            using var operands = new Operands<TSimd, TVector>(channels);
            var figures = KernelTiming.Run(operands.Cases(), options.Smoke).Select(t => $"  {t.Case.Name} {1e9 / t.BestRate:F2}/{1e9 / t.MedianRate:F2}");
            Console.WriteLine($"{name,-6}{string.Concat(figures)}");
        }
    }

    /// <summary>The matrices around one mixer of D channels; B and C are columns of the projection, z is columns of in_proj's output.</summary>
    private sealed class Operands<TSimd, TVector>(int channels) : IDisposable where TSimd : struct, ISimd<TVector> where TVector : struct
    {
        private const int Parameters = 1 << 20;
        private readonly List<nint> _memory = [];

        public List<TimedCase> Cases()
        {
            var (scan, scanGradients) = Scan();
            var training = scan;
            training.Checkpoints = Random(SelectiveScan.CheckpointFloats<TSimd, TVector>(Tokens, channels, States));
            var scratch = Random(Math.Max(SelectiveScan.ScratchFloats<TSimd, TVector>(channels, States), SelectiveScanBackward.ScratchFloats<TSimd, TVector>(channels, States)));
            var (conv, convGradients) = Convolution();
            var (norm, normGradients) = Norm();
            var y = Matrix();
            float* values = Random(Parameters), gradient = Random(Parameters), first = Random(Parameters), second = Random(Parameters, 0, 1);
            double wide = Tokens * channels, narrow = wide / 2;
            return
            [
                new("scan", wide, () => SelectiveScan.Forward<TSimd, TVector>(scan, scratch)),
                new("with checkpoints", wide, () => SelectiveScan.Forward<TSimd, TVector>(training, scratch)),
                new("backward", wide, () => SelectiveScanBackward.Backward<TSimd, TVector>(training, scanGradients, scratch)),
                new("conv", wide, () => CausalConvSilu.Forward<TSimd, TVector>(conv, y, channels, scratch)),
                new("backward", wide, () => CausalConvSilu.Backward<TSimd, TVector>(conv, convGradients, scratch)),
                new("norm", narrow, () => AddNorm.Forward<TSimd, TVector>(norm)),
                new("backward", narrow, () => AddNorm.Backward<TSimd, TVector>(norm, normGradients)),
                new("AdamW", Parameters, () => AdamWKernel.Step<TSimd, TVector>(new AdamWStep(3, 1e-5f, 0.9f, 0.999f, 1e-8f, 0.05f), values, gradient, first, second, Parameters)),
            ];
        }

        public void Dispose()
        {
            foreach (var memory in _memory) NativeMemory.AlignedFree((void*)memory);
        }

        private (SelectiveScanArguments, SelectiveScanGradients) Scan()
        {
            var rank = channels / 32;
            nint projected = rank + 2 * States;
            float* projection = Random(Tokens * projected), projectionGradient = Random(Tokens * projected);
            var arguments = new SelectiveScanArguments
            {
                Length = Tokens, Channels = channels, States = States, Softplus = true, OutputScale = 0.5f,
                U = Matrix(), UStride = channels, Delta = Matrix(), DeltaStride = channels, B = projection + rank, BStride = projected, C = projection + rank + States, CStride = projected,
                Z = Random(2L * Tokens * channels), ZStride = 2 * channels, ALog = Random((long)channels * States, 0, 2.8f), Skip = Random(channels), DeltaBias = Random(channels, -6, -2),
                Output = Matrix(), OutputStride = channels,
            };
            var gradients = new SelectiveScanGradients
            {
                Output = Matrix(), OutputStride = channels, U = Matrix(), UStride = channels, Delta = Matrix(), DeltaStride = channels,
                B = projectionGradient + rank, BStride = projected, C = projectionGradient + rank + States, CStride = projected,
                Z = Random(2L * Tokens * channels), ZStride = 2 * channels, ALog = Random((long)channels * States), Skip = Random(channels), DeltaBias = Random(channels),
            };
            return (arguments, gradients);
        }

        private (CausalConvArguments, CausalConvGradients) Convolution() =>
        (
            new() { Length = Tokens, Channels = channels, Taps = 4, X = Random(2L * Tokens * channels), XStride = 2 * channels, Weight = Random(4L * channels), Bias = Random(channels), Silu = true },
            new() { Y = Matrix(), YStride = channels, X = Random(2L * Tokens * channels), XStride = 2 * channels, Weight = Random(4L * channels), Bias = Random(channels) }
        );

        private (AddNormArguments, AddNormGradients) Norm()
        {
            // The hidden state is zero, so that the residual keeps its size however often it is added.
            float* residual = Matrix(), hidden = Random((long)Tokens * channels, 0, 0);
            var half = channels / 2;
            var arguments = new AddNormArguments
            {
                Rows = Tokens, Channels = half, Epsilon = 1e-5f, Weight = Random(half), Residual = residual, ResidualStride = half, Hidden = hidden, HiddenStride = half,
                Sum = residual, SumStride = half, Y = Matrix(), YStride = half, Statistics = Random(2 * Tokens), StatisticsStride = 2,
            };
            return (arguments, new() { Y = Random((long)Tokens * half, -1e-3f, 1e-3f), YStride = half, Sum = Matrix(), SumStride = half, Weight = Random(half) });
        }

        private float* Matrix() => Random((long)Tokens * channels);

        private float* Random(long count, float low = -1, float high = 1)
        {
            var random = new Random(1);
            var data = (float*)NativeMemory.AlignedAlloc((nuint)count * sizeof(float), 64);
            _memory.Add((nint)data);
            for (var i = 0L; i < count; i++) data[i] = low + (high - low) * random.NextSingle();
            return data;
        }
    }
}
