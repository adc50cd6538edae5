using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Retraining;

/// <summary>A device with the activations of student and teacher: fills in some images of a step, and computes their gradient.</summary>
internal sealed class TrainingWorker : IDisposable
{
    /// <summary>
    /// Passes of one lane that differ: of full batches and of the last of an epoch, each with two factors of the gradient where batches are accumulated. And the
    /// most that are kept recorded, for each takes some megabytes.
    /// </summary>
    private const int PassesOfALane = 4, MostPasses = 64;

    private readonly VimDevice _device;
    private readonly ClassifierNetwork _student;
    private readonly ClassifierNetwork? _teacher;
    private readonly RetrainOptions _options;
    private readonly ClassifierWorkspace _activations;
    private readonly ClassifierWorkspace? _teachers;
    private readonly PartialTeacher? _partial;
    private readonly RecordedPasses<Pass> _passes;
    private readonly DeviceBuffer[] _inputs;
    private readonly HostBuffer _targets;
    private readonly ImageReadBuffer _read = new();
    private readonly float[] _mixed;
    private readonly float[] _logits;
    private readonly bool _staged;

    /// <summary>Allocates the activations.</summary>
    /// <param name="device">The worker's own; disposed with it.</param>
    /// <param name="student">Trained.</param>
    /// <param name="teacher">Distilled from, or null.</param>
    /// <param name="teachersClass">Where the teacher has other classes: what <see cref="PartialTeacher.Match"/> returned.</param>
    /// <param name="options">Losses.</param>
    /// <param name="batchCapacity">Most images at once.</param>
    /// <param name="lanes">Lanes that are computed here, each with a gradient of its own.</param>
    /// <param name="staged">True: batches are those of a feed that was given a device, and passes may be recorded.</param>
    public TrainingWorker(
        VimDevice device, ClassifierNetwork student, ClassifierNetwork? teacher, int[]? teachersClass, RetrainOptions options, int batchCapacity, int lanes,
        bool staged)
    {
        (_device, _student, _teacher, _options, _staged) = (device, student, teacher, options, staged);
        _activations = student.CreateWorkspace(device, batchCapacity, forTraining: true, new DropPath(options.DropPath));
        _teachers = teacher?.CreateWorkspace(device, batchCapacity, forTraining: false, options.DropPathOfTeacher);
        if (teacher is not null && teachersClass is not null) _partial = new(device, teachersClass, teacher.Classes, batchCapacity);
        // A teacher of some classes is completed here, not on the device.
        bool isRecordable = staged && student.IsRecordable && (teacher is null || teacher.IsRecordable) && _partial is null;
        _passes = new(device, isRecordable, Compute, Math.Min(PassesOfALane * lanes, MostPasses));
        _inputs = [_activations.Images.Buffer];
        _targets = device.AllocateHost((long)batchCapacity * student.Classes * sizeof(float));
        _mixed = staged || options.Mix.IsNone ? [] : new float[student.InputLength];
        _logits = new float[batchCapacity * student.Classes];
    }

    /// <summary>Takes some images of a step, and sets their targets.</summary>
    public void Fill(TrainingBatch batch, int first, int count, CancellationToken cancellation)
    {
        int classes = _student.Classes;
        long length = _student.InputLength;
        if (_staged) _device.Upload(batch.Complete(_read, cancellation), first * length, _activations.Images.Buffer, count * length);
        for (int i = 0; i < count; i++)
        {
            if (!_staged) FillInput(batch, first, i);
            var key = new SampleKey(_options.Seed, batch.Epoch, batch.Sample(first + i));
            _activations.SetSampleKey(i, key);
            if (_options.DropPathOfTeacher.Rate > 0) _teachers?.SetSampleKey(i, key); // else it is evaluated: nothing of it changes from epoch to epoch
            batch.FillTarget(first + i, _options.LabelSmoothing, _targets.Floats((long)i * classes, classes));
        }
        _device.Upload(_targets, 0, _activations.Targets.Buffer, count * (long)classes);
    }

    /// <summary>Forward, loss and backward of the images that were filled in.</summary>
    /// <param name="count">How many.</param>
    /// <param name="gradientScale">Factor of the gradient of an image's loss.</param>
    /// <param name="gradients">Added to.</param>
    /// <param name="losses">[count]; written. The device is waited for.</param>
    public void Step(int count, float gradientScale, ParameterBuffer gradients, Span<float> losses)
    {
        _activations.DrawChoices(count);
        _teachers?.DrawChoices(count);
        _passes.Run(new Pass(count, gradientScale, gradients));
        _activations.Losses.Buffer.Read(losses);
    }

    /// <summary>How many of the images of the last step were classified rightly.</summary>
    public int Right(TrainingBatch batch, int first, int count)
    {
        int right = 0, classes = _student.Classes;
        _activations.Logits.Buffer.Read(_logits.AsSpan(0, count * classes));
        for (int i = 0; i < count; i++)
            if (ImageClassifier.IndexOfMax(_logits.AsSpan(i * classes, classes)) == batch.Label(first + i)) right++;
        return right;
    }

    public void Dispose()
    {
        _passes.Dispose();
        _activations.Dispose();
        _teachers?.Dispose();
        _partial?.Dispose();
        _targets.Dispose();
        _device.Dispose();
    }

    private void FillInput(TrainingBatch batch, int first, int i)
    {
        var input = batch.Input(first + i, _mixed, _read);
        _activations.Images.Buffer.Write(input, (long)i * input.Length);
        _teachers?.Images.Buffer.Write(input, (long)i * input.Length);
    }

    private void Compute(Pass pass)
    {
        var (a, count) = (_activations, pass.Images);
        _student.ForwardDrawn(_device, a, count);
        var weights = new LossWeights((float)_options.TargetLossWeight, _teacher is null ? 0 : (float)_options.TeacherLossWeight);
        _device.Loss(weights, a.Logits.SliceRows(0, count), a.Targets.SliceRows(0, count), TeacherLogits(count), pass.GradientScale,
            a.Losses.SliceRows(0, count), a.LogitsGradient.SliceRows(0, count));
        _student.Backward(_device, a, count, pass.Gradients);
    }

    private DeviceMatrix TeacherLogits(int count)
    {
        if (_teachers is null) return default;
        if (_staged) _device.SumBuffers(_teachers.Images.Buffer, _inputs, 0, count * (long)_student.InputLength); // a copy: both see the same
        _teacher!.ForwardDrawn(_device, _teachers, count);
        var logits = _teachers.Logits.SliceRows(0, count);
        return _partial is null ? logits : _partial.Complete(_activations.Logits.SliceRows(0, count), logits);
    }

    /// <summary>What operators are given beside the workspaces.</summary>
    private readonly record struct Pass(int Images, float GradientScale, ParameterBuffer Gradients);
}
