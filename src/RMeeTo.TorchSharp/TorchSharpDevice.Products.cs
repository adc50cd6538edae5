using RMeeTo.Vim.Devices;
using TorchSharp;
using static TorchSharp.torch;

namespace RMeeTo.TorchSharp;

// Matrix products, and products channel by channel and image by image.
public sealed partial class TorchSharpDevice
{
    /// <inheritdoc/>
    public override LinearWeight CreateLinear(DeviceMatrix weight, bool forTraining)
    {
        using var scope = NewDisposeScope();
        View(weight, weight.Rows, weight.Columns, nameof(weight));
        return new TorchLinearWeight(weight, forTraining);
    }

    /// <inheritdoc/>
    public override void Refresh(LinearWeight weight)
    {
        if (Precision != MatrixPrecision.BFloat16) return;
        using var scope = NewDisposeScope();
        Own(weight).Round(View(weight.Matrix, weight.Matrix.Rows, weight.Matrix.Columns, nameof(weight)));
    }

    /// <inheritdoc/>
    public override void Linear(DeviceMatrix x, LinearWeight weight, DeviceMatrix bias, DeviceMatrix y, bool accumulate = false)
    {
        using var scope = NewDisposeScope();
        var (outputs, inputs) = (weight.Matrix.Rows, weight.Matrix.Columns);
        Tensor input = View(x, x.Rows, inputs, nameof(x)), output = View(y, x.Rows, outputs, nameof(y)), w = Operand(weight);
        Tensor? b = ViewOrNull(bias, 1, outputs, nameof(bias));
        if (x.Rows == 0) return;
        Multiply(input, w.t(), output, accumulate);
        if (b is not null) output.Add(b);
    }

    /// <inheritdoc/>
    public override void LinearInputGradient(DeviceMatrix dy, LinearWeight weight, DeviceMatrix dx, bool accumulate = false)
    {
        using var scope = NewDisposeScope();
        var (outputs, inputs) = (weight.Matrix.Rows, weight.Matrix.Columns);
        if (!Own(weight).ForTraining) throw new InvalidOperationException("This weight was made for inference; make it with forTraining: true.");
        Tensor output = View(dy, dy.Rows, outputs, nameof(dy)), input = View(dx, dy.Rows, inputs, nameof(dx)), w = Operand(weight);
        if (dy.Rows > 0) Multiply(output, w, input, accumulate);
    }

    /// <inheritdoc/>
    public override void LinearWeightGradient(DeviceMatrix dy, DeviceMatrix x, DeviceMatrix weightGradient, DeviceMatrix biasGradient)
    {
        using var scope = NewDisposeScope();
        var (outputs, inputs) = (weightGradient.Rows, weightGradient.Columns);
        Tensor output = View(dy, dy.Rows, outputs, nameof(dy)), input = View(x, dy.Rows, inputs, nameof(x));
        Tensor gradient = View(weightGradient, outputs, inputs, nameof(weightGradient));
        Tensor? bias = ViewOrNull(biasGradient, 1, outputs, nameof(biasGradient));
        if (dy.Rows == 0) return;
        Multiply(output.t(), input, gradient, accumulate: true);
        bias?.Add(output.sum(0, keepdim: true));
    }

    /// <inheritdoc/>
    public override void ScaleChannels(DeviceMatrix x, DeviceMatrix factor, DeviceMatrix y)
    {
        using var scope = NewDisposeScope();
        Tensor from = View(x, x.Rows, x.Columns, nameof(x)), to = View(y, x.Rows, x.Columns, nameof(y));
        to.copy_(from.mul(View(factor, 1, x.Columns, nameof(factor))));
    }

