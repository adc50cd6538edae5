using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transforms;

[assembly: LoadableClass(typeof(ColumnCopyingTransformer), null, typeof(Microsoft.ML.SignatureLoadModel), "Copies columns", "CopyTransform")]
[assembly: LoadableClass(typeof(ColumnSelectingTransformer), null, typeof(Microsoft.ML.SignatureLoadModel), "Selects columns", "SelectColumnsTransform")]

namespace Microsoft.ML
{
    public static class TransformExtensionsCatalog
    {
        public static ColumnCopyingEstimator CopyColumns(this TransformsCatalog catalog, string outputColumnName, string inputColumnName) =>
            new(new ColumnCopyingTransformer(outputColumnName, inputColumnName));

        public static ColumnSelectingEstimator DropColumns(this TransformsCatalog catalog, params string[] columnNames) =>
            new(new ColumnSelectingTransformer(columnNames, drop: true, keepHidden: true));

        public static ColumnSelectingEstimator SelectColumns(this TransformsCatalog catalog, string[] columnNames, bool keepHidden) =>
            new(new ColumnSelectingTransformer(columnNames, drop: false, keepHidden));

        public static ColumnSelectingEstimator SelectColumns(this TransformsCatalog catalog, params string[] columnNames) =>
            catalog.SelectColumns(columnNames, false);
    }
}

namespace Microsoft.ML.Transforms
{
    public sealed class ColumnCopyingEstimator : IEstimator<ColumnCopyingTransformer>
    {
        private readonly ColumnCopyingTransformer _transformer;

        internal ColumnCopyingEstimator(ColumnCopyingTransformer transformer) => _transformer = transformer;

        public SchemaShape GetOutputSchema(SchemaShape inputSchema)
        {
            if (!inputSchema.TryFindColumn(_transformer.Source, out SchemaShape.Column c))
                throw Contracts.SchemaMismatch(nameof(inputSchema), "input", _transformer.Source);
            return inputSchema.With(new SchemaShape.Column(_transformer.Target, c.Kind, c.ItemType, c.IsKey, c.Annotations));
        }

        public ColumnCopyingTransformer Fit(IDataView input)
        {
            _transformer.GetOutputSchema(input.Schema);
            return _transformer;
        }
    }

    public sealed class ColumnCopyingTransformer : RowToRowTransformerBase
    {
        private static readonly VersionInfo Version = new("COPYCOLT", 0x00010001, 0x00010001, 0x00010001, "RMeeTo.StandIn.MLNet", "CopyTransform");

        internal ColumnCopyingTransformer(string target, string source) => (Target, Source) = (target, source);

        internal string Target { get; }
        internal string Source { get; }

        private protected override RowMapping Map(DataViewSchema schema)
        {
            DataViewSchema.Column source = Find(schema, Source);
            return new RowMapping([new DataViewSchema.DetachedColumn(Target, source.Type, source.Annotations)], [source.Index],
                (_, row) => (Delegate)Contracts.Generic(typeof(DataViewRow), nameof(DataViewRow.GetGetter), [source.Type.RawType], row, source));
        }

        private protected override void Save(ModelSaveContext ctx)
        {
            ctx.CheckAtModel();
            ctx.SetVersionInfo(Version);
            ctx.SaveNonEmptyString(Target);
            ctx.SaveNonEmptyString(Source);
        }

        private static ColumnCopyingTransformer Create(IHostEnvironment env, ModelLoadContext ctx)
        {
            ctx.CheckAtModel(Version);
            return new ColumnCopyingTransformer(ctx.LoadNonEmptyString(), ctx.LoadNonEmptyString());
        }
    }

    public sealed class ColumnSelectingEstimator : IEstimator<ColumnSelectingTransformer>
    {
        private readonly ColumnSelectingTransformer _transformer;

        internal ColumnSelectingEstimator(ColumnSelectingTransformer transformer) => _transformer = transformer;

        public SchemaShape GetOutputSchema(SchemaShape inputSchema)
        {
            foreach (string name in _transformer.Names)
                if (!inputSchema.TryFindColumn(name, out _))
                    throw Contracts.SchemaMismatch(nameof(inputSchema), "input", name);
            return new SchemaShape(inputSchema.Where(c => _transformer.Names.Contains(c.Name) != _transformer.Drop));
        }

        public ColumnSelectingTransformer Fit(IDataView input)
        {
            _transformer.GetOutputSchema(input.Schema);
            return _transformer;
        }
    }

    public sealed class ColumnSelectingTransformer : ITransformer
    {
        private static readonly VersionInfo Version = new("SELCOLST", 0x00010001, 0x00010001, 0x00010001, "RMeeTo.StandIn.MLNet", "SelectColumnsTransform");
        private readonly bool _keepHidden;

        internal ColumnSelectingTransformer(string[] names, bool drop, bool keepHidden)
        {
            Contracts.CheckValue(names, nameof(names));
            (Names, Drop, _keepHidden) = (names, drop, keepHidden);
        }

        internal string[] Names { get; }
        internal bool Drop { get; }

        bool ITransformer.IsRowToRowMapper => true;
        public DataViewSchema GetOutputSchema(DataViewSchema inputSchema) => Select(null, inputSchema).OutputSchema;
        IRowToRowMapper ITransformer.GetRowToRowMapper(DataViewSchema inputSchema) => Select(null, inputSchema);
        public IDataView Transform(IDataView input) => Select(input, input.Schema);

        private SelectedView Select(IDataView source, DataViewSchema schema)
        {
            foreach (string name in Names)
                if (schema.GetColumnOrNull(name) is null)
                    throw Contracts.SchemaMismatch("input", "input", name);
            IEnumerable<DataViewSchema.Column> visible = schema.Where(c => _keepHidden || !c.IsHidden);
            return new SelectedView(source, schema, Drop
                ? visible.Where(c => !Names.Contains(c.Name))
                : Names.SelectMany(name => visible.Where(c => c.Name == name)));
        }

        void ICanSaveModel.Save(ModelSaveContext ctx)
        {
            ctx.CheckAtModel();
            ctx.SetVersionInfo(Version);
            ctx.Writer.Write(Drop);
            ctx.Writer.Write(_keepHidden);
            ctx.Writer.Write(Names.Length);
            foreach (string name in Names)
                ctx.SaveNonEmptyString(name);
        }

        private static ColumnSelectingTransformer Create(IHostEnvironment env, ModelLoadContext ctx)
        {
            ctx.CheckAtModel(Version);
            bool drop = ctx.Reader.ReadBoolean(), keepHidden = ctx.Reader.ReadBoolean();
            var names = new string[ctx.Reader.ReadInt32()];
            for (int i = 0; i < names.Length; i++)
                names[i] = ctx.LoadNonEmptyString();
            return new ColumnSelectingTransformer(names, drop, keepHidden);
        }
    }
}
