using System.Text.Json.Serialization;

namespace RMeeTo.Vim.Retraining;

/// <summary>Whether a teacher is subject to stochastic depth.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<TeacherDropPath>))]
public enum TeacherDropPath
{
    /// <summary>It is evaluated: nothing of it is dropped.</summary>
    None,

    /// <summary>
    /// It loses branches at the student's rate <see cref="RetrainOptions.DropPath"/>, by draws of its own: the official code leaves its teacher in training
    /// mode (spec 3.1, quirk 11 of spec 8).
    /// </summary>
    ReferenceTrainMode,
}
