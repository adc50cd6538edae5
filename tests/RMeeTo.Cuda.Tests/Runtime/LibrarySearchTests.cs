using System.Runtime.InteropServices;

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
    public void The_compiler_is_found_where_packages_put_it(string file, string root)
    {
        if (RuntimeInformation.IsOSPlatform(OSPlatform.Windows) || RuntimeInformation.ProcessArchitecture != Architecture.X64) Assert.Inconclusive("These are the names of Linux on x64.");
        string path = Plant(file), folder = Path.GetDirectoryName(path)!;
        foreach (string other in new[] { "libnvrtc-builtins.so", "libnvrtc-builtins.so.12.8", "libnvrtc.alt.so.12", "libnvrtc.so.11.2", "libnvrtc_static.a", "libcudart.so.12" })
            File.WriteAllText(Path.Combine(folder, other), "");
        Directory.CreateDirectory(Path.Combine(_root, root));
        CollectionAssert.AreEqual(new[] { path }, Search(root).Find(CudaLibrary.Nvrtc).ToArray());
    }

    [TestMethod]
    public void The_first_root_comes_first_and_in_a_folder_the_newest()
    {
        if (RuntimeInformation.IsOSPlatform(OSPlatform.Windows)) Assert.Inconclusive("These are the names of Linux.");
        string[] planted = [Plant("a/libcublas.so.13"), Plant("a/libcublas.so.12"), Plant("b/lib64/libcublas.so.12")];
        Plant("a/libcublasLt.so.12");
        Plant("b/lib64/libcublasLt.so.12");
        CollectionAssert.AreEqual(planted, Search("a", "b").Find(CudaLibrary.Cublas).ToArray());
    }

    [TestMethod]
    public void A_missing_library_is_told_with_the_package_and_the_alternatives()
    {
        Plant("a/libcublas.so.12"); // not a library at all
        var nowhere = new CudaLibrary("cuBLAS", "^libcublas", "^none$", ["libcublas-of-nobody.so.99"]);
        string message = Assert.ThrowsExactly<CudaUnavailableException>(() => Search("a").Load(nowhere)).Message;
        string package = RuntimeInformation.IsOSPlatform(OSPlatform.Windows) ? "TorchSharp-cuda-windows" : "TorchSharp-cuda-linux";
        foreach (string part in new[] { "cuBLAS", "libcublas-of-nobody.so.99", package, "CUDA Toolkit 12", "CUDA_PATH", LibrarySearch.Variable, Path.Combine(_root, "a") })
            StringAssert.Contains(message, part);
    }

    [TestMethod]
    public void A_library_without_the_function_is_told()
    {
        string name = RuntimeInformation.IsOSPlatform(OSPlatform.Windows) ? "kernel32.dll" : RuntimeInformation.IsOSPlatform(OSPlatform.OSX) ? "libSystem.dylib" : "libc.so.6";
        NativeFunctions functions = Search().Load(new("the C library", "^none$", "^none$", [name]));
        StringAssert.Contains(Assert.ThrowsExactly<CudaUnavailableException>(() => functions["cuInit"]).Message, "no function cuInit");
    }

    private LibrarySearch Search(params string[] roots) => new([.. roots.Select(root => Path.Combine(_root, root))]);

    private string Plant(string file)
    {
        string path = Path.Combine(_root, file);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, "planted");
        return path;
    }
}
