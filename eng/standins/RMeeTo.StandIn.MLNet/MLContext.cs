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
            _env.Message += (message, source) => Log?.Invoke(this, new LoggingEventArgs(message.Message, message.Kind, source));
            MulticlassClassification = new MulticlassClassificationCatalog(_env);
            Transforms = new TransformsCatalog(_env);
            Model = new ModelOperationsCatalog(_env);
            Data = new DataOperationsCatalog(_env);
        }

        public event EventHandler<LoggingEventArgs> Log;

        public MulticlassClassificationCatalog MulticlassClassification { get; }
        public TransformsCatalog Transforms { get; }
        public ModelOperationsCatalog Model { get; }
        public DataOperationsCatalog Data { get; }
        public ComponentCatalog ComponentCatalog => _env.ComponentCatalog;

        public string TempFilePath { get => _env.TempFilePath; set => _env.TempFilePath = value; }
        public bool FallbackToCpu { get => _env.FallbackToCpu; set => _env.FallbackToCpu = value; }
        public int? GpuDeviceId { get => _env.GpuDeviceId; set => _env.GpuDeviceId = value; }

        internal void CancelExecution() => _env.CancelExecution();

        int? IHostEnvironmentInternal.Seed => _env.Seed;
        string IExceptionContext.ContextDescription => _env.ContextDescription;
        TException IExceptionContext.Process<TException>(TException ex) => ex;
        IHost IHostEnvironment.Register(string name, int? seed, bool? verbose) => _env.Register(name, seed, verbose);
        IChannel IChannelProvider.Start(string name) => _env.Start(name);
        IPipe<TMessage> IChannelProvider.StartPipe<TMessage>(string name) => _env.StartPipe<TMessage>(name);
        IProgressChannel IProgressChannelProvider.StartProgressChannel(string name) => _env.StartProgressChannel(name);
    }

    public class LoggingEventArgs : EventArgs
    {
        public LoggingEventArgs(string message) => Message = message;

        public LoggingEventArgs(string message, ChannelMessageKind kind, string source)
        {
            (RawMessage, Kind, Source) = (message, kind, source);
            Message = $"[Source={source}, Kind={kind}] {message}";
        }

        public string Source { get; }
        public ChannelMessageKind Kind { get; }
        public string Message { get; }
        public string RawMessage { get; }
    }

    public sealed class TransformsCatalog : IInternalCatalog
    {
        private readonly IHostEnvironment _env;

        internal TransformsCatalog(IHostEnvironment env) => (_env, Conversion) = (env, new ConversionTransforms(env));

        public ConversionTransforms Conversion { get; }
        IHostEnvironment IInternalCatalog.Environment => _env;

        public sealed class ConversionTransforms : IInternalCatalog
        {
            private readonly IHostEnvironment _env;
            internal ConversionTransforms(IHostEnvironment env) => _env = env;
            IHostEnvironment IInternalCatalog.Environment => _env;
        }
    }

    public sealed class InputOutputColumnPair
    {
        public InputOutputColumnPair(string outputColumnName, string inputColumnName = null)
        {
            Contracts.CheckNonEmpty(outputColumnName, nameof(outputColumnName));
            (OutputColumnName, InputColumnName) = (outputColumnName, inputColumnName ?? outputColumnName);
        }

        public string InputColumnName { get; }
        public string OutputColumnName { get; }
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
