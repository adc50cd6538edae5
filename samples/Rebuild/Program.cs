using RMeeTo.Samples;
using RMeeTo.Vim.Images;

// What merging costs and re-training brings back, cell by cell; StudyOptions.Usage says what can be set. Ctrl+C stops; the same command goes on.
using var stop = new CancellationTokenSource();
Console.CancelKeyPress += (_, e) => { e.Cancel = true; stop.Cancel(); };
var options = StudyOptions.Parse(args);
if (options.Minutes is { } limit) stop.CancelAfter(limit);

string[] classNames = options.Images is { } folder
    ? [.. Directory.GetDirectories(Path.Combine(folder, "train")).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)]
    : [.. Shape.Names];
using var training = options.Images is null ? Photographs.Draw(PictureSet.Train, 200) : Photographs.Read(Path.Combine(options.Images, "train"), classNames);
using var test = options.Images is null ? Photographs.Draw(PictureSet.Test, 100) : Photographs.Read(Path.Combine(options.Images, "val"), classNames);
Console.WriteLine($"{training.Count:n0} pictures to train, {test.Count:n0} to test, {classNames.Length} classes");

string work = Directory.CreateDirectory(options.Work ?? Path.Combine(Path.GetTempPath(), $"rmeeto-{Guid.NewGuid():N}")).FullName;
var study = new Study(options, work, training, test, classNames, stop.Token);
var cells = options.Images is null ? Cell.All.Where(cell => cell.Ratio is 0 or Cell.Middle && cell.Epochs <= 1) : Cell.All;
try
{
    foreach (var cell in cells)
        for (int seed = 1; seed <= options.Seeds; seed++)
        {
            if (study.Find(cell, seed) is not null) continue;
            var result = study.Run(cell, seed);
            Console.WriteLine($"seed {seed}, {cell.Key}: top-1 {result.Top1:P1}, {result.Minutes:0.0} minutes");
        }
}
catch (OperationCanceledException)
{
    Console.WriteLine($"Stopped; the same command goes on from {work}.");
}
StudyTable.Print(study, options, classNames.Length);
if (options.Work is null) Directory.Delete(work, recursive: true);
