using System.Globalization;
using System.Reflection;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace RMeeTo.MLNet;

/// <summary>The classes of a label column in the order of the score's slots: names, and values in the label's own type. Class k is key k + 1.</summary>
internal abstract class LabelClasses
{
    /// <summary>Types of values by the name that stands in model files; the names never change.</summary>
    private static readonly (string Name, PrimitiveDataViewType Type, Func<string, object> Parse)[] Kinds =
    [
        ("Text", TextDataViewType.Instance, text => text.AsMemory()),
        ("Boolean", BooleanDataViewType.Instance, text => bool.Parse(text)),
        ("SByte", NumberDataViewType.SByte, text => sbyte.Parse(text, CultureInfo.InvariantCulture)),
        ("Byte", NumberDataViewType.Byte, text => byte.Parse(text, CultureInfo.InvariantCulture)),
        ("Int16", NumberDataViewType.Int16, text => short.Parse(text, CultureInfo.InvariantCulture)),
        ("UInt16", NumberDataViewType.UInt16, text => ushort.Parse(text, CultureInfo.InvariantCulture)),
        ("Int32", NumberDataViewType.Int32, text => int.Parse(text, CultureInfo.InvariantCulture)),
        ("UInt32", NumberDataViewType.UInt32, text => uint.Parse(text, CultureInfo.InvariantCulture)),
        ("Int64", NumberDataViewType.Int64, text => long.Parse(text, CultureInfo.InvariantCulture)),
        ("UInt64", NumberDataViewType.UInt64, text => ulong.Parse(text, CultureInfo.InvariantCulture)),
        ("Single", NumberDataViewType.Single, text => float.Parse(text, CultureInfo.InvariantCulture)),
        ("Double", NumberDataViewType.Double, text => double.Parse(text, CultureInfo.InvariantCulture)),
        ("TimeSpan", TimeSpanDataViewType.Instance, text => TimeSpan.ParseExact(text, "c", CultureInfo.InvariantCulture)),
        ("DateTime", DateTimeDataViewType.Instance, text => DateTime.ParseExact(text, "o", CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind)),
        ("DateTimeOffset", DateTimeOffsetDataViewType.Instance, text => DateTimeOffset.ParseExact(text, "o", CultureInfo.InvariantCulture)),
    ];

    private protected LabelClasses(PrimitiveDataViewType valueType, IReadOnlyList<string> names) => (ValueType, Names) = (valueType, names);

    /// <summary>Type of the values.</summary>
    public PrimitiveDataViewType ValueType { get; }

    /// <summary>The values as text; all different.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>Name of <see cref="ValueType"/> in model files.</summary>
    public string ValueTypeName => Kinds.First(kind => kind.Type.Equals(ValueType)).Name;

    /// <summary>Whether values of this type can be class labels.</summary>
    public static bool IsSupported(DataViewType type) => Kinds.Any(kind => kind.Type.Equals(type));

    /// <summary>Classes with texts for values.</summary>
    public static LabelClasses OfNames(IReadOnlyList<string> names) =>
        new LabelClasses<ReadOnlyMemory<char>>(TextDataViewType.Instance, [.. names.Select(name => name.AsMemory())]);

    /// <summary>Reads what a model file says.</summary>
    /// <exception cref="FormatException">It says nothing sensible.</exception>
    public static LabelClasses Parse(string valueTypeName, IReadOnlyList<string> values)
    {
        var (name, type, parse) = Kinds.FirstOrDefault(kind => kind.Name == valueTypeName);
        if (name is null)
            throw new FormatException($"The model file has labels of type '{valueTypeName}', which this version does not know. Use a newer version of "
                + "RMeeTo.MLNet.");
        var parsed = Array.CreateInstance(type.RawType, values.Count);
        for (int i = 0; i < values.Count; i++) parsed.SetValue(parse(values[i]), i);
        return (LabelClasses)Activator.CreateInstance(typeof(LabelClasses<>).MakeGenericType(type.RawType), type, parsed)!;
    }

    /// <summary>The values behind the keys of a column; "0", "1", … where it has none.</summary>
    /// <exception cref="ArgumentException">Two values have the same name.</exception>
    public static LabelClasses OfKey(DataViewSchema.Column column, int count)
    {
        var annotation = column.Annotations.Schema.GetColumnOrNull("KeyValues");
        if (annotation?.Type is not VectorDataViewType { IsKnownSize: true } type || type.Size != count || !IsSupported(type.ItemType))
            return OfNames([.. Enumerable.Range(0, count).Select(i => i.ToString(CultureInfo.InvariantCulture))]);
        return (LabelClasses)typeof(LabelClasses).GetMethod(nameof(ReadKeyValues), BindingFlags.NonPublic | BindingFlags.Static)!
            .MakeGenericMethod(type.ItemType.RawType)
            .Invoke(null, BindingFlags.DoNotWrapExceptions, null, [column.Annotations, type.ItemType], null)!;
    }

