namespace RMeeTo.Cuda.Tests.Runtime;

[TestClass]
public sealed class KernelReportTests
{
    /// <summary>What NVRTC 12.4 says with "--ptxas-options=-v".</summary>
    [TestMethod]
    public void The_log_of_ptxas_is_read()
    {
        const string log = """
            ptxas info    : 0 bytes gmem
            ptxas info    : Compiling entry function 'scan' for 'sm_70'
            ptxas info    : Function properties for scan
            ptxas         .     264 bytes stack frame, 360 bytes spill stores, 260 bytes spill loads
            ptxas info    : Used 128 registers, 264 bytes cumulative stack size, 4096 bytes smem, 568 bytes cmem[0]
            ptxas info    : Compiling entry function 'sums' for 'sm_70'
            ptxas info    : Function properties for sums
            ptxas         .     0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
            ptxas info    : Used 32 registers, 400 bytes cmem[0]
            """;
        var kernels = KernelReport.Parse(log);
        Assert.HasCount(2, kernels);
        Assert.AreEqual(new KernelReport.Usage(128, 360, 264, 4096), kernels["scan"]);
        Assert.AreEqual(new KernelReport.Usage(32, 0, 0, 0), kernels["sums"]);
    }
}
