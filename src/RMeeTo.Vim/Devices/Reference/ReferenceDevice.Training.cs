using static RMeeTo.Vim.Devices.Reference.ReferenceMatrix;

namespace RMeeTo.Vim.Devices.Reference;

// Probabilities, loss, and the optimizer.
public sealed partial class ReferenceDevice
{
    /// <inheritdoc/>
    public override void Softmax(DeviceMatrix logits, DeviceMatrix probabilities)
    {
        var (z, p) = (Of(logits, logits.Rows, logits.Columns), Of(probabilities, logits.Rows, logits.Columns));
        for (int b = 0; b < z.Rows; b++)
        {
            double[] log = LogSoftmax(z, b);
            for (int k = 0; k < z.Columns; k++) p[b, k] = Math.Exp(log[k]);
        }
    }

    /// <inheritdoc/>
    public override void Loss(
        LossWeights weights, DeviceMatrix logits, DeviceMatrix targets, DeviceMatrix teacherLogits, float gradientScale,
        DeviceMatrix losses, DeviceMatrix logitsGradient)
    {
        var (images, classes) = (logits.Rows, logits.Columns);
        var (z, target, teacher) = (Of(logits, images, classes), Of(targets, images, classes), OfOptional(teacherLogits, images, classes));
        var (loss, gradient) = (Of(losses, images, 1), Of(logitsGradient, images, classes));
        for (int b = 0; b < images; b++)
        {
            double[] log = LogSoftmax(z, b);
            double[]? teacherLog = teacher.IsNone ? null : LogSoftmax(teacher, b);
            double crossEntropy = 0, divergence = 0, mass = 0;
            for (int k = 0; k < classes; k++)
            {
                crossEntropy -= target[b, k] * log[k];
                mass += target[b, k];
                if (teacherLog is not null) divergence += Math.Exp(teacherLog[k]) * (teacherLog[k] - log[k]);
            }
            loss[b, 0] = weights.Target * crossEntropy + weights.Teacher * divergence;
            for (int k = 0; k < classes; k++)
            {
                double p = Math.Exp(log[k]);
                double fromTeacher = teacherLog is null ? 0 : p - Math.Exp(teacherLog[k]);
                gradient[b, k] = gradientScale * (weights.Target * (mass * p - target[b, k]) + weights.Teacher * fromTeacher);
            }
        }
    }

    private static double[] LogSoftmax(ReferenceMatrix logits, int row)
    {
        var z = new double[logits.Columns];
        for (int k = 0; k < z.Length; k++) z[k] = logits[row, k];
        double max = z.Max(), log = max + Math.Log(z.Sum(v => Math.Exp(v - max)));
        return [.. z.Select(v => v - log)];
    }

    /// <inheritdoc/>
    public override void SumBuffers(DeviceBuffer destination, IReadOnlyList<DeviceBuffer> sources, long offset, long count)
    {
        double[] to = ((ReferenceBuffer)destination).Values;
        for (long i = offset; i < offset + count; i++)
        {
            double sum = 0;
            foreach (DeviceBuffer source in sources) sum += ((ReferenceBuffer)source).Values[i];
            to[i] = sum;
        }
    }

    /// <inheritdoc/>
    public override void MovingAverage(double decay, DeviceBuffer average, DeviceBuffer values, long offset, long count)
    {
        double[] mean = ((ReferenceBuffer)average).Values, next = ((ReferenceBuffer)values).Values;
        for (long i = offset; i < offset + count; i++) mean[i] = decay * mean[i] + (1 - decay) * next[i];
    }

    /// <inheritdoc/>
    public override void AdamW(
        AdamWStep step, DeviceBuffer values, DeviceBuffer gradient, DeviceBuffer firstMoment, DeviceBuffer secondMoment, long offset, long count)
    {
        double[] p = ((ReferenceBuffer)values).Values, g = ((ReferenceBuffer)gradient).Values;
        double[] m = ((ReferenceBuffer)firstMoment).Values, v = ((ReferenceBuffer)secondMoment).Values;
        double beta1 = step.Beta1, beta2 = step.Beta2;
        double correction1 = 1 - Math.Pow(beta1, step.Step), correction2 = 1 - Math.Pow(beta2, step.Step);
        for (long i = offset; i < offset + count; i++)
        {
            double scaled = step.GradientScale * g[i];
            p[i] *= 1 - step.LearningRate * step.WeightDecay;
            m[i] = beta1 * m[i] + (1 - beta1) * scaled;
            v[i] = beta2 * v[i] + (1 - beta2) * scaled * scaled;
            p[i] -= step.LearningRate / correction1 * m[i] / (Math.Sqrt(v[i] / correction2) + step.Epsilon);
        }
    }
}
