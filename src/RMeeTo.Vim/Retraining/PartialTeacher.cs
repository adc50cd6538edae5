using RMeeTo.Vim.Devices;

namespace RMeeTo.Vim.Retraining;

/// <summary>
/// Completes the logits of a teacher that knows some of the student's classes: the others get the student's own logits, shifted so that their odds against the
/// known classes are the student's. With t and s the softmaxes over the known classes and m the student's probability of the others, the target is then
/// (1 − m) t beside the student's own probabilities, so that the loss operator's divergence is (1 − m) KL(t ‖ s) and its gradient (1 − m) (s − t) for a known
/// class and 0 for another.
/// </summary>
/// <remarks>Reads both logits back: on a device of its own memory it waits for them. B · classes values, once for every few images.</remarks>
internal sealed class PartialTeacher : IDisposable
{
    private readonly int[] _teachersClass;
    private readonly float[] _student;
    private readonly float[] _teacher;
    private readonly float[] _completed;
    private readonly DeviceMatrix _logits;

    /// <summary>Allocates the completed logits.</summary>
    /// <param name="device">Where.</param>
    /// <param name="teachersClass">[classes]: what <see cref="Match"/> returned.</param>
    /// <param name="knownClasses">How many classes the teacher has.</param>
    /// <param name="batchCapacity">Largest batch.</param>
    public PartialTeacher(VimDevice device, int[] teachersClass, int knownClasses, int batchCapacity)
    {
        _teachersClass = teachersClass;
        (_student, _teacher) = (new float[batchCapacity * teachersClass.Length], new float[batchCapacity * knownClasses]);
        _completed = new float[_student.Length];
        _logits = new DeviceMatrix(device.Allocate(_completed.Length), batchCapacity, teachersClass.Length);
    }

    /// <summary>For each class of the student the teacher's of the same name, or −1; null where the teacher has the same classes in the same order.</summary>
    public static int[]? Match(IReadOnlyList<string> student, IReadOnlyList<string> teacher)
    {
        if (student.SequenceEqual(teacher)) return null;
        var index = new Dictionary<string, int>();
        for (int i = 0; i < teacher.Count; i++) index.Add(teacher[i], i);
        return [.. student.Select(name => index.GetValueOrDefault(name, -1))];
    }

    /// <summary>The teacher's logits [B, classes of the student] for these images.</summary>
    /// <param name="student">[B, classes]; dense.</param>
    /// <param name="teacher">[B, classes of the teacher]; dense.</param>
    public DeviceMatrix Complete(DeviceMatrix student, DeviceMatrix teacher)
    {
        int rows = student.Rows, classes = student.Columns, known = teacher.Columns;
        student.Buffer.Read(_student.AsSpan(0, rows * classes), student.Offset);
        teacher.Buffer.Read(_teacher.AsSpan(0, rows * known), teacher.Offset);
        for (int b = 0; b < rows; b++)
            Complete(_student.AsSpan(b * classes, classes), _teacher.AsSpan(b * known, known), _teachersClass, _completed.AsSpan(b * classes, classes));
        _logits.Buffer.Write(_completed.AsSpan(0, rows * classes));
        return _logits.SliceRows(0, rows);
    }

    public void Dispose() => _logits.Buffer.Dispose();

    private static void Complete(ReadOnlySpan<float> student, ReadOnlySpan<float> teacher, int[] teachersClass, Span<float> completed)
    {
        double studentMaximum = double.NegativeInfinity, teacherMaximum = double.NegativeInfinity;
        for (int k = 0; k < student.Length; k++)
        {
            if (teachersClass[k] < 0) continue;
            studentMaximum = Math.Max(studentMaximum, student[k]);
            teacherMaximum = Math.Max(teacherMaximum, teacher[teachersClass[k]]);
        }
        double studentSum = 0, teacherSum = 0;
        for (int k = 0; k < student.Length; k++)
        {
            if (teachersClass[k] < 0) continue;
            studentSum += Math.Exp(student[k] - studentMaximum);
            teacherSum += Math.Exp(teacher[teachersClass[k]] - teacherMaximum);
        }
        double shift = teacherMaximum + Math.Log(teacherSum) - studentMaximum - Math.Log(studentSum);
        for (int k = 0; k < student.Length; k++) completed[k] = teachersClass[k] < 0 ? (float)(student[k] + shift) : teacher[teachersClass[k]];
    }
}
