using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Cpu;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Tests.Checkpoints;
using RMeeTo.Vim.Tests.Devices;
using RMeeTo.Vim.Tests.Golden;

namespace RMeeTo.Vim.Tests.Network;

/// <summary>Networks for clips, with two class tokens, and with none. Their values are held to the recorded networks; here is what these do not show.</summary>
[TestClass]
public sealed class NetworkVariantTests
{
    private static readonly Dictionary<string, VimConfig> s_variants = new()
    {
        ["clips"] = SmallNets.Clips,
        ["ends"] = SmallNets.Config with { ClassToken = ClassTokenPosition.Ends, ProjectionBias = true },
        ["mean"] = SmallNets.Config with { ClassToken = ClassTokenPosition.None },
        ["last"] = SmallNets.Config with { ClassToken = ClassTokenPosition.None, Pooling = TokenPooling.Last },
    };

    public static IEnumerable<object[]> Variants => s_variants.Keys.Select(name => new object[] { name });

    /// <summary>1569 tokens, 601 of them left after the published merges; alike on every vector width.</summary>
    [TestMethod]
    public void AClipOfThePublishedSizeRuns()
    {
        var config = VimConfig.VideoMambaTinyVideo;
        var schedule = MergeSchedule.Uniform(config, 88);
        Assert.AreEqual((1569, 601), (schedule.InputTokens, schedule.TokensPerBlock[^1]));
        var weights = VimInitializer.Create(config, 2);
        var random = new Random(3);
        float[] clip = [.. Enumerable.Range(0, config.InputLength).Select(_ => random.NextSingle() * 4 - 2)];
        string[] devices = [.. DevicesUnderTest.Names.Where(name => name.StartsWith("CPU", StringComparison.Ordinal))];
        double[][] dense = [.. devices.Select(name => Logits(name, weights, MergeSchedule.Dense(config), clip))];
        foreach (double[] other in dense) Tolerances.AssertClose("logits", other, dense[0], 1e-4);
        double[] merged = Logits(devices[^1], weights, schedule, clip);
        Assert.IsTrue(merged.All(double.IsFinite));
        CollectionAssert.AreNotEqual(dense[^1], merged);
    }

    /// <summary>An input's result does not depend on those beside it.</summary>
    [TestMethod]
    [DynamicData(nameof(Variants))]
    public void AnInputIsAloneInItsBatch(string variant)
    {
        var config = s_variants[variant];
        var weights = VimInitializer.Create(config, 2, family: InitialisationFamily.Vim);
        var random = new Random(3);
        float[] inputs = [.. Enumerable.Range(0, 3 * config.InputLength).Select(_ => random.NextSingle() * 4 - 2)];
        foreach (var schedule in Schedules(config))
            foreach (string name in DevicesUnderTest.Names)
            {
                double[] together = Logits(name, weights, schedule, inputs);
                for (int i = 0; i < 3; i++)
                    CollectionAssert.AreEqual(Logits(name, weights, schedule, inputs[(i * config.InputLength)..((i + 1) * config.InputLength)]), together[(i * 3)..((i + 1) * 3)], $"{name} {i}");
            }
    }

    [TestMethod]
    [DynamicData(nameof(Variants))]
    public void NothingIsAllocatedOnceWarm(string variant)
    {
        var config = s_variants[variant];
        using var device = CpuDevice.Create();
        using var weights = new DeviceWeights(device, VimInitializer.Create(config, 2), forTraining: true);
        var network = new VimNetwork(weights, Schedules(config)[^1], MergeOptions.Default);
        using var workspace = network.CreateWorkspace(device, 2, forTraining: true);
        using var gradients = new ParameterBuffer(device, weights.Parameters);
        Assert.AreEqual(0, Allocations.OfTen(Pass), "bytes in ten passes");

        void Pass()
        {
            network.Forward(device, workspace, 2);
            device.Loss(new LossWeights(1, 0), workspace.Logits, workspace.Targets, default, 0.5f, workspace.Losses, workspace.LogitsGradient);
            network.Backward(device, workspace, 2, gradients);
        }
    }

    /// <summary>A frame more or less in one tubelet changes nothing that the kernel does not look at: the frames lie where the kernel finds them.</summary>
    [TestMethod]
    public void ATubeletLooksAtItsOwnFrames()
    {
        var config = SmallNets.Clips;
        var weights = VimInitializer.Create(config, 2, family: InitialisationFamily.Vim); // VideoMamba's is so small that hardly a bit of a patch reaches the class token
        var kernel = weights["patch_embed.proj.weight"]; // [8, 3, 2, 4, 4]
        for (int i = 0; i < kernel.Length; i++)
            if (i / 16 % 2 == 0) kernel[i] = 0; // the first frame of every tubelet
        var random = new Random(3);
        float[] clip = [.. Enumerable.Range(0, config.InputLength).Select(_ => random.NextSingle())], other = [.. clip];
        int plane = config.ImageHeight * config.ImageWidth;
        for (int i = 0; i < clip.Length; i++)
            if (i / plane % config.Frames % 2 == 0) other[i] = random.NextSingle();
        string device = DevicesUnderTest.Names[^1];
        CollectionAssert.AreEqual(Logits(device, weights, MergeSchedule.Dense(config), clip), Logits(device, weights, MergeSchedule.Dense(config), other));
        other[plane] += 1; // frame 1, in the patch next to the class token
        CollectionAssert.AreNotEqual(Logits(device, weights, MergeSchedule.Dense(config), clip), Logits(device, weights, MergeSchedule.Dense(config), other));
    }

