using System.Collections;

namespace RMeeTo.Vim.Tests.Retraining;

/// <summary>A list of indices that fails once where the place of one image is asked for.</summary>
internal sealed class OneBadImage(int count, int bad, Exception failure, int looksBefore = 0) : IReadOnlyList<int>
{
    private int _looks;

    public int Count => count;

    public int this[int k] => k == bad && Interlocked.Increment(ref _looks) == looksBefore + 1 ? throw failure : k;

    public IEnumerator<int> GetEnumerator() => Enumerable.Range(0, count).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
