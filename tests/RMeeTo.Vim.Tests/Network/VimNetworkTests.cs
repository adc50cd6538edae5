using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Cpu;
using RMeeTo.Vim.Devices.Reference;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Tests.Devices;
using RMeeTo.Vim.Tests.Golden;
using RMeeTo.Vim.Tests.Retraining;

namespace RMeeTo.Vim.Tests.Network;

/// <summary>The whole network: gradient, merges that change nothing, memory.</summary>
[TestClass]
public sealed class VimNetworkTests
{
    /// <summary>Central differences in double, three values of every parameter, both parts of the loss.</summary>
    [TestMethod]
    [DataRow(MergeReduction.Merge, MergeOrder.Original, NormKind.Rms, false, ClassTokenPosition.Middle)]
    [DataRow(MergeReduction.Prune, MergeOrder.OddEven, NormKind.Layer, true, ClassTokenPosition.First)]
    [DataRow(MergeReduction.Merge, MergeOrder.Original, NormKind.Rms, false, ClassTokenPosition.First, 4, 2)]
    [DataRow(MergeReduction.Merge, MergeOrder.Original, NormKind.Layer, false, ClassTokenPosition.Ends)]
    [DataRow(MergeReduction.Merge, MergeOrder.Original, NormKind.Rms, true, ClassTokenPosition.None, 0, 1, TokenPooling.Mean)]
    [DataRow(MergeReduction.Merge, MergeOrder.Original, NormKind.Rms, false, ClassTokenPosition.None, 0, 1, TokenPooling.Last)]
    public void GradientIsTheDifferenceQuotient(
        MergeReduction reduction, MergeOrder order, NormKind norm, bool layerScale, ClassTokenPosition classToken, int frames = 0, int tubelet = 1,
        TokenPooling pooling = TokenPooling.Mean) =>
        CheckGradient(new() { Reduction = reduction, Order = order }, norm, layerScale, classToken, frames, tubelet, pooling);

    [TestMethod]
    [DynamicData(nameof(MergeVariants.Names), typeof(MergeVariants))]
    public void GradientIsTheDifferenceQuotientUnderEveryOption(string variant) =>
        CheckGradient(MergeVariants.Named(variant), NormKind.Rms, false, ClassTokenPosition.Middle);

    [TestMethod]
    [DynamicData(nameof(MergeVariants.Names), typeof(MergeVariants))]
    public void GradientIsTheDifferenceQuotientWithDroppedBranches(string variant) =>
        CheckGradient(MergeVariants.Named(variant), NormKind.Layer, true, ClassTokenPosition.Middle, dropPath: 0.6);

    [TestMethod]
    [DataRow(ClassTokenPosition.First, 4, 2, TokenPooling.Mean)]
    [DataRow(ClassTokenPosition.Ends, 0, 1, TokenPooling.Mean)]
    [DataRow(ClassTokenPosition.None, 0, 1, TokenPooling.Mean)]
    [DataRow(ClassTokenPosition.None, 0, 1, TokenPooling.Last)]
    public void GradientIsTheDifferenceQuotientWithDroppedBranchesOfEveryHead(ClassTokenPosition classToken, int frames, int tubelet, TokenPooling pooling) =>
        CheckGradient(MergeOptions.Default, NormKind.Rms, false, classToken, frames, tubelet, pooling, dropPath: 0.6);

    private static void CheckGradient(MergeOptions options, NormKind norm, bool layerScale, ClassTokenPosition classToken, int frames = 0, int tubelet = 1,
        TokenPooling pooling = TokenPooling.Mean, double dropPath = 0)
    {
        var config = new VimConfig
        {
            ImageHeight = 12, ImageWidth = 16, PatchSize = 4, Stride = 4, Width = 6, Depth = 3, StateSize = 3, Classes = 4, Norm = norm,
            LayerScale = layerScale, ClassToken = classToken, Frames = frames, TubeletSize = tubelet, Pooling = pooling,
            ProjectionBias = norm == NormKind.Layer,
        };
        int removed = classToken is ClassTokenPosition.Ends ? 0 : 2;
        var values = VimInitializer.Create(config, 3, layerScale: 0.7f);
        var random = new Random(5);
        foreach (ref float value in values.Values.AsSpan()) value += (random.NextSingle() - 0.5f) * 0.4f; // no value is zero, no two are equal
        using var device = new ReferenceDevice();
        using var weights = new DeviceWeights(device, values, forTraining: true);
        var network = new VimNetwork(weights, MergeSchedule.Uniform(config, removed, interval: 1, merging: options), options);
        using var workspace = network.CreateWorkspace(device, 2, forTraining: true, new DropPath(dropPath));
        if (dropPath > 0) DropDifferentBranches(workspace, config.Depth);
        using var teacher = device.Allocate(2 * config.Classes);
        foreach (var buffer in new[] { workspace.Images.Buffer, teacher })
            buffer.Write([.. Enumerable.Range(0, (int)buffer.Length).Select(_ => random.NextSingle() * 2 - 1)]);
        workspace.Targets.Buffer.Write([0.1f, 0.7f, 0.1f, 0.1f, 0.4f, 0, 0.6f, 0]);

        Loss();
        using var gradients = new ParameterBuffer(device, weights.Parameters);
        network.Backward(device, workspace, 2, gradients);
        double[] gradient = ((ReferenceBuffer)gradients.Values).Values, at = ((ReferenceBuffer)weights.Values).Values;
        foreach (var parameter in weights.Parameters.All)
            for (int k = 0; k < 3; k++)
            {
                long i = parameter.Offset + random.Next(parameter.Length);
                const double Step = 1e-5;
                double before = at[i];
                at[i] = before + Step;
                double above = Loss();
                at[i] = before - Step;
                double below = Loss();
                at[i] = before;
                double tolerance = 1e-8 * Math.Max(1, Math.Abs(gradient[i]) * 10);
                Assert.AreEqual((above - below) / (2 * Step), gradient[i], tolerance, $"{parameter.Name} [{i - parameter.Offset}]");
            }

        double Loss()
        {
            foreach (var linear in weights.Linear) device.Refresh(linear);
            network.Forward(device, workspace, 2);
            var taught = new DeviceMatrix(teacher, 2, config.Classes);
            device.Loss(new LossWeights(1, 0.5f), workspace.Logits, workspace.Targets, taught, 0.5f, workspace.Losses, workspace.LogitsGradient);
            return GoldenRun.Read(workspace.Losses).Average();
        }
    }

