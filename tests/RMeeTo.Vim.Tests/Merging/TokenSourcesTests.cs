using RMeeTo.Vim.Merging;

namespace RMeeTo.Vim.Tests.Merging;

[TestClass]
public sealed class TokenSourcesTests
{
    [TestMethod]
    public void Tokens_are_followed_through_two_merges()
    {
        var sources = new TokenSources(5);
        CollectionAssert.AreEqual(new[] { 0, 1, 2, 3, 4 }, sources.RowOfToken.ToArray());
        sources.Apply([0, 1, 0, 2, 3], 4); // token 2 joins token 0
        CollectionAssert.AreEqual(new[] { 0, 1, 0, 2, 3 }, sources.RowOfToken.ToArray());
        sources.Apply([1, 0, 1, 2], 3); // the row of tokens 0 and 2 meets the row of token 3
        CollectionAssert.AreEqual(new[] { 1, 0, 1, 1, 2 }, sources.RowOfToken.ToArray());
        Assert.AreEqual(3, sources.Rows);
    }

    [TestMethod]
    public void A_pruned_token_stays_pruned()
    {
        var sources = new TokenSources(4);
        sources.Apply([0, -1, 1, 2], 3);
        sources.Apply([0, 1, -1], 2);
        CollectionAssert.AreEqual(new[] { 0, -1, 1, -1 }, sources.RowOfToken.ToArray());
    }

    [TestMethod]
    public void A_plan_for_other_rows_is_refused() => Assert.ThrowsExactly<ArgumentException>(() => new TokenSources(4).Apply([0, 1, 2], 3));
}
