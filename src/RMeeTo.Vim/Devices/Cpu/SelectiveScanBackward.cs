using System.Runtime.CompilerServices;

namespace RMeeTo.Vim.Devices.Cpu;

/// <summary>
/// Selective scan, backward, for one image and one direction (closed form in spec section 1.1). Chunks are visited from the last to the first; inside one, for
/// four states of one vector of channels, the states are computed again from the checkpoint and the adjoint is carried back through them.
/// </summary>
internal static unsafe class SelectiveScanBackward
{
    /// <summary>Floats of scratch that a backward scan needs.</summary>
    public static nint ScratchFloats<TSimd, TVector>(int channels, int states) where TSimd : struct, ISimd<TVector> where TVector : struct =>
        SelectiveScanBackwardWork<TSimd, TVector>.ScratchFloats(channels, states);

    /// <summary>
    /// Runs the backward pass of a forward scan with the same arguments, whose checkpoints it reads. <paramref name="scratch"/> needs no preparation,
    /// or holds what the pass before this one left where that had the same parameters and sizes (<paramref name="sameParameters"/>).
    /// </summary>
    public static void Backward<TSimd, TVector>(in SelectiveScanArguments arguments, in SelectiveScanGradients gradients, float* scratch, bool sameParameters = false)
        where TSimd : struct, ISimd<TVector> where TVector : struct
    {
        var work = new SelectiveScanBackwardWork<TSimd, TVector>(arguments, gradients, scratch, sameParameters);
        const int tokens = SelectiveScanScratch<TSimd, TVector>.ChunkTokens;
        for (var chunk = SelectiveScanScratch<TSimd, TVector>.Chunks(arguments.Length) - 1; chunk >= 0; chunk--) work.Chunk(chunk * tokens);
        work.AddParameterGradients();
    }
}