    /// <inheritdoc/>
    public override void ScaleChannelsGradient(DeviceMatrix x, DeviceMatrix factor, DeviceMatrix dy, DeviceMatrix dx, DeviceMatrix factorGradient)
    {
        using var scope = NewDisposeScope();
        var (rows, channels) = (x.Rows, x.Columns);
        Tensor input = View(x, rows, channels, nameof(x)), gradient = View(dy, rows, channels, nameof(dy)), to = View(dx, rows, channels, nameof(dx));
        Tensor f = View(factor, 1, channels, nameof(factor)), df = View(factorGradient, 1, channels, nameof(factorGradient));
        df.Add(gradient.mul(input).sum(0, keepdim: true));
        to.copy_(gradient.mul(f));
    }

    /// <inheritdoc/>
    public override void ScaleImages(DeviceMatrix x, DeviceMatrix factors, DeviceMatrix y, bool accumulate = false)
    {
        using var scope = NewDisposeScope();
        int images = factors.Rows, length = TokensPerImage(x, images, nameof(x));
        Tensor from = Images(x, images, length, x.Columns, nameof(x)), to = Images(y, images, length, x.Columns, nameof(y));
        Tensor factor = Images(factors, images, 1, 1, nameof(factors));
        Put(to, from.mul(factor).ClearWhere(factor.IsZero()), accumulate);
    }

    /// <summary>c (+)= a · b, by the precision of this device.</summary>
    private void Multiply(Tensor a, Tensor b, Tensor c, bool accumulate)
    {
        if (Precision == MatrixPrecision.BFloat16)
        {
            Put(c, a.to(ScalarType.BFloat16).mm(b.to(ScalarType.BFloat16)), accumulate);
            return;
        }
        using var mode = TensorCores.Allow(_device.type, Precision == MatrixPrecision.TensorFloat32);
        c.addmm_(a, b, accumulate ? 1 : 0, 1); // a factor of 0 leaves out what c holds, be it no number
    }

    /// <summary>c = a · b in single precision, matrix by matrix: [n, p, q] · [n, q, r].</summary>
    private Tensor MultiplyExactly(Tensor a, Tensor b)
    {
        using var mode = TensorCores.Allow(_device.type, false);
        return a.bmm(b);
    }

    /// <summary>W in the form in which it enters a product.</summary>
    private Tensor Operand(LinearWeight weight)
    {
        var own = Own(weight);
        if (Precision != MatrixPrecision.BFloat16) return View(weight.Matrix, weight.Matrix.Rows, weight.Matrix.Columns, nameof(weight));
        return own.Rounded ?? throw new InvalidOperationException("This weight has no values yet; call Refresh once it has.");
    }

    private static TorchLinearWeight Own(LinearWeight weight) =>
        weight as TorchLinearWeight ?? throw new ArgumentException("The weight was made by another kind of device.", nameof(weight));

    /// <summary>A weight, and for products in bfloat16 its rounded copy.</summary>
    private sealed class TorchLinearWeight(DeviceMatrix matrix, bool forTraining) : LinearWeight(matrix)
    {
        public bool ForTraining { get; } = forTraining;

        public Tensor? Rounded { get; private set; }

        public void Round(Tensor values)
        {
            Rounded ??= empty([Matrix.Rows, Matrix.Columns], ScalarType.BFloat16, values.device).DetachFromDisposeScope();
            Rounded.copy_(values);
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing) Rounded?.Dispose();
        }
    }
}

/// <summary>
/// Whether CUDA products may round their operands to TF32 while this lives. The switch is one for the whole process, so it is turned back at once; another
/// thread of the application that multiplies at that very moment sees it.
/// </summary>
internal readonly struct TensorCores : IDisposable
{
    private readonly bool? _before;

    private TensorCores(bool? before) => _before = before;

    public static TensorCores Allow(DeviceType device, bool allowed)
    {
        if (device != DeviceType.CUDA) return default;
        bool before = backends.cuda.matmul.allow_tf32;
        if (before == allowed) return default;
        backends.cuda.matmul.allow_tf32 = allowed;
        return new(before);
    }

    public void Dispose()
    {
        if (_before is { } before) backends.cuda.matmul.allow_tf32 = before;
    }
}
