using System.Runtime.InteropServices;

namespace RMeeTo.Cuda.Tests.Emulation;

/// <summary>The argument of the kernels with which the emulator is tested: <c>struct Arguments { const float* x; float* y; int* z; int count; };</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KernelArguments
{
    public nint X, Y, Z;
    public int Count, Padding;
}

/// <summary>One kernel of a text on an emulated GPU, with an input, an output, and whole numbers.</summary>
internal sealed unsafe class KernelRun : IDisposable
{
    internal const string Head = "struct Arguments { const float* x; float* y; int* z; int count; };\n#line 1 \"test.cu\"\n";

    private readonly nint _function;
    private readonly int _outputs, _numbers;

    public KernelRun(string source, string kernel, float[] inputs, int outputs, int numbers = 1, LaunchOrder order = LaunchOrder.Forward, ulong seed = 1,
        bool watched = false)
    {
        CppCompiler.Require();
        Cuda = new EmulatedCuda(order, seed, watched: watched);
        _function = Cuda.GetFunction("test.cu", Head + source, kernel);
        (_outputs, _numbers) = (outputs, numbers);
        Arguments = new()
        {
            X = Cuda.Allocate(Math.Max(1, inputs.Length) * sizeof(float)),
            Y = Cuda.Allocate(Math.Max(1, outputs) * sizeof(float)),
            Z = Cuda.Allocate(Math.Max(1, numbers) * sizeof(int)),
            Count = inputs.Length,
        };
        fixed (float* values = inputs)
            if (inputs.Length > 0) Cuda.CopyToDevice(Arguments.X, values, inputs.Length * sizeof(float));
        Cuda.Clear(Arguments.Z, numbers * sizeof(int));
    }

    public EmulatedCuda Cuda { get; }

    public KernelArguments Arguments { get; set; }

    public float[] Outputs
    {
        get
        {
            var values = new float[_outputs];
            fixed (float* first = values) Cuda.CopyToHost(first, Arguments.Y, values.Length * sizeof(float));
            return values;
        }
    }

    public int[] Numbers
    {
        get
        {
            var values = new int[_numbers];
            fixed (int* first = values) Cuda.CopyToHost(first, Arguments.Z, values.Length * sizeof(int));
            return values;
        }
    }

    public KernelRun Launch(int blocks, int threads, int sharedBytes = 0, int gridY = 1, int gridZ = 1)
    {
        KernelArguments arguments = Arguments;
        Cuda.Launch(_function, blocks, gridY, gridZ, threads, sharedBytes, &arguments);
        return this;
    }

    public void Dispose() => Cuda.Dispose();
}
