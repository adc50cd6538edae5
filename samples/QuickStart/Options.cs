using System.Globalization;

namespace RMeeTo.Samples;

/// <summary>The command line.</summary>
internal sealed class Options
{
    public string? Images { get; private set; }
    public string? Checkpoint { get; private set; }
    public int? TokensPerMerge { get; private set; }
    public bool ExactPosition { get; private set; }
    public int? Epochs { get; private set; }
    public double? LearningRate { get; private set; }
    public double? SmallestCrop { get; private set; }
    public bool FromScratch { get; private set; }
    public int DenseEpochs { get; private set; } = 20;
    public double? DenseLearningRate { get; private set; }
    public int Size { get; private set; } = 96;
    public int Patch { get; private set; } = 8;
    public int Width { get; private set; } = 128;
    public int Depth { get; private set; } = 12;
    public int Threads { get; private set; }
    public ulong Seed { get; private set; } = 1;
    public string? Work { get; private set; }
    public string? Output { get; private set; }
    public bool Help { get; private set; }

    public static Options Parse(string[] arguments)
    {
        var options = new Options();
        var rest = new Queue<string>(arguments);
        while (rest.TryDequeue(out string? name)) options.Take(name, () => rest.TryDequeue(out string? value) ? value : throw new UsageException($"{name} needs a value."));
        if (options.FromScratch && options.Checkpoint is not null) throw new UsageException("--from-scratch and --checkpoint exclude each other.");
        return options;
    }

    private void Take(string name, Func<string> value)
    {
        switch (name)
        {
            case "--images": Images = value(); break;
            case "--checkpoint": Checkpoint = value(); break;
            case "--tokens-per-merge": TokensPerMerge = Number(0, 100_000); break;
            case "--exact-position": ExactPosition = true; break;
            case "--epochs": Epochs = Number(0, 100_000); break;
            case "--learning-rate": LearningRate = Real(1); break;
            case "--smallest-crop": SmallestCrop = Math.Max(0.01, Real(1)); break;
            case "--from-scratch": FromScratch = true; break;
            case "--dense-epochs": DenseEpochs = Number(1, 100_000); break;
            case "--dense-learning-rate": DenseLearningRate = Real(1); break;
            case "--size": Size = Number(1, 8192); break;
            case "--patch": Patch = Number(1, 8192); break;
            case "--width": Width = Number(1, 8192); break;
            case "--depth": Depth = Number(1, 1000); break;
            case "--threads": Threads = Number(0, 4096); break;
            case "--seed": Seed = (ulong)Number(0, int.MaxValue); break;
            case "--work": Work = value(); break;
            case "--output": Output = value(); break;
            case "--help" or "-h" or "-?": Help = true; break;
            default: throw new UsageException($"There is no option '{name}'; --help lists them all.");
        }

        int Number(int low, int high) => value() is var text && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number >= low && number <= high
            ? number
            : throw new UsageException($"{name} {text}: expected a whole number from {low} to {high}.");

        double Real(double high) => value() is var text && double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) && number >= 0 && number <= high
            ? number
            : throw new UsageException($"{name} {text}: expected a number from 0 to {high}.");
    }
}
