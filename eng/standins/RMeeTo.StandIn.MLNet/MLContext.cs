using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace Microsoft.ML
{
    public sealed class MLContext : IHostEnvironmentInternal
    {
        private readonly LocalEnvironment _env;

        public MLContext(int? seed = null)
        {
            _env = new LocalEnvironment(seed);
            _env.Message += (kind, source, text) => Log?.Invoke(this, new LoggingEventArgs(text, kind, source));
            Transforms = new TransformsCatalog(_env);
            Model = new ModelOperationsCatalog(_env);
            MulticlassClassification = new MulticlassClassificationCatalog(_env);
        }

        public event EventHandler<LoggingEventArgs> Log;

        public DataOperationsCatalog Data { get; } = new();
        public TransformsCatalog Transforms { get; }
        public ModelOperationsCatalog Model { get; }
        public MulticlassClassificationCatalog MulticlassClassification { get; }

        public string TempFilePath { get => _env.TempFilePath; set => _env.TempFilePath = value; }
        public bool FallbackToCpu { get => _env.FallbackToCpu; set => _env.FallbackToCpu = value; }
        public int? GpuDeviceId { get => _env.GpuDeviceId; set => _env.GpuDeviceId = value; }

        internal void CancelExecution() => _env.CancelExecution();

        int? IHostEnvironmentInternal.Seed => _env.Seed;
        IHost IHostEnvironment.Register(string name, int? seed, bool? verbose) => _env.Register(name, seed, verbose);
        IChannel IChannelProvider.Start(string name) => _env.Start(name);
    }

    public sealed class LoggingEventArgs(string message, ChannelMessageKind kind, string source) : EventArgs
    {
        public string Source => source;
        public ChannelMessageKind Kind => kind;
        public string RawMessage => message;
        public string Message => $"[Source={source}, Kind={kind}] {message}";
    }

    public sealed class TransformsCatalog : IInternalCatalog
    {
        internal TransformsCatalog(IHostEnvironment env) => Environment = env;

        public ConversionTransforms Conversion { get; } = new();
        internal IHostEnvironment Environment { get; }
        IHostEnvironment IInternalCatalog.Environment => Environment;

        public sealed class ConversionTransforms
        {
            internal ConversionTransforms() { }
        }
    }
}

namespace Microsoft.ML.Data
{
    /// <summary>Internal in ML.NET; declared public here because the stage uses it.</summary>
    public interface IInternalCatalog
    {
        IHostEnvironment Environment { get; }
    }
}
