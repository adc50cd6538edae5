using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transforms;

[assembly: LoadableClass(typeof(ValueToKeyMappingTransformer), null, typeof(SignatureLoadModel), "Maps values to keys", ValueToKeyMappingTransformer.Loader)]
[assembly: LoadableClass(typeof(KeyToValueMappingTransformer), null, typeof(SignatureLoadModel), "Maps keys to values", KeyToValueMappingTransformer.Loader)]

namespace Microsoft.ML
{
    public static class ConversionsExtensionsCatalog
    {
        public static ValueToKeyMappingEstimator MapValueToKey(this TransformsCatalog.ConversionTransforms catalog, string outputColumnName,
            string inputColumnName = null, IDataView keyData = null) => new(outputColumnName, inputColumnName ?? outputColumnName, keyData);

        public static KeyToValueMappingEstimator MapKeyToValue(this TransformsCatalog.ConversionTransforms catalog, string outputColumnName,
            string inputColumnName = null) => new(new KeyToValueMappingTransformer(outputColumnName, inputColumnName));
    }
}

namespace Microsoft.ML.Transforms
{
    public sealed class ValueToKeyMappingEstimator : IEstimator<ValueToKeyMappingTransformer>
    {
        private readonly string _target, _source;
        private readonly IDataView _keyData;

        internal ValueToKeyMappingEstimator(string target, string source, IDataView keyData) => (_target, _source, _keyData) = (target, source, keyData);

        public SchemaShape GetOutputSchema(SchemaShape inputSchema)
        {
            SchemaShape.Column source = inputSchema.Find(_source);
            var values = new SchemaShape.Column("KeyValues", SchemaShape.Column.VectorKind.Vector, source.ItemType, false);
            return inputSchema.With(new SchemaShape.Column(_target, source.Kind, NumberDataViewType.UInt32, true, new SchemaShape([values])));
        }

        public ValueToKeyMappingTransformer Fit(IDataView input)
        {
            DataViewSchema.Column source = input.Schema.GetColumnOrNull(_source) ?? throw Contracts.NotFound(_source);
            if (source.Type is not (TextDataViewType or BooleanDataViewType or NumberDataViewType))
                throw new NotSupportedException($"Column '{source.Name}' is {source.Type}; the stand-in for ML.NET makes keys of texts, numbers and booleans.");
            DataViewSchema.Column terms = _keyData?.Schema[0] ?? source;
            var names = (string[])Contracts.Generic(typeof(ValueToKeyMappingTransformer), "Learn", [terms.Type.RawType], null, _keyData ?? input, terms);
            return new ValueToKeyMappingTransformer(_target, _source, (PrimitiveDataViewType)source.Type, names);
        }
    }

    /// <summary>Holds its values as text, from which each comes back exactly.</summary>
    public sealed class ValueToKeyMappingTransformer : OneToOneTransformerBase
    {
        internal const string Loader = "TermTransform";
        private readonly PrimitiveDataViewType _type;
        private readonly string[] _names;
        private readonly Dictionary<string, uint> _keys = [];

        internal ValueToKeyMappingTransformer(string target, string source, PrimitiveDataViewType type, string[] names) : base(Loader, target, source)
        {
            (_type, _names) = (type, names);
            NumberNames();
        }

        private ValueToKeyMappingTransformer(IHostEnvironment env, ModelLoadContext ctx) : base(Loader, ctx)
        {
            _type = PrimitiveDataViewType.FromName(ctx.Reader.ReadString());
            _names = [.. Enumerable.Range(0, ctx.Reader.ReadInt32()).Select(_ => ctx.Reader.ReadString())];
            NumberNames();
        }

        private protected override void SaveMore(ModelSaveContext ctx)
        {
            ctx.Writer.Write(_type.ToString());
            ctx.Writer.Write(_names.Length);
            foreach (string name in _names)
                ctx.Writer.Write(name);
        }

        private void NumberNames()
        {
            foreach (string name in _names)
                _keys.Add(name, (uint)_keys.Count + 1);
        }

        internal static string[] Learn<T>(IDataView data, DataViewSchema.Column column) =>
            [.. data.GetColumn<T>(column.Name).Select(NameOf).Where(name => name.Length > 0).Distinct()];

        /// <summary>Empty where the value is a missing one.</summary>
        private static string NameOf<T>(T value) => value switch
        {
            ReadOnlyMemory<char> text => text.ToString(),
            float.NaN or double.NaN => "",
            _ => Convert.ToString(value, CultureInfo.InvariantCulture),
        };

