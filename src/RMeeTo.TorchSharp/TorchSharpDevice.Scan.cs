using RMeeTo.Vim.Devices;
using TorchSharp;
using static TorchSharp.torch;

namespace RMeeTo.TorchSharp;

// The selective scan (spec 1.1): some steps at once. What does not depend on the step before is computed for all of them in one operator; the recurrence
// itself is one operator a step. Of every chunk of steps the state before it is kept, from which the gradient makes the others anew.
public sealed partial class TorchSharpDevice
{
    private const int MostSteps = 16;

    /// <summary>Values of one tensor [steps, B, D, N] at most, unless a single step has more; less in tests.</summary>
    internal long ScanValues { get; init; } = 1 << 25;

    /// <inheritdoc/>
    public override long ScanCheckpointLength(int batch, int length, int channels, int states)
    {
        long state = (long)batch * channels * states;
        return state == 0 ? 0 : Chunks(length, StepsAtOnce(state)) * state;
    }

    /// <inheritdoc/>
    public override void SelectiveScan(in ScanOperands scan, DeviceMatrix output, bool accumulate, DeviceBuffer? checkpoints)
    {
        using var scope = NewDisposeScope();
        var s = new ScanTensors(this, scan);
        Tensor to = Images(output, scan.Batch, scan.Length, s.Channels, nameof(output));
        Tensor? kept = checkpoints is null ? null : Checkpoints(checkpoints, s);
        if (s.IsEmpty) return;
        Tensor state = zeros([s.Batch, s.Channels, s.States], ScalarType.Float32, _device);
        int steps = StepsAtOnce(s.StateLength);
        for (int start = 0; start < s.Length; start += steps)
        {
            using var part = NewDisposeScope();
            kept?.select(0, start / steps).copy_(state);
            var chunk = new ScanChunk(s, start, Math.Min(steps, s.Length - start));
            Tensor history = chunk.History(chunk.Decay(), state);
            Tensor result = chunk.Ungated(this, history);
            if (chunk.Z is { } z) result.mul_(z.silu());
            chunk.Put(to, result.Scale(s.OutputScale), accumulate);
            state.copy_(history.select(0, chunk.Steps));
        }
    }

    /// <inheritdoc/>
    public override void SelectiveScanGradient(in ScanOperands scan, DeviceBuffer checkpoints, DeviceMatrix outputGradient, in ScanGradients gradients)
    {
        using var scope = NewDisposeScope();
        var s = new ScanTensors(this, scan);
        var to = new ScanDestinations(this, s, gradients);
        Tensor go = Images(outputGradient, s.Batch, s.Length, s.Channels, nameof(outputGradient));
        Tensor kept = Checkpoints(checkpoints, s);
        if (s.IsEmpty) return;
        Tensor carried = zeros([s.Batch, s.Channels, s.States], ScalarType.Float32, _device); // a_{t+1} g_{t+1}
        int steps = StepsAtOnce(s.StateLength);
        for (int index = (int)Chunks(s.Length, steps) - 1; index >= 0; index--)
        {
            using var part = NewDisposeScope();
            int start = index * steps;
            ChunkGradient(new ScanChunk(s, start, Math.Min(steps, s.Length - start)), kept.select(0, index), go, carried, to);
        }
    }

    /// <summary>The gradients of one chunk; g is the adjoint of H, from its last step to its first.</summary>
    private void ChunkGradient(in ScanChunk chunk, Tensor before, Tensor outputGradient, Tensor carried, in ScanDestinations to)
    {
        Tensor decay = chunk.Decay(), history = chunk.History(decay, before);
        Tensor gy = chunk.Take(outputGradient).Times(chunk.OutputScale);
        if (chunk.Z is { } z)
        {
            chunk.Put(to.Gate!, chunk.Ungated(this, history).mul_(z.SiluSlope()).mul_(gy), to.AccumulateGate);
            gy = gy.mul(z.silu());
        }
        Tensor g = chunk.Adjoint(gy, decay, carried);
        carried.copy_(decay.select(0, 0).mul(g.select(0, 0)));

        Tensor after = history.narrow(0, 1, chunk.Steps);
        chunk.Put(to.C, chunk.SumChannels(this, gy, after), false);
        chunk.Put(to.B, chunk.SumChannels(this, chunk.Delta.mul(chunk.U), g), false);

        Tensor fromInput = chunk.SumStates(this, g, chunk.B);
        Tensor gu = chunk.Delta.mul(fromInput), gDelta = chunk.U.mul(fromInput);
        if (chunk.Skip is { } skip) gu.AddProduct(gy, skip);
        to.Skip?.Add(gy.mul(chunk.U).sum(0, 1).unsqueeze(0));

        // d H_t / d Δ_t by way of the decay: A · a · H_{t−1}, and the same times Δ for log(−A).
        Tensor byDecay = decay.mul_(g).mul_(history.narrow(0, 0, chunk.Steps)).mul_(chunk.A);
        gDelta.Add(byDecay.sum(3));
        to.ALog.Add(byDecay.mul_(chunk.Delta.unsqueeze(3)).sum(0, 1));
        if (chunk.DeltaSlope() is { } slope) gDelta.mul_(slope);
        to.DeltaBias?.Add(gDelta.sum(0, 1).unsqueeze(0));
        chunk.Put(to.Input, gu, false);
        chunk.Put(to.DeltaRaw, gDelta, false);
    }

