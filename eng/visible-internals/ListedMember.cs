using Mono.Cecil;
using Mono.Cecil.Rocks;

namespace RMeeTo.VisibleInternals;

/// <summary>A line of members.txt: an assembly, a type by its full name, and a member of it where the type alone is not meant.</summary>
internal sealed record ListedMember(int Line, string Assembly, string Type, string? Member)
{
    public string Text => Member is null ? $"type {Type}" : $"{Type}.{Member}";

    public static IEnumerable<ListedMember> Read(string path) => File.ReadLines(path)
        .Select((text, i) => (Words: text.Split((char[]?)null, 3, StringSplitOptions.RemoveEmptyEntries), Line: i + 1))
        .Where(l => l.Words.Length >= 2 && !l.Words[0].StartsWith('#'))
        .Select(l => new ListedMember(l.Line, l.Words[0], l.Words[1], l.Words.Length > 2 ? l.Words[2].Replace(" ", "") : null));

    /// <summary>False where there is no such member.</summary>
    public bool MakeVisible(ModuleDefinition module)
    {
        if (module.GetAllTypes().FirstOrDefault(t => t.FullName == Type) is not { } type)
            return false;
        return Member is null ? Show(type) : Member.EndsWith(')') ? Show(type.Methods.FirstOrDefault(m => Signature(m) == Member)) : ShowNamed(type);
    }

    /// <summary>Name and simple names of the parameter types: <c>CheckAtModel(VersionInfo)</c>; a constructor is <c>new(...)</c>.</summary>
    private static string Signature(MethodDefinition method) =>
        $"{(method.IsConstructor ? "new" : method.Name)}({string.Join(',', method.Parameters.Select(p => p.ParameterType.Name))})";

    private bool ShowNamed(TypeDefinition type)
    {
        if (type.Fields.FirstOrDefault(f => f.Name == Member) is { } field)
        {
            field.IsPublic = true;
            return true;
        }
        return type.Properties.FirstOrDefault(p => p.Name == Member) is { } property && (Show(property.GetMethod) | Show(property.SetMethod));
    }

    private static bool Show(TypeDefinition type)
    {
        if (type.IsNested)
            type.IsNestedPublic = true;
        else
            type.IsPublic = true;
        return true;
    }

    private static bool Show(MethodDefinition? method)
    {
        if (method is null)
            return false;
        method.IsPublic = true;
        return true;
    }
}
