using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Reference;

namespace RMeeTo.Vim.Tests.Golden;

/// <summary>Values in and out of a device, in the layouts of the recorded data.</summary>
internal static class DeviceValues
{
    /// <summary>A dense matrix with these values.</summary>
    public static DeviceMatrix Matrix(this VimDevice device, int rows, int columns, IReadOnlyList<double> values)
    {
        var matrix = new DeviceMatrix(device.Allocate((long)rows * columns), rows, columns);
        matrix.Write(values);
        return matrix;
    }

    /// <summary>Sets the values of a dense matrix: exactly on the reference device, rounded to float on the others.</summary>
    public static void Write(this DeviceMatrix matrix, IReadOnlyList<double> values)
    {
        if (matrix.Buffer is ReferenceBuffer exact)
            for (int i = 0; i < values.Count; i++) exact.Values[matrix.Offset + i] = values[i];
        else
            matrix.Buffer.Write([.. values.Select(v => (float)v)], matrix.Offset);
    }

    /// <summary>A dense matrix of zeros.</summary>
    public static DeviceMatrix Matrix(this VimDevice device, int rows, int columns) => new(device.Allocate((long)rows * columns), rows, columns);

    /// <summary>A recorded tensor as a matrix of its last edge; none where it was not recorded.</summary>
    public static DeviceMatrix Matrix(this VimDevice device, GoldenFile file, string name)
    {
        if (!file.Has(name)) return default;
        GoldenTensor tensor = file[name];
        int columns = tensor.Shape[^1];
        return device.Matrix(tensor.Values.Length / columns, columns, tensor.Values);
    }

    /// <summary>A recorded [B, C, L] as a matrix [B·L, C]; none where it was not recorded.</summary>
    public static DeviceMatrix TokenMajor(this VimDevice device, GoldenFile file, string name)
    {
        if (!file.Has(name)) return default;
        GoldenTensor t = file[name];
        return device.Matrix(t.Shape[0] * t.Shape[2], t.Shape[1], Swap(t.Values, t.Shape[0], t.Shape[1], t.Shape[2]));
    }

    /// <summary>The values of a dense matrix.</summary>
    public static double[] Values(this DeviceMatrix matrix)
    {
        if (matrix.Buffer is ReferenceBuffer exact) return exact.Values;
        var values = new float[matrix.Buffer.Length];
        matrix.Buffer.Read(values);
        return [.. values.Select(v => (double)v)];
    }

    /// <summary>A matrix [B·L, C] as values [B, C, L].</summary>
    public static double[] ChannelMajor(this DeviceMatrix matrix, int batch) => Swap(matrix.Values(), batch, matrix.Rows / batch, matrix.Columns);

    /// <summary>[B, P, Q] as [B, Q, P].</summary>
    private static double[] Swap(double[] values, int batch, int p, int q)
    {
        var swapped = new double[values.Length];
        for (int i = 0; i < values.Length; i++)
        {
            var (b, at, c) = (i / (p * q), i / q % p, i % q);
            swapped[(b * q + c) * p + at] = values[i];
        }
        return swapped;
    }
}
