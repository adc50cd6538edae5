using RMeeTo.Vim.Devices;

namespace RMeeTo.Vim.Network;

/// <summary>The factors of one workspace's branches: drawn before a forward pass, read by it and by the backward pass that follows.</summary>
internal sealed class DropPathFactors
{
    private readonly RandomPurpose _purpose;
    private readonly double[] _rates;
    private readonly SampleKey[] _keys;
    private readonly float[] _drawn;
    private readonly DeviceMatrix _factors;

    private DropPathFactors(Func<int, int, DeviceMatrix> matrix, RandomPurpose purpose, double[] rates, int batchCapacity)
    {
        (_purpose, _rates, _keys) = (purpose, rates, new SampleKey[batchCapacity]);
        _factors = matrix(rates.Length, batchCapacity);
        _drawn = new float[rates.Length * batchCapacity];
    }

    /// <summary>Allocates, unless nothing is ever dropped.</summary>
    /// <param name="matrix">Allocates.</param>
    /// <param name="dropPath">Rate of the last branch, and what the numbers are drawn for.</param>
    /// <param name="rates">Of every addition; the k-th number of an image's stream decides over the k-th of them.</param>
    /// <param name="batchCapacity">Largest batch.</param>
    public static DropPathFactors? Create(Func<int, int, DeviceMatrix> matrix, DropPath dropPath, double[] rates, int batchCapacity) =>
        dropPath.Rate == 0 ? null : new DropPathFactors(matrix, dropPath.Purpose, rates, batchCapacity);

    /// <summary>Says what the choices for an image are drawn from.</summary>
    public void SetKey(int image, SampleKey key) => _keys[image] = key;

    /// <summary>Draws for the first images, all additions of each.</summary>
    public void Draw(int batch)
    {
        for (int image = 0; image < batch; image++)
        {
            var random = _keys[image].Random(_purpose);
            for (int k = 0; k < _rates.Length; k++)
                _drawn[k * _keys.Length + image] = random.NextDouble() < _rates[k] ? 0 : (float)(1 / (1 - _rates[k]));
        }
        _factors.Buffer.Write(_drawn);
    }

    /// <summary>The factors of an addition [B, 1]; none where it never drops anything.</summary>
    public DeviceMatrix At(int addition, int batch) =>
        _rates[addition] == 0 ? default : _factors with { Offset = _factors.Offset + (long)addition * _factors.Stride, Rows = batch, Columns = 1, Stride = 1 };
}
