using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Cpu;
using RMeeTo.Vim.Devices.Reference;

namespace RMeeTo.Vim.Deit.Operators;

/// <summary>
/// What a transformer asks of a device beyond the operators of a Vision Mamba (<see cref="VimDevice"/>): attention, GELU, and merging by its own rule. They
/// exist on the CPU
/// only, beside the network, so that a device for Vim has nothing to do with transformers. One for every worker; scratch memory is kept from call to call.
/// </summary>
internal abstract class DeitOperators : IDisposable
{
    /// <summary>The operators that work on the buffers of a device.</summary>
    /// <exception cref="NotSupportedException">The device is not the CPU.</exception>
    public static DeitOperators For(VimDevice device) => device switch
    {
        ReferenceDevice => new ReferenceDeitOperators(),
        CpuDevice cpu => CpuDeitOperators.Create(cpu.Width),
        _ => throw new NotSupportedException($"A DeiT runs on the CPU only, and the device is '{device.Name}'; use CpuDeviceProvider.Instance, or leave the "
            + "device null."),
    };

    /// <summary>
    /// Columns of a matrix of attention probabilities of <paramref name="length"/> tokens: they are filled up to whole vectors of the widest kind.
    /// </summary>
    public static int ProbabilityColumns(int length) => (length + 15) / 16 * 16;

    /// <summary>
    /// Attention of every head h over the tokens of each image: p_ij = softmax_j(q_i·k_j / √(C/H) + ln σ_j), output_i = Σ_j p_ij v_j.
    /// </summary>
    /// <param name="batch">B.</param>
    /// <param name="heads">H.</param>
    /// <param name="qkv">[B·L, 3C]: queries, keys and values side by side, each head by head.</param>
    /// <param name="sizes">σ [B·L, 1], how many original tokens each row stands for; none: 1.</param>
    /// <param name="probabilities">[B·H·L, <see cref="ProbabilityColumns"/>(L)], written, for the gradient; none: not kept.</param>
    /// <param name="output">[B·L, C]</param>
    public abstract void Attention(int batch, int heads, DeviceMatrix qkv, DeviceMatrix sizes, DeviceMatrix probabilities, DeviceMatrix output);

    /// <summary>Gradient of <see cref="Attention"/>. Sizes are constants.</summary>
    /// <param name="batch">B.</param>
    /// <param name="heads">H.</param>
    /// <param name="qkv">[B·L, 3C]</param>
    /// <param name="probabilities">What the forward pass left.</param>
    /// <param name="outputGradient">[B·L, C]</param>
    /// <param name="qkvGradient">[B·L, 3C], written.</param>
    public abstract void AttentionGradient(int batch, int heads, DeviceMatrix qkv, DeviceMatrix probabilities, DeviceMatrix outputGradient,
        DeviceMatrix qkvGradient);

    /// <summary>y = x · Φ(x), Φ the standard normal distribution function: the exact GELU.</summary>
    /// <param name="x">[M, C]</param>
    /// <param name="y">[M, C]; may be the same matrix.</param>
    public abstract void Gelu(DeviceMatrix x, DeviceMatrix y);

    /// <summary>dx = dy · (Φ(x) + x φ(x)).</summary>
    /// <param name="x">[M, C]</param>
    /// <param name="dy">[M, C]</param>
    /// <param name="dx">[M, C], written; may be the same matrix as dy.</param>
    public abstract void GeluGradient(DeviceMatrix x, DeviceMatrix dy, DeviceMatrix dx);

    /// <summary>The mean over the heads.</summary>
    /// <param name="heads">H.</param>
    /// <param name="x">[M, C]: queries, keys or values.</param>
    /// <param name="mean">[M, C / H], written.</param>
    public abstract void MeanOfHeads(int heads, DeviceMatrix x, DeviceMatrix mean);

    /// <summary>
    /// Decides a merge (spec 2.8): pairs every even row with its most similar odd row and removes the even rows with the highest similarity, never the class
    /// token.
    /// </summary>
    /// <remarks>Ties: the lowest partner, then the lowest row. A row of zeros (or with a value that is no number) has similarity −∞ to every other.</remarks>
    /// <param name="batch">B.</param>
    /// <param name="metric">[B·L, any]; what tokens are compared by.</param>
    /// <param name="sizes">[B·L, 1], dense; none: every row stands for one token.</param>
    /// <param name="plan">Filled.</param>
    /// <param name="mergedSizes">[B·L', 1], dense; written.</param>
    public void Match(int batch, DeviceMatrix metric, DeviceMatrix sizes, DeitMergePlan plan, DeviceMatrix mergedSizes)
    {
        if (batch < 1 || batch > plan.BatchCapacity)
            throw new ArgumentOutOfRangeException(nameof(batch), batch, $"The plan has room for 1 to {plan.BatchCapacity} images.");
        for (int image = 0; image < batch; image++)
        {
            FindPartners(metric.SliceRows(image * plan.TokensIn, plan.TokensIn), plan);
            plan.Decide(image, sizes, mergedSizes);
        }
    }

    /// <summary>Carries a merge out: destination row = Σ weight · source row.</summary>
    /// <param name="batch">B.</param>
    /// <param name="plan">Filled by <see cref="Match"/>.</param>
    /// <param name="source">[B·L, C]</param>
    /// <param name="destination">[B·L', C]</param>
    public abstract void Merge(int batch, DeitMergePlan plan, DeviceMatrix source, DeviceMatrix destination);

    /// <summary>Gradient of <see cref="Merge"/>: source row = weight · destination row, zero for a dropped row.</summary>
    /// <param name="batch">B.</param>
    /// <param name="plan">Filled by <see cref="Match"/>.</param>
    /// <param name="destinationGradient">[B·L', C]</param>
    /// <param name="sourceGradient">[B·L, C], written.</param>
    public abstract void MergeGradient(int batch, DeitMergePlan plan, DeviceMatrix destinationGradient, DeviceMatrix sourceGradient);

    /// <summary>Frees the scratch memory.</summary>
    public virtual void Dispose() { }

    /// <summary>Tells the plan the best partner of every even row of one image, <paramref name="metric"/> [L, any].</summary>
    protected abstract void FindPartners(DeviceMatrix metric, DeitMergePlan plan);
}
