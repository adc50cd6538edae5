using System.Text.Json.Serialization;

namespace RMeeTo.Vim.Retraining;

/// <summary>Why a run ended.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<RetrainEnding>))]
public enum RetrainEnding
{
    /// <summary>All epochs are done.</summary>
    Completed,

    /// <summary>The caller cancelled it.</summary>
    Cancelled,

    /// <summary><see cref="RetrainOptions.TimeBudget"/> is used up; as planned, or, where the machine became slow, before that.</summary>
    OutOfTime,

    /// <summary><see cref="RetrainOptions.Patience"/> is used up.</summary>
    NoBetter,
}
