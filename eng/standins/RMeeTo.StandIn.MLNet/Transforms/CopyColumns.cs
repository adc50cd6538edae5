using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transforms;

[assembly: LoadableClass(typeof(ColumnCopyingTransformer), null, typeof(SignatureLoadModel), "Copies a column", ColumnCopyingTransformer.Loader)]

namespace Microsoft.ML
{
    public static class TransformExtensionsCatalog
    {
        public static ColumnCopyingEstimator CopyColumns(this TransformsCatalog catalog, string outputColumnName, string inputColumnName) =>
            new(new ColumnCopyingTransformer(outputColumnName, inputColumnName));
    }
}

namespace Microsoft.ML.Transforms
{
    public sealed class ColumnCopyingEstimator(ColumnCopyingTransformer transformer) : TrivialEstimator<ColumnCopyingTransformer>(transformer);

    public sealed class ColumnCopyingTransformer : OneToOneTransformerBase
    {
        internal const string Loader = "CopyTransform";

        internal ColumnCopyingTransformer(string target, string source) : base(Loader, target, source) { }
        private ColumnCopyingTransformer(IHostEnvironment env, ModelLoadContext ctx) : base(Loader, ctx) { }

        internal override SchemaShape.Column Shape(SchemaShape.Column source) => new(Target, source.Kind, source.ItemType, source.IsKey, source.Annotations);
        internal override DataViewSchema.DetachedColumn Output(DataViewSchema.Column source) => new(Target, source.Type, source.Annotations);
        internal override Delegate Getter(DataViewRow row, DataViewSchema.Column source) =>
            (Delegate)Contracts.Generic(typeof(DataViewRow), nameof(DataViewRow.GetGetter), [source.Type.RawType], row, source);
    }
}
