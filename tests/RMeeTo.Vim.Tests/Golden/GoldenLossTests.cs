using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Tests.Devices;

namespace RMeeTo.Vim.Tests.Golden;

/// <summary>The training loss of every device against the official losses: mean over the images, and its gradient.</summary>
[TestClass]
[TestCategory("Golden")]
public sealed class GoldenLossTests
{
    private const double Smoothing = 0.1;

    public static IEnumerable<object[]> Cases => from device in DevicesUnderTest.Names
                                                 from name in new[] { "cross_entropy", "label_smoothing_0.1", "soft_target", "distill_soft_w1_0.5", "distill_smooth_w1_0.5" }
                                                 select new object[] { device, name };

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Loss_agrees(string deviceName, string name)
    {
        GoldenData.Require();
        GoldenFile file = GoldenData.File("losses.safetensors");
        using VimDevice device = DevicesUnderTest.Create(deviceName);
        DeviceMatrix logits = device.Matrix(file, "logits");
        var (images, classes) = (logits.Rows, logits.Columns);
        DeviceMatrix targets = name.Contains("soft_") ? device.Matrix(file, "soft_targets") : device.Matrix(images, classes, Targets(file, classes, name.Contains("smooth") ? Smoothing : 0));
        bool distil = name.StartsWith("distill", StringComparison.Ordinal);
        DeviceMatrix losses = device.Matrix(images, 1), gradient = device.Matrix(images, classes);
        device.Loss(new LossWeights(1, distil ? 0.5f : 0), logits, targets, distil ? device.Matrix(file, "teacher_logits") : default, 1f / images, losses, gradient);

        string group = $"{deviceName}, losses";
        GoldenReport.AssertClose(group, "loss", [losses.Values().Average()], file[$"{name}.loss"].Values, Tolerances.Forward);
        GoldenReport.AssertClose(group, "grad", gradient.Values(), file[$"{name}.grad"].Values, Tolerances.Gradient);
    }

    /// <summary>1 − smoothing on the label, and smoothing spread evenly over all classes.</summary>
    private static double[] Targets(GoldenFile file, int classes, double smoothing)
    {
        double[] labels = file["labels"].Values;
        var targets = new double[labels.Length * classes];
        for (int i = 0; i < targets.Length; i++)
            targets[i] = smoothing / classes + (labels[i / classes] == i % classes ? 1 - smoothing : 0);
        return targets;
    }
}
