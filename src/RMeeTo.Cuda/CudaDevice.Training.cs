using RMeeTo.Vim.Devices;
using static RMeeTo.Cuda.TrainingKernels;

namespace RMeeTo.Cuda;

// Probabilities, loss, and the optimizer.
public sealed unsafe partial class CudaDevice
{
    /// <inheritdoc/>
    public override void Softmax(DeviceMatrix logits, DeviceMatrix probabilities)
    {
        var (rows, classes) = (logits.Rows, logits.Columns);
        var argument = new SoftmaxArguments
        {
            Logits = Argument(logits, rows, classes, nameof(logits)),
            Probabilities = Argument(probabilities, rows, classes, nameof(probabilities)),
        };
        if (rows > 0) Launch(TrainingKernels.Softmax, rows, ThreadsFor(classes), argument);
    }

    /// <inheritdoc/>
    public override void Loss(
        LossWeights weights, DeviceMatrix logits, DeviceMatrix targets, DeviceMatrix teacherLogits, float gradientScale,
        DeviceMatrix losses, DeviceMatrix logitsGradient)
    {
        var (rows, classes) = (logits.Rows, logits.Columns);
        var argument = new LossArguments
        {
            Logits = Argument(logits, rows, classes, nameof(logits)),
            Targets = Argument(targets, rows, classes, nameof(targets)),
            Teacher = ArgumentOrNone(teacherLogits, rows, classes, nameof(teacherLogits)),
            Losses = Argument(losses, rows, 1, nameof(losses)),
            Gradient = Argument(logitsGradient, rows, classes, nameof(logitsGradient)),
            TargetWeight = weights.Target,
            TeacherWeight = weights.Teacher,
            GradientScale = gradientScale,
        };
        if (rows > 0) Launch(TrainingKernels.Loss, rows, ThreadsFor(classes), argument);
    }

    /// <inheritdoc/>
    public override void SumBuffers(DeviceBuffer destination, IReadOnlyList<DeviceBuffer> sources, long offset, long count)
    {
        nint to = Range(destination, offset, count, nameof(destination));
        if (count == 0 || (sources.Count == 1 && ReferenceEquals(sources[0], destination))) return;
        if (sources.Count == 0)
        {
            Runtime.Clear(to, count * sizeof(float));
            return;
        }

        // More sources than one launch takes: what it made is the first source of the next.
        for (int first = 0; first < sources.Count;)
        {
            var argument = new SumArguments { Destination = to, Count = count };
            int taken = first == 0 ? 0 : 1;
            if (first > 0) argument.Sources[0] = to;
            bool vectorizable = to % 16 == 0;
            for (; first < sources.Count && taken < MaximumSources; first++, taken++)
            {
                if (first >= MaximumSources && ReferenceEquals(sources[first], destination))
                    throw new ArgumentException($"Source {first} is the destination too; only the first {MaximumSources} may be.", nameof(sources));
                argument.Sources[taken] = Range(sources[first], offset, count, nameof(sources));
                vectorizable &= argument.Sources[taken] % 16 == 0;
            }
            argument.SourceCount = taken;
            LaunchFlat(TrainingKernels.SumBuffers, vectorizable, count, argument);
        }
    }

    /// <inheritdoc/>
    public override void AdamW(
        AdamWStep step, DeviceBuffer values, DeviceBuffer gradient, DeviceBuffer firstMoment, DeviceBuffer secondMoment, long offset, long count)
    {
        var argument = new AdamWArguments
        {
            Values = Range(values, offset, count, nameof(values)),
            Gradient = Range(gradient, offset, count, nameof(gradient)),
            FirstMoment = Range(firstMoment, offset, count, nameof(firstMoment)),
            SecondMoment = Range(secondMoment, offset, count, nameof(secondMoment)),
            Count = count,
            GradientScale = (float)step.GradientScale,
            Beta1 = (float)step.Beta1,
            Beta2 = (float)step.Beta2,
            New1 = (float)(1 - step.Beta1),
            New2 = (float)(1 - step.Beta2),
            Keep = (float)(1 - step.LearningRate * step.WeightDecay),
            Size = (float)(-step.LearningRate / (1 - Math.Pow(step.Beta1, step.Step))),
            Root = (float)(1 / Math.Sqrt(1 - Math.Pow(step.Beta2, step.Step))),
            Epsilon = (float)step.Epsilon,
        };
        bool vectorizable = (argument.Values | argument.Gradient | argument.FirstMoment | argument.SecondMoment) % 16 == 0;
        LaunchFlat(TrainingKernels.AdamW, vectorizable, count, argument);
    }

    /// <inheritdoc/>
    public override void MovingAverage(double decay, DeviceBuffer average, DeviceBuffer values, long offset, long count)
    {
        var argument = new AverageArguments
        {
            Average = Range(average, offset, count, nameof(average)),
            Values = Range(values, offset, count, nameof(values)),
            Count = count,
            Share = (float)(1 - decay),
        };
        LaunchFlat(TrainingKernels.MovingAverage, (argument.Average | argument.Values) % 16 == 0, count, argument);
    }

    /// <summary>A thread for every value, or for every four and one for each of the rest.</summary>
    private void LaunchFlat<T>(VectorKernel kernel, bool vectorizable, long count, in T argument) where T : unmanaged
    {
        long threads = vectorizable ? count / 4 + count % 4 : count;
        if (threads > 0) Launch(kernel.For(vectorizable), Blocks(threads, VectorKernel.Threads), VectorKernel.Threads, argument);
    }

    /// <summary>Threads of a block that walks along a row of classes: whole warps, no more of them than the row or 256 values need.</summary>
    private static int ThreadsFor(int classes) => Math.Clamp((classes + 31) / 32 * 32, 32, VectorKernel.Threads);
}
