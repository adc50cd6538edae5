using RMeeTo.Samples;
using RMeeTo.Vim.Checkpoints;
using RMeeTo.Vim.Images;

// What merging costs and re-training brings back, cell by cell; StudyOptions.Usage says what can be set. Ctrl+C stops; the same command goes on.
if (args is ["--help" or "-h", ..])
{
    Console.WriteLine(StudyOptions.Usage);
    return 0;
}
try
{
    Run(StudyOptions.Parse(args));
    return 0;
}
catch (Exception e) when (e is ArgumentException or IOException or InvalidDataException or UnauthorizedAccessException
    or CheckpointFormatException or CheckpointMismatchException)
{
    Console.Error.WriteLine($"error: {e.Message}");
    return 1;
}

static void Run(StudyOptions options)
{
    using var stop = new CancellationTokenSource();
    Console.CancelKeyPress += (_, e) => { e.Cancel = true; stop.Cancel(); };
    if (options.Minutes is { } limit) stop.CancelAfter(limit);

    string[] classNames = options.Images is { } folder ? options.ClassesOf(folder) : [.. Shape.Names];
    string work = Directory.CreateDirectory(options.Work ?? Path.Combine(Path.GetTempPath(), $"rmeeto-{Guid.NewGuid():N}")).FullName;
    try
    {
        options.Claim(work, classNames);
        using var training = options.Images is { } images
            ? Photographs.Read(Path.Combine(images, "train"), classNames)
            : Photographs.Draw(PictureSet.Train, 200);
        using var test = options.Images is { } others
            ? Photographs.Read(Path.Combine(others, "val"), classNames)
            : Photographs.Draw(PictureSet.Test, 100);
        Console.WriteLine($"{training.Count:n0} pictures to train, {test.Count:n0} to test, {classNames.Length} classes");

        var study = new Study(options, work, training, test, classNames, stop.Token);
        try
        {
            foreach (var cell in options.Images is null ? Cell.All.Where(cell => cell.Ratio is 0 or Cell.Middle && cell.Epochs <= 1) : Cell.All)
                for (int seed = 1; seed <= options.Seeds; seed++)
                {
                    if (study.Find(cell, seed) is not null) continue;
                    var result = study.Run(cell, seed);
                    Console.WriteLine($"seed {seed}, {cell.Key}: top-1 {result.Top1:P1}, {result.Minutes:0.0} minutes");
                }
        }
        catch (OperationCanceledException)
        {
            Console.WriteLine(options.Work is null ? "Stopped; nothing is kept without --work." : $"Stopped; the same command goes on from {work}.");
        }
        StudyTable.Print(study, options, classNames.Length);
    }
    finally
    {
        if (options.Work is null) Directory.Delete(work, recursive: true);
    }
}
