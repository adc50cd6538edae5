using System.Reflection;
using RMeeTo.Vim.Tests.Golden;

namespace RMeeTo.GpuCheck.Checks;

/// <summary>Runs the tests of devices that are compiled into this program (DeviceTests.props), case by case, without a test platform.</summary>
internal static class SharedTests
{
    /// <summary>Runs every test method of some classes.</summary>
    /// <param name="title">Heading.</param>
    /// <param name="classes">Test classes with a constructor without parameters.</param>
    /// <param name="report">Receives a table and the failures.</param>
    public static void Run(string title, IEnumerable<Type> classes, Report report)
    {
        var table = new Table(title, new("test"), new("passed"), new("failed"), new("skipped"));
        foreach (Type type in classes)
            foreach (MethodInfo method in type.GetMethods().Where(m => m.GetCustomAttribute<TestMethodAttribute>() is not null))
                table.Add([$"{type.Name}.{method.Name}", .. Count(type, method, report)]);
        report.Tables.Add(table);
    }

    /// <summary>The worst errors against recorded data so far.</summary>
    public static void AddErrors(Report report)
    {
        var errors = new Table("Worst errors against recorded data, relative to the largest recorded value", new("tensor"), new("error"));
        foreach (string line in GoldenReport.Lines()) errors.Add([.. line.Split("  ")]);
        if (errors.Rows.Count > 0) report.Tables.Add(errors);
    }

    /// <summary>The test classes of an assembly.</summary>
    public static IEnumerable<Type> ClassesOf(Assembly assembly) =>
        assembly.GetTypes().Where(type => !type.IsAbstract && type.GetCustomAttribute<TestClassAttribute>() is not null);

    private static IEnumerable<object?> Count(Type type, MethodInfo method, Report report)
    {
        var (passed, failed, skipped) = (0, 0, 0);
        foreach (object?[] arguments in Rows(method))
        {
            try
            {
                method.Invoke(Activator.CreateInstance(type), arguments);
                passed++;
            }
            catch (TargetInvocationException e) when (e.InnerException is AssertInconclusiveException)
            {
                skipped++;
            }
            catch (TargetInvocationException e)
            {
                failed++;
                report.Failures.Add($"{type.Name}.{method.Name}({string.Join(", ", arguments)}): {e.InnerException!.Message}");
            }
        }
        return [passed, failed, skipped];
    }

    private static IEnumerable<object?[]> Rows(MethodInfo method)
    {
        ITestDataSource[] sources = [.. method.GetCustomAttributes().OfType<ITestDataSource>()];
        return sources.Length == 0 ? [[]] : sources.SelectMany(source => source.GetData(method));
    }
}
