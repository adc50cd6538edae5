using Microsoft.ML;
using Microsoft.VisualStudio.TestTools.UnitTesting;

[assembly: Parallelize(Scope = ExecutionScope.ClassLevel)]

namespace RMeeTo.MLNet.Tests;

/// <summary>Which ML.NET these tests run against.</summary>
[TestClass]
public sealed class MlNetFlavour
{
    private const string StandIn = "RMeeTo.StandIn.MLNet";

    public static bool IsStandIn { get; } = typeof(MLContext).Assembly.GetName().Name == StandIn;

    /// <summary>Whether JPEG can be read: always by ML.NET itself, by the stand-in where the system has a codec.</summary>
    public static bool ReadsJpeg { get; } = !IsStandIn || (bool)typeof(MLContext).Assembly.GetType("RMeeTo.StandIn.JpegCodec")!.GetProperty("IsAvailable")!
        .GetValue(null)!;

    [AssemblyInitialize]
    public static void Announce(TestContext context)
    {
        System.Reflection.AssemblyName name = typeof(MLContext).Assembly.GetName();
        string version = System.Diagnostics.FileVersionInfo.GetVersionInfo(typeof(MLContext).Assembly.Location).ProductVersion ?? "";
        string line = $"ML.NET under test: {name.Name} {(IsStandIn ? "(the stand-in of eng/standins)" : version)}; JPEG {(ReadsJpeg ? "is" : "is not")} read";
        context.DisplayMessage(MessageLevel.Informational, line);
        Console.WriteLine(line);
    }

    /// <summary>Ends the test as skipped where JPEG cannot be read.</summary>
    public static void NeedsJpeg()
    {
        if (!ReadsJpeg)
            Assert.Inconclusive("The stand-in reads JPEG through libturbojpeg, and this system has none.");
    }
}

/// <summary>The test needs more of ML.NET than the stand-in has: its category is RealMLNet, and it is skipped under the stand-in.</summary>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Method)]
public sealed class RealMLNetAttribute : ConditionBaseAttribute
{
    public RealMLNetAttribute() : base(ConditionMode.Include) => IgnoreMessage = "Needs ML.NET itself; this run has the stand-in.";

    public override bool IsConditionMet => !MlNetFlavour.IsStandIn;
    public override string GroupName => "RealMLNet";
}
