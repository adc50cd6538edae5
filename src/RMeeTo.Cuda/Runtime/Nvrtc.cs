using System.Runtime.InteropServices;
using System.Text;

namespace RMeeTo.Cuda;

/// <summary>A compiler of CUDA C++.</summary>
internal interface ICudaCompiler
{
    /// <summary>Name and version: part of what the compiled form depends on.</summary>
    string Version { get; }

    /// <summary>Compute capabilities that it compiles for, ascending: 70, 75, 80 ….</summary>
    IReadOnlyList<int> Architectures { get; }

    /// <summary>Compiles.</summary>
    /// <param name="name">Name of the text, for messages.</param>
    /// <param name="source">The text.</param>
    /// <param name="options">From <see cref="CompilerOptions"/>.</param>
    /// <exception cref="KernelCompilationException">It is not CUDA C++.</exception>
    CompiledKernels Compile(string name, string source, IReadOnlyList<string> options);
}

/// <summary>What a compiler made.</summary>
/// <param name="Image">A CUBIN, or PTX where the options name a virtual architecture; as cuModuleLoadData takes it.</param>
/// <param name="Log">What the compiler said.</param>
internal sealed record CompiledKernels(byte[] Image, string Log);

/// <summary>A kernel's text does not compile: a fault of this library. The message holds the compiler's log.</summary>
internal sealed class KernelCompilationException(string message) : Exception(message);

/// <summary>Options of every compilation.</summary>
internal static class CompilerOptions
{
    // GPUs of Jetson and Drive, whose machine code is for no other (CUDA C++ Programming Guide, "Binary Compatibility").
    private static readonly int[] s_embedded = [53, 62, 72, 87, 101, 110];

    /// <summary>
    /// For a GPU: its own machine code where the compiler knows it, that of the nearest older one of its generation, else PTX, which the driver compiles.
    /// </summary>
    /// <param name="capability">Compute capability, such as 90.</param>
    /// <param name="known">Those that the compiler compiles for.</param>
    /// <exception cref="CudaUnavailableException">All of them are newer.</exception>
    public static string[] For(int capability, IReadOnlyList<int> known)
    {
        int[] older = [.. known.Where(k => k == capability || (k < capability && !s_embedded.Contains(k)))];
        if (older.Length == 0)
            throw new CudaUnavailableException(
                $"NVRTC compiles for compute capability {known.Min() / 10}.{known.Min() % 10} and later; this GPU has {capability / 10}.{capability % 10}. " +
                "Use the NVRTC of CUDA 12.");
        int best = older.Max();
        // No fast math: kernels choose where an approximation will do. Line numbers are for the tools that measure and check kernels.
        return [$"--gpu-architecture={(best / 10 == capability / 10 ? "sm" : "compute")}_{best}", "--std=c++17", "--generate-line-info"];
    }

    /// <summary>True where the result is PTX.</summary>
    public static bool ArePtx(IEnumerable<string> options) => options.Any(o => o.StartsWith("--gpu-architecture=compute_", StringComparison.Ordinal));
}

/// <summary>NVRTC, the compiler that comes with the CUDA Toolkit and with the TorchSharp packages.</summary>
internal sealed unsafe class Nvrtc : ICudaCompiler
{
    private readonly delegate* unmanaged<nint*, byte*, byte*, int, byte**, byte**, int> _create;
    private readonly delegate* unmanaged<nint, int, byte**, int> _compile;
    private readonly delegate* unmanaged<nint, nuint*, int> _cubinSize, _ptxSize, _logSize;
    private readonly delegate* unmanaged<nint, byte*, int> _cubin, _ptx, _log;
    private readonly delegate* unmanaged<nint*, int> _destroy;
    private readonly delegate* unmanaged<int, byte*> _errorText;

