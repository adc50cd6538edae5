using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Tests.Devices;

namespace RMeeTo.Vim.Tests.Network;

[TestClass]
public sealed class LastBlockTests
{
    private static readonly VimConfig s_config = new() { ImageHeight = 24, ImageWidth = 24, PatchSize = 4, Stride = 4, Width = 20, Depth = 3, StateSize = 4, Classes = 5, LayerScale = true };

    public static IEnumerable<object[]> Cases() =>
        from device in DevicesUnderTest.Names
        from removed in new[] { 0, 7 }
        from position in Enum.GetValues<ClassTokenPosition>()
        from moves in Enum.GetValues<MergeClassPosition>()
        where removed == 0 || position != ClassTokenPosition.Ends && (position != ClassTokenPosition.None || moves == MergeClassPosition.Formula)
        select new object[] { device, removed, position, moves };

    /// <summary>Inference computes only the class row of the last block; an observer sees all rows, and so does training. The logits are the same bit for bit.</summary>
    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void TheShortcutOfTheLastBlockKeepsEveryBit(string deviceName, int removed, ClassTokenPosition position, MergeClassPosition moves)
    {
        using var device = DevicesUnderTest.Create(deviceName);
        var config = s_config with { ClassToken = position, Pooling = TokenPooling.Last };
        using var weights = new DeviceWeights(device, VimInitializer.Create(config, 3, layerScale: 0.5f), forTraining: true);
        var network = new VimNetwork(weights, MergeSchedule.Uniform(config, removed, interval: 1), new() { ClassPosition = moves });

        double[] quick = Logits(network, device, forTraining: false, null);
        Tolerances.AssertSame(deviceName, Logits(network, device, forTraining: false, (_, _, _, _) => { }), quick, "with an observer");
        Tolerances.AssertSame(deviceName, Logits(network, device, forTraining: true, null), quick, "in training");
    }

    private static double[] Logits(VimNetwork network, VimDevice device, bool forTraining, BlockObserver? observer)
    {
        const int batch = 3;
        using var workspace = network.CreateWorkspace(device, batch, forTraining);
        var random = new Random(5);
        var images = new float[batch * 3 * network.Config.ImageHeight * network.Config.ImageWidth];
        for (int i = 0; i < images.Length; i++) images[i] = 2 * random.NextSingle() - 1;
        workspace.Images.Buffer.Write(images);
        network.Forward(device, workspace, batch, observer);
        var logits = new float[batch * network.Config.Classes];
        workspace.Logits.Buffer.Read(logits);
        Assert.IsTrue(logits.All(float.IsFinite));
        return Array.ConvertAll(logits, logit => (double)logit);
    }
}
