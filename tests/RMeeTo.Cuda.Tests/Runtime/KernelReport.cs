using System.Collections.Concurrent;
using System.Text;
using System.Text.RegularExpressions;

namespace RMeeTo.Cuda.Tests.Runtime;

/// <summary>What ptxas says of every kernel, as a table in kernels.md beside the tests.</summary>
internal static partial class KernelReport
{
    private static readonly ConcurrentDictionary<(string Unit, string Kernel), ConcurrentDictionary<int, Usage>> s_rows = [];

    /// <summary>What a thread, or a block, of a kernel takes.</summary>
    /// <param name="Registers">Of a thread.</param>
    /// <param name="SpillBytes">Stored by a thread for want of registers.</param>
    /// <param name="StackBytes">Of a thread.</param>
    /// <param name="SharedBytes">Of a block, of constant size.</param>
    internal sealed record Usage(int Registers, int SpillBytes, int StackBytes, int SharedBytes);

    /// <summary>The kernels of one compilation, from the log of "--ptxas-options=-v".</summary>
    internal static IReadOnlyDictionary<string, Usage> Parse(string log)
    {
        return EntryPattern().Matches(log).ToDictionary(match => match.Groups["name"].Value, Read);

        static Usage Read(Match match)
        {
            int Number(string group) => match.Groups[group].Success ? int.Parse(match.Groups[group].Value) : 0;
            return new(Number("registers"), Number("spill"), Number("stack"), Number("shared"));
        }
    }

    /// <summary>Adds the kernels of one compilation to the table.</summary>
    internal static void Add(string unit, int capability, string log)
    {
        foreach (var (name, usage) in Parse(log)) s_rows.GetOrAdd((unit, name), _ => [])[capability] = usage;
    }

    /// <summary>Writes the table.</summary>
    public static void Write()
    {
        if (s_rows.IsEmpty) return;
        int[] capabilities = [.. s_rows.Values.SelectMany(row => row.Keys).Distinct().Order()];
        var table = new StringBuilder($"| kernel | text | {string.Join(" | ", capabilities.Select(c => $"sm_{c}"))} |\n");
        table.Append($"|---|---|{string.Concat(capabilities.Select(_ => "---|"))}\n");
        foreach (var ((unit, kernel), row) in s_rows.OrderBy(r => r.Key.Unit, StringComparer.Ordinal).ThenBy(r => r.Key.Kernel, StringComparer.Ordinal))
            table.Append($"| {kernel} | {unit} | {string.Join(" | ", capabilities.Select(c => row.TryGetValue(c, out Usage? usage) ? Text(usage) : ""))} |\n");
        File.WriteAllText(Path.Combine(AppContext.BaseDirectory, "kernels.md"), table.ToString());
    }

    private static string Text(Usage usage)
    {
        string text = $"{usage.Registers} registers";
        if (usage.SpillBytes > 0) text += $", **{usage.SpillBytes} bytes spilled**";
        if (usage.StackBytes > 0) text += $", stack {usage.StackBytes}";
        return usage.SharedBytes > 0 ? $"{text}, shared {usage.SharedBytes}" : text;
    }

    [GeneratedRegex("""
        Function\ properties\ for\ (?<name>\w+)\s*\n
        .*?(?<stack>\d+)\ bytes\ stack\ frame,\ (?<spill>\d+)\ bytes\ spill\ stores,\ \d+\ bytes\ spill\ loads\s*\n
        .*?Used\ (?<registers>\d+)\ registers(?:.*?(?<shared>\d+)\ bytes\ smem)?
        """, RegexOptions.IgnorePatternWhitespace)]
    private static partial Regex EntryPattern();
}
