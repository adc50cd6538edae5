using RMeeTo.Vim.Devices;

namespace RMeeTo.Cuda;

// Matrix products. Operands are read where they lie, or from copies in bfloat16. cuBLAS is at its fastest where rows begin at multiples of 16 bytes: they do in
// the published networks, whose projections (Δ rank + 2 N values: 44, 56, 80) and slices of them (from 0) are whole groups of four.
public sealed unsafe partial class CudaDevice
{
    private bool InBFloat16 => _context.Products.Precision == MatrixPrecision.BFloat16;

    /// <inheritdoc/>
    public override LinearWeight CreateLinear(DeviceMatrix weight, bool forTraining)
    {
        Argument(weight, weight.Rows, weight.Columns, nameof(weight));
        return new CudaLinearWeight(Runtime, weight, forTraining, InBFloat16);
    }

    /// <inheritdoc/>
    public override void Refresh(LinearWeight weight)
    {
        var linear = (CudaLinearWeight)weight;
        if (linear.Copy != 0) Convert(WeightArgument(linear), linear.Copy);
    }

    /// <inheritdoc/>
    public override void Linear(DeviceMatrix x, LinearWeight weight, DeviceMatrix bias, DeviceMatrix y, bool accumulate = false)
    {
        var linear = (CudaLinearWeight)weight;
        var w = WeightArgument(linear);
        var (input, output) = (Argument(x, x.Rows, w.Columns, nameof(x)), Argument(y, x.Rows, w.Rows, nameof(y)));
        var b = ArgumentOrNone(bias, 1, w.Rows, nameof(bias));
        if (output.Rows == 0) return;
        if (!b.IsNone)
        {
            var argument = new LinearKernels.BiasArguments { Y = output, Bias = b.Data, Accumulate = accumulate ? 1 : 0 };
            Launch(argument.IsVectorizable ? LinearKernels.WriteBias4 : LinearKernels.WriteBias, Blocks(output.Rows, LinearKernels.Rows), LinearKernels.Threads, argument);
            accumulate = true;
        }
        if (linear.Copy == 0)
        {
            Multiply(AsItLies(input), Transposed(w), output, w.Columns, accumulate);
            return;
        }
        nint copy = Scratch(BFloat16Matrix.Floats(input.Rows, input.Columns));
        Convert(input, copy);
        Multiply(Copied(copy, w.Columns), Copied(linear.Copy, w.Columns, transposed: true), output, BFloat16Matrix.Padded(w.Columns), accumulate);
    }

    /// <inheritdoc/>
    public override void LinearInputGradient(DeviceMatrix dy, LinearWeight weight, DeviceMatrix dx, bool accumulate = false)
    {
        var linear = (CudaLinearWeight)weight;
        if (!linear.ForTraining) throw new InvalidOperationException("This weight was made for inference; make it with forTraining: true.");
        var w = WeightArgument(linear);
        var (output, input) = (Argument(dy, dy.Rows, w.Rows, nameof(dy)), Argument(dx, dy.Rows, w.Columns, nameof(dx)));
        if (input.Rows == 0) return;
        if (linear.Copy == 0)
        {
            Multiply(AsItLies(output), AsItLies(w), input, w.Rows, accumulate);
            return;
        }
        nint copy = Scratch(BFloat16Matrix.Floats(output.Rows, output.Columns));
        Convert(output, copy);
        Multiply(Copied(copy, w.Rows), Copied(linear.Copy, w.Columns), input, BFloat16Matrix.Padded(w.Rows), accumulate);
    }

    /// <inheritdoc/>
    public override void LinearWeightGradient(DeviceMatrix dy, DeviceMatrix x, DeviceMatrix weightGradient, DeviceMatrix biasGradient)
    {
        var (rows, outputs, inputs) = (dy.Rows, weightGradient.Rows, weightGradient.Columns);
        var (output, input) = (Argument(dy, rows, outputs, nameof(dy)), Argument(x, rows, inputs, nameof(x)));
        var dw = Argument(weightGradient, outputs, inputs, nameof(weightGradient));
        var db = ArgumentOrNone(biasGradient, 1, outputs, nameof(biasGradient));
        if (rows == 0) return;
        long outputFloats = InBFloat16 ? BFloat16Matrix.Floats(rows, outputs) : 0, inputFloats = InBFloat16 ? BFloat16Matrix.Floats(rows, inputs) : 0;
        nint outputCopy = Scratch(outputFloats + inputFloats + (db.IsNone ? 0 : ColumnSumFloats(rows, outputs)));
        nint inputCopy = outputCopy + (nint)(outputFloats * sizeof(float)), sums = inputCopy + (nint)(inputFloats * sizeof(float));
        if (InBFloat16)
        {
            Convert(output, outputCopy);
            Convert(input, inputCopy);
            Multiply(Copied(outputCopy, outputs, transposed: true), Copied(inputCopy, inputs), dw, rows, accumulate: true);
        }
        else
        {
            Multiply(Transposed(output), AsItLies(input), dw, rows, accumulate: true);
        }
        if (!db.IsNone) AddColumnSums(output, db, sums);
    }

    /// <summary>c (+)= op(a) · op(b), summed over <paramref name="inner"/> values.</summary>
    private void Multiply(ProductOperand a, ProductOperand b, MatrixArgument c, int inner, bool accumulate) =>
        _context.Products.Multiply(a, b, c.Data, c.Stride, c.Rows, c.Columns, inner, accumulate);

    private static ProductOperand AsItLies(MatrixArgument matrix) => new(matrix.Data, matrix.Stride, Transposed: false);

    private static ProductOperand Transposed(MatrixArgument matrix) => new(matrix.Data, matrix.Stride, Transposed: true);

    private static ProductOperand Copied(nint copy, int columns, bool transposed = false) => new(copy, BFloat16Matrix.Padded(columns), transposed, IsBFloat16: true);

    private void Convert(MatrixArgument source, nint destination) =>
        Launch(source.IsVectorizable ? LinearKernels.Convert4 : LinearKernels.Convert, Blocks(source.Rows, LinearKernels.Rows), LinearKernels.Threads,
            new LinearKernels.ConvertArguments { Source = source, Destination = destination, Stride = BFloat16Matrix.Padded(source.Columns) });

    private MatrixArgument WeightArgument(CudaLinearWeight weight) => Argument(weight.Matrix, weight.Matrix.Rows, weight.Matrix.Columns, nameof(weight));
}