    /// <summary>[chunks, B, D, N]: the states before every chunk.</summary>
    private Tensor Checkpoints(DeviceBuffer checkpoints, in ScanTensors s)
    {
        long needed = ScanCheckpointLength(s.Batch, s.Length, s.Channels, s.States);
        if (needed == 0) return _zero;
        return Range(checkpoints, 0, needed, nameof(checkpoints)).view(-1, s.Batch, s.Channels, s.States);
    }

    private int StepsAtOnce(long stateLength) => (int)Math.Clamp(ScanValues / stateLength, 1, MostSteps);

    private static long Chunks(int length, int steps) => (length + steps - 1L) / steps;

    /// <summary>The operands as tensors [B, L, …], and what follows from them alone.</summary>
    private readonly struct ScanTensors
    {
        public ScanTensors(TorchSharpDevice device, in ScanOperands scan)
        {
            (Batch, Length, Channels, States) = (scan.Batch, scan.Length, scan.Input.Columns, scan.ALog.Columns);
            (Reverse, IsSoftplus, OutputScale) = (scan.Reverse, scan.Softplus, scan.OutputScale);
            U = device.Images(scan.Input, Batch, Length, Channels, nameof(scan.Input));
            DeltaRaw = device.Images(scan.DeltaRaw, Batch, Length, Channels, nameof(scan.DeltaRaw));
            B = device.Images(scan.B, Batch, Length, States, nameof(scan.B));
            C = device.Images(scan.C, Batch, Length, States, nameof(scan.C));
            Z = device.ImagesOrNull(scan.Gate, Batch, Length, Channels, nameof(scan.Gate));
            A = device.View(scan.ALog, Channels, States, nameof(scan.ALog)).exp().neg();
            DeltaBias = device.ViewOrNull(scan.DeltaBias, 1, Channels, nameof(scan.DeltaBias));
            Skip = device.ViewOrNull(scan.Skip, 1, Channels, nameof(scan.Skip));
        }

        public int Batch { get; }
        public int Length { get; }
        public int Channels { get; }
        public int States { get; }
        public long StateLength => (long)Batch * Channels * States;
        public bool IsEmpty => StateLength * Length == 0;
        public bool Reverse { get; }
        public bool IsSoftplus { get; }
        public float OutputScale { get; }
        public Tensor U { get; }
        public Tensor DeltaRaw { get; }
        public Tensor B { get; }
        public Tensor C { get; }
        public Tensor? Z { get; }

        /// <summary>−exp(ALog) [D, N]</summary>
        public Tensor A { get; }

        /// <summary>[1, D]</summary>
        public Tensor? DeltaBias { get; }

        /// <summary>[1, D]</summary>
        public Tensor? Skip { get; }
    }

    private readonly struct ScanDestinations
    {
        public ScanDestinations(TorchSharpDevice device, in ScanTensors s, in ScanGradients gradients)
        {
            Input = device.Images(gradients.Input, s.Batch, s.Length, s.Channels, nameof(gradients.Input));
            DeltaRaw = device.Images(gradients.DeltaRaw, s.Batch, s.Length, s.Channels, nameof(gradients.DeltaRaw));
            B = device.Images(gradients.B, s.Batch, s.Length, s.States, nameof(gradients.B));
            C = device.Images(gradients.C, s.Batch, s.Length, s.States, nameof(gradients.C));
            Gate = s.Z is null ? null : device.Images(gradients.Gate, s.Batch, s.Length, s.Channels, nameof(gradients.Gate));
            ALog = device.View(gradients.ALog, s.Channels, s.States, nameof(gradients.ALog));
            Skip = device.ViewOrNull(gradients.Skip, 1, s.Channels, nameof(gradients.Skip));
            DeltaBias = device.ViewOrNull(gradients.DeltaBias, 1, s.Channels, nameof(gradients.DeltaBias));
            AccumulateGate = gradients.AccumulateGate;
        }

        public Tensor Input { get; }
        public Tensor DeltaRaw { get; }
        public Tensor B { get; }
        public Tensor C { get; }
        public Tensor? Gate { get; }
        public bool AccumulateGate { get; }
        public Tensor ALog { get; }
        public Tensor? Skip { get; }
        public Tensor? DeltaBias { get; }
    }
}
