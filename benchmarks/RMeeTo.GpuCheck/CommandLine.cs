using RMeeTo.GpuCheck.Timing;
using RMeeTo.Vim;
using RMeeTo.Vim.Devices;

namespace RMeeTo.GpuCheck;

/// <summary>What the program was asked for.</summary>
internal sealed record CommandLine
{
    /// <summary>What the program says about itself.</summary>
    public const string Help = """
        Checks every operator of RMeeTo.Vim on a GPU against the reference in double precision and against recorded data, then measures it.

          --device N           index of the GPU (0)
          --golden DIR         folder of recorded data; else the environment variable RMEETO_GOLDEN; without either those checks are left out
          --json FILE          writes everything as JSON too
          --skip PART,PART     leaves out checks, golden, inference, training, kernels, pytorch
          --models NAME,NAME   Vim-Ti, Vim-S (both)
          --precision P,P      Float32, TensorFloat32, BFloat16 (all)
          --batch N            images at once (128)
          --rounds N           samples of every case (9)
          --smoke              a tiny network, small sizes, every twelfth operator case, no PyTorch: tries the program
          --torchsharp DIR     folder with RMeeTo.TorchSharp, TorchSharp and its libtorch: measures the tensor operators too
          --pytorch PYTHON     Python with torch, for the same network in PyTorch (python3; left out where it has no torch)
          --help               this text

        Exit code: 0 all checks passed, 1 some failed, 2 no GPU can be used, 64 wrong arguments.
        """;

    private static readonly string[] s_parts = ["checks", "golden", "inference", "training", "kernels", "pytorch"];

    public int Device { get; init; }
    public string? Golden { get; init; }
    public string? Json { get; init; }
    public string? TorchSharp { get; init; }
    public string Python { get; init; } = "python3";
    public bool WantsHelp { get; init; }
    public bool IsSmoke { get; init; }
    public IReadOnlyList<string> Skipped { get; init; } = [];
    public IReadOnlyList<MatrixPrecision> Precisions { get; init; } = Enum.GetValues<MatrixPrecision>();
    public BenchmarkSettings Benchmark { get; init; } = BenchmarkSettings.Default;

    /// <summary>True unless <c>--skip</c> names it.</summary>
    public bool Does(string part) => !Skipped.Contains(part);

    /// <summary>Reads arguments.</summary>
    /// <exception cref="ArgumentException">One is not known, or has no or a wrong value.</exception>
    public static CommandLine Parse(IReadOnlyList<string> arguments)
    {
        var line = new CommandLine();
        for (int i = 0; i < arguments.Count; i++)
        {
            string name = arguments[i];
            if (name is "--help" or "-h") return line with { WantsHelp = true };
            line = name == "--smoke" ? line with { IsSmoke = true, Benchmark = BenchmarkSettings.Smoke } : line.With(name, () => ++i < arguments.Count ? arguments[i] : throw new ArgumentException($"{name} needs a value."));
        }
        return line;
    }

    private CommandLine With(string name, Func<string> value) => name switch
    {
        "--device" => this with { Device = Number(name, value(), 0) },
        "--golden" => this with { Golden = value() },
        "--json" => this with { Json = value() },
        "--torchsharp" => this with { TorchSharp = value() },
        "--pytorch" => this with { Python = value() },
        "--skip" => this with { Skipped = List(name, value(), s_parts) },
        "--models" => this with { Benchmark = Benchmark with { Models = Models(name, value()) } },
        "--precision" => this with { Precisions = [.. List(name, value(), Enum.GetNames<MatrixPrecision>()).Select(Enum.Parse<MatrixPrecision>)] },
        "--batch" => this with { Benchmark = Benchmark with { Batch = Number(name, value(), 1) } },
        "--rounds" => this with { Benchmark = Benchmark with { Rounds = Number(name, value(), 1) } },
        _ => throw new ArgumentException($"'{name}' is no argument of this program; --help lists them."),
    };

    private static int Number(string name, string value, int least) => int.TryParse(value, out int number) && number >= least
        ? number
        : throw new ArgumentException($"{name} is '{value}'; it must be a whole number from {least} up.");

    private static IReadOnlyList<string> List(string name, string value, IReadOnlyList<string> known)
    {
        string[] items = value.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return [.. items.Select(item => known.FirstOrDefault(k => k.Equals(item, StringComparison.OrdinalIgnoreCase))
            ?? throw new ArgumentException($"{name} has '{item}'; known are {string.Join(", ", known)}."))];
    }

    private static IReadOnlyList<(string, VimConfig)> Models(string name, string value)
    {
        var all = BenchmarkSettings.Default.Models;
        return [.. List(name, value, [.. all.Select(model => model.Name)]).Select(chosen => all.Single(model => model.Name == chosen))];
    }
}
