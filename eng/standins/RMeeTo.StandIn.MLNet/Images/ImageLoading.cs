using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transforms.Image;

[assembly: LoadableClass(typeof(ImageLoadingTransformer), null, typeof(SignatureLoadModel), "Loads images", ImageLoadingTransformer.Loader)]

namespace Microsoft.ML
{
    public static class ImageEstimatorsCatalog
    {
        public static ImageLoadingEstimator LoadImages(this TransformsCatalog catalog, string outputColumnName, string imageFolder,
            string inputColumnName = null) => new(new ImageLoadingTransformer(outputColumnName, inputColumnName, imageFolder));
    }
}

namespace Microsoft.ML.Data
{
    public sealed class ImageLoadingEstimator(ImageLoadingTransformer transformer) : TrivialEstimator<ImageLoadingTransformer>(transformer);

    /// <summary>A path becomes an image. An image handed in by the caller is disposed of before the next takes its place.</summary>
    public sealed class ImageLoadingTransformer : OneToOneTransformerBase
    {
        internal const string Loader = "ImageLoaderTransform";
        private readonly string _folder;

        internal ImageLoadingTransformer(string target, string source, string folder) : base(Loader, target, source)
        {
            _folder = string.IsNullOrEmpty(folder) ? "" : Path.GetFullPath(folder);
            if (_folder.Length > 0 && !Directory.Exists(_folder))
                throw new ArgumentException($"Directory \"{folder}\" does not exist.");
        }

        private ImageLoadingTransformer(IHostEnvironment env, ModelLoadContext ctx) : base(Loader, ctx) => _folder = ctx.Reader.ReadString();

        private protected override void SaveMore(ModelSaveContext ctx) => ctx.Writer.Write(_folder);

        internal override SchemaShape.Column Shape(SchemaShape.Column source) =>
            source.ItemType is TextDataViewType && source.Kind == SchemaShape.Column.VectorKind.Scalar
                ? new(Target, source.Kind, new ImageDataViewType(), false) : throw Contracts.WrongType(Source, "String", source.ItemType);

        internal override DataViewSchema.DetachedColumn Output(DataViewSchema.Column source) =>
            source.Type is TextDataViewType ? new(Target, new ImageDataViewType()) : throw Contracts.WrongType(Source, "String", source.Type);

        internal override Delegate Getter(DataViewRow row, DataViewSchema.Column source)
        {
            ValueGetter<ReadOnlyMemory<char>> getter = row.GetGetter<ReadOnlyMemory<char>>(source);
            return (ValueGetter<MLImage>)((ref MLImage image) =>
            {
                image?.Dispose();
                image = null;
                ReadOnlyMemory<char> text = default;
                getter(ref text);
                if (text.IsEmpty)
                    return;
                string path = Path.Combine(_folder, text.ToString());
                image = MLImage.CreateFromStream(new MemoryStream(File.ReadAllBytes(path)));
                image.Tag = path;
            });
        }
    }
}

namespace Microsoft.ML.Transforms.Image
{
    public sealed class ImageTypeAttribute(int height, int width) : DataViewTypeAttribute
    {
        internal override DataViewType ColumnType => new ImageDataViewType(height, width);
    }

    public sealed class ImageDataViewType(int height, int width) : StructuredDataViewType(typeof(MLImage))
    {
        public ImageDataViewType() : this(0, 0) { }

        public readonly int Height = height;
        public readonly int Width = width;

        public override bool Equals(DataViewType other) => other is ImageDataViewType image && image.Height == Height && image.Width == Width;
        public override int GetHashCode() => HashCode.Combine(Height, Width);
        public override string ToString() => Height == 0 && Width == 0 ? "Image" : $"Image<{Height}, {Width}>";
    }
}
