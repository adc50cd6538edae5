using System.Reflection;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using RMeeTo.MLNet;

[assembly: System.Runtime.CompilerServices.IgnoresAccessChecksTo("Microsoft.ML.Core")]
[assembly: LoadableClass(typeof(VimMergedClassifierTransformer), typeof(VimModelLoader), null, typeof(SignatureLoadModel), "Vim merged classifier",
    MlNetInternals.LoaderSignature)]

namespace System.Runtime.CompilerServices
{
    /// <summary>Known to the runtime by its name: code of this assembly may use internal members of the assembly named.</summary>
    [AttributeUsage(AttributeTargets.Assembly, AllowMultiple = true)]
    internal sealed class IgnoresAccessChecksToAttribute(string assemblyName) : Attribute
    {
        public string AssemblyName { get; } = assemblyName;
    }
}

namespace RMeeTo.MLNet
{
    /// <summary>
    /// Everything of ML.NET that is not public and that the stage cannot do without, here and nowhere else: the hooks of <c>Model.Save</c> and
    /// <c>Model.Load</c>, the constructor of <see cref="SchemaShape.Column"/>, the environment behind a catalog, and its settings. These members have been the
    /// same in every ML.NET from 1.0 to 5.0, for Microsoft's own packages are bound to them; the check at first use says so plainly should that ever end.
    /// </summary>
    internal static class MlNetInternals
    {
        /// <summary>By which a model file names the loader below. Stands in files; never changes.</summary>
        public const string LoaderSignature = "VimMergedClassifier";

        private const string StreamName = "Model.vim";

        private static readonly Lazy<string?> Missing = new(FindMissing);

        /// <summary>The environment behind <c>mlContext.Transforms</c>.</summary>
        public static IHostEnvironment EnvironmentOf(TransformsCatalog catalog)
        {
            ThrowIfChanged();
            return (IHostEnvironment)EnvironmentProperty()!.GetValue(catalog)!;
        }

        /// <summary>A column of a schema of which only the shape is known.</summary>
        public static SchemaShape.Column ShapeColumn(string name, SchemaShape.Column.VectorKind kind, DataViewType itemType, bool isKey,
            SchemaShape? annotations = null) =>
            new(name, kind, itemType, isKey, annotations);

        /// <summary>The GPU that the user asked for, as of now.</summary>
        public static (int? GpuDeviceId, bool FallbackToCpu) GpuSettings(IHostEnvironment environment) =>
            environment is IHostEnvironmentInternal settings ? (settings.GpuDeviceId, settings.FallbackToCpu) : (null, true);

        /// <summary>Where temporary files go: <c>MLContext.TempFilePath</c>, or null where there is no such folder.</summary>
        public static string? TemporaryFolder(IHostEnvironment environment) =>
            environment is IHostEnvironmentInternal settings && Directory.Exists(settings.TempFilePath) ? settings.TempFilePath : null;

        /// <summary>Whether <c>MLContext.CancelExecution</c> was called.</summary>
        public static bool IsCanceled(IHostEnvironment environment) => environment is ICancelable { IsCanceled: true };

        /// <summary>Writes the one stream of our model into ML.NET's zip file.</summary>
        public static void Save(ModelSaveContext context, Action<Stream> write)
        {
            ThrowIfChanged();
            context.CheckAtModel();
            context.SetVersionInfo(Version());
            context.SaveBinaryStream(StreamName, writer =>
            {
                write(writer.BaseStream);
                writer.BaseStream.Flush();
            });
        }

        /// <summary>Reads what <see cref="Save"/> wrote.</summary>
        public static T Load<T>(ModelLoadContext context, Func<Stream, T> read)
        {
            context.CheckAtModel(Version());
            T? result = default;
            if (!context.TryLoadBinaryStream(StreamName, reader => result = read(reader.BaseStream)))
                throw new FormatException($"The model file has no stream '{StreamName}': it was not saved completely. Save the model again.");
            return result!;
        }

