using RMeeTo.Vim.Analysis;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Tests.Network;
using RMeeTo.Vim.Tests.Retraining;

namespace RMeeTo.Vim.Tests.Analysis;

/// <summary>Where every token of an image went, under every merge option.</summary>
[TestClass]
public sealed class MergedTokensTests
{
    private static RgbImage Picture { get; } = TinyTask.Images(1, 1).Store.Read(0);

    [TestMethod]
    [DynamicData(nameof(MergeVariants.Names), typeof(MergeVariants))]
    public void EveryRowOfTheEndHasItsTokens(string variant)
    {
        var options = MergeVariants.Named(variant);
        var model = TinyTask.Model().WithSchedule(MergeSchedule.Uniform(TinyTask.Config, 6, interval: 1, merging: options), options);
        var sources = MergedTokens.Trace(model, Picture);
        int removed = model.Schedule.Steps.Sum(step => step.Removed), rows = 37 - removed;
        int[] row = sources.RowOfToken.ToArray();
        Assert.AreEqual(rows, sources.Rows);
        Assert.HasCount(37, row);
        CollectionAssert.AreEqual(Enumerable.Range(0, rows).ToArray(), row.Where(r => r >= 0).Distinct().Order().ToArray(), "no row is empty");
        Assert.AreEqual(options.Reduction == MergeReduction.Prune ? removed : 0, row.Count(r => r < 0), "tokens that are lost");
        Assert.AreEqual(1, row.Count(r => r == row[TinyTask.Config.ClassRow]), "the class token stays alone");
        if (options.ClassPosition == MergeClassPosition.Formula) Assert.AreEqual(model.Schedule.FinalClassRow, row[TinyTask.Config.ClassRow]);
        CollectionAssert.AreEqual(row, MergedTokens.Trace(model, Picture).RowOfToken.ToArray(), "the same picture goes the same way");
    }

    /// <summary>By the formula tokens may come to stand on the other side of the class token; with its exact position those that lead a row never do.</summary>
    [TestMethod]
    public void TheExactClassTokenIsNotPassed()
    {
        var options = new MergeOptions { ClassPosition = MergeClassPosition.Exact, Reduction = MergeReduction.Prune };
        for (int seed = 1; seed <= 5; seed++)
        {
            var model = TinyTask.Model(seed: (ulong)seed).WithSchedule(MergeSchedule.Uniform(TinyTask.Config, 9, interval: 1, merging: options), options);
            int[] rows = [.. MergedTokens.Trace(model, Picture).RowOfToken.ToArray().Where(r => r >= 0)];
            CollectionAssert.AreEqual(rows.Order().ToArray(), rows, "every token that is left keeps its place, the class token too");
        }
    }
}
