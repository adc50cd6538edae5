using System.Runtime.InteropServices;
using System.Text;
using RMeeTo.Cuda.Tests.Emulation;
using RMeeTo.Vim.Devices;

namespace RMeeTo.Cuda.Tests.Runtime;

/// <summary>
/// The real runtime on a driver that is played by the CPU (played_cuda.cpp): two GPUs, of which the second is too old. Each has a copy of the library, and so a
/// driver, of its own. It is for the runtime alone, in the tests' own process; StandInCuda is a whole installation, which a process of its own searches and
/// loads.
/// </summary>
internal sealed unsafe class PlayedCuda : IDisposable
{
    private static readonly Lazy<string> s_library = new(Build);

    private readonly string _path;
    private readonly NativeFunctions _functions;

    public PlayedCuda(int version = 12080, int startResult = 0, int gpus = 2)
    {
        CppCompiler.Require();
        _path = $"{s_library.Value}.{Guid.NewGuid():N}";
        File.Copy(s_library.Value, _path);
        _functions = new NativeFunctions(_path, NativeLibrary.Load(_path));
        ((delegate* unmanaged<int, int, int, void>)_functions["played_reset"])(version, startResult, gpus);
    }

    /// <summary>What is allocated, created or retained and not yet freed.</summary>
    public int Live => ((delegate* unmanaged<int>)_functions["played_live"])();

    /// <summary>Contexts that this thread has pushed and not popped.</summary>
    public int Contexts => ((delegate* unmanaged<int>)_functions["played_contexts"])();

    public DriverRuntime Open(int gpu = 0) => new(CudaDriver.Start(_functions), gpu, () => new PlayedCompiler(), kernels: null);

    public CudaContext OpenContext(MatrixPrecision precision = MatrixPrecision.Float32)
    {
        DriverRuntime runtime = Open();
        return new CudaContext(runtime, new RowMajorProducts(new Cublas(_functions, runtime), precision, runtime.Clear));
    }

    /// <summary>The next call of a function fails with CUDA_ERROR_ILLEGAL_ADDRESS.</summary>
    public void Fail(string function)
    {
        fixed (byte* name = Encoding.UTF8.GetBytes(function + '\0')) ((delegate* unmanaged<byte*, void>)_functions["played_fail"])(name);
    }

    public void Dispose() => File.Delete(_path);

    private static string Build()
    {
        const string name = "played_cuda.cpp";
        string source = Path.Combine(Directory.CreateDirectory(Path.Combine(AppContext.BaseDirectory, "emulation")).FullName, name);
        using (var text = typeof(PlayedCuda).Assembly.GetManifestResourceStream(name)!)
        using (var file = File.Create(source)) text.CopyTo(file);
        CppCompiler.Installed!.Compile(source, source + ".o");
        CppCompiler.Installed.Link(source + ".so", source + ".o");
        return source + ".so";
    }

    /// <summary>Makes libraries of the emulator; an image is the path of one.</summary>
    private sealed class PlayedCompiler : ICudaCompiler
    {
        public string Version => "played";

        public IReadOnlyList<int> Architectures => [70, 80, 90];

        public CompiledKernels Compile(string name, string source, IReadOnlyList<string> options)
        {
            CollectionAssert.Contains(options.ToArray(), "--gpu-architecture=sm_90");
            string built = EmulatedLibrary.Build(name, source), copy = built + ".played"; // of its own: the emulator runs one launch of a library at a time
            if (!File.Exists(copy))
            {
                string temporary = $"{copy}.{Guid.NewGuid():N}";
                File.Copy(built, temporary);
                File.Move(temporary, copy, overwrite: true);
            }
            return new([.. "PLAYED"u8, .. Encoding.UTF8.GetBytes(copy), 0], "");
        }
    }
}
