using System.Runtime.CompilerServices;

namespace RMeeTo.Vim.Devices.Cpu;

/// <summary>
/// Selective scan, forward, for one image and one direction. A chunk of tokens at a time, and in it one vector of channels after the other, three phases:
/// softplus; the recurrence, four states in registers; skip and gate. A chunk's rows stay in the first-level cache, and so does the state of a vector.
/// </summary>
internal static unsafe class SelectiveScan
{
    // Rows of a token between the phases, one vector each.
    private const int DeltaRow = 0, DeltaURow = 1, YRow = 2, RowsPerToken = 3;

    // Matrices of the last, incomplete vector of channels.
    private const int StagedMatrices = 4;

    /// <summary>Floats of scratch that a forward scan needs.</summary>
    public static nint ScratchFloats<TSimd, TVector>(int channels, int states) where TSimd : struct, ISimd<TVector> where TVector : struct
    {
        var paddedStates = SelectiveScanScratch<TSimd, TVector>.PaddedStates(states);
        return 2 * SelectiveScanScratch<TSimd, TVector>.StateFloats(channels, states)
            + 2 * SelectiveScanScratch<TSimd, TVector>.PaddedChannels(channels)
            + SelectiveScanScratch<TSimd, TVector>.ChunkTokens * ((RowsPerToken + StagedMatrices) * TSimd.Count + 2 * paddedStates)
            + TSimd.Count + 2 * SelectiveScanScratch<TSimd, TVector>.AlignmentFloats;
    }

    /// <summary>Floats of checkpoints that a training pass needs.</summary>
    public static nint CheckpointFloats<TSimd, TVector>(int length, int channels, int states) where TSimd : struct, ISimd<TVector> where TVector : struct =>
        Math.Max(1, SelectiveScanScratch<TSimd, TVector>.Chunks(length)) * SelectiveScanScratch<TSimd, TVector>.StateFloats(channels, states)
        + SelectiveScanScratch<TSimd, TVector>.AlignmentFloats;

    /// <summary>
    /// Runs the scan; see <see cref="SelectiveScanArguments"/>. <paramref name="scratch"/> needs no preparation, or holds what the scan before this one left
    /// where that had the same parameters and sizes (<paramref name="sameParameters"/>).
    /// </summary>
    public static void Forward<TSimd, TVector>(in SelectiveScanArguments arguments, float* scratch, bool sameParameters = false) where TSimd : struct, ISimd<TVector> where TVector : struct
    {
        var work = new Work<TSimd, TVector>(arguments, scratch, sameParameters);
        for (var t = 0; t < arguments.Length; t += SelectiveScanScratch<TSimd, TVector>.ChunkTokens) work.Chunk(t);
        if (arguments.FinalState != null) SelectiveScanScratch<TSimd, TVector>.CopyOut(work.State, arguments.Channels, arguments.States, arguments.FinalState);
    }

    /// <summary>The matrices of one chunk, from the chunk's first row in walking order. A stride is negative where the walk is reversed.</summary>
    private struct Rows
    {
        public float* U, Delta, Z, Output;
        public nint UStride, DeltaStride, ZStride, OutputStride;
    }

    private struct Work<TSimd, TVector> where TSimd : struct, ISimd<TVector> where TVector : struct
    {
        public float* State;

        private readonly SelectiveScanArguments a;
        private readonly int groups, paddedStates;
        private readonly nint groupState;
        private readonly float* decay, bias, skip, rows, staged, stagedB, stagedC, checkpoints;

        public Work(in SelectiveScanArguments arguments, float* scratch, bool sameParameters)
        {
            a = arguments;
            groups = SelectiveScanScratch<TSimd, TVector>.Groups(a.Channels);
            paddedStates = SelectiveScanScratch<TSimd, TVector>.PaddedStates(a.States);
            groupState = (nint)paddedStates * TSimd.Count;
            var stateFloats = SelectiveScanScratch<TSimd, TVector>.StateFloats(a.Channels, a.States);
            var paddedChannels = SelectiveScanScratch<TSimd, TVector>.PaddedChannels(a.Channels);
            const int tokens = SelectiveScanScratch<TSimd, TVector>.ChunkTokens;

            decay = SelectiveScanScratch<TSimd, TVector>.Align(scratch);
            bias = decay + stateFloats;
            skip = bias + paddedChannels;
            rows = skip + paddedChannels;
            staged = rows + tokens * RowsPerToken * TSimd.Count;
            stagedB = staged + tokens * StagedMatrices * TSimd.Count;
            stagedC = stagedB + tokens * paddedStates;
            State = SelectiveScanScratch<TSimd, TVector>.Align(stagedC + tokens * paddedStates);
            if (!sameParameters)
            {
                SelectiveScanScratch<TSimd, TVector>.PrepareDecay(a.ALog, a.Channels, a.States, decay, State);
                SelectiveScanScratch<TSimd, TVector>.PrepareVector(a.DeltaBias, a.Channels, bias);
                SelectiveScanScratch<TSimd, TVector>.PrepareVector(a.Skip, a.Channels, skip);
            }

            // In training the state lives in the checkpoints: a chunk reads one and writes the next.
            checkpoints = a.Checkpoints == null ? null : SelectiveScanScratch<TSimd, TVector>.Align(a.Checkpoints);
            new Span<float>(checkpoints == null ? State : checkpoints, checked((int)stateFloats)).Clear();
        }

