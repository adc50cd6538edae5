using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Reference;

namespace RMeeTo.Vim.Tests.Devices;

/// <summary>How the activations of a case lie in memory.</summary>
internal enum OperandLayout
{
    /// <summary>Each fills a matrix of its own.</summary>
    Dense,

    /// <summary>Each is a block of columns of a wider matrix.</summary>
    Strided,
}

/// <summary>
/// The operands of one operator case on one device, filled with the same random floats on every device. Everything around an operand holds NaN: a result that
/// depends on it is NaN, and a write to it is noticed.
/// </summary>
internal sealed class OperatorBench(VimDevice device, OperandLayout layout, int seed)
{
    private const int Margin = 16;
    private readonly Random _random = new(seed);
    private readonly List<Operand> _operands = [];
    private readonly List<(string Name, double Tolerance, Func<double[]> Read)> _extras = [];
    private Action? _forward, _backward;

    private enum Role { Constant, Scratch, Written, Updated }

    private sealed record Operand(string Name, DeviceMatrix Matrix, Role Role, double Tolerance)
    {
        public float[] Initial { get; init; } = [];
        public DeviceMatrix GradientOf { get; init; }
        public DeviceMatrix CotangentOf { get; init; }
    }

    /// <summary>Where the case runs.</summary>
    public VimDevice Device => device;

    /// <summary>An activation that the operator only reads.</summary>
    public DeviceMatrix Input(string name, int rows, int columns, float low = -1, float high = 1) =>
        Add(name, rows, columns, layout, Role.Constant, 0, low, high).Matrix;

    /// <summary>A parameter: dense, as in the flat buffer of weights.</summary>
    public DeviceMatrix Parameter(string name, int rows, int columns, float low = -1, float high = 1) =>
        Add(name, rows, columns, OperandLayout.Dense, Role.Constant, 0, low, high).Matrix;

    /// <summary>A result that overwrites what is there, or is added to it.</summary>
    public DeviceMatrix Output(string name, int rows, int columns, bool added = false, double tolerance = Tolerances.Forward) =>
        Add(name, rows, columns, layout, added ? Role.Updated : Role.Written, tolerance, -1, 1).Matrix;

    /// <summary>Tells that the operator changes this input in place.</summary>
    public DeviceMatrix InPlace(DeviceMatrix input, double tolerance = Tolerances.Forward)
    {
        int i = _operands.FindIndex(o => o.Matrix == input);
        _operands[i] = _operands[i] with { Role = Role.Updated, Tolerance = tolerance };
        return input;
    }

    /// <summary>The gradient that comes from above for an output.</summary>
    public DeviceMatrix Cotangent(DeviceMatrix output, bool mayChange = false)
    {
        Operand added = Add("d" + NameOf(output), output.Rows, output.Columns, layout, mayChange ? Role.Scratch : Role.Constant, 0, -1, 1);
        _operands[^1] = added with { CotangentOf = output };
        return added.Matrix;
    }

    /// <summary>For an operator that differentiates the plain sum of its own output.</summary>
    public void CotangentOfOnes(DeviceMatrix output)
    {
        Operand added = Add("ones", output.Rows, output.Columns, layout, Role.Constant, 0, 1, 1);
        _operands[^1] = added with { CotangentOf = output };
    }

    /// <summary>Where the gradient of an activation goes.</summary>
    public DeviceMatrix Gradient(DeviceMatrix input, bool added = false, double tolerance = Tolerances.Gradient) => Gradient(input, layout, added, tolerance);

    /// <summary>Where the gradient of a parameter goes: always added. None for none.</summary>
    public DeviceMatrix ParameterGradient(DeviceMatrix parameter) => parameter.IsNone ? default : Gradient(parameter, OperandLayout.Dense, true, Tolerances.Gradient);

    /// <summary>A gradient that is computed in the place of another operand.</summary>
    public DeviceMatrix GradientInPlace(DeviceMatrix input, DeviceMatrix place)
    {
        int i = _operands.FindIndex(o => o.Matrix == place);
        _operands[i] = _operands[i] with { Role = Role.Written, Tolerance = Tolerances.Gradient, GradientOf = input };
        return place;
    }

    /// <summary>Another result to compare.</summary>
    public void Extra(string name, double tolerance, Func<double[]> read) => _extras.Add((name, tolerance, read));

    /// <summary>The operator.</summary>
    public void Forward(Action forward) => _forward = forward;

    /// <summary>Its gradient; run after it.</summary>
    public void Backward(Action backward) => _backward = backward;

    /// <summary>Runs both from the initial values and checks that nothing but the results changed.</summary>
    public void Run()
    {
        Reset();
        _forward!();
        _backward?.Invoke();
        foreach (Operand operand in _operands) CheckUntouched(operand);
    }

    /// <summary>Results by name: values, and the tolerance they are to be held to.</summary>
    public IEnumerable<(string Name, double Tolerance, double[] Values)> Results()
    {
        foreach (Operand o in _operands)
            if (o.Role is Role.Written or Role.Updated) yield return (o.Name, o.Tolerance, Values(o));
        foreach (var (name, tolerance, read) in _extras) yield return (name, tolerance, read());
    }

