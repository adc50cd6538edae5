namespace RMeeTo.Vim.Devices.Cpu;

/// <summary>
/// Inputs and outputs of one selective scan over one image in one direction. Matrices are token-major; a stride is the distance of two rows in floats,
/// so that B, C and others may be columns of wider matrices. L tokens, D channels, N states.
/// </summary>
/// <remarks>
/// Δ = softplus(delta + bias), A = -exp(aLog), H_t = exp(Δ_t A) H_{t-1} + Δ_t B_t u_t, y_t = C_t·H_t + skip·u_t, o_t = y_t·silu(z_t)
/// (spec section 1.1). The output is scale·o.
/// </remarks>
internal unsafe struct SelectiveScanArguments
{
    /// <summary>L.</summary>
    public int Length;

    /// <summary>D; any positive number.</summary>
    public int Channels;

    /// <summary>N, 1 to 64; a multiple of 4 is fastest.</summary>
    public int States;

    /// <summary>Scan input [L, D].</summary>
    public float* U;
    public nint UStride;

    /// <summary>Projected Δ before bias and softplus [L, D].</summary>
    public float* Delta;
    public nint DeltaStride;

    /// <summary>Input matrix B [L, N].</summary>
    public float* B;
    public nint BStride;

    /// <summary>Output matrix C [L, N].</summary>
    public float* C;
    public nint CStride;

    /// <summary>Gate input [L, D], or null for no gate.</summary>
    public float* Z;
    public nint ZStride;

    /// <summary>Parameter A_log [D, N], contiguous.</summary>
    public float* ALog;

    /// <summary>Parameter D [D], or null for none.</summary>
    public float* Skip;

    /// <summary>Bias of Δ [D], or null for none.</summary>
    public float* DeltaBias;

    /// <summary>Δ passes through softplus.</summary>
    public bool Softplus;

    /// <summary>Walks from the last token to the first. Rows stay where they are.</summary>
    public bool Reverse;

    /// <summary>Output [L, D]; only the forward pass touches it.</summary>
    public float* Output;
    public nint OutputStride;
    public float OutputScale;

    /// <summary>Adds to the output instead of replacing it: the second direction of a bidirectional scan.</summary>
    public bool Accumulate;

    /// <summary>States at chunk starts, written by the forward pass and read by the backward pass; null where no backward pass follows.</summary>
    public float* Checkpoints;

    /// <summary>State after the last token [D, N], contiguous, or null. For tests.</summary>
    public float* FinalState;
}

/// <summary>
/// Gradients of one selective scan. Rows of activations are replaced, gradients of parameters are added to what is there and may be null.
/// </summary>
internal unsafe struct SelectiveScanGradients
{
    /// <summary>Gradient of the (scaled) output [L, D].</summary>
    public float* Output;
    public nint OutputStride;

    /// <summary>[L, D].</summary>
    public float* U;
    public nint UStride;

    /// <summary>Gradient of the projected Δ before bias and softplus [L, D].</summary>
    public float* Delta;
    public nint DeltaStride;

    /// <summary>[L, N].</summary>
    public float* B;
    public nint BStride;

    /// <summary>[L, N].</summary>
    public float* C;
    public nint CStride;

    /// <summary>[L, D]; unused where there is no gate.</summary>
    public float* Z;
    public nint ZStride;

    /// <summary>Adds to the gradient of z: both directions of a bidirectional scan share the gate.</summary>
    public bool AccumulateZ;

    /// <summary>[D, N], contiguous, added to.</summary>
    public float* ALog;

    /// <summary>[D], added to.</summary>
    public float* Skip;

    /// <summary>[D], added to.</summary>
    public float* DeltaBias;
}
