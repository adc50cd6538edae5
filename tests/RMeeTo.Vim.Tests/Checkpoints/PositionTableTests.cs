using RMeeTo.Vim.Checkpoints;

namespace RMeeTo.Vim.Tests.Checkpoints;

[TestClass]
public sealed class PositionTableTests
{
    [TestMethod]
    [DataRow(ClassTokenPosition.Middle)]
    [DataRow(ClassTokenPosition.First)]
    [DataRow(ClassTokenPosition.Ends)]
    [DataRow(ClassTokenPosition.None)]
    public void EqualSizeChangesNothing(ClassTokenPosition position)
    {
        var config = Grid(5, 3, position);
        float[] table = Random(config);
        CollectionAssert.AreEqual(table, Resize(table, config, config));
    }

    [TestMethod]
    public void TheExampleOfTheOnnxStandardIsMet()
    {
        // Operator Resize, test case resize_upsample_scales_cubic: 1…16 in 4×4 to 8×8, cubic_coeff_a = −0.75, half_pixel.
        var (from, to) = (Grid(4, 4, ClassTokenPosition.First), Grid(8, 8, ClassTokenPosition.First));
        float[] result = Resize([99, .. Enumerable.Range(1, 16).Select(i => (float)i)], from, to);
        float[] row = [0.47265625f, 0.76953125f, 1.24609375f, 1.875f, 2.28125f, 2.91015625f, 3.38671875f, 3.68359375f];
        CollectionAssert.AreEqual(row, result[1..9]);
        Assert.AreEqual(16.52734375f, result[64]);
        Assert.AreEqual(99f, result[0]);
    }

    [TestMethod]
    [DataRow(14, 14, 24, 24)]
    [DataRow(14, 14, 7, 7)]
    [DataRow(14, 14, 10, 21)]
    [DataRow(3, 5, 5, 3)]
    [DataRow(1, 1, 4, 2)]
    [DataRow(4, 6, 1, 1)]
    public void EqualsTheFormula(int fromHeight, int fromWidth, int toHeight, int toWidth)
    {
        foreach (var position in Enum.GetValues<ClassTokenPosition>())
        {
            var (from, to) = (Grid(fromHeight, fromWidth, position, 3), Grid(toHeight, toWidth, position, 3));
            float[] table = Random(from), result = Resize(table, from, to);
            for (int c = 0; c < 3; c++)
            {
                if (to.ClassTokens > 0) Assert.AreEqual(table[from.ClassRow * 3 + c], result[to.ClassRow * 3 + c], "class row");
                if (to.ClassTokens > 1) Assert.AreEqual(table[^(3 - c)], result[^(3 - c)], "last class row");
                for (int y = 0; y < toHeight; y++)
                    for (int x = 0; x < toWidth; x++)
                    {
                        int patch = y * toWidth + x, row = Row(to, patch);
                        Assert.AreEqual(Formula(table, from, to, y, x, c), result[row * 3 + c], 1e-6, $"{position} ({y}, {x})");
                    }
            }
        }
    }

    /// <summary>Σ over all source places of W(distance), W the cubic convolution kernel of Keys (1981), places beyond the edge taking the edge's value.</summary>
    private static double Formula(float[] table, VimConfig from, VimConfig to, int y, int x, int c)
    {
        double sy = (y + 0.5) * from.GridHeight / to.GridHeight - 0.5, sx = (x + 0.5) * from.GridWidth / to.GridWidth - 0.5, sum = 0;
        for (int i = -4; i < from.GridHeight + 4; i++)
            for (int j = -4; j < from.GridWidth + 4; j++)
            {
                int patch = Math.Clamp(i, 0, from.GridHeight - 1) * from.GridWidth + Math.Clamp(j, 0, from.GridWidth - 1);
                sum += Kernel(sy - i) * Kernel(sx - j) * table[Row(from, patch) * 3 + c];
            }
        return sum;

        static double Kernel(double d)
        {
            const double A = -0.75;
            d = Math.Abs(d);
            return d <= 1 ? (A + 2) * d * d * d - (A + 3) * d * d + 1 : d < 2 ? A * d * d * d - 5 * A * d * d + 8 * A * d - 4 * A : 0;
        }
    }

    [TestMethod]
    public void PlacesInTimeAreInterpolatedBetweenNeighbours()
    {
        // Half as many: means of pairs. Twice as many: quarters between neighbours, ends repeated. Two channels of their own.
        CollectionAssert.AreEqual(new[] { 1.5f, -15, 3.5f, -35 }, ResizeTime([1, -10, 2, -20, 3, -30, 4, -40], 4, 2));
        CollectionAssert.AreEqual(new[] { 1f, 1.25f, 1.75f, 2.25f, 2.75f, 3f }, ResizeTime([1, 2, 3], 3, 6));
        CollectionAssert.AreEqual(new[] { 7f, 7, 7, 7, 7 }, ResizeTime([7], 1, 5));
        CollectionAssert.AreEqual(new[] { 1f, 2, 3 }, ResizeTime([1, 2, 3], 3, 3));

        static float[] ResizeTime(float[] table, int from, int to)
        {
            var result = new float[table.Length / from * to];
            PositionTable.ResizeTime(table, from, result, to);
            return result;
        }
    }

    private static int Row(VimConfig config, int patch) => config.ClassToken switch
    {
        ClassTokenPosition.None => patch,
        ClassTokenPosition.Middle => patch + (patch >= config.ClassRow ? 1 : 0),
        _ => patch + 1,
    };

    private static VimConfig Grid(int height, int width, ClassTokenPosition position, int channels = 1) =>
        new() { ImageHeight = 4 * height, ImageWidth = 4 * width, PatchSize = 4, Stride = 4, Width = channels, ClassToken = position };

    private static float[] Random(VimConfig config)
    {
        var random = new Random(7);
        return [.. Enumerable.Range(0, config.Tokens * config.Width).Select(_ => random.NextSingle() - 0.5f)];
    }

    private static float[] Resize(float[] table, VimConfig from, VimConfig to)
    {
        var result = new float[to.Tokens * to.Width];
        PositionTable.Resize(table, from, result, to);
        return result;
    }
}