        internal override SchemaShape.Column Shape(SchemaShape.Column source) => throw new NotSupportedException("Only its estimator is asked.");

        internal override DataViewSchema.DetachedColumn Output(DataViewSchema.Column source)
        {
            if (!source.Type.Equals(_type))
                throw Contracts.WrongType(Source, _type.ToString(), source.Type);
            var annotations = new DataViewSchema.Annotations.Builder();
            if (_names.Length > 0)
                Contracts.Generic(typeof(ValueToKeyMappingTransformer), nameof(AddKeyValues), [_type.RawType], this, annotations);
            return new(Target, new KeyDataViewType(typeof(uint), Math.Max(1, _names.Length)), annotations.ToAnnotations());
        }

        private void AddKeyValues<T>(DataViewSchema.Annotations.Builder builder)
        {
            T ValueOf(string name) => (T)(_type is TextDataViewType ? name.AsMemory() : Convert.ChangeType(name, typeof(T), CultureInfo.InvariantCulture));
            T[] values = Array.ConvertAll(_names, ValueOf);
            builder.Add("KeyValues", new VectorDataViewType(_type, values.Length), (ref VBuffer<T> destination) => VBufferEditor.Fill(ref destination, values));
        }

        internal override Delegate Getter(DataViewRow row, DataViewSchema.Column source) =>
            (Delegate)Contracts.Generic(typeof(ValueToKeyMappingTransformer), nameof(KeyGetter), [_type.RawType], this, row, source);

        private ValueGetter<uint> KeyGetter<T>(DataViewRow row, DataViewSchema.Column source)
        {
            ValueGetter<T> getter = row.GetGetter<T>(source);
            T value = default;
            return (ref uint key) =>
            {
                getter(ref value);
                key = _keys.GetValueOrDefault(NameOf(value));
            };
        }
    }

    public sealed class KeyToValueMappingEstimator(KeyToValueMappingTransformer transformer) : TrivialEstimator<KeyToValueMappingTransformer>(transformer);

    public sealed class KeyToValueMappingTransformer : OneToOneTransformerBase
    {
        internal const string Loader = "KeyToValueTransform";

        internal KeyToValueMappingTransformer(string target, string source) : base(Loader, target, source) { }
        private KeyToValueMappingTransformer(IHostEnvironment env, ModelLoadContext ctx) : base(Loader, ctx) { }

        internal override SchemaShape.Column Shape(SchemaShape.Column source)
        {
            SchemaShape.Column values = source.Annotations.FirstOrDefault(a => a.Name == "KeyValues");
            if (!source.IsKey || values.Name is null)
                throw Contracts.WrongType(Source, "a key with KeyValues", source.ItemType);
            return new(Target, source.Kind, values.ItemType, values.IsKey);
        }

        internal override DataViewSchema.DetachedColumn Output(DataViewSchema.Column source) => new(Target, ValuesOf(source).ItemType);

        internal override Delegate Getter(DataViewRow row, DataViewSchema.Column source) => (Delegate)Contracts.Generic(typeof(KeyToValueMappingTransformer),
            nameof(ValueGetter), [source.Type.RawType, ValuesOf(source).ItemType.RawType], null, row, source);

        private static VectorDataViewType ValuesOf(DataViewSchema.Column source)
        {
            var values = source.Annotations.Schema.GetColumnOrNull("KeyValues")?.Type as VectorDataViewType;
            Contracts.Check(source.Type is KeyDataViewType key && key.Count == (ulong?)values?.Size, $"Column '{source}' is no key with KeyValues.");
            return values;
        }

        private static ValueGetter<TValue> ValueGetter<TKey, TValue>(DataViewRow row, DataViewSchema.Column source)
        {
            VBuffer<TValue> buffer = default;
            source.GetKeyValues(ref buffer);
            TValue[] values = [.. buffer.DenseValues()];
            var missing = (TValue)(typeof(TValue) == typeof(float) ? float.NaN : typeof(TValue) == typeof(double) ? double.NaN : (object)default(TValue));
            ValueGetter<TKey> getter = row.GetGetter<TKey>(source);
            return (ref TValue value) =>
            {
                TKey key = default;
                getter(ref key);
                ulong index = Convert.ToUInt64(key);
                value = index > 0 && index <= (ulong)values.Length ? values[index - 1] : missing;
            };
        }
    }
}