    /// <summary>Gives two images keys with which the first loses the last branch but one and the second the last.</summary>
    private static void DropDifferentBranches(Workspace workspace, int depth)
    {
        for (int image = 0; image < 2; image++)
            for (int sample = 0; ; sample++)
            {
                workspace.SetSampleKey(image, new SampleKey(1, 0, sample));
                workspace.DrawChoices(2);
                double before = GoldenRun.Read(workspace.BranchFactors(depth - 1, 2))[image], last = GoldenRun.Read(workspace.BranchFactors(depth, 2))[image];
                if ((before == 0, last == 0) == (image == 0, image == 1)) break;
            }
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void NothingIsAllocatedOnceWarm(bool training) => CheckAllocations(training, MergeOptions.Default);

    [TestMethod]
    [DynamicData(nameof(MergeVariants.Names), typeof(MergeVariants))]
    public void NothingIsAllocatedUnderAnyOption(string variant) => CheckAllocations(training: true, MergeVariants.Named(variant));

    private static void CheckAllocations(bool training, MergeOptions options)
    {
        using var device = CpuDevice.Create();
        using var pass = new TinyPass(device, training, options);
        Assert.AreEqual(0, Allocations.OfTen(pass.Run), "bytes in ten passes");
    }

    /// <summary>With fewer tokens it would run, and read rows of other tokens.</summary>
    [TestMethod]
    public void AScheduleForAnotherNetworkIsRefused()
    {
        using var device = CpuDevice.Create();
        using var weights = new DeviceWeights(device, TinyTask.Model().Weights, forTraining: false);
        var config = TinyTask.Config;
        VimConfig[] others =
        [
            config with { ImageHeight = config.PatchSize }, config with { ClassToken = ClassTokenPosition.First }, config with { Depth = config.Depth + 1 },
        ];
        foreach (var other in others)
        {
            var schedule = MergeSchedule.Uniform(other, 1);
            var thrown = Assert.ThrowsExactly<ArgumentException>(() => new VimNetwork(weights, schedule, MergeOptions.Default));
            StringAssert.Contains(thrown.Message,
                $"The schedule is for {other.Tokens} tokens, class row {other.ClassRow}, {other.Depth} blocks; the network has {config.Tokens}");
        }
    }

    [TestMethod]
    public void ABatchThatDoesNotFitAndTrainingWithoutRoomAreRefused()
    {
        using var device = CpuDevice.Create();
        using var weights = new DeviceWeights(device, TinyTask.Model().Weights, forTraining: true);
        var network = new VimNetwork(weights, MergeSchedule.Dense(TinyTask.Config), MergeOptions.Default);
        using var workspace = network.CreateWorkspace(device, 2, forTraining: false);
        using var gradients = new ParameterBuffer(device, weights.Parameters);
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => network.Forward(device, workspace, 3)).Message,
            "The batch has 3 images; the workspace has room for 1 to 2.");
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => network.Forward(device, workspace, 0));
        Assert.ThrowsExactly<InvalidOperationException>(() => network.Backward(device, workspace, 1, gradients));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => network.CreateWorkspace(device, 0, forTraining: false));
        var merged = new VimNetwork(weights, MergeSchedule.Uniform(TinyTask.Config, 2), MergeOptions.Default);
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => merged.Forward(device, workspace, 1)).Message, "laid out for other merges");
    }
}
