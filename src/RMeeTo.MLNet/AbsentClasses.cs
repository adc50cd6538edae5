namespace RMeeTo.MLNet;

/// <summary>What becomes of the classes of a previous model that the rows of a later <c>Fit</c> do not have.</summary>
public enum AbsentClasses
{
    /// <summary>
    /// They stay, with their rows of the head: a later batch of rows that happens to lack a class takes nothing away. They stand behind the classes of a key
    /// column, whose order is its own; texts and numbers keep the previous model's order, and new classes come last.
    /// </summary>
    Keep,

    /// <summary>They go, with their rows of the head: the rows alone say which classes there are, and in which order.</summary>
    Drop,
}
