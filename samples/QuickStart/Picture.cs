using Microsoft.ML.Data;

namespace RMeeTo.Samples;

/// <summary>A row of the data: a file and its class.</summary>
internal sealed class Picture
{
    public string ImagePath { get; set; } = "";
    public string Label { get; set; } = "";
}

/// <summary>What the pipeline says about a picture.</summary>
internal sealed class Answer
{
    public string PredictedLabel { get; set; } = "";

    [VectorType]
    public float[] Score { get; set; } = [];
}
