using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Cpu;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Tests.Network;

/// <summary>What a network promises beside the right numbers: bits that depend on nothing but image and weights.</summary>
[TestClass]
public sealed class NetworkBitsTests
{
    /// <summary>37 tokens, of a width that is no multiple of a vector.</summary>
    private static readonly VimConfig s_config = new() { ImageHeight = 48, ImageWidth = 48, PatchSize = 8, Stride = 8, Width = 40, Depth = 6, Classes = 7, StateSize = 6, LayerScale = true };

    /// <summary>Weights beyond what a product keeps in the second-level cache: it cuts them and the rows into blocks.</summary>
    private static readonly VimConfig s_wide = s_config with { Width = 272, Depth = 3 };

    public static IEnumerable<object[]> Widths => SimdWidths.Supported.Select(width => new object[] { width.ToString() });

    public static IEnumerable<object[]> WidthsAndOrders =>
        from width in SimdWidths.Supported
        from order in Enum.GetValues<MergeOrder>()
        from reduction in Enum.GetValues<MergeReduction>()
        select new object[] { width.ToString(), order, reduction };

    [TestMethod]
    [DynamicData(nameof(WidthsAndOrders))]
    public void An_image_gives_the_same_bits_whatever_stands_beside_it(string width, MergeOrder order, MergeReduction reduction) =>
        AssertSameBits(width, s_config, new() { Order = order, Reduction = reduction });

    [TestMethod]
    [DynamicData(nameof(MergeVariants.Names), typeof(MergeVariants))]
    public void An_image_gives_the_same_bits_under_every_option(string variant) => AssertSameBits(SimdWidths.Best.ToString(), s_config, MergeVariants.Named(variant));

    [TestMethod]
    [DynamicData(nameof(Widths))]
    public void An_image_gives_the_same_bits_where_products_are_cut_into_blocks(string width) =>
        AssertSameBits(width, s_wide, MergeOptions.Default);

    private static void AssertSameBits(string width, VimConfig config, MergeOptions options)
    {
        using var bench = new Bench(Enum.Parse<SimdWidth>(width), config, MergeSchedule.Uniform(config, 5, merging: options), options, 9, forTraining: false);
        float[][] images = [.. Enumerable.Range(0, 9).Select(i => Bench.Image(config, i))];
        float[][] alone = [.. images.Select(image => bench.Forward([image])[0])];
        Assert.IsTrue(alone.Skip(1).All(logits => !logits.SequenceEqual(alone[0])), "the images differ");
        foreach (int batch in new[] { 9, 4, 2 })
            for (int first = 0; first + batch <= images.Length; first += batch)
            {
                float[][] together = bench.Forward(images[first..(first + batch)]);
                for (int i = 0; i < batch; i++) CollectionAssert.AreEqual(alone[first + i], together[i], $"image {first + i} in a batch of {batch}");
            }
    }

    [TestMethod]
    [DynamicData(nameof(Widths))]
    public void Merging_nothing_is_the_plain_network_bit_for_bit(string width)
    {
        float[] image = Bench.Image(s_config, 1);
        var nothing = MergeSchedule.Uniform(s_config, 0);
        using var plain = new Bench(Enum.Parse<SimdWidth>(width), s_config, MergeSchedule.Dense(s_config), MergeOptions.Default, 1, forTraining: false);
        using var merged = new Bench(Enum.Parse<SimdWidth>(width), s_config, nothing, MergeOptions.Default, 1, forTraining: false);
        using var training = new Bench(Enum.Parse<SimdWidth>(width), s_config, nothing, MergeOptions.Default, 1, forTraining: true);
        CollectionAssert.AreEqual(plain.Forward([image])[0], merged.Forward([image])[0]);
        CollectionAssert.AreEqual(plain.Forward([image])[0], training.Forward([image])[0], "and the same with what training keeps");
    }

    /// <summary>A network of random weights on one device.</summary>
    private sealed class Bench : IDisposable
    {
        private readonly CpuDevice _device;
        private readonly DeviceWeights _weights;
        private readonly VimNetwork _network;
        private readonly Workspace _workspace;

        public Bench(SimdWidth width, VimConfig config, MergeSchedule schedule, MergeOptions options, int capacity, bool forTraining)
        {
            _device = CpuDevice.Create(width);
            _weights = new DeviceWeights(_device, VimInitializer.Create(config, 3), forTraining);
            _network = new VimNetwork(_weights, schedule, options);
            _workspace = _network.CreateWorkspace(_device, capacity, forTraining);
        }

        public static float[] Image(VimConfig config, int seed)
        {
            var random = new Random(seed);
            return [.. Enumerable.Range(0, 3 * config.ImageHeight * config.ImageWidth).Select(_ => 2 * random.NextSingle() - 1)];
        }

        /// <summary>Logits of each image.</summary>
        public float[][] Forward(float[][] images)
        {
            for (int i = 0; i < images.Length; i++) _workspace.Images.Buffer.Write(images[i], (long)i * images[i].Length);
            _network.Forward(_device, _workspace, images.Length);
            var logits = new float[images.Length * _network.Config.Classes];
            _workspace.Logits.Buffer.Read(logits);
            return [.. logits.Chunk(_network.Config.Classes)];
        }

        public void Dispose()
        {
            _workspace.Dispose();
            _weights.Dispose();
            _device.Dispose();
        }
    }
}
