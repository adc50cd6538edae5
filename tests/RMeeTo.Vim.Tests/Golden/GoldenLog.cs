namespace RMeeTo.Vim.Tests.Golden;

/// <summary>Leaves the worst errors in golden-errors.txt beside the test assembly once all tests have run.</summary>
[TestClass]
public static class GoldenLog
{
    [AssemblyCleanup]
    public static void Write() => File.WriteAllLines(Path.Combine(AppContext.BaseDirectory, "golden-errors.txt"), GoldenReport.Lines());
}
