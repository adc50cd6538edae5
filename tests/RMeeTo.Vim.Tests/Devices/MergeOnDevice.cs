using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Tests.Golden;

namespace RMeeTo.Vim.Tests.Devices;

/// <summary>One merge of one image on a device, read back.</summary>
internal sealed class MergeOnDevice
{
    /// <param name="device">Where it runs.</param>
    /// <param name="tokens">Metric and stream alike: one array a row.</param>
    /// <param name="classRow">Row of the class token.</param>
    /// <param name="removed">Tokens to remove.</param>
    /// <param name="options">Reduction and order.</param>
    /// <param name="sizes">One a row; null for ones.</param>
    public MergeOnDevice(VimDevice device, double[][] tokens, int classRow, int removed, MergeOptions options, double[]? sizes = null)
    {
        int channels = tokens[0].Length;
        Step = new MergeStep(0, tokens.Length, removed, classRow, MergeSchedule.NextClassRow(classRow, tokens.Length, removed, options.Order));
        DeviceMatrix x = device.Matrix(tokens.Length, channels, [.. tokens.SelectMany(row => row)]);
        DeviceMatrix merged = device.Matrix(Step.TokensOut, 1), output = device.Matrix(Step.TokensOut, channels);
        using MergePlan plan = device.CreateMergePlan(1, Step, options);
        device.Match(1, new() { Metric = x, Sizes = sizes is null ? default : device.Matrix(tokens.Length, 1, sizes) }, plan, merged);
        device.Merge(1, plan, x, output);
        Weights = new float[tokens.Length];
        Destinations = new int[tokens.Length];
        plan.Read(0, Destinations, Weights);
        Sizes = merged.Values();
        Tokens = [.. output.Values().Chunk(channels)];
    }

    public MergeStep Step { get; }

    public int[] Destinations { get; }

    public float[] Weights { get; }

    public double[] Sizes { get; }

    public double[][] Tokens { get; }

    /// <summary>The tokens as in "(1,.8) (0,1)", rounded to a thousandth.</summary>
    public string TokenText => string.Join(' ', Tokens.Select(row => $"({string.Join(',', row.Select(v => (Math.Round(v, 3) + 0.0).ToString("0.###")))})"));

    /// <summary>The sizes as in "2 1 1".</summary>
    public string SizeText => string.Join(' ', Sizes.Select(s => s.ToString("0.###")));
}
