namespace Microsoft.ML.Runtime;

public interface IChannelProvider
{
    IChannel Start(string name);
}

public interface IHostEnvironment : IChannelProvider
{
    IHost Register(string name, int? seed = null, bool? verbose = null);
}

public interface IHost : IHostEnvironment;

/// <summary>Internal in ML.NET; declared public here because the stage uses it.</summary>
public interface ICancelable
{
    bool IsCanceled { get; }
}

/// <summary>Internal in ML.NET; declared public here because the stage uses it.</summary>
public interface IHostEnvironmentInternal : IHostEnvironment
{
    int? Seed { get; }
    string TempFilePath { get; set; }
    bool FallbackToCpu { get; set; }
    int? GpuDeviceId { get; set; }
}

public enum ChannelMessageKind
{
    Trace = 0,
    Info = 1,
    Warning = 2,
    Error = 3,
}

[Flags]
public enum MessageSensitivity
{
    None = 0,
    UserData = 1,
    Schema = 2,
    Unknown = ~None,
    All = Unknown,
}

public interface IChannel : IDisposable
{
    void Trace(MessageSensitivity sensitivity, string fmt, params object[] args);
    void Error(MessageSensitivity sensitivity, string fmt, params object[] args);
    void Warning(MessageSensitivity sensitivity, string fmt, params object[] args);
    void Info(MessageSensitivity sensitivity, string fmt, params object[] args);
}
