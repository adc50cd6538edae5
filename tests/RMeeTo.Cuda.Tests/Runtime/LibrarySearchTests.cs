using System.Runtime.InteropServices;
using RMeeTo.Vim.Devices;

namespace RMeeTo.Cuda.Tests.Runtime;

/// <summary>Where CUDA's libraries are found, with files planted as packages and toolkits lay them.</summary>
[TestClass]
public sealed class LibrarySearchTests
{
    private readonly string _root = Path.Combine(Path.GetTempPath(), $"rmeeto-libraries-{Guid.NewGuid():N}");

    [TestCleanup]
    public void Delete()
    {
        if (Directory.Exists(_root)) Directory.Delete(_root, recursive: true);
    }

    [TestMethod]
    [DataRow("application/libnvrtc-2bb82d1a.so.12", "application")] // TorchSharp-cuda-linux, published
    [DataRow("application/runtimes/linux-x64/native/libnvrtc-2bb82d1a.so.12", "application")] // and from the build output
    [DataRow("cuda/lib64/libnvrtc.so.12", "cuda")]
    [DataRow("cuda/lib64/libnvrtc.so.12.8.93", "cuda")]
    [DataRow("cuda/targets/x86_64-linux/lib/libnvrtc.so.13", "cuda")]
    [DataRow("site-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.12", "site-packages")]
    [DataRow("site-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.12", "site-packages/torch")]
    [DataRow("site-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.12", "site-packages/torch/lib")]
    [DataRow("site-packages/torch/lib/libnvrtc-b51b459d.so.12", "site-packages")]
    [DataRow("site-packages/nvidia/cu13/lib/libnvrtc.so.13", "site-packages")]
    [DataRow("site-packages/nvidia/cu13/lib/libnvrtc.so.13", "site-packages/nvidia")]
    [DataRow("site-packages/nvidia/cu13/lib/libnvrtc.so.13", "site-packages/torch")]
    [DataRow("site-packages/nvidia/cu13/lib/libnvrtc.so.13", "site-packages/torch/lib")]
    public void The_compiler_is_found_where_packages_put_it(string file, string root)
    {
        if (OperatingSystem.IsWindows() || RuntimeInformation.ProcessArchitecture != Architecture.X64) Assert.Inconclusive("These are names of Linux on x64.");
        string path = Plant(file), folder = Path.GetDirectoryName(path)!;
        string[] others = ["libnvrtc-builtins.so", "libnvrtc-builtins.so.12.8", "libnvrtc.alt.so.12", "libnvrtc.so.11.2", "libnvrtc.a", "libcudart.so.12"];
        foreach (string other in others)
            File.WriteAllText(Path.Combine(folder, other), "");
        Directory.CreateDirectory(Path.Combine(_root, root));
        CollectionAssert.AreEqual(new[] { path }, Search(root).Find(CudaLibrary.Nvrtc).ToArray());
    }

    [TestMethod]
    public void The_first_root_comes_first_and_in_a_folder_the_newest()
    {
        if (OperatingSystem.IsWindows()) Assert.Inconclusive("These are the names of Linux.");
        string[] planted = [Plant("a/libcublas.so.13"), Plant("a/libcublas.so.12"), Plant("b/lib64/libcublas.so.12")];
        Plant("a/libcublasLt.so.12");
        Plant("b/lib64/libcublasLt.so.12");
        CollectionAssert.AreEqual(planted, Search("a", "b").Find(CudaLibrary.Cublas).ToArray());
    }

    /// <summary>A driver for CUDA 12 does not run what CUDA 13 makes.</summary>
    [TestMethod]
    public void Libraries_newer_than_the_driver_are_left_alone()
    {
        if (OperatingSystem.IsWindows()) Assert.Inconclusive("These are the names of Linux.");
        string newer = Plant("a/libnvrtc.so.13"), older = Plant("b/libnvrtc.so.12");
        CollectionAssert.AreEqual(new[] { older }, Search(12, "a", "b").Find(CudaLibrary.Nvrtc).ToArray());
        CollectionAssert.AreEqual(new[] { newer, older }, Search(13, "a", "b").Find(CudaLibrary.Nvrtc).ToArray());
    }

    [TestMethod]
    public void A_missing_library_is_told_with_the_package_and_the_alternatives()
    {
        Plant("a/libcublas.so.12"); // not a library at all
        var nowhere = new CudaLibrary("cuBLAS", @"^libcublas.*\.so\.(?<major>\d+)$", "^none$", ["libcublas-of-nobody.so.12"]);
        string message = Assert.ThrowsExactly<CudaUnavailableException>(() => Search("a").Load(nowhere)).Message;
        string source = CudaUnavailableException.ComesWith(HostSystem.Current);
        string[] parts = ["cuBLAS", "libcublas-of-nobody.so.12", source, "CUDA_PATH", LibrarySearch.Variable, Path.Combine(_root, "a")];
        foreach (string part in parts)
            StringAssert.Contains(message, part);
    }

    [TestMethod]
    public void A_library_without_the_function_is_told()
    {
        string name = OperatingSystem.IsWindows() ? "kernel32.dll" : OperatingSystem.IsMacOS() ? "libSystem.dylib" : "libc.so.6";
        var functions = new NativeFunctions(name, NativeLibrary.Load(name));
        StringAssert.Contains(Assert.ThrowsExactly<CudaUnavailableException>(() => functions["cuInit"]).Message, "no function cuInit");
    }

    private LibrarySearch Search(params string[] roots) => Search(13, roots);

    private LibrarySearch Search(int newest, params string[] roots) => new([.. roots.Select(root => Path.Combine(_root, root))], () => newest);

    private string Plant(string file)
    {
        string path = Path.Combine(_root, file);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, "planted");
        return path;
    }
}