        public readonly void Chunk(int start)
        {
            var tokens = Math.Min(SelectiveScanScratch<TSimd, TVector>.ChunkTokens, a.Length - start);
            nint first = a.Reverse ? a.Length - 1 - start : start;
            nint sign = a.Reverse ? -1 : 1;
            var chunk = new Rows
            {
                U = a.U + first * a.UStride, UStride = sign * a.UStride,
                Delta = a.Delta + first * a.DeltaStride, DeltaStride = sign * a.DeltaStride,
                Z = a.Z == null ? null : a.Z + first * a.ZStride, ZStride = sign * a.ZStride,
                Output = a.Output + first * a.OutputStride, OutputStride = sign * a.OutputStride,
            };
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

            var stateFloats = groups * groupState;
            var chunkIndex = start / SelectiveScanScratch<TSimd, TVector>.ChunkTokens;
            var from = checkpoints == null ? State : checkpoints + chunkIndex * stateFloats;
            var to = checkpoints == null || start + tokens == a.Length ? State : from + stateFloats;
            for (var group = 0; group < groups; group++)
            {
                var channel = group * TSimd.Count;
                var width = Math.Min(TSimd.Count, a.Channels - channel);
                var part = chunk;
                part.U += channel;
                part.Delta += channel;
                part.Output += channel;
                if (part.Z != null) part.Z += channel;
                if (width < TSimd.Count) part = StageChannels(part, tokens, width);

                Prepare(part, tokens, channel);
                for (var n = 0; n < paddedStates; n += SelectiveScanScratch<TSimd, TVector>.StatesPerPass)
                {
                    var offset = group * groupState + n * TSimd.Count;
                    AdvanceFour(decay + offset, from + offset, to + offset, rows, b + n, c + n, bStride, cStride, tokens);
                }

                Finish(part, tokens);
                if (width < TSimd.Count) SelectiveScanScratch<TSimd, TVector>.Unstage(part.Output, TSimd.Count, tokens, width, chunk.Output + channel, chunk.OutputStride);
            }
        }

        /// <summary>The last channels are fewer than a vector: work on a copy, since what follows them in memory belongs to others.</summary>
        private readonly Rows StageChannels(Rows part, int tokens, int width)
        {
            var size = SelectiveScanScratch<TSimd, TVector>.ChunkTokens * TSimd.Count;
            var copy = new Rows
            {
                U = staged, Delta = staged + size, Output = staged + 2 * size, Z = part.Z == null ? null : staged + 3 * size,
                UStride = TSimd.Count, DeltaStride = TSimd.Count, OutputStride = TSimd.Count, ZStride = TSimd.Count,
            };
            SelectiveScanScratch<TSimd, TVector>.Stage(part.U, part.UStride, tokens, width, copy.U, TSimd.Count);
            SelectiveScanScratch<TSimd, TVector>.Stage(part.Delta, part.DeltaStride, tokens, width, copy.Delta, TSimd.Count);
            if (a.Accumulate) SelectiveScanScratch<TSimd, TVector>.Stage(part.Output, part.OutputStride, tokens, width, copy.Output, TSimd.Count);
            if (part.Z != null) SelectiveScanScratch<TSimd, TVector>.Stage(part.Z, part.ZStride, tokens, width, copy.Z, TSimd.Count);
            return copy;
        }

