using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transforms;

[assembly: LoadableClass(typeof(ValueToKeyMappingTransformer), null, typeof(Microsoft.ML.SignatureLoadModel), "Maps values to keys", "TermTransform")]

namespace Microsoft.ML
{
    public static class ConversionsExtensionsCatalog
    {
        public static ValueToKeyMappingEstimator MapValueToKey(this TransformsCatalog.ConversionTransforms catalog, string outputColumnName,
            string inputColumnName = null, int maximumNumberOfKeys = 1000000,
            ValueToKeyMappingEstimator.KeyOrdinality keyOrdinality = ValueToKeyMappingEstimator.KeyOrdinality.ByOccurrence,
            bool addKeyValueAnnotationsAsText = false, IDataView keyData = null) =>
            catalog.MapValueToKey([new InputOutputColumnPair(outputColumnName, inputColumnName)], maximumNumberOfKeys, keyOrdinality, addKeyValueAnnotationsAsText, keyData);

        public static ValueToKeyMappingEstimator MapValueToKey(this TransformsCatalog.ConversionTransforms catalog, InputOutputColumnPair[] columns,
            int maximumNumberOfKeys = 1000000, ValueToKeyMappingEstimator.KeyOrdinality keyOrdinality = ValueToKeyMappingEstimator.KeyOrdinality.ByOccurrence,
            bool addKeyValueAnnotationsAsText = false, IDataView keyData = null) =>
            new(columns, maximumNumberOfKeys, keyOrdinality, addKeyValueAnnotationsAsText, keyData);

        public static KeyToValueMappingEstimator MapKeyToValue(this TransformsCatalog.ConversionTransforms catalog, string outputColumnName, string inputColumnName = null) =>
            catalog.MapKeyToValue([new InputOutputColumnPair(outputColumnName, inputColumnName)]);

        public static KeyToValueMappingEstimator MapKeyToValue(this TransformsCatalog.ConversionTransforms catalog, InputOutputColumnPair[] columns) => new(columns);
    }
}

namespace Microsoft.ML.Transforms
{
    public sealed class ValueToKeyMappingEstimator : IEstimator<ValueToKeyMappingTransformer>
    {
        private readonly InputOutputColumnPair[] _columns;
        private readonly int _maximum;
        private readonly KeyOrdinality _ordinality;
        private readonly bool _asText;
        private readonly IDataView _keyData;

        internal ValueToKeyMappingEstimator(InputOutputColumnPair[] columns, int maximum, KeyOrdinality ordinality, bool asText, IDataView keyData)
        {
            Contracts.CheckValue(columns, nameof(columns));
            Contracts.CheckParam(maximum > 0, nameof(maximum), "The number of keys must be positive.");
            Contracts.CheckParam(keyData is null || keyData.Schema.Count == 1, nameof(keyData), $"Key data has one column; this has {keyData?.Schema.Count}.");
            (_columns, _maximum, _ordinality, _asText, _keyData) = (columns, maximum, ordinality, asText, keyData);
        }

        public enum KeyOrdinality : byte
        {
            ByOccurrence = 0,
            ByValue = 1,
        }

        public ValueToKeyMappingTransformer Fit(IDataView input)
        {
            var maps = new List<KeyMap>();
            foreach (InputOutputColumnPair pair in _columns)
            {
                DataViewSchema.Column column = input.Schema.GetColumnOrNull(pair.InputColumnName)
                    ?? throw Contracts.SchemaMismatch(nameof(input), "input", pair.InputColumnName);
                DataViewSchema.Column terms = _keyData?.Schema[0] ?? column;
                if (column.Type is not PrimitiveDataViewType type || type is KeyDataViewType)
                    throw new NotSupportedException($"Column '{column.Name}' is {column.Type}; the stand-in for ML.NET maps single values that are no keys.");
                Contracts.CheckParam(terms.Type.Equals(type), "keyData", $"The key data is {terms.Type}, but column '{column.Name}' is {type}.");
                maps.Add((KeyMap)Contracts.Generic(typeof(KeyMap<>).MakeGenericType(type.RawType), "Learn", [], null,
                    _keyData ?? input, terms, _maximum, _ordinality == KeyOrdinality.ByValue, _asText));
            }
            return new ValueToKeyMappingTransformer(_columns, [.. maps]);
        }

        public SchemaShape GetOutputSchema(SchemaShape inputSchema)
        {
            Contracts.CheckValue(inputSchema, nameof(inputSchema));
            foreach (InputOutputColumnPair pair in _columns)
            {
                if (!inputSchema.TryFindColumn(pair.InputColumnName, out SchemaShape.Column column))
                    throw Contracts.SchemaMismatch(nameof(inputSchema), "input", pair.InputColumnName);
                if (column.ItemType is not PrimitiveDataViewType)
                    throw Contracts.SchemaMismatch(nameof(inputSchema), "input", pair.InputColumnName, "a primitive type", column.TypeName);
                var values = new SchemaShape.Column("KeyValues", SchemaShape.Column.VectorKind.Vector, _asText ? TextDataViewType.Instance : column.ItemType, false);
                inputSchema = inputSchema.With(new SchemaShape.Column(pair.OutputColumnName, column.Kind, NumberDataViewType.UInt32, true, new SchemaShape([values])));
            }
            return inputSchema;
        }
    }

    public sealed class ValueToKeyMappingTransformer : RowToRowTransformerBase
    {
        private static readonly VersionInfo Version = new("TERMSTND", 0x00010001, 0x00010001, 0x00010001, "RMeeTo.StandIn.MLNet", "TermTransform");
        private readonly InputOutputColumnPair[] _columns;
        private readonly KeyMap[] _maps;

        internal ValueToKeyMappingTransformer(InputOutputColumnPair[] columns, KeyMap[] maps) => (_columns, _maps) = (columns, maps);

