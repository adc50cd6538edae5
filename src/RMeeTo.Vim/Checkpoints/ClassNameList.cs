using System.Text;

namespace RMeeTo.Vim.Checkpoints;

/// <summary>Names of classes: one for each row of the head, all different.</summary>
internal static class ClassNameList
{
    /// <summary>"0", "1", … for classes without names.</summary>
    public static IReadOnlyList<string> Numbers(int classes) => [.. Enumerable.Range(0, classes).Select(i => i.ToString())];

    /// <summary>Checks the list of a head that is to be made.</summary>
    /// <returns>The number of classes.</returns>
    /// <exception cref="ArgumentException">No name, a null, or a name twice.</exception>
    public static int CheckNew(IReadOnlyList<string> names, string argument)
    {
        ArgumentNullException.ThrowIfNull(names, argument);
        if (names.Count == 0) throw new ArgumentException("There are no class names; a head needs at least one class.", argument);
        Check(names, names.Count, argument);
        return names.Count;
    }

    /// <summary>Checks a list.</summary>
    /// <exception cref="ArgumentException">Another length, a null, or a name twice.</exception>
    public static void Check(IReadOnlyList<string> names, int classes, string argument)
    {
        if (names.Count != classes)
            throw new ArgumentException($"{argument} has {names.Count} names and the head {classes} classes; give one name a class.", argument);
        var seen = new HashSet<string>();
        for (int i = 0; i < names.Count; i++)
        {
            if (names[i] == null || !seen.Add(names[i]))
                throw new ArgumentException($"{argument}[{i}] is {(names[i] == null ? "null" : $"'{names[i]}' once more")}; every class needs a name of its "
                    + "own.", argument);
            if (names[i].EnumerateRunes().Any(rune => rune == Rune.ReplacementChar) && !names[i].Contains('\uFFFD'))
                throw new ArgumentException($"{argument}[{i}] has half a surrogate pair, which no file can hold; repair the name.", argument);
        }
    }
}
