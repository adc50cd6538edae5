namespace Microsoft.ML.Runtime;

/// <summary>The environment behind an <see cref="MLContext"/>, and the hosts registered with it.</summary>
internal sealed class LocalEnvironment : IHost, IHostEnvironmentInternal, ICancelable
{
    private readonly LocalEnvironment _root;
    private readonly string _name;
    private volatile bool _canceled;

    public LocalEnvironment(int? seed)
    {
        (_root, _name, Seed) = (this, null, seed);
        Rand = seed is { } value ? new Random(value) : new Random();
    }

    /// <summary>A host copies the settings when it is made, as ML.NET's do.</summary>
    private LocalEnvironment(LocalEnvironment parent, string name, int? seed)
    {
        _root = parent._root;
        _name = parent._name is null ? name : $"{parent._name}; {name}";
        Seed = seed ?? parent.Seed;
        Rand = new Random(seed ?? parent.Rand.Next());
        (TempFilePath, FallbackToCpu, GpuDeviceId) = (parent.TempFilePath, parent.FallbackToCpu, parent.GpuDeviceId);
    }

    /// <summary>Kind, source and text of every message of every channel.</summary>
    public event Action<ChannelMessage, string> Message;

    public int? Seed { get; }
    public Random Rand { get; }
    public string TempFilePath { get; set; } = Path.GetTempPath();
    public bool FallbackToCpu { get; set; }
    public int? GpuDeviceId { get; set; }
    public ComponentCatalog ComponentCatalog { get; } = new();
    public string ContextDescription => _name ?? "";

    public bool IsCanceled => _root._canceled;
    public void CancelExecution() => _root._canceled = true;

    public IHost Register(string name, int? seed = null, bool? verbose = null)
    {
        Contracts.CheckNonEmpty(name, nameof(name));
        return new LocalEnvironment(this, name, seed);
    }

    public IChannel Start(string name) => new Channel(this, name);
    public IPipe<TMessage> StartPipe<TMessage>(string name) => throw new NotSupportedException("The stand-in has channels, but no other pipes.");
    public IProgressChannel StartProgressChannel(string name) => new SilentProgress();
    public TException Process<TException>(TException ex) where TException : Exception => ex;

    private void Send(ChannelMessage message, string channel) =>
        _root.Message?.Invoke(message, _name is null ? channel : $"{_name}; {channel}");

    private sealed class Channel(LocalEnvironment host, string name) : IChannel
    {
        public string ContextDescription => name;
        public TException Process<TException>(TException ex) where TException : Exception => ex;
        public void Send(ChannelMessage msg) => host.Send(msg, name);
        public void Dispose() { }

        public void Trace(MessageSensitivity sensitivity, string fmt) => Send(new(ChannelMessageKind.Trace, sensitivity, fmt));
        public void Trace(MessageSensitivity sensitivity, string fmt, params object[] args) => Trace(sensitivity, string.Format(fmt, args));
        public void Error(MessageSensitivity sensitivity, string fmt) => Send(new(ChannelMessageKind.Error, sensitivity, fmt));
        public void Error(MessageSensitivity sensitivity, string fmt, params object[] args) => Error(sensitivity, string.Format(fmt, args));
        public void Warning(MessageSensitivity sensitivity, string fmt) => Send(new(ChannelMessageKind.Warning, sensitivity, fmt));
        public void Warning(MessageSensitivity sensitivity, string fmt, params object[] args) => Warning(sensitivity, string.Format(fmt, args));
        public void Info(MessageSensitivity sensitivity, string fmt) => Send(new(ChannelMessageKind.Info, sensitivity, fmt));
        public void Info(MessageSensitivity sensitivity, string fmt, params object[] args) => Info(sensitivity, string.Format(fmt, args));
    }

    /// <summary>Progress never reaches <see cref="MLContext.Log"/> in ML.NET either.</summary>
    private sealed class SilentProgress : IProgressChannel
    {
        public void SetHeader(ProgressHeader header, Action<IProgressEntry> fillAction) { }
        public void Checkpoint(params double?[] values) { }
        public IProgressChannel StartProgressChannel(string name) => new SilentProgress();
        public void Dispose() { }
    }
}
