using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transforms.Image;

[assembly: LoadableClass(typeof(ImageLoadingTransformer), null, typeof(Microsoft.ML.SignatureLoadModel), "Loads images", "ImageLoaderTransform")]

namespace Microsoft.ML
{
    public static class ImageEstimatorsCatalog
    {
        public static ImageLoadingEstimator LoadImages(this TransformsCatalog catalog, string outputColumnName, string imageFolder, string inputColumnName = null) =>
            new(new ImageLoadingTransformer(outputColumnName, inputColumnName ?? outputColumnName, ImageLoadingTransformer.CheckFolder(imageFolder), decode: true));

        public static ImageLoadingEstimator LoadRawImageBytes(this TransformsCatalog catalog, string outputColumnName, string imageFolder, string inputColumnName = null) =>
            new(new ImageLoadingTransformer(outputColumnName, inputColumnName ?? outputColumnName, ImageLoadingTransformer.CheckFolder(imageFolder), decode: false));
    }
}

namespace Microsoft.ML.Data
{
    public sealed class ImageLoadingEstimator : IEstimator<ImageLoadingTransformer>
    {
        private readonly ImageLoadingTransformer _transformer;

        internal ImageLoadingEstimator(ImageLoadingTransformer transformer) => _transformer = transformer;

        public ImageLoadingTransformer Fit(IDataView input)
        {
            _transformer.GetOutputSchema(input.Schema);
            return _transformer;
        }

        public SchemaShape GetOutputSchema(SchemaShape inputSchema)
        {
            Contracts.CheckValue(inputSchema, nameof(inputSchema));
            if (!inputSchema.TryFindColumn(_transformer.Source, out SchemaShape.Column column))
                throw Contracts.SchemaMismatch(nameof(inputSchema), "input", _transformer.Source);
            if (column.ItemType is not TextDataViewType || column.Kind != SchemaShape.Column.VectorKind.Scalar)
                throw Contracts.SchemaMismatch(nameof(inputSchema), "input", _transformer.Source, "String", column.TypeName);
            return inputSchema.With(_transformer.Decode
                ? new SchemaShape.Column(_transformer.Target, SchemaShape.Column.VectorKind.Scalar, new ImageDataViewType(), false)
                : new SchemaShape.Column(_transformer.Target, SchemaShape.Column.VectorKind.VariableVector, NumberDataViewType.Byte, false));
        }
    }

    /// <summary>A path becomes an image, or the bytes of its file. An image handed in by the caller is disposed of before the next takes its place.</summary>
    public sealed class ImageLoadingTransformer : RowToRowTransformerBase
    {
        private static readonly VersionInfo Version = new("IMGLOADS", 0x00010001, 0x00010001, 0x00010001, "RMeeTo.StandIn.MLNet", "ImageLoaderTransform");

        internal ImageLoadingTransformer(string target, string source, string folder, bool decode) => (Target, Source, ImageFolder, Decode) = (target, source, folder, decode);

        public readonly string ImageFolder;
        internal string Target { get; }
        internal string Source { get; }
        internal bool Decode { get; }

        internal static string CheckFolder(string folder) => string.IsNullOrEmpty(folder) ? null
            : Directory.Exists(folder) ? Path.GetFullPath(folder) : throw new ArgumentException($"Directory \"{folder}\" does not exist.");

        private protected override RowMapping Map(DataViewSchema schema)
        {
            DataViewSchema.Column source = Find(schema, Source);
            if (source.Type is not TextDataViewType)
                throw Contracts.SchemaMismatch("inputSchema", "input", Source, "String", source.Type.ToString());
            DataViewType type = Decode ? new ImageDataViewType() : new VectorDataViewType(NumberDataViewType.Byte);
            return new RowMapping([new DataViewSchema.DetachedColumn(Target, type)], [source.Index], (_, row) => Getter(row.GetGetter<ReadOnlyMemory<char>>(source)));
        }

        private Delegate Getter(ValueGetter<ReadOnlyMemory<char>> source)
        {
            ReadOnlyMemory<char> text = default;
            string Path()
            {
                source(ref text);
                return text.IsEmpty ? null : ImageFolder is null ? text.ToString() : System.IO.Path.Combine(ImageFolder, text.ToString());
            }
            if (Decode)
                return (ValueGetter<MLImage>)((ref MLImage image) =>
                {
                    image?.Dispose();
                    image = null;
                    if (Path() is not { } path)
                        return;
                    image = MLImage.CreateFromStream(new MemoryStream(File.ReadAllBytes(path)));
                    image.Tag = path;
                });
            return (ValueGetter<VBuffer<byte>>)((ref VBuffer<byte> bytes) =>
            {
                byte[] file = Path() is { } path ? File.ReadAllBytes(path) : [];
                VBufferEditor<byte> editor = VBufferEditor.Create(ref bytes, file.Length);
                file.CopyTo(editor.Values);
                bytes = editor.Commit();
            });
        }

        private protected override void Save(ModelSaveContext ctx)
        {
            ctx.CheckAtModel();
            ctx.SetVersionInfo(Version);
            ctx.SaveNonEmptyString(Target);
            ctx.SaveNonEmptyString(Source);
            ctx.SaveStringOrNull(ImageFolder);
            ctx.Writer.Write(Decode);
        }

        private static ImageLoadingTransformer Create(IHostEnvironment env, ModelLoadContext ctx)
        {
            ctx.CheckAtModel(Version);
            return new ImageLoadingTransformer(ctx.LoadNonEmptyString(), ctx.LoadNonEmptyString(), ctx.LoadStringOrNull(), ctx.Reader.ReadBoolean());
        }
    }
}
