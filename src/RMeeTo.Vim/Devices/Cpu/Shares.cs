namespace RMeeTo.Vim.Devices.Cpu;

/// <summary>Cuts items into nearly equal shares, so that no short rest is left at the end.</summary>
internal static class Shares
{
    public static int Count(int total, int most) => (total + most - 1) / most;

    /// <summary>The first of <paramref name="total"/> items in share <paramref name="index"/> of <paramref name="count"/>.</summary>
    public static int Start(int total, int index, int count) => (int)((long)total * index / count);
}
