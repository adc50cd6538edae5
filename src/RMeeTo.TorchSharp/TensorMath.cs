using TorchSharp;
using static TorchSharp.torch;

namespace RMeeTo.TorchSharp;

/// <summary>
/// Tensor operators with a number as argument. TorchSharp hands a number to libtorch as a <see cref="Scalar"/> that nothing holds during the call; where the
/// garbage collector frees it meanwhile, libtorch reads freed memory. TorchSharp's own conveniences make such numbers too: <c>a.add(b)</c>, <c>a + 1</c>,
/// <c>square</c>, <c>softplus</c>. So every number of this project comes from here: a constant lives in a static field, any other until it is disposed of
/// after the call.
/// </summary>
internal static class TensorMath
{
    // Whole numbers: libtorch takes them for tensors of any type.
    private static readonly Scalar s_zero = 0L, s_one = 1L, s_two = 2L;
    private static readonly Scalar s_nan = double.NaN;

    /// <summary>a + b.</summary>
    public static Tensor Plus(this Tensor a, Tensor b) => a.add(b, s_one);

    /// <summary>a + 1.</summary>
    public static Tensor PlusOne(this Tensor a) => a.add(s_one, s_one);

    /// <summary>a − 1.</summary>
    public static Tensor MinusOne(this Tensor a) => a.sub(s_one);

    /// <summary>2 a.</summary>
    public static Tensor Twice(this Tensor a) => a.mul(s_two);

    /// <summary>a · a.</summary>
    public static Tensor Squared(this Tensor a) => a.mul(a);

    /// <summary>factor · a.</summary>
    public static Tensor Times(this Tensor a, double factor)
    {
        using Scalar number = factor;
        return a.mul(number);
    }

    /// <summary>factor · a for whole numbers, which a factor with a point would turn into others.</summary>
    public static Tensor TimesWhole(this Tensor a, long factor)
    {
        using Scalar number = factor;
        return a.mul(number);
    }

    /// <summary>a += b.</summary>
    public static Tensor Add(this Tensor a, Tensor b) => a.add_(b, s_one);

    /// <summary>a += 1.</summary>
    public static Tensor AddOne(this Tensor a) => a.add_(s_one, s_one);

    /// <summary>a += number.</summary>
    public static Tensor AddNumber(this Tensor a, double number)
    {
        using Scalar held = number;
        return a.add_(held, s_one);
    }

    /// <summary>a += factor · b.</summary>
    public static Tensor AddScaled(this Tensor a, Tensor b, double factor)
    {
        using Scalar number = factor;
        return a.add_(b, number);
    }

    /// <summary>a += factor · b · c.</summary>
    public static Tensor AddProduct(this Tensor a, Tensor b, Tensor c, double factor)
    {
        using Scalar number = factor;
        return a.addcmul_(b, c, number);
    }

    /// <summary>a += b · c.</summary>
    public static Tensor AddProduct(this Tensor a, Tensor b, Tensor c) => a.addcmul_(b, c, s_one);

    /// <summary>a += factor · b / c.</summary>
    public static Tensor AddQuotient(this Tensor a, Tensor b, Tensor c, double factor)
    {
        using Scalar number = factor;
        return a.addcdiv_(b, c, number);
    }

    /// <summary>a *= factor.</summary>
    public static Tensor Scale(this Tensor a, double factor)
    {
        using Scalar number = factor;
        return a.mul_(number);
    }

    /// <summary>a = 0. (<c>Tensor.zero_</c> of TorchSharp leaves its tensor as it is and returns another one.)</summary>
    public static Tensor Clear(this Tensor a) => a.fill_(s_zero);

    /// <summary>a = 1.</summary>
    public static Tensor FillOnes(this Tensor a) => a.fill_(s_one);

    /// <summary>a = number.</summary>
    public static Tensor Fill(this Tensor a, long number)
    {
        using Scalar held = number;
        return a.fill_(held);
    }

    /// <summary>a = 0 where the mask is set.</summary>
    public static Tensor ClearWhere(this Tensor a, Tensor mask) => a.masked_fill_(mask, s_zero);

    /// <summary>a = NaN where the mask is set.</summary>
    public static Tensor NaNWhere(this Tensor a, Tensor mask) => a.masked_fill_(mask, s_nan);

    /// <summary>max(a, 0).</summary>
    public static Tensor Positive(this Tensor a) => a.clamp(s_zero);

    /// <summary>a &lt; 0.</summary>
    public static Tensor IsNegative(this Tensor a) => a.lt(s_zero);

    /// <summary>a = 0.</summary>
    public static Tensor IsZero(this Tensor a) => a.eq(s_zero);

    /// <summary>a ≤ number.</summary>
    public static Tensor IsAtMost(this Tensor a, long number)
    {
        using Scalar held = number;
        return a.le(held);
    }

    /// <summary>0, 1, …, count − 1 as whole numbers.</summary>
    public static Tensor Range(long count, Device device)
    {
        using Scalar stop = count;
        return arange(s_zero, stop, s_one, ScalarType.Int64, device);
    }

    /// <summary>log(1 + exp(a)) without overflow. In single precision it is its argument from 17 on, so the threshold of 20 needs no case of its own.</summary>
    public static Tensor Softplus(this Tensor a) => a.abs().neg().exp().log1p().Add(a.Positive());

    /// <summary>d silu(a) / da = σ(a) (1 + a (1 − σ(a))).</summary>
    public static Tensor SiluSlope(this Tensor a)
    {
        Tensor sigmoid = a.sigmoid();
        Tensor rest = sigmoid.neg().AddOne();
        return rest.mul_(a).AddOne().mul_(sigmoid);
    }
}
