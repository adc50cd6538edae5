using TorchSharp;
using static TorchSharp.torch;

namespace RMeeTo.TorchSharp;

public sealed partial class TorchSharpDevice
{
    /// <summary>T steps of a scan in the order of the walk, step-major: [T, B, …], so that what belongs to a step lies together.</summary>
    private readonly struct ScanChunk
    {
        private readonly ScanTensors _scan;
        private readonly int _firstToken;
        private readonly Tensor _argument;

        public ScanChunk(in ScanTensors scan, int start, int steps)
        {
            (_scan, Steps) = (scan, steps);
            _firstToken = scan.Reverse ? scan.Length - start - steps : start;
            (U, B, C) = (Take(scan.U), Take(scan.B), Take(scan.C));
            Z = scan.Z is null ? null : Take(scan.Z);
            _argument = scan.DeltaBias is null ? Take(scan.DeltaRaw) : Take(scan.DeltaRaw).Plus(scan.DeltaBias);
            Delta = scan.IsSoftplus ? _argument.Softplus() : _argument;
        }

        /// <summary>T.</summary>
        public int Steps { get; }

        /// <summary>[T, B, D]</summary>
        public Tensor U { get; }

        /// <summary>Δ [T, B, D].</summary>
        public Tensor Delta { get; }

        /// <summary>[T, B, N]</summary>
        public Tensor B { get; }

        /// <summary>[T, B, N]</summary>
        public Tensor C { get; }

        /// <summary>[T, B, D], or null without a gate.</summary>
        public Tensor? Z { get; }

        /// <summary>[D, N]</summary>
        public Tensor A => _scan.A;

        /// <summary>[1, D], or null.</summary>
        public Tensor? Skip => _scan.Skip;

        public float OutputScale => _scan.OutputScale;

        /// <summary>The steps' rows of [B, L, …] as a dense [T, B, …], only to be read: it may be the very memory of the operand.</summary>
        public Tensor Take(Tensor tokens)
        {
            Tensor steps = tokens.narrow(1, _firstToken, Steps).transpose(0, 1);
            return (_scan.Reverse ? steps.flip(0) : steps).contiguous();
        }

        /// <summary>The way back: writes the steps' rows of [B, L, …], or adds to them.</summary>
        public void Put(Tensor tokens, Tensor steps, bool accumulate) =>
            TorchSharpDevice.Put(tokens.narrow(1, _firstToken, Steps), (_scan.Reverse ? steps.flip(0) : steps).transpose(0, 1), accumulate);

        /// <summary>a = exp(Δ A) [T, B, D, N].</summary>
        public Tensor Decay() => Delta.unsqueeze(3).mul(A).exp_();

        /// <summary>H before the first step and after every step [T + 1, B, D, N]: H_t = a_t H_{t−1} + Δ_t B_t u_t.</summary>
        public Tensor History(Tensor decay, Tensor before)
        {
            Tensor history = empty([Steps + 1, _scan.Batch, _scan.Channels, _scan.States], ScalarType.Float32, decay.device);
            history.narrow(0, 1, Steps).copy_(Delta.mul(U).unsqueeze(3)).mul_(B.unsqueeze(2));
            Tensor last = history.select(0, 0).copy_(before);
            for (int step = 0; step < Steps; step++) last = history.select(0, step + 1).AddProduct(decay.select(0, step), last);
            return history;
        }

        /// <summary>The adjoint of H after every step [T, B, D, N]: g_t = gy_t C_t + a_{t+1} g_{t+1}.</summary>
        /// <param name="gy">[T, B, D]</param>
        /// <param name="decay">a [T, B, D, N]</param>
        /// <param name="carried">a g of the step after the last [B, D, N].</param>
        public Tensor Adjoint(Tensor gy, Tensor decay, Tensor carried)
        {
            Tensor adjoint = gy.unsqueeze(3).mul(C.unsqueeze(2));
            Tensor next = adjoint.select(0, Steps - 1).Add(carried);
            for (int step = Steps - 2; step >= 0; step--) next = adjoint.select(0, step).AddProduct(decay.select(0, step + 1), next);
            return adjoint;
        }

        /// <summary>y = Σ_n C H + skip u [T, B, D].</summary>
        public Tensor Ungated(TorchSharpDevice device, Tensor history)
        {
            Tensor y = SumStates(device, history.narrow(0, 1, Steps), C);
            return Skip is null ? y : y.AddProduct(U, Skip);
        }

        /// <summary>Σ_n values · factor: [T, B, D, N] · [T, B, N] → [T, B, D].</summary>
        public Tensor SumStates(TorchSharpDevice device, Tensor values, Tensor factor)
        {
            Tensor matrices = values.view(-1, _scan.Channels, _scan.States);
            return device.MultiplyExactly(matrices, factor.view(-1, _scan.States, 1)).view(Steps, _scan.Batch, _scan.Channels);
        }

        /// <summary>Σ_d factor · values: [T, B, D] · [T, B, D, N] → [T, B, N].</summary>
        public Tensor SumChannels(TorchSharpDevice device, Tensor factor, Tensor values)
        {
            Tensor matrices = values.view(-1, _scan.Channels, _scan.States);
            return device.MultiplyExactly(factor.view(-1, 1, _scan.Channels), matrices).view(Steps, _scan.Batch, _scan.States);
        }

        /// <summary>dΔ / d argument [T, B, D]; null for 1.</summary>
        public Tensor? DeltaSlope() => _scan.IsSoftplus ? _argument.sigmoid() : null;
    }
}
