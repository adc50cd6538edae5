using Microsoft.ML;
using Microsoft.ML.Data;

namespace RMeeTo.MLNet;

/// <summary>Finds columns and says what is wrong where it cannot.</summary>
internal static class SchemaChecks
{
    private const int NamesShown = 12;

    /// <summary>The column of that name.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is none.</exception>
    /// <param name="schema">Where.</param>
    /// <param name="name">Its name.</param>
    /// <param name="role">What it is for.</param>
    /// <param name="option">Who names it, for the message; null: the role followed by ColumnName.</param>
    public static DataViewSchema.Column Find(DataViewSchema schema, string name, string role, string? option = null) =>
        schema.GetColumnOrNull(name) ?? throw Missing(name, role, option, schema.Where(column => !column.IsHidden).Select(column => column.Name));

    /// <summary>The same where only the shape of the schema is known.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is none.</exception>
    /// <param name="schema">Where.</param>
    /// <param name="name">Its name.</param>
    /// <param name="role">What it is for.</param>
    /// <param name="option">Who names it, for the message; null: the role followed by ColumnName.</param>
    public static SchemaShape.Column Find(SchemaShape schema, string name, string role, string? option = null)
    {
        var found = schema.FirstOrDefault(column => column.Name == name);
        return found.Name is not null ? found : throw Missing(name, role, option, schema.Select(column => column.Name));
    }

    /// <summary>The type of a column in words, such as Vector&lt;Single&gt;.</summary>
    public static string TypeName(SchemaShape.Column column)
    {
        string item = column.IsKey ? $"Key<{column.ItemType}>" : column.ItemType.ToString()!;
        return column.Kind == SchemaShape.Column.VectorKind.Scalar ? item : $"Vector<{item}>";
    }

    private static ArgumentOutOfRangeException Missing(string name, string role, string? option, IEnumerable<string> names)
    {
        string[] all = [.. names.Distinct()];
        string list = string.Join(", ", all.Take(NamesShown)) + (all.Length > NamesShown ? $" and {all.Length - NamesShown} more" : "");
        return new("inputSchema", $"There is no column '{name}', which VimMergedClassifier needs as its {role} column; the columns are: {list}. Name the "
            + $"right one with {option ?? $"{role}ColumnName"}, or add it before this stage.");
    }
}
