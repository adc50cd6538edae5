using RMeeTo.Vim.Merging;

namespace RMeeTo.Vim.Devices;

/// <summary>
/// What turns T' frames of P patches into L = T'·P + class tokens rows, or the gradients of that. Row l is a class token or the next patch, plus its position
/// in a frame, plus, for patches, its place in time. Tokens are frame-major; the class tokens stand once for all frames.
/// </summary>
public readonly record struct EmbeddingTables
{
    /// <summary>Row of the class token; without meaning where there is none.</summary>
    public int ClassRow { get; init; }

    /// <summary>[1, C], or none.</summary>
    public DeviceMatrix ClassToken { get; init; }

    /// <summary>[1, C]: a second class token in the last row; or none.</summary>
    public DeviceMatrix TailClassToken { get; init; }

    /// <summary>[P + class tokens, C]: for every patch of a frame and for the class tokens, in the order of one frame's rows.</summary>
    public required DeviceMatrix Positions { get; init; }

    /// <summary>[T', C]; none: one frame, no time.</summary>
    public DeviceMatrix TimePositions { get; init; }

    /// <summary>Class tokens: 0 to 2.</summary>
    public int ClassTokens => (ClassToken.IsNone ? 0 : 1) + (TailClassToken.IsNone ? 0 : 1);

    /// <summary>P, patches of a frame.</summary>
    public int FramePatches => Positions.Rows - ClassTokens;

    /// <summary>T'·P.</summary>
    public int Patches => (TimePositions.IsNone ? 1 : TimePositions.Rows) * FramePatches;

    /// <summary>L.</summary>
    public int Tokens => Patches + ClassTokens;

    /// <summary>Devices index their memory by these rows.</summary>
    /// <exception cref="ArgumentException">The class row lies outside the tokens, or is not the first of several frames.</exception>
    public void Check()
    {
        int last = TimePositions.IsNone || TimePositions.Rows == 1 ? FramePatches : 0;
        if (!ClassToken.IsNone && (uint)ClassRow > (uint)last)
            throw new ArgumentException($"The class row is {ClassRow}; among {Patches} patches in frames of {FramePatches} it must be from 0 to {last}.");
    }

    /// <summary>Row of <see cref="Positions"/> for a patch, 0 to <see cref="Patches"/> − 1.</summary>
    public int PositionRow(int patch)
    {
        int place = patch % FramePatches;
        return ClassToken.IsNone || place < ClassRow ? place : place + 1;
    }

    /// <summary>Row of <see cref="TimePositions"/> for a patch.</summary>
    public int TimeRow(int patch) => patch / FramePatches;

    /// <summary>True for the row of the first class token.</summary>
    public bool IsClassRow(int token) => !ClassToken.IsNone && token == ClassRow;

    /// <summary>True for the row of the second class token.</summary>
    public bool IsTailRow(int token) => !TailClassToken.IsNone && token == Tokens - 1;
}

/// <summary>Operands of an addition followed by a normalisation, over M rows of C channels: s = residual + hidden; y = norm(s).</summary>
public readonly record struct NormOperands
{
    /// <summary>Kind of normalisation.</summary>
    public required NormKind Kind { get; init; }

    /// <summary>ε.</summary>
    public required float Epsilon { get; init; }

    /// <summary>[1, C]</summary>
    public required DeviceMatrix Weight { get; init; }

    /// <summary>[1, C], or none.</summary>
    public DeviceMatrix Bias { get; init; }
}

/// <summary>Operands of the causal convolution along the tokens of each of B images, channel by channel: y_t = act(bias + Σ_k w_k · x_{t−(K−1)+k}).</summary>
public readonly record struct ConvOperands
{
    /// <summary>B.</summary>
    public required int Batch { get; init; }

    /// <summary>L, tokens an image.</summary>
    public required int Length { get; init; }

    /// <summary>Walks from the last token to the first: y_t depends on x_t, x_{t+1}, … .</summary>
    public required bool Reverse { get; init; }

    /// <summary>[D, K], K from 2 to 4.</summary>
    public required DeviceMatrix Weight { get; init; }

    /// <summary>[1, D], or none.</summary>
    public DeviceMatrix Bias { get; init; }

    /// <summary>True: act = SiLU. False: no activation.</summary>
    public bool Silu { get; init; }
}

