namespace RMeeTo.Build;

/// <summary>The arguments handed on, and the flavour where the caller forces one.</summary>
/// <param name="Arguments">What is left for dotnet test or the sample.</param>
/// <param name="UseStandIns">From <c>-p:UseStandIns=</c> or the environment; null leaves it to the feed.</param>
/// <param name="UseTorchSharp">From <c>-p:UseTorchSharp=</c> or the environment; null leaves it to the feed.</param>
internal sealed record Settings(IReadOnlyList<string> Arguments, bool? UseStandIns, bool? UseTorchSharp)
{
    private static readonly string[] Forms = ["-p:", "/p:", "--property:", "-property:"];

    public static Settings Parse(IEnumerable<string> arguments)
    {
        var rest = arguments.ToList();
        bool? standIns = Take(rest, nameof(UseStandIns)), torchSharp = Take(rest, nameof(UseTorchSharp));
        return new(rest, standIns, torchSharp);
    }

    /// <summary>Takes a property out of the arguments, or from the environment, where every dotnet command below sees it.</summary>
    private static bool? Take(List<string> arguments, string property)
    {
        string? forced = Environment.GetEnvironmentVariable(property);
        foreach (string argument in arguments.ToArray())
        {
            string? form = Forms.FirstOrDefault(f => argument.StartsWith($"{f}{property}=", StringComparison.OrdinalIgnoreCase));
            if (form is null) continue;
            forced = argument[(form.Length + property.Length + 1)..];
            arguments.Remove(argument);
        }
        if (string.IsNullOrEmpty(forced)) return null;
        if (!bool.TryParse(forced, out bool value)) throw new BuildException($"{property} is '{forced}'; it must be true or false.");
        Environment.SetEnvironmentVariable(property, value ? "true" : "false");
        return value;
    }
}

/// <summary>A mistake or a state that the caller must deal with; shown as one line.</summary>
internal sealed class BuildException(string message) : Exception(message);
