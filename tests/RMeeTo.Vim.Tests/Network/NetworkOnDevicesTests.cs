using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Reference;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Tests.Devices;
using RMeeTo.Vim.Tests.Golden;
using RMeeTo.Vim.Tests.Retraining;

namespace RMeeTo.Vim.Tests.Network;

/// <summary>Whole networks on every device: decisions, and merges that change nothing.</summary>
[TestClass]
public sealed class NetworkOnDevicesTests
{
    public static IEnumerable<object[]> Devices => DevicesUnderTest.Names.Select(name => new object[] { name });

    /// <summary>What the golden data do not know is held to the reference device: every decision equal, logits close.</summary>
    [TestMethod]
    [DynamicData(nameof(MergeVariants.Names), typeof(MergeVariants))]
    public void EveryDeviceDecidesAsTheReferenceDoes(string variant)
    {
        var options = MergeVariants.Named(variant);
        var (expected, logits) = Decisions(new ReferenceDevice());
        Assert.IsTrue(expected.Where((_, i) => i % 37 == 0).Any(row => row != 0), "there are decisions");
        foreach (string name in DevicesUnderTest.Names)
        {
            var (actual, close) = Decisions(DevicesUnderTest.Create(name));
            CollectionAssert.AreEqual(expected, actual, name);
            Tolerances.AssertClose($"{name}: logits", close, logits, 1e-4);
        }

        (int[] Rows, double[] Logits) Decisions(VimDevice created)
        {
            using var device = created;
            var config = TinyTask.Config;
            using var weights = new DeviceWeights(device, VimInitializer.Create(config, 2), forTraining: false);
            var network = new VimNetwork(weights, MergeSchedule.Uniform(config, 6, interval: 1, merging: options), options);
            using var workspace = network.CreateWorkspace(device, 3, forTraining: false);
            var random = new Random(4);
            workspace.Images.Buffer.Write([.. Enumerable.Range(0, (int)workspace.Images.Buffer.Length).Select(_ => random.NextSingle() * 4 - 2)]);
            network.Forward(device, workspace, 3);
            var all = new List<int>();
            foreach (var plan in workspace.Plans.OfType<MergePlan>())
                for (int image = 0; image < 3; image++)
                {
                    var rows = new int[plan.Step.TokensIn];
                    plan.Read(image, rows, new float[rows.Length]);
                    all.AddRange(rows);
                }
            return ([.. all], GoldenRun.Read(workspace.Logits));
        }
    }

    /// <summary>
    /// A picture of one colour, a class token like its patches, no positions, and mixers that look at one token at a time: all tokens are equal, so the mean of
    /// any of them is the same token.
    /// </summary>
    [TestMethod]
    [DynamicData(nameof(Devices))]
    public void MergingEqualTokensLeavesTheFeaturesAsTheyAre(string deviceName)
    {
        using var device = DevicesUnderTest.Create(deviceName);
        var config = TinyTask.Config;
        var weights = VimInitializer.Create(config, 1);
        weights["pos_embed"].Clear();
        weights["patch_embed.proj.weight"].Clear();
        weights["cls_token"].CopyTo(weights["patch_embed.proj.bias"]);
        foreach (var direction in weights.Parameters.Blocks.SelectMany(block => new[] { block.Forward, block.Backward }))
        {
            weights[direction.ALog].Fill(20); // a state that is forgotten at once
            for (int i = 0; i < direction.ConvWeight.Length; i++)
                if (i % 4 != 3) weights[direction.ConvWeight][i] = 0;
        }
        double[] plain = Features(0), merged = Features(9);
        Assert.IsGreaterThan(1e-3, plain.Max(Math.Abs));
        Tolerances.AssertClose("features", merged, plain, 1e-5);

        double[] Features(int tokensPerMerge)
        {
            using var onDevice = new DeviceWeights(device, weights, forTraining: false);
            var network = new VimNetwork(onDevice, MergeSchedule.Uniform(config, tokensPerMerge, interval: 1), MergeOptions.Default);
            using var workspace = network.CreateWorkspace(device, 1, forTraining: false);
            network.Forward(device, workspace, 1);
            return GoldenRun.Read(workspace.Features);
        }
    }
}
