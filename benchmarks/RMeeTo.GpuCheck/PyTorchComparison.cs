using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace RMeeTo.GpuCheck;

/// <summary>Runs compare_pytorch.py, which is embedded in this program, and reports what it measured.</summary>
internal static class PyTorchComparison
{
    private const string Script = "compare_pytorch.py";

    /// <summary>Which PyTorch a Python has and whether it sees a GPU; null where there is no such Python, or no torch in it.</summary>
    public static string? VersionOf(string python)
    {
        const string Ask = "import torch; print(torch.__version__, 'cuda', torch.version.cuda, torch.cuda.is_available())";
        string? answer = Run(python, ["-c", Ask], null, TextWriter.Null);
        return answer is not null && answer.Contains("True", StringComparison.Ordinal) ? answer.Replace("True", "", StringComparison.Ordinal).Trim() : null;
    }

    /// <summary>The folder of packages that a Python has its torch in; null where it has none. NVRTC and cuBLAS lie there too.</summary>
    public static string? PackagesOf(string python)
    {
        const string Ask = "import importlib.util; print(importlib.util.find_spec('torch').origin)"; // without loading it
        string? file = Run(python, ["-c", Ask], null, TextWriter.Null)?.Trim();
        return string.IsNullOrEmpty(file) ? null : Path.GetDirectoryName(Path.GetDirectoryName(file));
    }

    /// <summary>Times the same networks in PyTorch.</summary>
    /// <param name="line">Python, sizes, batch.</param>
    /// <param name="report">Receives a table, or a failure.</param>
    /// <param name="log">What the script says meanwhile.</param>
    /// <param name="device">torch's name of the device.</param>
    public static void Run(CommandLine line, Report report, TextWriter log, string device = "cuda")
    {
        var settings = line.Benchmark;
        string[] arguments =
        [
            "-", "--models", .. settings.Models.Select(model => model.Name), "--ratios", "0", .. settings.Ratios.Select(Text),
            "--training-ratios", "0", .. settings.TrainingRatios.Select(Text), "--precisions", .. line.Precisions.Select(p => p.ToString()),
            "--batch", Text(settings.Batch), "--rounds", Text(settings.Rounds), "--seconds", settings.SampleSeconds.ToString(CultureInfo.InvariantCulture),
            "--device", string.Create(CultureInfo.InvariantCulture, $"{device}{(device == "cuda" ? $":{line.Device}" : "")}"),
        ];
        string? answer = Run(line.Python, arguments, ReadScript(), log);
        if (answer is null) report.Failures.Add($"{Script} failed under {line.Python}; what it said is above.");
        else Add(JsonDocument.Parse(answer).RootElement, settings.Batch, report);
    }

    private static void Add(JsonElement found, int batch, Report report)
    {
        string parts = $"scan: {found.GetProperty("scan")}; convolution: {found.GetProperty("convolution")}";
        var table = new Table($"The same network in PyTorch {found.GetProperty("torch")}, batch {batch}; {parts}",
            new("network"), new("kind"), new("precision"), new("images/s"), new("ms a batch", "0.00"));
        foreach (JsonElement row in found.GetProperty("results").EnumerateArray())
        {
            int removed = row.GetProperty("removed").GetInt32();
            string network = $"{row.GetProperty("model")} {(removed == 0 ? "dense" : $"r={removed}")}";
            table.Add(network, row.GetProperty("kind").GetString(), row.GetProperty("precision").GetString(), row.GetProperty("imagesPerSecond").GetDouble(),
                row.GetProperty("milliseconds").GetDouble());
        }
        report.Tables.Add(table);
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static string ReadScript()
    {
        using var stream = typeof(PyTorchComparison).Assembly.GetManifestResourceStream(Script)
            ?? throw new InvalidOperationException($"{Script} is not embedded in this program.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    /// <summary>Runs Python.</summary>
    /// <returns>What it wrote to standard output; null where it is not there or failed.</returns>
    private static string? Run(string python, IReadOnlyList<string> arguments, string? input, TextWriter log)
    {
        var start = new ProcessStartInfo(python, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        try
        {
            using Process process = Process.Start(start)!;
            process.ErrorDataReceived += (_, line) => log.WriteLine(line.Data);
            process.BeginErrorReadLine();
            if (input is not null) process.StandardInput.Write(input);
            process.StandardInput.Close();
            string output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return process.ExitCode == 0 ? output : null;
        }
        catch (System.ComponentModel.Win32Exception) // no such program
        {
            return null;
        }
    }
}
