namespace RMeeTo.Vim.Retraining;

/// <summary>Which classes the teacher that is given to <see cref="Retrainer.Run"/> must have.</summary>
public enum TeacherClasses
{
    /// <summary>Those of the network, in the same order; another teacher is refused.</summary>
    Same,

    /// <summary>
    /// Some of the network's, matched by name, at least two: a teacher from before classes were added. Of the others it says nothing: the divergence is that
    /// of the two softmaxes over the classes that it knows, times the probability that the network gives to these together.
    /// </summary>
    /// <remarks>
    /// Source: distillation over the old classes alone as in Li and Hoiem, "Learning without Forgetting" (2016), with a weight that an image of an added
    /// class loses as the network learns that it is one. The weight and the network's own answer in it are constants for the gradient.
    /// </remarks>
    Some,
}
