using RMeeTo.Vim.Checkpoints;
using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Tests.Checkpoints;

/// <summary>Networks of a few thousand values, and checkpoints of any size that hold shapes only.</summary>
internal static class SmallNets
{
    /// <summary>16 patches, 3 classes, 2 blocks.</summary>
    public static VimConfig Config { get; } = new() { ImageHeight = 16, ImageWidth = 16, PatchSize = 4, Stride = 4, Width = 8, Depth = 2, StateSize = 4, Classes = 3 };

    /// <summary>The same for clips: 6 frames in 3 tubelets of 16 patches.</summary>
    public static VimConfig Clips { get; } = Config with { Frames = 6, TubeletSize = 2, ClassToken = ClassTokenPosition.First, AverageDirections = false };

    /// <summary>A checkpoint of these weights in memory.</summary>
    public static SafetensorsReader Source(VimWeights weights, IReadOnlyDictionary<string, string>? metadata = null)
    {
        var stream = new MemoryStream();
        VimCheckpoint.Save(stream, weights, metadata);
        stream.Position = 0;
        return new(stream, "small.safetensors");
    }

    /// <summary>The values of two networks are the same, bit for bit.</summary>
    public static void AssertSame(VimWeights expected, VimWeights actual)
    {
        Assert.AreEqual(expected.Config, actual.Config);
        foreach (var p in expected.Parameters.All)
            Assert.IsTrue(expected[p].SequenceEqual(actual[p.Name]), p.Name);
    }

    /// <summary>Names and shapes without values.</summary>
    public sealed class ShapesOnly(string name, IEnumerable<CheckpointTensor> tensors) : ICheckpointSource
    {
        public ShapesOnly(VimConfig config, string name = "shapes.safetensors")
            : this(name, new VimParameters(config).All.Select(p => new CheckpointTensor(p.Name, CheckpointDataType.Float32, [.. p.Shape.Select(e => (long)e)])))
        {
        }

        public string Name { get; } = name;

        public IReadOnlyList<CheckpointTensor> Tensors { get; } = [.. tensors];

        public IReadOnlyDictionary<string, string> Metadata { get; } = new Dictionary<string, string>();

        public CheckpointTensor? Find(string name) => Tensors.FirstOrDefault(t => t.Name == name);

        public void Read(string name, Span<float> destination) => Assert.Fail("Nothing may be read before names and shapes are checked.");

        public void Dispose()
        {
        }

        /// <summary>The same with some tensors changed, or left out where the change gives null.</summary>
        public ShapesOnly Change(Func<CheckpointTensor, CheckpointTensor?> change) => new(Name, Tensors.Select(change).OfType<CheckpointTensor>());
    }
}
