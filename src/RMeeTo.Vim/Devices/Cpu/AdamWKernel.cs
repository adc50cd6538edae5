namespace RMeeTo.Vim.Devices.Cpu;

/// <summary>
/// One AdamW step over a flat range, as PyTorch computes it, with g the gradient times its scale: p ← p·(1 - lr·decay); m ← β1·m + (1 - β1)·g;
/// v ← β2·v + (1 - β2)·g²; p ← p - lr/(1 - β1^step) · m / (sqrt(v)/sqrt(1 - β2^step) + ε).
/// </summary>
internal static unsafe class AdamWKernel
{
    private const int MaximumLanes = 16;

    /// <summary>Updates values and both moments. A value's result does not depend on where a range starts or ends.</summary>
    public static void Step<TSimd, TVector>(in AdamWStep step, float* values, float* gradient, float* firstMoment, float* secondMoment, nint count)
        where TSimd : struct, ISimd<TVector> where TVector : struct
    {
        var factors = new Factors<TSimd, TVector>(step);
        nint i = 0;
        for (; i + TSimd.Count <= count; i += TSimd.Count) factors.Update(values + i, gradient + i, firstMoment + i, secondMoment + i);
        var rest = (int)(count - i);
        if (rest == 0) return;

        // The last few go through the same vector arithmetic, for scalars would be rounded differently.
        var copies = stackalloc float[4 * MaximumLanes];
        new Span<float>(copies, 4 * MaximumLanes).Clear();
        float* valuesCopy = copies, gradientCopy = copies + MaximumLanes, firstCopy = copies + 2 * MaximumLanes, secondCopy = copies + 3 * MaximumLanes;
        Copy(values + i, valuesCopy, rest);
        Copy(gradient + i, gradientCopy, rest);
        Copy(firstMoment + i, firstCopy, rest);
        Copy(secondMoment + i, secondCopy, rest);
        factors.Update(valuesCopy, gradientCopy, firstCopy, secondCopy);
        Copy(valuesCopy, values + i, rest);
        Copy(firstCopy, firstMoment + i, rest);
        Copy(secondCopy, secondMoment + i, rest);
    }

    private static void Copy(float* source, float* destination, int count) => new Span<float>(source, count).CopyTo(new Span<float>(destination, count));

    /// <summary>The scalars of a step, worked out in double as Python has them.</summary>
    private readonly struct Factors<TSimd, TVector>(in AdamWStep step) where TSimd : struct, ISimd<TVector> where TVector : struct
    {
        private readonly float keep = (float)(1 - step.LearningRate * step.WeightDecay);
        private readonly float beta1 = (float)step.Beta1, beta2 = (float)step.Beta2;
        private readonly float new1 = (float)(1 - step.Beta1), new2 = (float)(1 - step.Beta2);
        private readonly float size = (float)(-step.LearningRate / (1 - Math.Pow(step.Beta1, step.Step)));
        private readonly float root = (float)(1 / Math.Sqrt(1 - Math.Pow(step.Beta2, step.Step)));
        private readonly float epsilon = (float)step.Epsilon, gradientScale = (float)step.GradientScale;

        public void Update(float* values, float* gradient, float* firstMoment, float* secondMoment)
        {
            var g = TSimd.Multiply(TSimd.Load(gradient), TSimd.Create(gradientScale));
            var m = TSimd.MultiplyAdd(TSimd.Load(firstMoment), TSimd.Create(beta1), TSimd.Multiply(g, TSimd.Create(new1)));
            var v = TSimd.MultiplyAdd(TSimd.Load(secondMoment), TSimd.Create(beta2), TSimd.Multiply(TSimd.Multiply(g, g), TSimd.Create(new2)));
            var deviation = TSimd.MultiplyAdd(TSimd.SquareRoot(v), TSimd.Create(root), TSimd.Create(epsilon));
            var p = TSimd.Multiply(TSimd.Load(values), TSimd.Create(keep));
            TSimd.Store(m, firstMoment);
            TSimd.Store(v, secondMoment);
            TSimd.Store(TSimd.MultiplyAdd(TSimd.Divide(m, deviation), TSimd.Create(size), p), values);
        }
    }
}
