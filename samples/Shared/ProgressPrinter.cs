using RMeeTo.Vim.Retraining;

namespace RMeeTo.Samples;

/// <summary>Shows how training goes: one line that is written over on a console, a line now and then in a file.</summary>
internal sealed class ProgressPrinter : IProgress<RetrainProgress>
{
    private const int LongestBar = 24, ShortestBar = 5;

    private long _next;

    public void Report(RetrainProgress value)
    {
        bool isDue = Environment.TickCount64 >= _next;
        if (!isDue && !value.EpochEnded) return;
        _next = Environment.TickCount64 + (Console.IsOutputRedirected ? 15_000 : 200);
        if (Console.IsOutputRedirected) Console.WriteLine("  " + Line(value));
        else if (value.EpochEnded) Console.WriteLine("\r" + LineWithBar(value));
        else Console.Write("\r" + LineWithBar(value));
    }

    /// <summary>Just as long as the console is wide: a longer line could not be written over, a shorter one would not cover the one before.</summary>
    private static string LineWithBar(RetrainProgress value)
    {
        string line = Line(value);
        int room = Math.Max(20, Console.BufferWidth - 1), bar = Math.Min(LongestBar, room - line.Length - 3);
        if (bar >= ShortestBar)
        {
            int filled = value.Steps == 0 ? 0 : bar * value.Step / value.Steps;
            line = $"[{new string('#', filled)}{new string('.', bar - filled)}] {line}";
        }
        return line.Length > room ? line[..room] : line.PadRight(room);
    }

    private static string Line(RetrainProgress value)
    {
        string top1 = value.ValidationTop1 is { } share ? $", validation top-1 {share:P1}"
            : value.TrainingTop1 is { } shown ? $", training top-1 {shown:P1}" : "";
        string left = value.Remaining is { } time ? $", {(long)time.TotalHours}:{time:mm\\:ss} left" : "";
        return value.Epoch == 0
            ? $"before training{top1}"
            : $"epoch {value.Epoch}/{value.Epochs}{left}, {value.ImagesPerSecond:0} images/s, loss {value.Loss:0.000}{top1}";
    }
}
