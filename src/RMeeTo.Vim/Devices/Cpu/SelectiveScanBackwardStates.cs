using System.Runtime.CompilerServices;

namespace RMeeTo.Vim.Devices.Cpu;

/// <summary>
/// The recurrence of the backward scan over one chunk: four states of one vector of channels in registers. Per token there is a record of rows, one vector
/// each.
/// </summary>
internal static unsafe class SelectiveScanBackwardStates<TSimd, TVector> where TSimd : struct, ISimd<TVector> where TVector : struct
{
    /// <summary>Rows of a token's record that the recurrence reads: Δ, Δ·u, and the gradient of y before the gate.</summary>
    public const int DeltaRow = 0, DeltaURow = 1, OutputGradientRow = 2;

    /// <summary>Rows that it adds to: y, Σ g·B, and Σ g·a·H·A·log2(e), sums over the states.</summary>
    public const int YRow = 3, SumBRow = 4, SumDecayRow = 5;

    /// <summary>Rows that it leaves alone: softplus'(x), and dOut·silu'(z).</summary>
    public const int SlopeRow = 6, GateSlopeRow = 7;

    public const int RowsPerToken = 8;

    private const int States = SelectiveScanScratch<TSimd, TVector>.StatesPerPass;

    /// <summary>
    /// Forward through the chunk again, from the checkpoint. Keeps H before the first and after every token in <paramref name="history"/> [tokens + 1, 4,
    /// lanes], exp(Δ·A) in <paramref name="factors"/> [tokens, 4, lanes].
    /// </summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void Recompute(float* decay, float* checkpoint, float* row, float* b, float* c, nint bStride, nint cStride, int tokens, float* history, float* factors)
    {
        var decay0 = TSimd.Load(decay);
        var decay1 = TSimd.Load(decay + TSimd.Count);
        var decay2 = TSimd.Load(decay + 2 * TSimd.Count);
        var decay3 = TSimd.Load(decay + 3 * TSimd.Count);
        var h0 = TSimd.Load(checkpoint);
        var h1 = TSimd.Load(checkpoint + TSimd.Count);
        var h2 = TSimd.Load(checkpoint + 2 * TSimd.Count);
        var h3 = TSimd.Load(checkpoint + 3 * TSimd.Count);
        StoreFour(h0, h1, h2, h3, history);
        for (var t = 0; t < tokens; t++)
        {
            history += States * TSimd.Count;
            var delta = TSimd.Load(row + DeltaRow * TSimd.Count);
            var deltaU = TSimd.Load(row + DeltaURow * TSimd.Count);
            var a0 = TSimd.Exp2(TSimd.Multiply(delta, decay0));
            var a1 = TSimd.Exp2(TSimd.Multiply(delta, decay1));
            var a2 = TSimd.Exp2(TSimd.Multiply(delta, decay2));
            var a3 = TSimd.Exp2(TSimd.Multiply(delta, decay3));
            StoreFour(a0, a1, a2, a3, factors);
            h0 = TSimd.MultiplyAdd(a0, h0, TSimd.Multiply(deltaU, TSimd.Create(b[0])));
            h1 = TSimd.MultiplyAdd(a1, h1, TSimd.Multiply(deltaU, TSimd.Create(b[1])));
            h2 = TSimd.MultiplyAdd(a2, h2, TSimd.Multiply(deltaU, TSimd.Create(b[2])));
            h3 = TSimd.MultiplyAdd(a3, h3, TSimd.Multiply(deltaU, TSimd.Create(b[3])));
            StoreFour(h0, h1, h2, h3, history);
            var y = TSimd.MultiplyAdd(h0, TSimd.Create(c[0]), TSimd.Load(row + YRow * TSimd.Count));
            y = TSimd.MultiplyAdd(h1, TSimd.Create(c[1]), y);
            y = TSimd.MultiplyAdd(h2, TSimd.Create(c[2]), y);
            y = TSimd.MultiplyAdd(h3, TSimd.Create(c[3]), y);
            TSimd.Store(y, row + YRow * TSimd.Count);
            factors += States * TSimd.Count;
            row += RowsPerToken * TSimd.Count;
            b += bStride;
            c += cStride;
        }
    }

