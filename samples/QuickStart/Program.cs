using Microsoft.ML;
using RMeeTo.MLNet;
using RMeeTo.Samples;
using RMeeTo.Vim.Checkpoints;
using RMeeTo.Vim.Retraining;

try
{
    var options = Options.Parse(args);
    if (options.Help)
    {
        Console.WriteLine(Usage.Text);
        return 0;
    }
    using var stop = new CancellationTokenSource();
    Console.CancelKeyPress += (_, e) => { e.Cancel = true; stop.Cancel(); };
    using var place = WorkPlace.Open(options);
    MainJob.Run(options, place, stop.Token);
    return 0;
}
catch (UsageException e)
{
    Console.Error.WriteLine($"error: {e.Message}");
    return 2;
}
catch (Exception e) when (e is IOException or InvalidDataException or CheckpointFormatException or CheckpointMismatchException or UnreadableImageException
    or TrainingDivergedException or ArgumentException or InvalidOperationException or UnauthorizedAccessException or OperationCanceledException)
{
    Console.Error.WriteLine($"error: {e.Message}");
    return 1;
}
