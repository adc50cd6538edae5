using System.Globalization;

namespace RMeeTo.Vim.Retraining.Distributed;

/// <summary>What the environment says about who started this process.</summary>
internal static class MpiLauncher
{
    /// <summary>True where an MPI launcher started this process: mpirun or mpiexec of any kind, or Slurm's srun with PMI or PMIx.</summary>
    public static bool IsPresent => Processes is not null || Environment.GetEnvironmentVariable("PMIX_RANK") is not null;

    /// <summary>Processes that the launcher started; null where it does not say.</summary>
    public static int? Processes => OpenMpiSize ?? PmiSize;

    /// <summary>True where the launcher is one of the MPICH family (MPICH, Intel MPI, MVAPICH, MS-MPI).</summary>
    public static bool IsMpich => OpenMpiSize is null && PmiSize is not null;

    private static int? OpenMpiSize => Number("OMPI_COMM_WORLD_SIZE");

    private static int? PmiSize => Number("PMI_SIZE");

    private static int? Number(string variable) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), CultureInfo.InvariantCulture, out int size) ? size : null;
}
