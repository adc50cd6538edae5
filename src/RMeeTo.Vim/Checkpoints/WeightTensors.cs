using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Checkpoints;

/// <summary>The values of a network as tensors under their official names: what PyTorch loads as a plain state dict.</summary>
internal static class WeightTensors
{
    /// <summary>Writes a file, whole or not at all.</summary>
    public static void Save(string path, NetworkWeights weights, IReadOnlyDictionary<string, string>? metadata) =>
        SafetensorsWriter.Write(path, Tensors(weights), ForPyTorch(metadata));

    /// <summary>The same to a stream, which stays open.</summary>
    public static void Save(Stream stream, NetworkWeights weights, IReadOnlyDictionary<string, string>? metadata) =>
        SafetensorsWriter.Write(stream, Tensors(weights), ForPyTorch(metadata));

    /// <summary>Reads every parameter; the checkpoint is known to have it, in its shape.</summary>
    /// <returns><paramref name="weights"/>.</returns>
    public static TWeights Read<TWeights>(ICheckpointSource source, TWeights weights) where TWeights : NetworkWeights
    {
        foreach (var parameter in weights.Parameters.All) source.Read(parameter.Name, weights[parameter]);
        return weights;
    }

    private static FloatTensor[] Tensors(NetworkWeights weights)
    {
        ArgumentNullException.ThrowIfNull(weights);
        return [.. weights.Parameters.All.Select(p => new FloatTensor(p.Name, p.Shape, weights.Values.AsMemory((int)p.Offset, p.Length)))];
    }

    /// <summary>Metadata with what PyTorch's own tools look for.</summary>
    private static Dictionary<string, string> ForPyTorch(IReadOnlyDictionary<string, string>? metadata)
    {
        var all = new Dictionary<string, string> { ["format"] = "pt" };
        if (metadata == null) return all;
        foreach (var (key, value) in metadata) all[key] = value;
        return all;
    }
}
