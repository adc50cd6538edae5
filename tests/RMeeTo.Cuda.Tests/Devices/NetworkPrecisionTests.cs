using RMeeTo.Cuda.Tests.Emulation;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Tests.Devices;
using RMeeTo.Vim.Tests.Golden;
using RMeeTo.Vim.Tests.Retraining;

namespace RMeeTo.Cuda.Tests.Devices;

/// <summary>A whole network, forward and backward, with its products in less than single precision.</summary>
[TestClass]
public sealed class NetworkPrecisionTests
{
    /// <summary>Off by about as much as the operands are rounded by (2^-11 and 2^-8), and no more.</summary>
    [TestMethod]
    [DataRow(MatrixPrecision.TensorFloat32, 5e-3)]
    [DataRow(MatrixPrecision.BFloat16, 4e-2)]
    public void Logits_and_gradients_are_off_by_the_rounding_of_operands(MatrixPrecision precision, double tolerance)
    {
        var (logits, gradients) = Pass(precision);
        var (expectedLogits, expectedGradients) = Pass(MatrixPrecision.Float32);
        Tolerances.AssertClose("logits", logits, expectedLogits, tolerance);
        Tolerances.AssertClose("gradients", gradients, expectedGradients, tolerance);
        Assert.IsGreaterThan(1e-4, Tolerances.RelativeError(logits, expectedLogits), "the precision has an effect");
        Assert.IsGreaterThan(1e-4, Tolerances.RelativeError(gradients, expectedGradients), "the precision has an effect");
    }

    private static (double[] Logits, double[] Gradients) Pass(MatrixPrecision precision)
    {
        CppCompiler.Require();
        var cuda = new EmulatedCuda();
        using var context = new CudaContext(cuda, new EmulatedProducts(cuda, precision));
        using var device = new CudaDevice(context);
        using var weights = new DeviceWeights(device, TinyTask.Model().Weights, forTraining: true);
        var network = new VimNetwork(weights, MergeSchedule.Dense(TinyTask.Config), MergeOptions.Default); // another precision may decide otherwise
        using var workspace = network.CreateWorkspace(device, 2, forTraining: true);
        using var gradients = new ParameterBuffer(device, weights.Parameters);
        var random = new Random(1);
        workspace.Images.Buffer.Write([.. Enumerable.Range(0, (int)workspace.Images.Buffer.Length).Select(_ => random.NextSingle() * 4 - 2)]);
        workspace.Targets.Buffer.Write([1, 0, 0, 0, 1, 0], workspace.Targets.Offset);
        network.Forward(device, workspace, 2);
        device.Loss(new LossWeights(1, 0), workspace.Logits, workspace.Targets, default, 0.5f, workspace.Losses, workspace.LogitsGradient);
        network.Backward(device, workspace, 2, gradients);
        var values = new float[weights.Parameters.BufferLength];
        gradients.Values.Read(values);
        return (GoldenRun.Read(workspace.Logits), [.. values.Select(v => (double)v)]);
    }
}
