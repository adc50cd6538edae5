using System.Globalization;
using RMeeTo.Vim;
using RMeeTo.Vim.Retraining;

namespace RMeeTo.Samples;

/// <summary>What the study is run with. A folder of results belongs to one set of the settings that results depend on (<see cref="Claim"/>).</summary>
internal sealed record StudyOptions
{
    public string? Images { get; private set; }
    public string? Work { get; private set; }
    public int Seeds { get; private set; } = 3;
    public int DenseEpochs { get; private set; } = 12;
    public double DenseLearningRate { get; private set; } = 1e-3;
    public double LearningRate { get; private set; } = 2e-4;
    public double SmallestCrop { get; private set; } = 0.25;
    public int BatchSize { get; private set; } = 32;
    public int Size { get; private set; } = 96;
    public int Patch { get; private set; } = 12;
    public int Width { get; private set; } = 64;
    public int Depth { get; private set; } = 12;
    public int Threads { get; private set; }
    public TimeSpan? Minutes { get; private set; }

    public static string Usage => """
        Rebuild: what merging costs a Vision Mamba and what re-training brings back, over ratios, orders, epochs and seeds.

          Rebuild                      a few cells on pictures that it draws, in a minute
          Rebuild --images FOLDER      the study; FOLDER/train/CLASS/*.jpg and FOLDER/val/CLASS/*.jpg

          --work FOLDER        networks, logs and results (study); the same command goes on where it was stopped
          --seeds 3            each seed is a network of its own, from scratch
          --minutes N          stop after this time; empty cells are marked
          --size 96 --patch 12 --width 64 --depth 12           the network
          --dense-epochs 12 --dense-learning-rate 1e-3         training it
          --learning-rate 2e-4 --smallest-crop 0.25 --batch 32  re-training
          --threads 0          0: one a processor
        """;

    /// <summary>The network to train.</summary>
    public VimConfig Network(int classes) => new()
    {
        ImageHeight = Size, ImageWidth = Size, PatchSize = Patch, Stride = Patch, Width = Width, Depth = Depth, Classes = classes,
    };

    /// <summary>Training the un-merged network from scratch.</summary>
    public RetrainOptions Dense(ulong seed) => Rebuild(seed, DenseEpochs) with
    {
        LearningRate = DenseLearningRate, WarmupEpochs = Math.Min(1, DenseEpochs / 10.0), TeacherLossWeight = 0,
    };

    /// <summary>Re-training a merged one, with the un-merged network as the teacher.</summary>
    public RetrainOptions Rebuild(ulong seed, int epochs) => new()
    {
        Epochs = epochs,
        BatchSize = BatchSize,
        LearningRate = LearningRate,
        MinimumCropArea = SmallestCrop,
        Seed = seed,
        Threads = Threads,
    };

    /// <summary>The classes: the folders in FOLDER/train, which FOLDER/val must have too, in the order of their names.</summary>
    /// <exception cref="ArgumentException">There are no such folders.</exception>
    public string[] ClassesOf(string folder)
    {
        string train = Path.Combine(folder, "train");
        string[] names = Directory.Exists(train)
            ? [.. Directory.GetDirectories(train).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)]
            : [];
        if (names.Length < 2)
            throw new ArgumentException($"--images {folder}: there are {names.Length} class folders in '{Path.GetFullPath(train)}'; at least 2 are needed: "
                + $"{folder}/train/CLASS/*.jpg and {folder}/val/CLASS/*.jpg.");
        return names.FirstOrDefault(name => !Directory.Exists(Path.Combine(folder, "val", name))) is not { } missing
            ? names
            : throw new ArgumentException($"--images {folder}: class '{missing}' is in train and not in val; make the folder "
                + $"'{Path.GetFullPath(Path.Combine(folder, "val", missing))}' with pictures to test.");
    }

    /// <summary>Makes a folder of results that of these settings, so that cells of other settings never stand in one table.</summary>
    /// <exception cref="ArgumentException">It holds results of other settings.</exception>
    public void Claim(string work, IReadOnlyList<string> classNames)
    {
        string file = Path.Combine(work, "settings.txt");
        string[] now =
        [
            $"--images {(Images is null ? "(drawn)" : Path.GetFullPath(Images))}, classes {string.Join(' ', classNames)}",
            Setting("--size", Size), Setting("--patch", Patch), Setting("--width", Width), Setting("--depth", Depth),
            Setting("--dense-epochs", DenseEpochs), Setting("--dense-learning-rate", DenseLearningRate),
            Setting("--learning-rate", LearningRate), Setting("--smallest-crop", SmallestCrop), Setting("--batch", BatchSize),
        ];
        if (!File.Exists(file))
        {
            File.WriteAllLines(file, now);
            return;
        }
        string[] before = File.ReadAllLines(file);
        if (!before.SequenceEqual(now))
            throw new ArgumentException($"'{work}' holds results of other settings (there: {string.Join("; ", before.Except(now))}; "
                + $"now: {string.Join("; ", now.Except(before))}). Restore them, or give another --work.");

        static string Setting(string name, double value) => string.Create(CultureInfo.InvariantCulture, $"{name} {value}");
    }

    public static StudyOptions Parse(string[] arguments)
    {
        var options = new StudyOptions();
        for (int i = 0; i < arguments.Length; i += 2)
        {
            if (i + 1 == arguments.Length) throw new ArgumentException($"{arguments[i]} needs a value.\n\n{Usage}");
            options.Take(arguments[i], arguments[i + 1]);
        }
        if (options.Images is not null) return options with { Work = options.Work ?? "study" };
        return options with { Seeds = 1, DenseEpochs = 1, Size = ShapePicture.Size, Patch = 8, Width = 32, Depth = 6 };
    }

    private void Take(string name, string value)
    {
        switch (name)
        {
            case "--images": Images = value; break;
            case "--work": Work = value; break;
            case "--seeds": Seeds = Whole(1); break;
            case "--minutes": Minutes = TimeSpan.FromMinutes(Real()); break;
            case "--size": Size = Whole(1); break;
            case "--patch": Patch = Whole(1); break;
            case "--width": Width = Whole(1); break;
            case "--depth": Depth = Whole(1); break;
            case "--dense-epochs": DenseEpochs = Whole(1); break;
            case "--dense-learning-rate": DenseLearningRate = Real(); break;
            case "--learning-rate": LearningRate = Real(); break;
            case "--smallest-crop": SmallestCrop = Real(); break;
            case "--batch": BatchSize = Whole(1); break;
            case "--threads": Threads = Whole(0); break;
            default: throw new ArgumentException($"There is no option '{name}'.\n\n{Usage}");
        }

        int Whole(int low) => int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number >= low
            ? number
            : throw new ArgumentException($"{name} {value}: expected a whole number, at least {low}.");

        double Real() => double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) && number > 0
            ? number
            : throw new ArgumentException($"{name} {value}: expected a number above 0.");
    }
}
