namespace RMeeTo.MLNet;

/// <summary>The classes that a classifier is fitted to.</summary>
internal sealed class FitClasses
{
    /// <summary>What a reader found, once it has read all rows.</summary>
    public FitClasses(LabelReader labels) => (All, Absent) = (labels.Classes(), labels.Absent());

    /// <summary>All of them, in the order of the score's slots.</summary>
    public LabelClasses All { get; }

    /// <summary>Names of those that are kept though the label column does not have them.</summary>
    public IReadOnlyList<string> Absent { get; }

    /// <summary>How many the label column has.</summary>
    public int Occurring => All.Names.Count - Absent.Count;
}
