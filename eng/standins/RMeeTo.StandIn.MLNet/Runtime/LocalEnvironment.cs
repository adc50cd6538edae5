namespace Microsoft.ML.Runtime;

/// <summary>The environment behind an <see cref="MLContext"/>, and the hosts registered with it.</summary>
internal sealed class LocalEnvironment : IHost, IHostEnvironmentInternal, ICancelable
{
    private readonly LocalEnvironment _root;
    private readonly string _name = "";
    private volatile bool _canceled;

    public LocalEnvironment(int? seed) => (_root, Seed) = (this, seed);

    /// <summary>A host copies the settings when it is made, as ML.NET's do.</summary>
    private LocalEnvironment(LocalEnvironment parent, string name, int? seed)
    {
        (_root, _name, Seed) = (parent._root, parent._name + name + "; ", seed ?? parent.Seed);
        (TempFilePath, FallbackToCpu, GpuDeviceId) = (parent.TempFilePath, parent.FallbackToCpu, parent.GpuDeviceId);
    }

    /// <summary>Kind, source and text of every message of every channel.</summary>
    public event Action<ChannelMessageKind, string, string> Message;

    public int? Seed { get; }
    public string TempFilePath { get; set; } = Path.GetTempPath();
    public bool FallbackToCpu { get; set; }
    public int? GpuDeviceId { get; set; }
    public bool IsCanceled => _root._canceled;

    public void CancelExecution() => _root._canceled = true;
    public IHost Register(string name, int? seed = null, bool? verbose = null) => new LocalEnvironment(this, name, seed);
    public IChannel Start(string name) => new Channel(_root, _name + name);

    private sealed class Channel(LocalEnvironment root, string source) : IChannel
    {
        public void Trace(MessageSensitivity sensitivity, string fmt, params object[] args) => Send(ChannelMessageKind.Trace, fmt, args);
        public void Error(MessageSensitivity sensitivity, string fmt, params object[] args) => Send(ChannelMessageKind.Error, fmt, args);
        public void Warning(MessageSensitivity sensitivity, string fmt, params object[] args) => Send(ChannelMessageKind.Warning, fmt, args);
        public void Info(MessageSensitivity sensitivity, string fmt, params object[] args) => Send(ChannelMessageKind.Info, fmt, args);
        public void Dispose() { }

        private void Send(ChannelMessageKind kind, string text, object[] args) =>
            root.Message?.Invoke(kind, source, args is [] ? text : string.Format(text, args));
    }
}
