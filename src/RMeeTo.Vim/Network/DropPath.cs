namespace RMeeTo.Vim.Network;

/// <summary>
/// Stochastic depth: in every forward pass of a workspace an image loses whole branches, x ← x + f · branch(x), where f is 0 with the branch's rate and
/// 1 / (1 − rate) otherwise, so that the branch counts in the mean as much as ever. Deep branches are lost more often than shallow ones.
/// </summary>
/// <remarks>
/// Huang et al., "Deep networks with stochastic depth", ECCV 2016; the rates are those of Vim and timm (spec 1.1, 1.5). Which branches an image loses is a
/// function of its <see cref="SampleKey"/>, the purpose and the branch, and of nothing else.
/// </remarks>
/// <param name="Rate">Rate of the last branch, 0 to <see cref="MaximumRate"/>; 0 drops nothing.</param>
/// <param name="Purpose">What the numbers are drawn for, so that networks that run side by side lose different branches.</param>
public readonly record struct DropPath(double Rate, RandomPurpose Purpose = RandomPurpose.DropPath)
{
    /// <summary>Largest rate: beyond it kept branches are scaled by more than ten, and training falls apart.</summary>
    public const double MaximumRate = 0.9;

    /// <summary>Rate of the last branch, 0 to <see cref="MaximumRate"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is set to another value.</exception>
    public double Rate { get; init => field = Checked(value); } = Checked(Rate);

    /// <summary>
    /// The rates of the additions of a Vision Mamba: entry i is that of the mixer of block i − 1, added before the norm of block i (block 0 adds nothing) or,
    /// for i = depth, before the final norm.
    /// </summary>
    /// <remarks>Spec 1.1: [0] followed by depth values from 0 to the rate for the blocks, and the rate itself at the end.</remarks>
    internal double[] VimRates(int depth)
    {
        var rates = new double[depth + 1];
        for (int i = 1; i < depth; i++) rates[i] = Rate * (i - 1) / (depth - 1);
        rates[depth] = Rate;
        return rates;
    }

    /// <summary>The rates of the additions of a DeiT: entry 2i is that of the attention of block i, entry 2i + 1 that of its MLP.</summary>
    /// <remarks>timm: depth values from 0 to the rate, one for both branches of a block.</remarks>
    internal double[] DeitRates(int depth)
    {
        var rates = new double[2 * depth];
        for (int i = 2; i < rates.Length; i++) rates[i] = Rate * (i / 2) / (depth - 1);
        return rates;
    }

    private static double Checked(double rate) => rate is >= 0 and <= MaximumRate
        ? rate
        : throw new ArgumentOutOfRangeException(nameof(Rate), rate, $"The rate of DropPath is {rate}; it must be from 0 to {MaximumRate}.");
}
