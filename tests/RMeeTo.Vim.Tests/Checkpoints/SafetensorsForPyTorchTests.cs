using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using RMeeTo.Vim.Checkpoints;
using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Tests.Checkpoints;

/// <summary>
/// What PyTorch's loader of safetensors relies on, held against the bytes of our files: the header's form, the names of the official state dict in its
/// shapes, row-major single precision without gaps, and the text "format". PyTorch itself does not run here.
/// </summary>
[TestClass]
public sealed class SafetensorsForPyTorchTests
{
    private static readonly VimWeights s_weights = VimInitializer.Create(SmallNets.Config, seed: 5);

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void AFileOfOursIsAStateDictOfTheirs(bool wholeModel)
    {
        var stream = new MemoryStream();
        if (wholeModel) new VimModel(s_weights, ["a", "b", "ü\""]).Save(stream);
        else VimCheckpoint.Save(stream, s_weights, new Dictionary<string, string> { ["note"] = "mine" });
        byte[] file = stream.ToArray();

        int length = checked((int)BinaryPrimitives.ReadUInt64LittleEndian(file));
        Assert.AreEqual(0, length % 8, "the data should begin at a multiple of 8");
        Assert.AreEqual((byte)'{', file[8]);
        string text = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(file, 8, length);
        Assert.AreEqual(text.TrimEnd(' '), text.TrimEnd(), "the padding must be spaces");
        var root = JsonDocument.Parse(text).RootElement;
        var metadata = root.GetProperty("__metadata__");
        Assert.AreEqual("pt", metadata.GetProperty("format").GetString());
        Assert.IsTrue(metadata.EnumerateObject().All(p => p.Value.ValueKind == JsonValueKind.String), "only texts are allowed");

        long end = 0;
        var names = new List<string>();
        foreach (var entry in root.EnumerateObject().Where(p => p.Name != "__metadata__"))
        {
            names.Add(entry.Name);
            CollectionAssert.AreEquivalent(new[] { "dtype", "shape", "data_offsets" }, entry.Value.EnumerateObject().Select(p => p.Name).ToArray());
            Assert.AreEqual("F32", entry.Value.GetProperty("dtype").GetString());
            long[] shape = Numbers(entry.Value, "shape"), place = Numbers(entry.Value, "data_offsets");
            Assert.AreEqual(end, place[0], $"{entry.Name} must follow without a gap");
            Assert.AreEqual(4 * shape.Aggregate(1L, (a, b) => a * b), place[1] - place[0], entry.Name);
            end = place[1];
            CollectionAssert.AreEqual(OfficialShape(entry.Name), shape, entry.Name);
            var values = s_weights[entry.Name];
            for (int i = 0; i < values.Length; i++)
                Assert.AreEqual(values[i], BinaryPrimitives.ReadSingleLittleEndian(file.AsSpan(8 + length + (int)place[0] + 4 * i)), $"{entry.Name}[{i}]");
        }
        Assert.AreEqual(file.Length, 8 + length + end, "nothing may follow the last tensor");
        CollectionAssert.AreEquivalent(OfficialNames.ToArray(), names);
    }

    private static long[] Numbers(JsonElement entry, string field) => [.. entry.GetProperty(field).EnumerateArray().Select(e => e.GetInt64())];

    // The state dict of spec 1.1, written out here so that the product's own list is not the judge of itself.
    private static IEnumerable<string> OfficialNames =>
    [
        "cls_token", "pos_embed", "patch_embed.proj.weight", "patch_embed.proj.bias", "norm_f.weight", "head.weight", "head.bias",
        .. Enumerable.Range(0, SmallNets.Config.Depth).SelectMany(i => ((string[])[
            "mixer.A_log", "mixer.A_b_log", "mixer.D", "mixer.D_b", "mixer.in_proj.weight", "mixer.out_proj.weight", "norm.weight",
            "mixer.conv1d.weight", "mixer.conv1d.bias", "mixer.conv1d_b.weight", "mixer.conv1d_b.bias", "mixer.x_proj.weight", "mixer.x_proj_b.weight",
            "mixer.dt_proj.weight", "mixer.dt_proj.bias", "mixer.dt_proj_b.weight", "mixer.dt_proj_b.bias",
        ]).Select(name => $"layers.{i}.{name}")),
    ];

    // C = 8, Di = 16, N = 4, K = 4, R = 1, 16 patches of 4×4, 3 classes.
    private static long[] OfficialShape(string name) => (name.StartsWith("layers.") ? name[(name.IndexOf('.', 7) + 1)..] : name) switch
    {
        "cls_token" => [1, 1, 8],
        "pos_embed" => [1, 17, 8],
        "patch_embed.proj.weight" => [8, 3, 4, 4],
        "head.weight" => [3, 8],
        "head.bias" => [3],
        "mixer.A_log" or "mixer.A_b_log" => [16, 4],
        "mixer.in_proj.weight" => [32, 8],
        "mixer.conv1d.weight" or "mixer.conv1d_b.weight" => [16, 1, 4],
        "mixer.x_proj.weight" or "mixer.x_proj_b.weight" => [9, 16],
        "mixer.dt_proj.weight" or "mixer.dt_proj_b.weight" => [16, 1],
        "mixer.out_proj.weight" => [8, 16],
        "patch_embed.proj.bias" or "norm_f.weight" or "norm.weight" => [8],
        _ => [16],
    };
}
