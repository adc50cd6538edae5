using RMeeTo.Vim;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Retraining;

namespace RMeeTo.MLNet;

/// <summary>How the memory of <c>Fit</c> is shared out before it begins.</summary>
internal static class FitMemory
{
    private const double DefaultShare = 0.75;

    /// <summary>Bytes that are left for images beside the network; images that do not fit go to a temporary file.</summary>
    /// <param name="config">The network.</param>
    /// <param name="schedule">Its merges.</param>
    /// <param name="merging">How they merge.</param>
    /// <param name="options">Lanes, threads, teacher and device.</param>
    /// <param name="ownTeacher">Whether there is a teacher also where nothing is merged, or where the merges are not known yet.</param>
    /// <param name="budget">Bytes for all; null: three quarters of what the process may have.</param>
    /// <exception cref="InsufficientMemoryException">The network alone takes more than the budget, or than a GPU has.</exception>
    public static long ForImages(VimConfig config, MergeSchedule schedule, MergeOptions merging, RetrainOptions options, bool ownTeacher, long? budget)
    {
        long allowed = budget ?? (long)(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes * DefaultShare);
        long needed = RetrainMemory.Estimate(config, schedule, options, options.Threads, merging, ownTeacher);
        try
        {
            RetrainMemory.ThrowIfInsufficient(config, schedule, options, allowed, merging, ownTeacher);
        }
        catch (InsufficientMemoryException tooLarge) when (budget is not null && needed > allowed) // else it is the GPU that has too little
        {
            throw new InsufficientMemoryException($"{tooLarge.Message} Or raise MemoryBudget, which is {budget} bytes.", tooLarge);
        }
        return allowed - needed;
    }
}