        private protected override RowMapping Map(DataViewSchema schema)
        {
            DataViewSchema.Column[] inputs = [.. _columns.Select(pair => Find(schema, pair.InputColumnName))];
            for (int i = 0; i < inputs.Length; i++)
                if (!inputs[i].Type.Equals(_maps[i].ValueType))
                    throw Contracts.SchemaMismatch("inputSchema", "input", inputs[i].Name, _maps[i].ValueType.ToString(), inputs[i].Type.ToString());
            return new RowMapping(
                [.. _columns.Select((pair, i) => new DataViewSchema.DetachedColumn(pair.OutputColumnName, _maps[i].KeyType, _maps[i].Annotations()))],
                [.. inputs.Select(c => c.Index)],
                (i, row) => _maps[i].Getter(row, inputs[i]));
        }

        private protected override void Save(ModelSaveContext ctx)
        {
            ctx.CheckAtModel();
            ctx.SetVersionInfo(Version);
            ctx.Writer.Write(_columns.Length);
            for (int i = 0; i < _columns.Length; i++)
            {
                ctx.SaveNonEmptyString(_columns[i].OutputColumnName);
                ctx.SaveNonEmptyString(_columns[i].InputColumnName);
                ValueCodec.WriteType(ctx.Writer, _maps[i].ValueType);
                _maps[i].Write(ctx.Writer);
            }
        }

        private static ValueToKeyMappingTransformer Create(IHostEnvironment env, ModelLoadContext ctx)
        {
            ctx.CheckAtModel(Version);
            var columns = new InputOutputColumnPair[ctx.Reader.ReadInt32()];
            var maps = new KeyMap[columns.Length];
            for (int i = 0; i < columns.Length; i++)
            {
                columns[i] = new InputOutputColumnPair(ctx.LoadNonEmptyString(), ctx.LoadNonEmptyString());
                DataViewType type = ValueCodec.ReadType(ctx.Reader);
                maps[i] = (KeyMap)Contracts.Generic(typeof(KeyMap<>).MakeGenericType(type.RawType), "Read", [], null, type, ctx.Reader);
            }
            return new ValueToKeyMappingTransformer(columns, maps);
        }
    }

    /// <summary>The values of a key column, in the order of their keys.</summary>
    internal abstract class KeyMap(PrimitiveDataViewType valueType, int count)
    {
        public PrimitiveDataViewType ValueType => valueType;
        public KeyDataViewType KeyType { get; } = new(typeof(uint), Math.Max(1, count));
        public abstract DataViewSchema.Annotations Annotations();
        public abstract Delegate Getter(DataViewRow row, DataViewSchema.Column column);
        public abstract void Write(BinaryWriter writer);
    }

    internal sealed class KeyMap<T> : KeyMap
    {
        private readonly T[] _values;
        private readonly bool _asText;
        private readonly Dictionary<object, uint> _keys = [];

        private KeyMap(PrimitiveDataViewType type, T[] values, bool asText) : base(type, values.Length)
        {
            (_values, _asText) = (values, asText);
            for (int i = 0; i < values.Length; i++)
                _keys[Identity(values[i])] = (uint)i + 1;
        }

        internal static KeyMap<T> Learn(IDataView data, DataViewSchema.Column column, int maximum, bool sort, bool asText)
        {
            var values = new List<T>();
            var seen = new HashSet<object>();
            using (DataViewRowCursor cursor = data.GetRowCursor([column]))
            {
                ValueGetter<T> getter = cursor.GetGetter<T>(column);
                while (values.Count < maximum && cursor.MoveNext())
                {
                    T value = default;
                    getter(ref value);
                    if (!IsMissing(value) && seen.Add(Identity(value)))
                        values.Add(value is ReadOnlyMemory<char> text ? (T)(object)text.ToString().AsMemory() : value);
                }
            }
            if (sort)
                values.Sort((a, b) => a is ReadOnlyMemory<char> ? string.CompareOrdinal(a.ToString(), b.ToString()) : Comparer<T>.Default.Compare(a, b));
            return new KeyMap<T>((PrimitiveDataViewType)column.Type, [.. values], asText);
        }

        internal static KeyMap<T> Read(DataViewType type, BinaryReader reader)
        {
            bool asText = reader.ReadBoolean();
            return new KeyMap<T>((PrimitiveDataViewType)type, ValueCodec.ReadVector<T>(reader), asText);
        }

        public override void Write(BinaryWriter writer)
        {
            writer.Write(_asText);
            ValueCodec.WriteVector(writer, _values);
        }

        public override DataViewSchema.Annotations Annotations()
        {
            var builder = new DataViewSchema.Annotations.Builder();
            if (_asText)
                ValueCodec.AddVector<ReadOnlyMemory<char>>(builder, "KeyValues", TextDataViewType.Instance, [.. _values.Select(v => v.ToString().AsMemory())]);
            else if (_values.Length > 0)
                ValueCodec.AddVector(builder, "KeyValues", ValueType, _values);
            return builder.ToAnnotations();
        }

        public override Delegate Getter(DataViewRow row, DataViewSchema.Column column)
        {
            ValueGetter<T> source = row.GetGetter<T>(column);
            return (ValueGetter<uint>)((ref uint key) =>
            {
                T value = default;
                source(ref value);
                key = _keys.GetValueOrDefault(Identity(value));
            });
        }

        private static object Identity(T value) => value is ReadOnlyMemory<char> text ? text.ToString() : value;

        private static bool IsMissing(T value) => value switch
        {
            ReadOnlyMemory<char> text => text.IsEmpty,
            float number => float.IsNaN(number),
            double number => double.IsNaN(number),
            _ => false,
        };
    }
}
