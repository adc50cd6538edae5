using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Devices.Reference;
using RMeeTo.Vim.Tests.Devices;

namespace RMeeTo.Vim.Tests.Network;

/// <summary>Networks, merge options and schedules drawn at random, down to one patch and one token left: what no list of cases holds.</summary>
[TestClass]
public sealed class RandomNetworkTests
{
    public static IEnumerable<object[]> Devices => DevicesUnderTest.Names.Select(name => new object[] { name });

    /// <summary>
    /// Logits and gradients are the reference device's, an input's do not depend on those beside it, and training computes what inference does.
    /// </summary>
    [TestMethod]
    [DynamicData(nameof(Devices))]
    public void ADeviceComputesWhatTheReferenceDoes(string deviceName)
    {
        foreach (var net in RandomNet.Draw(seed: 6, count: 50))
        {
            using var reference = new ReferenceDevice();
            using var device = DevicesUnderTest.Create(deviceName);
            using RandomNetPass expected = new(reference, net, 3, training: true), actual = new(device, net, 3, training: true);
            using var inference = new RandomNetPass(device, net, 3, training: false);
            double[] logits = inference.Logits();
            AssertClose(expected.Logits(), logits, 1e-3, net);
            AssertClose(expected.Gradient(), actual.Gradient(), 3e-3, net);
            Tolerances.AssertSame(deviceName, actual.Logits(), logits, net.ToString());
            for (int i = 0; i < 3; i++)
            {
                using var alone = new RandomNetPass(device, net, 1, training: false, first: i);
                int classes = net.Values.Config.Classes;
                Tolerances.AssertSame(deviceName, alone.Logits(), logits[(i * classes)..((i + 1) * classes)], $"{i} of {net}");
            }
        }
    }

    private static void AssertClose(double[] expected, double[] actual, double tolerance, RandomNet net)
    {
        double largest = Math.Max(1e-2, expected.Max(Math.Abs));
        for (int i = 0; i < expected.Length; i++) Assert.AreEqual(expected[i], actual[i], tolerance * largest, $"{i} of {net}");
    }
}
