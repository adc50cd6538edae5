using RMeeTo.Cuda.Tests.Runtime;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Tests.Network;
using RMeeTo.Vim.Tests.Retraining;

namespace RMeeTo.Cuda.Tests.Devices;

/// <summary>Operators allocate neither managed memory nor memory of the GPU once warm: a step may be recorded.</summary>
[TestClass]
public sealed class AllocationTests
{
    public static IEnumerable<object[]> Passes =>
        from precision in Enum.GetValues<MatrixPrecision>()
        from training in new[] { false, true }
        select new object[] { precision, training };

    [TestMethod]
    [DynamicData(nameof(Passes))]
    public void Nothing_is_allocated_once_warm(MatrixPrecision precision, bool training) => Check(precision, training, MergeOptions.Default);

    [TestMethod]
    [DynamicData(nameof(MergeVariants.Names), typeof(MergeVariants))]
    public void Nothing_is_allocated_under_any_option(string variant) => Check(MatrixPrecision.Float32, training: true, MergeVariants.Named(variant));

    private static void Check(MatrixPrecision precision, bool training, MergeOptions options)
    {
        var gpu = new LaunchRecorder { Precision = precision };
        using var device = new CudaDevice(new CudaContext(gpu, gpu));
        using var weights = new DeviceWeights(device, TinyTask.Model().Weights, forTraining: true);
        var network = new VimNetwork(weights, MergeSchedule.Uniform(TinyTask.Config, 5, interval: 1, merging: options), options);
        using var workspace = network.CreateWorkspace(device, 2, training);
        using ParameterBuffer gradients = new(device, weights.Parameters), first = new(device, weights.Parameters), second = new(device, weights.Parameters);
        Pass();
        long warm = gpu.Allocations;
        Assert.AreEqual(0, Allocations.OfTen(Pass), "managed bytes in ten passes");
        Assert.AreEqual(warm, gpu.Allocations, "allocations on the GPU");

        void Pass()
        {
            network.Forward(device, workspace, 2);
            if (!training) return;
            device.Loss(new LossWeights(1, 0), workspace.Logits, workspace.Targets, default, 0.5f, workspace.Losses, workspace.LogitsGradient);
            network.Backward(device, workspace, 2, gradients);
            device.AdamW(new AdamWStep(1, 1e-3, 0.9, 0.999, 1e-8, 0.05),
                weights.Values, gradients.Values, first.Values, second.Values, 0, weights.Parameters.BufferLength);
            for (int i = 0; i < weights.Linear.Count; i++) device.Refresh(weights.Linear[i]);
        }
    }
}
