namespace RMeeTo.Vim.Tests.Network;

/// <summary>Managed memory that a pass allocates on the calling thread.</summary>
internal static class Allocations
{
    /// <summary>
    /// Bytes of ten passes, once warm. What the runtime allocates now and then for itself, such as a larger cache of casts, is in one round; what a pass
    /// allocates is in all.
    /// </summary>
    public static long OfTen(Action pass)
    {
        for (int i = 0; i < 3; i++) pass();
        long least = long.MaxValue;
        for (int round = 0; round < 4 && least > 0; round++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 10; i++) pass();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }
        return least;
    }
}