    /// <summary>Text of a value, the same in every culture, from which <see cref="Parse"/> gets the value back exactly.</summary>
    public static string Format<T>(T value) => value switch
    {
        ReadOnlyMemory<char> text => text.ToString(),
        TimeSpan time => time.ToString("c", CultureInfo.InvariantCulture),
        DateTimeOffset moment => moment.ToString("o", CultureInfo.InvariantCulture),
        DateTime date => date.ToString("o", CultureInfo.InvariantCulture),
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        _ => value?.ToString() ?? "",
    };

    /// <summary>These classes, and behind them those of <paramref name="others"/> whose names are not among them.</summary>
    /// <exception cref="FormatException">A value of the others is none of this type.</exception>
    public abstract LabelClasses With(LabelClasses others);

    /// <summary>The same classes as values of a type.</summary>
    /// <exception cref="FormatException">One is no value of this type, or is written otherwise as such.</exception>
    public LabelClasses<T> As<T>(PrimitiveDataViewType type)
    {
        if (this is LabelClasses<T> already) return already;
        try
        {
            var parsed = (LabelClasses<T>)Parse(Kinds.First(kind => kind.Type.Equals(type)).Name, Names);
            int other = Enumerable.Range(0, Names.Count).FirstOrDefault(i => parsed.Names[i] != Names[i], -1);
            return other < 0 ? parsed : throw new FormatException($"'{Names[other]}' would become '{parsed.Names[other]}'.");
        }
        catch (Exception e) when (e is OverflowException or TargetInvocationException)
        {
            throw new FormatException(e.InnerException?.Message ?? e.Message, e);
        }
    }

    /// <summary>Adds the annotation KeyValues.</summary>
    public abstract void AddKeyValues(DataViewSchema.Annotations.Builder builder);

    /// <summary>Getter of the values of the most probable classes, best first; missing values where there are no probabilities.</summary>
    /// <param name="row">Says the probabilities.</param>
    /// <param name="count">How many; at most all.</param>
    public abstract Delegate TopLabels(IScoredRow row, int count);

    private static LabelClasses<T> ReadKeyValues<T>(DataViewSchema.Annotations annotations, PrimitiveDataViewType type)
    {
        VBuffer<T> values = default;
        annotations.GetValue("KeyValues", ref values);
        return new(type, [.. values.DenseValues()]);
    }
}

/// <summary>Classes whose labels are of type <typeparamref name="T"/>.</summary>
internal sealed class LabelClasses<T>(PrimitiveDataViewType valueType, T[] values) : LabelClasses(valueType, NamesOf(values))
{
    /// <summary>A value for each of the names.</summary>
    public IReadOnlyList<T> Values => values;

    public override LabelClasses With(LabelClasses others)
    {
        var more = others.As<T>(ValueType);
        var mine = new HashSet<string>(Names);
        return new LabelClasses<T>(ValueType, [.. values, .. more.Values.Where((_, i) => !mine.Contains(more.Names[i]))]);
    }

    public override void AddKeyValues(DataViewSchema.Annotations.Builder builder) =>
        builder.Add("KeyValues", new VectorDataViewType(ValueType, values.Length), (ref VBuffer<T> destination) =>
        {
            var editor = VBufferEditor.Create(ref destination, values.Length);
            values.CopyTo(editor.Values);
            destination = editor.Commit();
        });

    public override Delegate TopLabels(IScoredRow row, int count)
    {
        var best = new int[count];
        return (ValueGetter<VBuffer<T>>)((ref VBuffer<T> destination) =>
        {
            bool known = ScoreValues.SelectTop(row.Probabilities, best);
            var editor = VBufferEditor.Create(ref destination, count);
            for (int i = 0; i < count; i++) editor.Values[i] = known ? values[best[i]] : Missing;
            destination = editor.Commit();
        });
    }

    /// <summary>NaN where the type has it, else empty, false or 0, as of ML.NET's MapKeyToValue for a missing key.</summary>
    private static T Missing => default(T) is float ? (T)(object)float.NaN : default(T) is double ? (T)(object)double.NaN : default!;

    private static string[] NamesOf(T[] values)
    {
        string[] names = [.. values.Select(Format)];
        var seen = new HashSet<string>();
        foreach (string name in names)
            if (!seen.Add(name)) throw new ArgumentException($"Two classes of the label column are called '{name}'; every class needs a name of its own.");
        return names;
    }
}