    /// <summary>
    /// Back through the chunk. With g_t = dy_t·C_t + a_{t+1}·g_{t+1}: adds dy·H to <paramref name="sumC"/> and Δ·u·g to <paramref name="sumB"/>
    /// (both [tokens, paddedStates, lanes], still to be summed over lanes), and carries a·g in <paramref name="adjoint"/> and Σ_t g·a·H_{t-1}·Δ in
    /// <paramref name="sumDecay"/> (4 vectors each).
    /// </summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void Reverse(float* decay, float* adjoint, float* sumDecay, float* row, float* b, float* c, nint bStride, nint cStride, int tokens,
        float* history, float* factors, float* sumB, float* sumC, nint sumStride)
    {
        var adjoint0 = TSimd.Load(adjoint);
        var adjoint1 = TSimd.Load(adjoint + TSimd.Count);
        var adjoint2 = TSimd.Load(adjoint + 2 * TSimd.Count);
        var adjoint3 = TSimd.Load(adjoint + 3 * TSimd.Count);
        var sumDecay0 = TSimd.Load(sumDecay);
        var sumDecay1 = TSimd.Load(sumDecay + TSimd.Count);
        var sumDecay2 = TSimd.Load(sumDecay + 2 * TSimd.Count);
        var sumDecay3 = TSimd.Load(sumDecay + 3 * TSimd.Count);
        var decay0 = TSimd.Load(decay);
        var decay1 = TSimd.Load(decay + TSimd.Count);
        var decay2 = TSimd.Load(decay + 2 * TSimd.Count);
        var decay3 = TSimd.Load(decay + 3 * TSimd.Count);
        nint last = tokens - 1;
        row += last * RowsPerToken * TSimd.Count;
        b += last * bStride;
        c += last * cStride;
        history += last * States * TSimd.Count;
        factors += last * States * TSimd.Count;
        sumB += last * sumStride;
        sumC += last * sumStride;
        var h0 = TSimd.Load(history + States * TSimd.Count);
        var h1 = TSimd.Load(history + (States + 1) * TSimd.Count);
        var h2 = TSimd.Load(history + (States + 2) * TSimd.Count);
        var h3 = TSimd.Load(history + (States + 3) * TSimd.Count);
        for (var t = tokens; t > 0; t--)
        {
            var delta = TSimd.Load(row + DeltaRow * TSimd.Count);
            var deltaU = TSimd.Load(row + DeltaURow * TSimd.Count);
            var dy = TSimd.Load(row + OutputGradientRow * TSimd.Count);
            var totalB = TSimd.Load(row + SumBRow * TSimd.Count);
            var totalDecay = TSimd.Load(row + SumDecayRow * TSimd.Count);
            Step(0, decay0, b, c, delta, deltaU, dy, history, factors, sumB, sumC, ref h0, ref adjoint0, ref sumDecay0, ref totalB, ref totalDecay);
            Step(1, decay1, b, c, delta, deltaU, dy, history, factors, sumB, sumC, ref h1, ref adjoint1, ref sumDecay1, ref totalB, ref totalDecay);
            Step(2, decay2, b, c, delta, deltaU, dy, history, factors, sumB, sumC, ref h2, ref adjoint2, ref sumDecay2, ref totalB, ref totalDecay);
            Step(3, decay3, b, c, delta, deltaU, dy, history, factors, sumB, sumC, ref h3, ref adjoint3, ref sumDecay3, ref totalB, ref totalDecay);
            TSimd.Store(totalB, row + SumBRow * TSimd.Count);
            TSimd.Store(totalDecay, row + SumDecayRow * TSimd.Count);
            row -= RowsPerToken * TSimd.Count;
            b -= bStride;
            c -= cStride;
            history -= States * TSimd.Count;
            factors -= States * TSimd.Count;
            sumB -= sumStride;
            sumC -= sumStride;
        }

        StoreFour(adjoint0, adjoint1, adjoint2, adjoint3, adjoint);
        StoreFour(sumDecay0, sumDecay1, sumDecay2, sumDecay3, sumDecay);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Step(int n, TVector decay, float* b, float* c, TVector delta, TVector deltaU, TVector dy, float* history, float* factors, float* sumB, float* sumC,
        ref TVector h, ref TVector adjoint, ref TVector sumDecay, ref TVector totalB, ref TVector totalDecay)
    {
        var lanes = n * TSimd.Count;
        var g = TSimd.MultiplyAdd(dy, TSimd.Create(c[n]), adjoint);
        TSimd.Store(TSimd.MultiplyAdd(dy, h, TSimd.Load(sumC + lanes)), sumC + lanes);
        TSimd.Store(TSimd.MultiplyAdd(deltaU, g, TSimd.Load(sumB + lanes)), sumB + lanes);
        totalB = TSimd.MultiplyAdd(g, TSimd.Create(b[n]), totalB);
        adjoint = TSimd.Multiply(g, TSimd.Load(factors + lanes));
        h = TSimd.Load(history + lanes);
        var throughFactor = TSimd.Multiply(adjoint, h);
        totalDecay = TSimd.MultiplyAdd(throughFactor, decay, totalDecay);
        sumDecay = TSimd.MultiplyAdd(throughFactor, delta, sumDecay);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreFour(TVector a, TVector b, TVector c, TVector d, float* destination)
    {
        TSimd.Store(a, destination);
        TSimd.Store(b, destination + TSimd.Count);
        TSimd.Store(c, destination + 2 * TSimd.Count);
        TSimd.Store(d, destination + 3 * TSimd.Count);
    }
}