/// <summary>Operands of the selective scan over L tokens of each of B images, D channels, N states (spec 1.1).</summary>
/// <remarks>
/// Δ = softplus(DeltaRaw + DeltaBias), which is its argument above 20; H_t = exp(−Δ_t exp(ALog)) H_{t−1} + Δ_t B_t u_t; o_t = (Σ_n C_t H_t + Skip u_t) ·
/// silu(Gate_t), and output (+)= OutputScale · o.
/// </remarks>
public readonly record struct ScanOperands
{
    /// <summary>B.</summary>
    public required int Batch { get; init; }

    /// <summary>L, tokens an image.</summary>
    public required int Length { get; init; }

    /// <summary>Walks from the last token to the first.</summary>
    public required bool Reverse { get; init; }

    /// <summary>u [B·L, D]</summary>
    public required DeviceMatrix Input { get; init; }

    /// <summary>[B·L, D], before bias and softplus.</summary>
    public required DeviceMatrix DeltaRaw { get; init; }

    /// <summary>[1, D], or none.</summary>
    public DeviceMatrix DeltaBias { get; init; }

    /// <summary>[D, N]; the decay is −exp of it.</summary>
    public required DeviceMatrix ALog { get; init; }

    /// <summary>B [B·L, N]</summary>
    public required DeviceMatrix B { get; init; }

    /// <summary>C [B·L, N]</summary>
    public required DeviceMatrix C { get; init; }

    /// <summary>D [1, D], or none.</summary>
    public DeviceMatrix Skip { get; init; }

    /// <summary>z [B·L, D], or none: no gate.</summary>
    public DeviceMatrix Gate { get; init; }

    /// <summary>False: Δ is DeltaRaw + DeltaBias as it is.</summary>
    public bool Softplus { get; init; }

    /// <summary>Factor of the output: ½ where two directions are averaged, else 1. To be set always: the default is 0.</summary>
    public float OutputScale { get; init; }
}

/// <summary>
/// Where the gradients of a selective scan go. Gradients of activations are written, or added where told so; gradients of parameters are always added.
/// </summary>
public readonly record struct ScanGradients
{
    /// <summary>[B·L, D], written.</summary>
    public required DeviceMatrix Input { get; init; }

    /// <summary>[B·L, D], written.</summary>
    public required DeviceMatrix DeltaRaw { get; init; }

    /// <summary>[B·L, N], written.</summary>
    public required DeviceMatrix B { get; init; }

    /// <summary>[B·L, N], written.</summary>
    public required DeviceMatrix C { get; init; }

    /// <summary>[B·L, D]; none where there is no gate.</summary>
    public DeviceMatrix Gate { get; init; }

    /// <summary>True: the gate's gradient is added to what is there (the two directions share one gate).</summary>
    public bool AccumulateGate { get; init; }

    /// <summary>[D, N], added.</summary>
    public required DeviceMatrix ALog { get; init; }

    /// <summary>[1, D], added; none where there is no skip.</summary>
    public DeviceMatrix Skip { get; init; }

    /// <summary>[1, D], added; none where there is no bias.</summary>
    public DeviceMatrix DeltaBias { get; init; }
}

/// <summary>What a merge is decided by, over L tokens of each of B images.</summary>
public readonly record struct MatchOperands
{
    /// <summary>[B·L, any]; what tokens are compared by.</summary>
    public required DeviceMatrix Metric { get; init; }

    /// <summary>[B·L, 1]; how many original tokens each row stands for. None: every row stands for one.</summary>
    public DeviceMatrix Sizes { get; init; }

    /// <summary>
    /// The plan of the merge before, which knows the class row of every image; null at the first merge. Asked only under
    /// <see cref="MergeClassPosition.Exact"/>.
    /// </summary>
    public MergePlan? Previous { get; init; }
}

/// <summary>Where the values of a matrix [B·L, C] go when they are added to another.</summary>
public enum MetricPlacement
{
    /// <summary>To their own row and column.</summary>
    Straight,

    /// <summary>Row t and column c of an image to row L−1−t and column C−1−c: what the published code makes of the backward direction (spec 1.2).</summary>
    Turned,
}

/// <summary>Weights of the parts of the training loss of one image: Target · cross-entropy + Teacher · KL(teacher ‖ student).</summary>
/// <param name="Target">Factor of the cross-entropy against the target probabilities.</param>
/// <param name="Teacher">Factor of the divergence from the teacher; 0 where there is none.</param>
public readonly record struct LossWeights(float Target, float Teacher);

/// <summary>One AdamW step with decoupled weight decay, as PyTorch's <c>AdamW</c> computes it.</summary>
/// <remarks>In double, as Python has them: 1 − β2 of a single-precision 0.999 is off by 1.3e-5.</remarks>
/// <param name="Step">1 for the first step.</param>
/// <param name="LearningRate">Learning rate of this step.</param>
/// <param name="Beta1">Decay of the first moment.</param>
/// <param name="Beta2">Decay of the second moment.</param>
/// <param name="Epsilon">ε beside the square root.</param>
/// <param name="WeightDecay">p ← p · (1 − LearningRate · WeightDecay) before the step.</param>
public readonly record struct AdamWStep(int Step, double LearningRate, double Beta1, double Beta2, double Epsilon, double WeightDecay)
{
    /// <summary>Factor of the gradient before it is used; 1 unless set.</summary>
    public double GradientScale { get; init; } = 1;
}
