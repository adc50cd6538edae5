using Microsoft.ML;
using Microsoft.ML.Data;

namespace RMeeTo.MLNet;

/// <summary>Finds columns and says what is wrong where it cannot.</summary>
internal static class SchemaChecks
{
    private const int NamesShown = 12;

    /// <summary>The column of that name.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is none.</exception>
    public static DataViewSchema.Column Find(DataViewSchema schema, string name, string role) =>
        schema.GetColumnOrNull(name) ?? throw Missing(name, role, schema.Where(column => !column.IsHidden).Select(column => column.Name));

    /// <summary>The same where only the shape of the schema is known.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is none.</exception>
    public static SchemaShape.Column Find(SchemaShape schema, string name, string role)
    {
        var found = schema.FirstOrDefault(column => column.Name == name);
        return found.Name is not null ? found : throw Missing(name, role, schema.Select(column => column.Name));
    }

    /// <summary>The type of a column in words, such as Vector&lt;Single&gt;.</summary>
    public static string TypeName(SchemaShape.Column column)
    {
        string item = column.IsKey ? $"Key<{column.ItemType}>" : column.ItemType.ToString()!;
        return column.Kind == SchemaShape.Column.VectorKind.Scalar ? item : $"Vector<{item}>";
    }

    private static ArgumentOutOfRangeException Missing(string name, string role, IEnumerable<string> names)
    {
        string[] all = [.. names.Distinct()];
        string list = string.Join(", ", all.Take(NamesShown)) + (all.Length > NamesShown ? $" and {all.Length - NamesShown} more" : "");
        return new("inputSchema", $"There is no column '{name}', which VimMergedClassifier needs as its {role} column; the columns are: {list}. Name the "
            + $"right one with {role}ColumnName, or add it before this stage.");
    }
}
