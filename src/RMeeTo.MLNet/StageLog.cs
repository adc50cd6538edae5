using Microsoft.ML.Runtime;

namespace RMeeTo.MLNet;

/// <summary>Lines for <c>MLContext.Log</c>, whose source begins with "VimMergedClassifier".</summary>
internal static class StageLog
{
    /// <summary>A channel; the caller disposes it.</summary>
    public static IChannel Open(IHostEnvironment environment, string name) => environment.Register(MlNetInternals.LoaderSignature).Start(name);

    /// <summary>A line without data of the user.</summary>
    public static void Say(this IChannel channel, string line) => channel.Info(MessageSensitivity.None, line);

    /// <summary>A line with names of classes, columns or files.</summary>
    public static void SayNames(this IChannel channel, string line) => channel.Info(MessageSensitivity.Schema | MessageSensitivity.UserData, line);
}