/// <summary>Everything around the recurrence: where things lie, and the two phases before and after it.</summary>
internal readonly unsafe struct SelectiveScanBackwardWork<TSimd, TVector> where TSimd : struct, ISimd<TVector> where TVector : struct
{
    private const int Tokens = SelectiveScanScratch<TSimd, TVector>.ChunkTokens;
    private const int StatesPerPass = SelectiveScanScratch<TSimd, TVector>.StatesPerPass;
    private const int RowsPerToken = SelectiveScanBackwardStates<TSimd, TVector>.RowsPerToken;

    // Matrices of the last, incomplete vector of channels: u, delta, z, dOut, du, ddelta, dz.
    private const int StagedMatrices = 7;

    private readonly SelectiveScanArguments a;
    private readonly SelectiveScanGradients g;
    private readonly int groups, paddedStates;
    private readonly nint groupState, stateFloats;
    private readonly float* decay, bias, skip, sumSkip, sumBias, sumDecay, adjoint, sumB, sumC, rows, history, factors, staged, stagedB, stagedC, checkpoints;

    public static nint ScratchFloats(int channels, int states)
    {
        var paddedStates = SelectiveScanScratch<TSimd, TVector>.PaddedStates(states);
        return 3 * SelectiveScanScratch<TSimd, TVector>.StateFloats(channels, states)
            + 4 * SelectiveScanScratch<TSimd, TVector>.PaddedChannels(channels)
            + Tokens * (RowsPerToken + StagedMatrices + 2 * StatesPerPass + 2 * paddedStates) * TSimd.Count
            + StatesPerPass * TSimd.Count
            + Tokens * 2 * paddedStates
            + TSimd.Count + SelectiveScanScratch<TSimd, TVector>.AlignmentFloats;
    }

    public SelectiveScanBackwardWork(in SelectiveScanArguments arguments, in SelectiveScanGradients gradients, float* scratch, bool sameParameters)
    {
        a = arguments;
        g = gradients;
        groups = SelectiveScanScratch<TSimd, TVector>.Groups(a.Channels);
        paddedStates = SelectiveScanScratch<TSimd, TVector>.PaddedStates(a.States);
        groupState = (nint)paddedStates * TSimd.Count;
        stateFloats = SelectiveScanScratch<TSimd, TVector>.StateFloats(a.Channels, a.States);
        nint paddedChannels = SelectiveScanScratch<TSimd, TVector>.PaddedChannels(a.Channels);
        checkpoints = SelectiveScanScratch<TSimd, TVector>.Align(a.Checkpoints);

        decay = SelectiveScanScratch<TSimd, TVector>.Align(scratch);
        sumDecay = decay + stateFloats;
        sumB = sumDecay + stateFloats;
        sumC = sumB + Tokens * groupState;
        rows = sumC + Tokens * groupState;
        history = rows + Tokens * RowsPerToken * TSimd.Count;
        factors = history + (Tokens + 1) * StatesPerPass * TSimd.Count;
        staged = factors + Tokens * StatesPerPass * TSimd.Count;
        bias = staged + Tokens * StagedMatrices * TSimd.Count;
        skip = bias + paddedChannels;
        sumSkip = skip + paddedChannels;
        sumBias = sumSkip + paddedChannels;
        adjoint = sumBias + paddedChannels;
        stagedB = adjoint + stateFloats + TSimd.Count;
        stagedC = stagedB + Tokens * paddedStates;
        if (!sameParameters)
        {
            SelectiveScanScratch<TSimd, TVector>.PrepareDecay(a.ALog, a.Channels, a.States, decay, adjoint);
            SelectiveScanScratch<TSimd, TVector>.PrepareVector(a.DeltaBias, a.Channels, bias);
            SelectiveScanScratch<TSimd, TVector>.PrepareVector(a.Skip, a.Channels, skip);
        }
        new Span<float>(sumSkip, checked((int)(2 * paddedChannels + stateFloats))).Clear(); // sumSkip, sumBias, adjoint
        new Span<float>(sumDecay, checked((int)stateFloats)).Clear();
    }

    /// <summary>The matrices of one chunk, from the chunk's first row in walking order. A stride is negative where the walk is reversed.</summary>
    private struct Rows
    {
        public float* U, Delta, Z, OutputGradient, UGradient, DeltaGradient, ZGradient;
        public nint UStride, DeltaStride, ZStride, OutputGradientStride, UGradientStride, DeltaGradientStride, ZGradientStride;
    }

    public void Chunk(int start)
    {
        var tokens = Math.Min(Tokens, a.Length - start);
        nint first = a.Reverse ? a.Length - 1 - start : start;
        nint sign = a.Reverse ? -1 : 1;
        float* b = a.B + first * a.BStride, c = a.C + first * a.CStride;
        nint bStride = sign * a.BStride, cStride = sign * a.CStride;
        if (paddedStates != a.States)
        {
            SelectiveScanScratch<TSimd, TVector>.Stage(b, bStride, tokens, a.States, stagedB, paddedStates);
            SelectiveScanScratch<TSimd, TVector>.Stage(c, cStride, tokens, a.States, stagedC, paddedStates);
            b = stagedB;
            c = stagedC;
            bStride = cStride = paddedStates;
        }

        new Span<float>(sumB, checked((int)(2 * Tokens * groupState))).Clear(); // sumB, sumC
        var chunk = RowsFrom(first, sign);
        var checkpoint = checkpoints + start / Tokens * stateFloats;
        for (var group = 0; group < groups; group++)
        {
            var channel = group * TSimd.Count;
            var width = Math.Min(TSimd.Count, a.Channels - channel);
            var part = Columns(chunk, channel);
            if (width < TSimd.Count) part = StageChannels(part, tokens, width);
            Prepare(part, tokens, channel);
            for (var n = 0; n < paddedStates; n += StatesPerPass)
            {
                var lanes = n * TSimd.Count;
                var offset = group * groupState + lanes;
                SelectiveScanBackwardStates<TSimd, TVector>.Recompute(decay + offset, checkpoint + offset, rows, b + n, c + n, bStride, cStride, tokens, history, factors);
                SelectiveScanBackwardStates<TSimd, TVector>.Reverse(decay + offset, adjoint + offset, sumDecay + offset, rows, b + n, c + n, bStride, cStride, tokens,
                    history, factors, sumB + lanes, sumC + lanes, groupState);
            }

            Finish(part, tokens, channel);
            if (width < TSimd.Count) UnstageChannels(part, Columns(chunk, channel), tokens, width);
        }

        SumLanes(sumB, tokens, g.B + first * g.BStride, sign * g.BStride);
        SumLanes(sumC, tokens, g.C + first * g.CStride, sign * g.CStride);
    }

    /// <summary>Adds what the scan found to the gradients of A_log, D and the bias of Δ.</summary>
    public void AddParameterGradients()
    {
        // dA_log = dA·A, and dA is what sumDecay holds.
        if (g.ALog != null)
        {
            var ln2 = TSimd.Create(VectorMath.Ln2);
            for (nint i = 0; i < stateFloats; i += TSimd.Count)
                TSimd.Store(TSimd.Multiply(TSimd.Multiply(TSimd.Load(sumDecay + i), TSimd.Load(decay + i)), ln2), sumDecay + i);
            for (var d = 0; d < a.Channels; d++)
            {
                var lane = sumDecay + d / TSimd.Count * groupState + d % TSimd.Count;
                for (var n = 0; n < a.States; n++) g.ALog[(nint)d * a.States + n] += lane[n * TSimd.Count];
            }
        }

        if (g.Skip != null)
            for (var d = 0; d < a.Channels; d++) g.Skip[d] += sumSkip[d];
        if (g.DeltaBias != null)
            for (var d = 0; d < a.Channels; d++) g.DeltaBias[d] += sumBias[d];
    }

    private Rows RowsFrom(nint first, nint sign) => new()
    {
        U = a.U + first * a.UStride, UStride = sign * a.UStride,
        Delta = a.Delta + first * a.DeltaStride, DeltaStride = sign * a.DeltaStride,
        Z = a.Z == null ? null : a.Z + first * a.ZStride, ZStride = sign * a.ZStride,
        OutputGradient = g.Output + first * g.OutputStride, OutputGradientStride = sign * g.OutputStride,
        UGradient = g.U + first * g.UStride, UGradientStride = sign * g.UStride,
        DeltaGradient = g.Delta + first * g.DeltaStride, DeltaGradientStride = sign * g.DeltaStride,
        ZGradient = a.Z == null ? null : g.Z + first * g.ZStride, ZGradientStride = sign * g.ZStride,
    };

    private static Rows Columns(in Rows chunk, int channel)
    {
        var part = chunk;
        part.U += channel;
        part.Delta += channel;
        part.OutputGradient += channel;
        part.UGradient += channel;
        part.DeltaGradient += channel;
        if (part.Z == null) return part;
        part.Z += channel;
        part.ZGradient += channel;
        return part;
    }

    /// <summary>The last channels are fewer than a vector: work on a copy, since what follows them in memory belongs to others.</summary>
    private Rows StageChannels(in Rows part, int tokens, int width)
    {
        var size = Tokens * TSimd.Count;
        nint stride = TSimd.Count;
        var copy = new Rows
        {
            U = staged, UStride = stride,
            Delta = staged + size, DeltaStride = stride,
            OutputGradient = staged + 2 * size, OutputGradientStride = stride,
            UGradient = staged + 3 * size, UGradientStride = stride,
            DeltaGradient = staged + 4 * size, DeltaGradientStride = stride,
            Z = part.Z == null ? null : staged + 5 * size, ZStride = stride,
            ZGradient = part.Z == null ? null : staged + 6 * size, ZGradientStride = stride,
        };
        SelectiveScanScratch<TSimd, TVector>.Stage(part.U, part.UStride, tokens, width, copy.U, TSimd.Count);
        SelectiveScanScratch<TSimd, TVector>.Stage(part.Delta, part.DeltaStride, tokens, width, copy.Delta, TSimd.Count);
        SelectiveScanScratch<TSimd, TVector>.Stage(part.OutputGradient, part.OutputGradientStride, tokens, width, copy.OutputGradient, TSimd.Count);
        if (part.Z == null) return copy;
        SelectiveScanScratch<TSimd, TVector>.Stage(part.Z, part.ZStride, tokens, width, copy.Z, TSimd.Count);
        if (g.AccumulateZ) SelectiveScanScratch<TSimd, TVector>.Stage(part.ZGradient, part.ZGradientStride, tokens, width, copy.ZGradient, TSimd.Count);
        return copy;
    }

    private static void UnstageChannels(in Rows copy, in Rows part, int tokens, int width)
    {
        SelectiveScanScratch<TSimd, TVector>.Unstage(copy.UGradient, TSimd.Count, tokens, width, part.UGradient, part.UGradientStride);
        SelectiveScanScratch<TSimd, TVector>.Unstage(copy.DeltaGradient, TSimd.Count, tokens, width, part.DeltaGradient, part.DeltaGradientStride);
        if (part.Z != null) SelectiveScanScratch<TSimd, TVector>.Unstage(copy.ZGradient, TSimd.Count, tokens, width, part.ZGradient, part.ZGradientStride);
    }

    /// <summary>Fills the record of every token of the chunk.</summary>
    private void Prepare(in Rows part, int tokens, int channel)
    {
        var deltaBias = TSimd.Load(bias + channel);
        var skipWeight = TSimd.Load(skip + channel);
        var scale = TSimd.Create(a.OutputScale);
        var zero = TSimd.Create(0f);
        var row = rows;
        for (nint t = 0; t < tokens; t++)
        {
            PrefetchNext(part, t);
            var input = TSimd.Load(part.U + t * part.UStride);
            var step = TSimd.Add(TSimd.Load(part.Delta + t * part.DeltaStride), deltaBias);
            var slope = TSimd.Create(1f);
            if (a.Softplus) step = VectorMath.SoftplusWithSlope<TSimd, TVector>(step, out slope);
            var outputGradient = TSimd.Multiply(TSimd.Load(part.OutputGradient + t * part.OutputGradientStride), scale);
            if (part.Z != null)
            {
                var gate = VectorMath.SiluWithSlope<TSimd, TVector>(TSimd.Load(part.Z + t * part.ZStride), out var gateSlope);
                TSimd.Store(TSimd.Multiply(outputGradient, gateSlope), row + SelectiveScanBackwardStates<TSimd, TVector>.GateSlopeRow * TSimd.Count);
                outputGradient = TSimd.Multiply(outputGradient, gate);
            }

            TSimd.Store(step, row + SelectiveScanBackwardStates<TSimd, TVector>.DeltaRow * TSimd.Count);
            TSimd.Store(TSimd.Multiply(step, input), row + SelectiveScanBackwardStates<TSimd, TVector>.DeltaURow * TSimd.Count);
            TSimd.Store(outputGradient, row + SelectiveScanBackwardStates<TSimd, TVector>.OutputGradientRow * TSimd.Count);
            TSimd.Store(TSimd.Multiply(skipWeight, input), row + SelectiveScanBackwardStates<TSimd, TVector>.YRow * TSimd.Count);
            TSimd.Store(zero, row + SelectiveScanBackwardStates<TSimd, TVector>.SumBRow * TSimd.Count);
            TSimd.Store(zero, row + SelectiveScanBackwardStates<TSimd, TVector>.SumDecayRow * TSimd.Count);
            TSimd.Store(slope, row + SelectiveScanBackwardStates<TSimd, TVector>.SlopeRow * TSimd.Count);
            row += RowsPerToken * TSimd.Count;
        }
    }

    /// <summary>Rows are too far apart for the hardware to foresee the next vector of each.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void PrefetchNext(in Rows part, nint t)
    {
        VectorMath.Prefetch(part.U + t * part.UStride + TSimd.Count);
        VectorMath.Prefetch(part.Delta + t * part.DeltaStride + TSimd.Count);
        VectorMath.Prefetch(part.Z + t * part.ZStride + TSimd.Count);
        VectorMath.Prefetch(part.OutputGradient + t * part.OutputGradientStride + TSimd.Count);
        VectorMath.Prefetch(part.UGradient + t * part.UGradientStride + TSimd.Count);
        VectorMath.Prefetch(part.DeltaGradient + t * part.DeltaGradientStride + TSimd.Count);
        VectorMath.Prefetch(part.ZGradient + t * part.ZGradientStride + TSimd.Count);
    }

    /// <summary>du = Δ·Σ g·B + skip·dy; dΔ = u·Σ g·B + Σ g·a·H·A, through softplus; dz = dOut·silu'(z)·y.</summary>
    private void Finish(in Rows part, int tokens, int channel)
    {
        var skipWeight = TSimd.Load(skip + channel);
        var skipGradient = TSimd.Load(sumSkip + channel);
        var biasGradient = TSimd.Load(sumBias + channel);
        var ln2 = TSimd.Create(VectorMath.Ln2);
        var row = rows;
        for (nint t = 0; t < tokens; t++)
        {
            var input = TSimd.Load(part.U + t * part.UStride);
            var step = TSimd.Load(row + SelectiveScanBackwardStates<TSimd, TVector>.DeltaRow * TSimd.Count);
            var dy = TSimd.Load(row + SelectiveScanBackwardStates<TSimd, TVector>.OutputGradientRow * TSimd.Count);
            var totalB = TSimd.Load(row + SelectiveScanBackwardStates<TSimd, TVector>.SumBRow * TSimd.Count);
            var totalDecay = TSimd.Load(row + SelectiveScanBackwardStates<TSimd, TVector>.SumDecayRow * TSimd.Count);
            TSimd.Store(TSimd.MultiplyAdd(step, totalB, TSimd.Multiply(skipWeight, dy)), part.UGradient + t * part.UGradientStride);
            skipGradient = TSimd.MultiplyAdd(dy, input, skipGradient);
            var stepGradient = TSimd.MultiplyAdd(totalB, input, TSimd.Multiply(totalDecay, ln2));
            var slope = TSimd.Load(row + SelectiveScanBackwardStates<TSimd, TVector>.SlopeRow * TSimd.Count);
            stepGradient = TSimd.Multiply(stepGradient, slope);
            TSimd.Store(stepGradient, part.DeltaGradient + t * part.DeltaGradientStride);
            biasGradient = TSimd.Add(biasGradient, stepGradient);
            if (part.Z != null)
            {
                var y = TSimd.Load(row + SelectiveScanBackwardStates<TSimd, TVector>.YRow * TSimd.Count);
                var gateGradient = TSimd.Multiply(y, TSimd.Load(row + SelectiveScanBackwardStates<TSimd, TVector>.GateSlopeRow * TSimd.Count));
                var destination = part.ZGradient + t * part.ZGradientStride;
                if (g.AccumulateZ) gateGradient = TSimd.Add(gateGradient, TSimd.Load(destination));
                TSimd.Store(gateGradient, destination);
            }

            row += RowsPerToken * TSimd.Count;
        }

        TSimd.Store(skipGradient, sumSkip + channel);
        TSimd.Store(biasGradient, sumBias + channel);
    }

    /// <summary>[tokens, paddedStates, lanes] to [tokens, N].</summary>
    private void SumLanes(float* source, int tokens, float* destination, nint stride)
    {
        for (nint t = 0; t < tokens; t++)
            for (var n = 0; n < a.States; n++) destination[t * stride + n] = TSimd.Sum(TSimd.Load(source + t * groupState + n * TSimd.Count));
    }
}