    /// <summary>
    /// On the reference device: differences between each computed gradient and the central difference of Σ output · cotangent, for some values of every input
    /// that has a gradient; relative to the largest gradient of that input (at least 1e-3: the difference has noise of its own).
    /// </summary>
    public IEnumerable<(string Name, double Error)> GradientErrors(int valuesPerInput)
    {
        Run();
        var gradients = _operands.Where(o => !o.GradientOf.IsNone).ToDictionary(o => o, GradientAlone);
        foreach (var (operand, gradient) in gradients)
        {
            double largest = gradient.Max(Math.Abs), worst = 0;
            for (int k = 0; k < Math.Min(valuesPerInput, gradient.Length); k++)
            {
                int i = gradient.Length <= valuesPerInput ? k : _random.Next(gradient.Length);
                const double Step = 1e-5;
                double slope = (Shifted(operand.GradientOf, i, Step) - Shifted(operand.GradientOf, i, -Step)) / (2 * Step);
                worst = Math.Max(worst, Math.Abs(slope - gradient[i]) / Math.Max(largest, 1e-3));
            }
            yield return (operand.Name, worst);
        }
    }

    /// <summary>What the operator added to or wrote into the place of a gradient.</summary>
    private static double[] GradientAlone(Operand o)
    {
        double[] values = Values(o);
        if (o.Role == Role.Written) return values;
        return [.. values.Select((v, i) => v - o.Initial[Position(o.Matrix, i)])];
    }

    /// <summary>Σ output · cotangent with one value of an input shifted.</summary>
    private double Shifted(DeviceMatrix input, int index, double step)
    {
        Reset();
        ((ReferenceBuffer)input.Buffer).Values[Position(input, index)] += step;
        _forward!();
        double sum = 0;
        foreach (Operand cotangent in _operands.Where(o => !o.CotangentOf.IsNone))
        {
            Operand output = _operands.Single(o => o.Matrix == cotangent.CotangentOf);
            double[] values = Values(output);
            for (int i = 0; i < values.Length; i++) sum += values[i] * cotangent.Initial[Position(cotangent.Matrix, i)];
        }
        return sum;
    }

    private DeviceMatrix Gradient(DeviceMatrix input, OperandLayout where, bool added, double tolerance)
    {
        if (input.IsNone) return default;
        Operand gradient = Add($"gradient of {NameOf(input)}", input.Rows, input.Columns, where, added ? Role.Updated : Role.Written, tolerance, -1, 1);
        _operands[^1] = gradient with { GradientOf = input };
        return gradient.Matrix;
    }

    private Operand Add(string name, int rows, int columns, OperandLayout where, Role role, double tolerance, float low, float high)
    {
        var (left, right) = where == OperandLayout.Strided ? (3, 6) : (0, 0);
        int stride = left + columns + right;
        var initial = new float[Margin + rows * stride + Margin];
        Array.Fill(initial, float.NaN);
        var matrix = new DeviceMatrix(device.Allocate(initial.Length), Margin + left, rows, columns, stride);
        // Drawn for written operands too, so that the numbers of a case do not depend on its accumulate flags.
        for (int i = 0; i < rows * columns; i++)
        {
            float value = low + (high - low) * _random.NextSingle();
            if (role != Role.Written) initial[Position(matrix, i)] = value;
        }
        var operand = new Operand(name, matrix, role, tolerance) { Initial = initial };
        _operands.Add(operand);
        return operand;
    }

    private string NameOf(DeviceMatrix matrix) => _operands.Single(o => o.Matrix == matrix).Name;

    private void Reset()
    {
        foreach (Operand operand in _operands) operand.Matrix.Buffer.Write(operand.Initial);
    }

    private static void CheckUntouched(Operand operand)
    {
        var now = new float[operand.Initial.Length];
        operand.Matrix.Buffer.Read(now);
        if (operand.Role != Role.Constant)
            for (int i = 0; i < operand.Matrix.Rows * operand.Matrix.Columns; i++)
            {
                long p = Position(operand.Matrix, i);
                now[p] = operand.Initial[p];
            }
        for (int i = 0; i < now.Length; i++)
            if (!now[i].Equals(operand.Initial[i]))
                Assert.Fail($"{operand.Name} {operand.Matrix}: value {i} of its buffer (offset {operand.Matrix.Offset}, stride {operand.Matrix.Stride}) was changed to {now[i]}.");
    }

    private static double[] Values(Operand operand)
    {
        DeviceMatrix m = operand.Matrix;
        var values = new double[m.Rows * m.Columns];
        var floats = new float[operand.Initial.Length];
        if (m.Buffer is not ReferenceBuffer) m.Buffer.Read(floats);
        for (int i = 0; i < values.Length; i++)
            values[i] = m.Buffer is ReferenceBuffer exact ? exact.Values[Position(m, i)] : floats[Position(m, i)];
        return values;
    }

    private static long Position(DeviceMatrix matrix, int index) => matrix.Offset + (long)(index / matrix.Columns) * matrix.Stride + index % matrix.Columns;
}