        /// <summary>Δ, Δ·u and skip·u of every token of the chunk.</summary>
        private readonly void Prepare(in Rows part, int tokens, int channel)
        {
            var deltaBias = TSimd.Load(bias + channel);
            var skipWeight = TSimd.Load(skip + channel);
            var row = rows;
            float* u = part.U, delta = part.Delta, z = part.Z, output = part.Output;
            nint uStride = part.UStride, deltaStride = part.DeltaStride, zStride = part.ZStride, outputStride = part.OutputStride;
            for (var t = 0; t < tokens; t++)
            {
                // Rows are too far apart for the hardware to foresee the next vector of each.
                VectorMath.Prefetch(u + TSimd.Count);
                VectorMath.Prefetch(delta + TSimd.Count);
                VectorMath.Prefetch(z + TSimd.Count);
                VectorMath.Prefetch(output + TSimd.Count);
                var step = TSimd.Add(TSimd.Load(delta), deltaBias);
                if (a.Softplus) step = VectorMath.Softplus<TSimd, TVector>(step);
                var input = TSimd.Load(u);
                TSimd.Store(step, row + DeltaRow * TSimd.Count);
                TSimd.Store(TSimd.Multiply(step, input), row + DeltaURow * TSimd.Count);
                TSimd.Store(TSimd.Multiply(skipWeight, input), row + YRow * TSimd.Count);
                row += RowsPerToken * TSimd.Count;
                u += uStride;
                delta += deltaStride;
                z += zStride;
                output += outputStride;
            }
        }

        /// <summary>output (+)= scale·y·silu(z).</summary>
        private readonly void Finish(in Rows part, int tokens)
        {
            var scale = TSimd.Create(a.OutputScale);
            var y = rows + YRow * TSimd.Count;
            float* z = part.Z, output = part.Output;
            nint zStride = part.ZStride, outputStride = part.OutputStride;
            for (var t = 0; t < tokens; t++)
            {
                var value = TSimd.Multiply(TSimd.Load(y), scale);
                if (z != null) value = TSimd.Multiply(value, VectorMath.Silu<TSimd, TVector>(TSimd.Load(z)));
                if (a.Accumulate) value = TSimd.Add(value, TSimd.Load(output));
                TSimd.Store(value, output);
                y += RowsPerToken * TSimd.Count;
                if (z != null) z += zStride;
                output += outputStride;
            }
        }

        /// <summary>H = exp2(Δ·decay)·H + (Δ·u)·B and y += C·H for four states of one vector of channels.</summary>
        [MethodImpl(MethodImplOptions.NoInlining)]
        private static void AdvanceFour(float* decay, float* from, float* to, float* row, float* b, float* c, nint bStride, nint cStride, int tokens)
        {
            var decay0 = TSimd.Load(decay);
            var decay1 = TSimd.Load(decay + TSimd.Count);
            var decay2 = TSimd.Load(decay + 2 * TSimd.Count);
            var decay3 = TSimd.Load(decay + 3 * TSimd.Count);
            var h0 = TSimd.Load(from);
            var h1 = TSimd.Load(from + TSimd.Count);
            var h2 = TSimd.Load(from + 2 * TSimd.Count);
            var h3 = TSimd.Load(from + 3 * TSimd.Count);
            for (var t = 0; t < tokens; t++)
            {
                var delta = TSimd.Load(row + DeltaRow * TSimd.Count);
                var deltaU = TSimd.Load(row + DeltaURow * TSimd.Count);
                var y = TSimd.Load(row + YRow * TSimd.Count);
                h0 = Advance(delta, decay0, h0, deltaU, TSimd.Create(b[0]));
                y = TSimd.MultiplyAdd(h0, TSimd.Create(c[0]), y);
                h1 = Advance(delta, decay1, h1, deltaU, TSimd.Create(b[1]));
                y = TSimd.MultiplyAdd(h1, TSimd.Create(c[1]), y);
                h2 = Advance(delta, decay2, h2, deltaU, TSimd.Create(b[2]));
                y = TSimd.MultiplyAdd(h2, TSimd.Create(c[2]), y);
                h3 = Advance(delta, decay3, h3, deltaU, TSimd.Create(b[3]));
                y = TSimd.MultiplyAdd(h3, TSimd.Create(c[3]), y);
                TSimd.Store(y, row + YRow * TSimd.Count);
                row += RowsPerToken * TSimd.Count;
                b += bStride;
                c += cStride;
            }

            TSimd.Store(h0, to);
            TSimd.Store(h1, to + TSimd.Count);
            TSimd.Store(h2, to + 2 * TSimd.Count);
            TSimd.Store(h3, to + 3 * TSimd.Count);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static TVector Advance(TVector delta, TVector decay, TVector h, TVector deltaU, TVector b) =>
            TSimd.MultiplyAdd(TSimd.Exp2(TSimd.Multiply(delta, decay)), h, TSimd.Multiply(deltaU, b));
    }
}
