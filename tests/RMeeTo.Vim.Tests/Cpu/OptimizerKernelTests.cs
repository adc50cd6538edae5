using RMeeTo.Vim.Devices;

namespace RMeeTo.Vim.Tests.Cpu;

[TestClass]
public sealed unsafe class OptimizerKernelTests
{
    [TestMethod]
    [DataRow(512)]
    [DataRow(256)]
    [DataRow(128)]
    public void AdamWMatchesTheFormulas(int bits)
    {
        for (var count = 0; count <= 40; count++)
        {
            using var arena = new Arena(count);
            Matrix p = arena.Vector(count), m = arena.Vector(count), v = arena.Vector(count, 0, 1);
            double[] expectedP = p.ToDouble(), expectedM = m.ToDouble(), expectedV = v.ToDouble();
            for (var t = 1; t <= 3; t++)
            {
                var step = new AdamWStep(t, 1e-2, 0.9, 0.999, 1e-8, 0.05);
                var g = arena.Vector(count);
                Kernels.Of(bits).AdamW(step, p.Pointer, g.Pointer, m.Pointer, v.Pointer, count);
                for (var i = 0; i < count; i++)
                {
                    expectedP[i] *= 1 - step.LearningRate * step.WeightDecay;
                    expectedM[i] += (g[0, i] - expectedM[i]) * (1 - step.Beta1);
                    expectedV[i] = step.Beta2 * expectedV[i] + (1 - step.Beta2) * g[0, i] * g[0, i];
                    var deviation = Math.Sqrt(expectedV[i]) / Math.Sqrt(1 - Math.Pow(step.Beta2, t)) + step.Epsilon;
                    expectedP[i] -= step.LearningRate / (1 - Math.Pow(step.Beta1, t)) * expectedM[i] / deviation;
                }
            }

            p.AssertClose(expectedP, 1e-6, $"values, {count}");
            m.AssertClose(expectedM, 1e-6, $"first moment, {count}");
            v.AssertClose(expectedV, 1e-6, $"second moment, {count}");
            arena.AssertGuards();
        }
    }

    [TestMethod]
    [DataRow(512)]
    [DataRow(256)]
    [DataRow(128)]
    public void AdamWDoesNotDependOnHowARangeIsCut(int bits)
    {
        using Arena whole = new(3), cut = new(3);
        const int count = 53;
        Matrix[] a = [whole.Vector(count), whole.Vector(count), whole.Vector(count), whole.Vector(count, 0, 1)], b = [cut.Vector(count), cut.Vector(count), cut.Vector(count), cut.Vector(count, 0, 1)];
        var step = new AdamWStep(5, 1e-2, 0.9, 0.999, 1e-8, 0.05);
        Kernels.Of(bits).AdamW(step, a[0].Pointer, a[1].Pointer, a[2].Pointer, a[3].Pointer, count);
        for (var start = 0; start < count; start += 11)
            Kernels.Of(bits).AdamW(step, b[0].Pointer + start, b[1].Pointer + start, b[2].Pointer + start, b[3].Pointer + start, Math.Min(11, count - start));
        for (var k = 0; k < 4; k++) CollectionAssert.AreEqual(a[k].ToDouble(), b[k].ToDouble());
    }

    [TestMethod]
    [DataRow(512)]
    [DataRow(256)]
    [DataRow(128)]
    public void LanesAreAddedInOrder(int bits)
    {
        var sources = stackalloc float*[16];
        for (var lanes = 0; lanes <= 9; lanes++)
            foreach (var count in new[] { 0, 1, 7, 16, 45 })
            {
                using var arena = new Arena(lanes);
                var destination = arena.Vector(count);
                var expected = new float[count];
                for (var lane = 0; lane < lanes; lane++)
                {
                    var source = arena.Vector(count);
                    sources[lane] = source.Pointer;
                    for (var i = 0; i < count; i++) expected[i] = lane == 0 ? source[0, i] : expected[i] + source[0, i];
                }

                Kernels.Of(bits).SumLanes(sources, lanes, destination.Pointer, count);
                CollectionAssert.AreEqual(expected.Select(x => (double)x).ToArray(), destination.ToDouble());
                arena.AssertGuards();
            }
    }
}
