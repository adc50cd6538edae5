namespace RMeeTo.Build;

/// <summary>The arguments handed on, and the flavour where the caller forces one.</summary>
/// <param name="Arguments">What is left for dotnet test or the sample.</param>
/// <param name="UseStandIns">From <c>-p:UseStandIns=</c> or the environment; null leaves it to the feed.</param>
internal sealed record Settings(IReadOnlyList<string> Arguments, bool? UseStandIns)
{
    private static readonly string[] Forms = ["-p:UseStandIns=", "/p:UseStandIns=", "--property:UseStandIns=", "-property:UseStandIns="];

    public static Settings Parse(IEnumerable<string> arguments)
    {
        var rest = new List<string>();
        string? forced = Environment.GetEnvironmentVariable("UseStandIns");
        foreach (string argument in arguments)
        {
            string? form = Forms.FirstOrDefault(f => argument.StartsWith(f, StringComparison.OrdinalIgnoreCase));
            if (form is null)
                rest.Add(argument);
            else
                forced = argument[form.Length..];
        }
        if (string.IsNullOrEmpty(forced))
            return new Settings(rest, null);
        if (!bool.TryParse(forced, out bool value))
            throw new BuildException($"UseStandIns is '{forced}'; it must be true or false.");

        // Every dotnet command below sees it as a property.
        Environment.SetEnvironmentVariable("UseStandIns", value ? "true" : "false");
        return new Settings(rest, value);
    }
}

/// <summary>A mistake or a state that the caller must deal with; shown as one line.</summary>
internal sealed class BuildException(string message) : Exception(message);
