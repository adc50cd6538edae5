using System.Diagnostics;
using System.Reflection;
using System.Runtime.Loader;
using RMeeTo.Vim.Devices;

namespace RMeeTo.GpuCheck;

/// <summary>
/// The same operators as plain tensor operators of TorchSharp, where a folder has them: the output folder of an application with RMeeTo.TorchSharp and
/// TorchSharp-cuda-windows or TorchSharp-cuda-linux. This program has neither, for libtorch is some gigabytes.
/// </summary>
/// <param name="Create">Makes a device.</param>
/// <param name="LibTorch">Which TorchSharp and libtorch, and from where.</param>
internal sealed record TensorOperators(Func<VimDevice> Create, string LibTorch)
{
    private const string Assembly = "RMeeTo.TorchSharp";

    /// <summary>Looks for them.</summary>
    /// <param name="folder">Where; null: beside this program.</param>
    /// <param name="gpu">Number of the GPU.</param>
    /// <param name="reason">Why there are none.</param>
    public static TensorOperators? Load(string? folder, int gpu, out string reason)
    {
        string path = Path.GetFullPath(folder ?? AppContext.BaseDirectory), file = Path.Combine(path, $"{Assembly}.dll");
        if (!File.Exists(file))
        {
            reason = $"none: {file} is not there (--torchsharp names a folder)";
            return null;
        }
        AssemblyLoadContext.Default.Resolving += (context, name) =>
            Path.Combine(path, $"{name.Name}.dll") is var needed && File.Exists(needed) ? context.LoadFromAssemblyPath(needed) : null;
        try
        {
            Assembly assembly = AssemblyLoadContext.Default.LoadFromAssemblyPath(file);
            Type type = assembly.GetType($"{Assembly}.TorchSharpDeviceProvider", throwOnError: true)!;
            var provider = (IVimDeviceProvider)Activator.CreateInstance(type, gpu)!;
            reason = "";
            return new TensorOperators(provider.CreateDevice, $"{provider.Name}, {FileOf("torch_cuda")}");
        }
        catch (Exception e)
        {
            reason = $"none: {(e is TargetInvocationException { InnerException: { } inner } ? inner : e).Message}";
            return null;
        }
    }

    /// <summary>Where a native library was loaded from: its folder tells the version even where libtorch does not.</summary>
    private static string FileOf(string library) =>
        Process.GetCurrentProcess().Modules.Cast<ProcessModule>().FirstOrDefault(m => m.ModuleName.Contains(library, StringComparison.Ordinal))?.FileName
            ?? $"without {library}";
}
