using RMeeTo.Vim.Devices.Reference;

namespace RMeeTo.Vim.Tests.Network;

/// <summary>The gradient of networks drawn at random, on the reference device.</summary>
[TestClass]
public sealed class RandomNetworkGradientTests
{
    /// <summary>The derivative along a random direction of all parameters together, by central differences in double.</summary>
    [TestMethod]
    public void TheGradientIsTheDerivativeAlongAnyDirection()
    {
        int merges = 0;
        foreach (var net in RandomNet.Draw(seed: 9, count: 80))
        {
            using var device = new ReferenceDevice();
            using var pass = new RandomNetPass(device, net, batch: 2, training: true);
            double[] at = ((ReferenceBuffer)pass.Weights.Values).Values, start = [.. at], direction = new double[at.Length];
            var random = new Random(net.Seed);
            foreach (var p in net.Values.Parameters.All)
                for (int i = 0; i < p.Length; i++) direction[p.Offset + i] = random.NextDouble() - 0.5;
            double[] gradient = pass.Gradient();
            double expected = (Loss(1e-6) - Loss(-1e-6)) / 2e-6, actual = gradient.Zip(direction, (g, d) => g * d).Sum();
            double size = Math.Sqrt(gradient.Zip(direction, (g, d) => g * d * g * d).Sum());
            Assert.AreEqual(expected, actual, 1e-5 * (size + 1e-3), net.ToString());
            merges += net.Schedule.Steps.Count;

            double Loss(double step)
            {
                for (int i = 0; i < at.Length; i++) at[i] = start[i] + step * direction[i];
                foreach (var linear in pass.Weights.Linear) device.Refresh(linear);
                return pass.Logits().Zip(net.LogitsGradient, (x, g) => x * g).Sum();
            }
        }
        Assert.IsGreaterThan(60, merges);
    }
}
