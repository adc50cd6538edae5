using RMeeTo.Vim.Retraining;

namespace RMeeTo.Samples;

/// <summary>Shows how training goes: one line that is written over on a console, a line now and then in a file.</summary>
internal sealed class ProgressPrinter : IProgress<RetrainProgress>
{
    private const int BarLength = 24;

    private long _next;

    public void Report(RetrainProgress value)
    {
        bool isDue = Environment.TickCount64 >= _next;
        if (!isDue && !value.EpochEnded) return;
        _next = Environment.TickCount64 + (Console.IsOutputRedirected ? 15_000 : 200);
        if (Console.IsOutputRedirected) Console.WriteLine("  " + Line(value));
        else if (value.EpochEnded) Console.WriteLine("\r" + (Bar(value) + Line(value)).PadRight(Room));
        else Console.Write("\r" + (Bar(value) + Line(value)).PadRight(Room));
    }

    private static int Room => Math.Max(20, Console.BufferWidth - 1);

    private static string Bar(RetrainProgress value)
    {
        int filled = value.Steps == 0 ? 0 : BarLength * value.Step / value.Steps;
        return $"[{new string('#', filled)}{new string('.', BarLength - filled)}] ";
    }

    private static string Line(RetrainProgress value)
    {
        string top1 = value.ValidationTop1 is { } share ? $", validation top-1 {share:P1}" : "";
        return value.Epoch == 0
            ? $"before training{top1}"
            : $"epoch {value.Epoch}/{value.Epochs}, {value.ImagesPerSecond:0} images/s, loss {value.Loss:0.000}{top1}, {value.Remaining:h\\:mm\\:ss} left";
    }
}
