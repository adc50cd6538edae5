using RMeeTo.Vim.Devices;
using static TorchSharp.torch;

namespace RMeeTo.TorchSharp;

// Probabilities, loss, and the optimizer.
public sealed partial class TorchSharpDevice
{
    /// <inheritdoc/>
    public override void Softmax(DeviceMatrix logits, DeviceMatrix probabilities)
    {
        using var scope = NewDisposeScope();
        var (images, classes) = (logits.Rows, logits.Columns);
        Tensor z = View(logits, images, classes, nameof(logits)), p = View(probabilities, images, classes, nameof(probabilities));
        if (images > 0) p.copy_(z.softmax(1));
    }

    /// <inheritdoc/>
    public override void Loss(
        LossWeights weights, DeviceMatrix logits, DeviceMatrix targets, DeviceMatrix teacherLogits, float gradientScale,
        DeviceMatrix losses, DeviceMatrix logitsGradient)
    {
        using var scope = NewDisposeScope();
        var (images, classes) = (logits.Rows, logits.Columns);
        Tensor z = View(logits, images, classes, nameof(logits)), target = View(targets, images, classes, nameof(targets));
        Tensor loss = View(losses, images, 1, nameof(losses)), to = View(logitsGradient, images, classes, nameof(logitsGradient));
        Tensor? teacher = ViewOrNull(teacherLogits, images, classes, nameof(teacherLogits));
        if (images == 0) return;
        Tensor log = z.log_softmax(1), p = log.exp();
        Tensor sum = target.mul(log).sum(1, keepdim: true).Scale(-weights.Target);
        Tensor gradient = p.mul(target.sum(1, keepdim: true)).sub_(target).Scale((double)gradientScale * weights.Target);
        if (teacher is not null)
        {
            Tensor teacherLog = teacher.log_softmax(1), q = teacherLog.exp();
            sum.AddScaled(q.mul(teacherLog.sub_(log)).sum(1, keepdim: true), weights.Teacher);
            gradient.AddScaled(p.sub_(q), (double)gradientScale * weights.Teacher);
        }
        loss.copy_(sum);
        to.copy_(gradient);
    }

    /// <inheritdoc/>
    public override void SumBuffers(DeviceBuffer destination, IReadOnlyList<DeviceBuffer> sources, long offset, long count)
    {
        using var scope = NewDisposeScope();
        Tensor to = Range(destination, offset, count, nameof(destination));
        Tensor? sum = null; // beside the destination, which may be one of the sources
        foreach (DeviceBuffer source in sources)
        {
            Tensor next = Range(source, offset, count, nameof(sources));
            sum = sum is null ? next.clone() : sum.Add(next);
        }
        if (sum is null) to.Clear();
        else to.copy_(sum);
    }

    /// <inheritdoc/>
    public override void AdamW(
        AdamWStep step, DeviceBuffer values, DeviceBuffer gradient, DeviceBuffer firstMoment, DeviceBuffer secondMoment, long offset, long count)
    {
        using var scope = NewDisposeScope();
        Tensor p = Range(values, offset, count, nameof(values)), g = Range(gradient, offset, count, nameof(gradient));
        Tensor m = Range(firstMoment, offset, count, nameof(firstMoment)), v = Range(secondMoment, offset, count, nameof(secondMoment));
        double correction1 = 1 - Math.Pow(step.Beta1, step.Step), correction2 = 1 - Math.Pow(step.Beta2, step.Step);
        p.Scale(1 - step.LearningRate * step.WeightDecay);
        m.Scale(step.Beta1).AddScaled(g, (1 - step.Beta1) * step.GradientScale);
        v.Scale(step.Beta2).AddProduct(g, g, (1 - step.Beta2) * step.GradientScale * step.GradientScale);
        p.AddQuotient(m, v.Times(1 / correction2).sqrt_().AddNumber(step.Epsilon), -step.LearningRate / correction1);
    }

    /// <inheritdoc/>
    public override void MovingAverage(double decay, DeviceBuffer average, DeviceBuffer values, long offset, long count)
    {
        using var scope = NewDisposeScope();
        Tensor mean = Range(average, offset, count, nameof(average));
        mean.AddScaled(Range(values, offset, count, nameof(values)).sub(mean), 1 - decay);
    }
}
