using System.Text;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.Data;

public sealed class MulticlassClassificationMetrics
{
    internal MulticlassClassificationMetrics() { }

    public double LogLoss { get; internal init; }
    public double LogLossReduction { get; internal init; }
    public double MacroAccuracy { get; internal init; }
    public double MicroAccuracy { get; internal init; }
    public double TopKAccuracy => TopKAccuracyForAllK?.LastOrDefault() ?? 0;
    public int TopKPredictionCount { get; internal init; }
    public IReadOnlyList<double> TopKAccuracyForAllK { get; internal init; }
    public IReadOnlyList<double> PerClassLogLoss { get; internal init; }
    public ConfusionMatrix ConfusionMatrix { get; internal init; }
}

public sealed class ConfusionMatrix
{
    private readonly string[] _names;

    internal ConfusionMatrix(double[] precision, double[] recall, double[][] counts, string[] names) =>
        (PerClassPrecision, PerClassRecall, Counts, _names) = (precision, recall, counts, names);

    public IReadOnlyList<double> PerClassPrecision { get; }
    public IReadOnlyList<double> PerClassRecall { get; }

    /// <summary>Rows are the true classes, columns the predicted ones.</summary>
    public IReadOnlyList<IReadOnlyList<double>> Counts { get; }
    public int NumberOfClasses => Counts.Count;

    public double GetCountForClassPair(int predictedClassIndicatorIndex, int actualClassIndicatorIndex)
    {
        Contracts.CheckParam((uint)predictedClassIndicatorIndex < (uint)NumberOfClasses, nameof(predictedClassIndicatorIndex));
        Contracts.CheckParam((uint)actualClassIndicatorIndex < (uint)NumberOfClasses, nameof(actualClassIndicatorIndex));
        return Counts[actualClassIndicatorIndex][predictedClassIndicatorIndex];
    }

    /// <summary>A table in the manner of ML.NET's; the layout is not promised to be the same.</summary>
    public string GetFormattedConfusionTable()
    {
        int width = Math.Max(9, _names.Max(n => n.Length));
        var text = new StringBuilder().AppendLine().AppendLine("Confusion table");
        text.Append("PREDICTED".PadRight(width)).Append(" ||").AppendJoin(" |", _names.Select(n => n.PadLeft(6))).AppendLine(" | Recall");
        text.AppendLine("TRUTH".PadRight(width) + " ||" + new string('=', 8 * NumberOfClasses));
        for (int i = 0; i < NumberOfClasses; i++)
            text.Append(_names[i].PadLeft(width)).Append(" ||").AppendJoin(" |", Counts[i].Select(c => c.ToString("N0").PadLeft(6))).AppendLine($" | {PerClassRecall[i]:F4}");
        text.Append("Precision".PadLeft(width)).Append(" ||").AppendJoin(" |", PerClassPrecision.Select(p => p.ToString("F4"))).AppendLine(" |");
        return text.ToString();
    }
}
