namespace RMeeTo.MLNet;

/// <summary>One class and how probable it is.</summary>
/// <param name="Label">Name of the class.</param>
/// <param name="Probability">0 to 1.</param>
/// <param name="Index">Slot of the class in <c>Score</c>, from 0; its key in <c>PredictedLabel</c> is one more.</param>
public readonly record struct ClassPrediction(string Label, float Probability, int Index);
