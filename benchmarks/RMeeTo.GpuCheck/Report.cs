using System.Globalization;
using System.Text.Json;

namespace RMeeTo.GpuCheck;

/// <summary>A column of a <see cref="Table"/>.</summary>
/// <param name="Name">Heading, with the unit.</param>
/// <param name="Format">How numbers are written on the console; the file has them whole.</param>
internal sealed record Column(string Name, string Format = "0.0");

/// <summary>Rows of one kind. A cell is a text, a number, or null: not measured.</summary>
internal sealed class Table(string title, params Column[] columns)
{
    private readonly List<object?[]> _rows = [];

    /// <summary>What the rows are.</summary>
    public string Title => title;

    /// <summary>Headings.</summary>
    public IReadOnlyList<Column> Columns => columns;

    /// <summary>Cells, as many a row as there are columns.</summary>
    public IReadOnlyList<object?[]> Rows => _rows;

    /// <summary>Sentences that belong to the rows.</summary>
    public List<string> Remarks { get; } = [];

    /// <summary>Adds a row.</summary>
    public void Add(params object?[] cells)
    {
        if (cells.Length != columns.Length)
            throw new ArgumentException($"{title}: a row of {cells.Length} cells; there are {columns.Length} columns.", nameof(cells));
        _rows.Add(cells);
    }

    /// <summary>Writes heading, rows and remarks, texts to the left and numbers to the right.</summary>
    public void Print(TextWriter output)
    {
        string[][] texts = [[.. columns.Select(column => column.Name)], .. _rows.Select(Texts)];
        int[] widths = [.. columns.Select((_, c) => texts.Max(row => row[c].Length))];
        output.WriteLine(title);
        foreach (string[] row in texts)
            output.WriteLine("  " + string.Join("  ", row.Select((text, c) => IsText(c) ? text.PadRight(widths[c]) : text.PadLeft(widths[c]))).TrimEnd());
        foreach (string remark in Remarks) output.WriteLine($"  {remark}");
        output.WriteLine();
    }

    private bool IsText(int column) => _rows.Any(row => row[column] is string);

    private string[] Texts(object?[] row) => [.. row.Select((cell, c) => cell switch
    {
        null => "-",
        IFormattable number => number.ToString(number is double ? columns[c].Format : null, CultureInfo.InvariantCulture),
        _ => cell.ToString()!,
    })];
}

/// <summary>What the program found: facts, tables, and what went wrong.</summary>
internal sealed class Report
{
    /// <summary>What ran: GPU, driver, libraries.</summary>
    public List<(string Name, string Value)> Facts { get; } = [];

    /// <summary>In the order in which they are shown.</summary>
    public List<Table> Tables { get; } = [];

    /// <summary>Every check that failed, with the reason.</summary>
    public List<string> Failures { get; } = [];

    /// <summary>What measurements are to come to. One that is missed is no failure: it depends on the GPU.</summary>
    public Table Targets { get; } = new("Targets", new("what"), new("measured", "0.00"), new("wanted at least", "0.00"), new("reached"));

    /// <summary>Compares a measurement with what it is to come to.</summary>
    public void Expect(string what, double measured, double wanted) => Targets.Add(what, measured, wanted, measured >= wanted ? "yes" : "NO");

    /// <summary>Writes everything as one JSON object: facts, tables as lists of objects, failures.</summary>
    public void WriteJson(Stream output)
    {
        using var json = new Utf8JsonWriter(output, new JsonWriterOptions { Indented = true });
        json.WriteStartObject();
        json.WriteStartObject("facts");
        foreach (var (name, value) in Facts) json.WriteString(name, value);
        json.WriteEndObject();
        json.WriteStartArray("tables");
        foreach (Table table in Tables.Append(Targets)) Write(json, table);
        json.WriteEndArray();
        WriteList(json, "failures", Failures);
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, Table table)
    {
        json.WriteStartObject();
        json.WriteString("title", table.Title);
        json.WriteStartArray("rows");
        foreach (object?[] row in table.Rows)
        {
            json.WriteStartObject();
            for (int c = 0; c < row.Length; c++) Write(json, table.Columns[c].Name, row[c]);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        WriteList(json, "remarks", table.Remarks);
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, string name, object? cell)
    {
        switch (cell)
        {
            case null or double.NaN: json.WriteNull(name); break;
            case double number when double.IsFinite(number): json.WriteNumber(name, number); break;
            case int number: json.WriteNumber(name, number); break;
            default: json.WriteString(name, Convert.ToString(cell, CultureInfo.InvariantCulture)); break;
        }
    }

    private static void WriteList(Utf8JsonWriter json, string name, IEnumerable<string> texts)
    {
        json.WriteStartArray(name);
        foreach (string text in texts) json.WriteStringValue(text);
        json.WriteEndArray();
    }
}