    [TestMethod]
    public void TokensBetweenTwoClassTokensDoNotMerge()
    {
        var config = s_variants["ends"];
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => MergeSchedule.Uniform(config, 2, interval: 1)).Message, "class token at both ends");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => MergeSchedule.Uniform(config with { Depth = 3 }, int.MaxValue, interval: 1)).Message, "at 2 blocks");
        Assert.IsTrue(MergeSchedule.Uniform(config, 0).IsDense);
    }

    [TestMethod]
    public void ClassRowsThatDoNotFitTheirTablesAreRefused()
    {
        using var device = CpuDevice.Create();
        var (patches, tokens) = (Matrix(6, 4), Matrix(7, 4));
        var tables = new EmbeddingTables { ClassToken = Matrix(1, 4), Positions = Matrix(3, 4), TimePositions = Matrix(3, 4) };
        device.Embed(1, tables, patches, tokens);
        foreach (int row in new[] { -1, 1, 6 }) Assert.ThrowsExactly<ArgumentException>(() => device.Embed(1, tables with { ClassRow = row }, patches, tokens));
        Assert.ThrowsExactly<ArgumentException>(() => device.EmbedGradient(1, tokens, patches, tables with { ClassRow = 2 }));

        DeviceMatrix Matrix(int rows, int columns) => new(device.Allocate(rows * columns), rows, columns);
    }

    /// <summary>The mean over one token, which is left where the image is one patch or all others merged, is that token: the last.</summary>
    [TestMethod]
    [DataRow(4, 0)]
    [DataRow(8, 3)]
    public void TheMeanOfOneTokenIsTheToken(int edge, int merges)
    {
        var mean = SmallNets.Config with { ClassToken = ClassTokenPosition.None, ImageHeight = edge, ImageWidth = edge, Depth = 4 };
        var last = mean with { Pooling = TokenPooling.Last };
        var values = VimInitializer.Create(mean, 2);
        var random = new Random(3);
        float[] inputs = [.. Enumerable.Range(0, 2 * mean.InputLength).Select(_ => random.NextSingle() * 4 - 2)];
        foreach (string name in DevicesUnderTest.Names)
        {
            var (logits, gradient) = Pass(name, mean);
            CollectionAssert.AreNotEqual(logits[..3], logits[3..], "the logits are more than the head's bias");
            var (expected, expectedGradient) = Pass(name, last);
            CollectionAssert.AreEqual(expected, logits, name);
            CollectionAssert.AreEqual(expectedGradient, gradient, name);
            Assert.AreNotEqual(0, gradient[(int)values.Parameters.PatchWeight.Offset], "the gradient reaches the patches");
        }

        (double[] Logits, double[] Gradient) Pass(string deviceName, VimConfig config)
        {
            using var device = DevicesUnderTest.Create(deviceName);
            var weights = new VimWeights(config);
            values.Values.CopyTo(weights.Values, 0);
            using var onDevice = new DeviceWeights(device, weights, forTraining: true);
            var network = new VimNetwork(onDevice, MergeSchedule.Custom(config, [0, merges, merges, merges]), MergeOptions.Default);
            Assert.AreEqual(1, network.Schedule.TokensPerBlock[^1]);
            using var workspace = network.CreateWorkspace(device, 2, forTraining: true);
            using var gradients = new ParameterBuffer(device, onDevice.Parameters);
            workspace.Images.Buffer.Write(inputs);
            workspace.LogitsGradient.Buffer.Write([1, -2, 0.5f, 0.3f, 1, -1]);
            network.Forward(device, workspace, 2);
            network.Backward(device, workspace, 2, gradients);
            return (GoldenRun.Read(workspace.Logits), GoldenRun.Read(new DeviceMatrix(gradients.Values, 1, (int)gradients.Values.Length)));
        }
    }

    private static MergeSchedule[] Schedules(VimConfig config) =>
        config.ClassToken == ClassTokenPosition.Ends ? [MergeSchedule.Dense(config)] : [MergeSchedule.Dense(config), MergeSchedule.Uniform(config, 4, interval: 1)];

    private static double[] Logits(string deviceName, VimWeights weights, MergeSchedule schedule, float[] inputs)
    {
        using var device = DevicesUnderTest.Create(deviceName);
        using var onDevice = new DeviceWeights(device, weights, forTraining: false);
        var network = new VimNetwork(onDevice, schedule, MergeOptions.Default);
        int batch = inputs.Length / weights.Config.InputLength;
        using var workspace = network.CreateWorkspace(device, batch, forTraining: false);
        workspace.Images.Buffer.Write(inputs);
        network.Forward(device, workspace, batch);
        return GoldenRun.Read(workspace.Logits);
    }
}