    /// <summary>Loads it.</summary>
    /// <exception cref="CudaUnavailableException">It is not there.</exception>
    public Nvrtc(LibrarySearch search)
    {
        NativeFunctions f = search.Load(CudaLibrary.Nvrtc);
        Path = f.Path;
        _create = (delegate* unmanaged<nint*, byte*, byte*, int, byte**, byte**, int>)f["nvrtcCreateProgram"];
        _compile = (delegate* unmanaged<nint, int, byte**, int>)f["nvrtcCompileProgram"];
        _cubinSize = (delegate* unmanaged<nint, nuint*, int>)f["nvrtcGetCUBINSize"];
        _cubin = (delegate* unmanaged<nint, byte*, int>)f["nvrtcGetCUBIN"];
        _ptxSize = (delegate* unmanaged<nint, nuint*, int>)f["nvrtcGetPTXSize"];
        _ptx = (delegate* unmanaged<nint, byte*, int>)f["nvrtcGetPTX"];
        _logSize = (delegate* unmanaged<nint, nuint*, int>)f["nvrtcGetProgramLogSize"];
        _log = (delegate* unmanaged<nint, byte*, int>)f["nvrtcGetProgramLog"];
        _destroy = (delegate* unmanaged<nint*, int>)f["nvrtcDestroyProgram"];
        _errorText = (delegate* unmanaged<int, byte*>)f["nvrtcGetErrorString"];
        int major, minor, count;
        Check(((delegate* unmanaged<int*, int*, int>)f["nvrtcVersion"])(&major, &minor), "nvrtcVersion");
        Version = $"NVRTC {major}.{minor}";
        Check(((delegate* unmanaged<int*, int>)f["nvrtcGetNumSupportedArchs"])(&count), "nvrtcGetNumSupportedArchs");
        var architectures = new int[count];
        fixed (int* first = architectures) Check(((delegate* unmanaged<int*, int>)f["nvrtcGetSupportedArchs"])(first), "nvrtcGetSupportedArchs");
        Architectures = [.. architectures.Order()];
    }

    /// <summary>The file that was loaded.</summary>
    public string Path { get; }

    /// <inheritdoc/>
    public string Version { get; }

    /// <inheritdoc/>
    public IReadOnlyList<int> Architectures { get; }

    /// <inheritdoc/>
    public CompiledKernels Compile(string name, string source, IReadOnlyList<string> options)
    {
        nint program;
        fixed (byte* text = Utf8(source), title = Utf8(name)) Check(_create(&program, text, title, 0, null, null), "nvrtcCreateProgram");
        nint[] arguments = [.. options.Select(Marshal.StringToCoTaskMemUTF8)];
        try
        {
            int result;
            fixed (nint* first = arguments) result = _compile(program, arguments.Length, (byte**)first);
            string log = Encoding.UTF8.GetString(Read(program, _logSize, _log)).TrimEnd('\0', '\n');
            if (result != 0)
                throw new KernelCompilationException($"{Version} does not compile {name} ({string.Join(' ', options)}), {ErrorText(result)}:\n{log}");
            return new(CompilerOptions.ArePtx(options) ? Read(program, _ptxSize, _ptx) : Read(program, _cubinSize, _cubin), log);
        }
        finally
        {
            foreach (nint argument in arguments) Marshal.FreeCoTaskMem(argument);
            _destroy(&program);
        }
    }

    private byte[] Read(nint program, delegate* unmanaged<nint, nuint*, int> sizeOf, delegate* unmanaged<nint, byte*, int> read)
    {
        nuint size;
        Check(sizeOf(program, &size), "nvrtc");
        var bytes = new byte[size];
        fixed (byte* first = bytes)
            if (size > 0) Check(read(program, first), "nvrtc");
        return bytes;
    }

    private void Check(int result, string function)
    {
        if (result != 0) throw new CudaException(function, ErrorText(result));
    }

    private string ErrorText(int result) => Marshal.PtrToStringUTF8((nint)_errorText(result)) ?? $"error {result}";

    private static byte[] Utf8(string text) => Encoding.UTF8.GetBytes(text + '\0');
}