        /// <summary>Throws one clear message where ML.NET is no longer as we know it.</summary>
        public static void ThrowIfChanged()
        {
            if (Missing.Value is { } missing)
                throw new PlatformNotSupportedException($"{typeof(ModelSaveContext).Assembly.GetName().FullName} has no {missing}, which RMeeTo.MLNet needs. "
                    + "Use Microsoft.ML 5.0.0, or a version of RMeeTo.MLNet made for yours.");
        }

        /// <summary>
        /// Versions of ML.NET's frame around our stream; the stream has a version of its own. The assembly is named without version, so that any later one can
        /// load.
        /// </summary>
        private static VersionInfo Version() =>
            new("VIMMERGD", 0x00010001, 0x00010001, 0x00010001, typeof(MlNetInternals).Assembly.GetName().Name, LoaderSignature);

        private static PropertyInfo? EnvironmentProperty() =>
            typeof(TransformsCatalog).GetInterfaces().FirstOrDefault(i => i.Name == "IInternalCatalog")?.GetProperty("Environment");

        private static string? FindMissing()
        {
            const BindingFlags Any = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance;
            var core = typeof(ModelSaveContext).Assembly;
            Type? Find(string name) => core.GetType("Microsoft.ML." + name) ?? core.GetType("Microsoft.ML.Runtime." + name);
            var version = Find("VersionInfo");
            var load = Find("ModelLoadContext");
            var settings = Find("IHostEnvironmentInternal");
            (string Name, bool Found)[] members =
            [
                ("SignatureLoadModel", Find("SignatureLoadModel") is not null),
                ("LoadableClassAttribute", Find("LoadableClassAttribute") is not null),
                ("VersionInfo", version?.GetConstructor([typeof(string), typeof(uint), typeof(uint), typeof(uint), typeof(string), typeof(string),
                    typeof(string)]) is not null),
                ("ModelSaveContext.CheckAtModel", typeof(ModelSaveContext).GetMethod("CheckAtModel", Any, []) is not null),
                ("ModelSaveContext.SetVersionInfo", version is not null && typeof(ModelSaveContext).GetMethod("SetVersionInfo", Any, [version]) is not null),
                ("ModelSaveContext.SaveBinaryStream",
                    typeof(ModelSaveContext).GetMethod("SaveBinaryStream", Any, [typeof(string), typeof(Action<BinaryWriter>)]) is not null),
                ("ModelLoadContext.CheckAtModel", version is not null && load?.GetMethod("CheckAtModel", Any, [version]) is not null),
                ("ModelLoadContext.TryLoadBinaryStream",
                    load?.GetMethod("TryLoadBinaryStream", Any, [typeof(string), typeof(Action<BinaryReader>)]) is not null),
                ("SchemaShape.Column constructor", typeof(SchemaShape.Column).GetConstructor(Any,
                    [typeof(string), typeof(SchemaShape.Column.VectorKind), typeof(DataViewType), typeof(bool), typeof(SchemaShape)]) is not null),
                ("IHostEnvironmentInternal.GpuDeviceId", settings?.GetProperty("GpuDeviceId")?.PropertyType == typeof(int?)),
                ("IHostEnvironmentInternal.FallbackToCpu", settings?.GetProperty("FallbackToCpu")?.PropertyType == typeof(bool)),
                ("IHostEnvironmentInternal.TempFilePath", settings?.GetProperty("TempFilePath")?.PropertyType == typeof(string)),
                ("ICancelable.IsCanceled", Find("ICancelable")?.GetProperty("IsCanceled")?.PropertyType == typeof(bool)),
                ("IInternalCatalog.Environment", EnvironmentProperty() is not null),
            ];
            return members.FirstOrDefault(member => !member.Found).Name;
        }
    }

    /// <summary>What ML.NET calls to make a <see cref="VimMergedClassifierTransformer"/> from a model file.</summary>
    internal static class VimModelLoader
    {
        private static VimMergedClassifierTransformer Create(IHostEnvironment environment, ModelLoadContext context)
        {
            MlNetInternals.ThrowIfChanged();
            return MlNetInternals.Load(context, stream => StageFile.Read(environment, stream));
        }
    }
}
