namespace RMeeTo.Cuda.Tests.Runtime;

[TestClass]
public sealed class KernelCacheTests
{
    private static readonly string[] s_options = ["--gpu-architecture=sm_90"];

    private readonly string _folder = Path.Combine(Path.GetTempPath(), $"rmeeto-kernels-{Guid.NewGuid():N}");

    [TestCleanup]
    public void Delete()
    {
        if (Directory.Exists(_folder)) Directory.Delete(_folder, recursive: true);
    }

    [TestMethod]
    public void A_text_is_compiled_once()
    {
        var compiler = new CountingCompiler();
        byte[] first = new KernelCache(compiler, _folder).Get("scan.cu STATES=16", "text", s_options);
        byte[] second = new KernelCache(compiler, _folder).Get("scan.cu STATES=16", "text", s_options); // as in another process
        CollectionAssert.AreEqual(first, second);
        Assert.AreEqual(1, compiler.Count);
        StringAssert.StartsWith(Path.GetFileName(Directory.GetFiles(_folder).Single()), "scan-");
    }

    [TestMethod]
    public void Another_text_option_or_compiler_is_another_kernel()
    {
        var (compiler, newer) = (new CountingCompiler(), new CountingCompiler { Version = "compiler 2" });
        var cache = new KernelCache(compiler, _folder);
        cache.Get("a.cu", "text", s_options);
        cache.Get("a.cu", "text ", s_options);
        cache.Get("a.cu", "text", ["--gpu-architecture=sm_80"]);
        cache.Get("a.cu", "text", [.. s_options, "-G"]);
        new KernelCache(newer, _folder).Get("a.cu", "text", s_options);
        Assert.AreEqual((4, 1), (compiler.Count, newer.Count));
        Assert.HasCount(5, Directory.GetFiles(_folder));
    }

    [TestMethod]
    [DataRow("empty")]
    [DataRow("cut")]
    [DataRow("changed")]
    [DataRow("head only")]
    [DataRow("foreign")]
    public void A_damaged_file_is_compiled_anew_and_replaced(string damage)
    {
        var compiler = new CountingCompiler();
        var cache = new KernelCache(compiler, _folder);
        byte[] right = cache.Get("a.cu", "text", s_options);
        string path = Directory.GetFiles(_folder).Single();
        byte[] whole = File.ReadAllBytes(path), changed = [.. whole];
        changed[^2] ^= 1;
        File.WriteAllBytes(path, damage switch
        {
            "empty" => [],
            "cut" => whole[..^1],
            "changed" => changed,
            "head only" => whole[..49],
            _ => [0x7F, .. "ELF of somebody else"u8],
        });
        CollectionAssert.AreEqual(right, cache.Get("a.cu", "text", s_options));
        Assert.AreEqual(2, compiler.Count);
        CollectionAssert.AreEqual(whole, File.ReadAllBytes(path));
        cache.Get("a.cu", "text", s_options);
        Assert.AreEqual(2, compiler.Count, "the file is whole again");
    }

    [TestMethod]
    public void Without_a_place_to_write_kernels_are_compiled_each_time()
    {
        Directory.CreateDirectory(_folder);
        string file = Path.Combine(_folder, "a file, not a folder");
        File.WriteAllText(file, "");
        foreach (string? place in new[] { Path.Combine(file, "kernels"), null, "/proc/nobody/writes/here" })
        {
            var compiler = new CountingCompiler();
            var cache = new KernelCache(compiler, place);
            CollectionAssert.AreEqual(cache.Get("a.cu", "text", s_options), cache.Get("a.cu", "text", s_options));
            Assert.AreEqual(2, compiler.Count);
        }
    }

    [TestMethod]
    public void Several_may_write_the_same_kernel_at_once()
    {
        var compiler = new CountingCompiler();
        Parallel.For(0, 50, i => Assert.AreEqual(5 + "compiler 1text".Length, new KernelCache(compiler, _folder).Get("a.cu", "text", s_options).Length));
        Assert.HasCount(1, Directory.GetFiles(_folder));
    }

    [TestMethod]
    public void What_does_not_compile_leaves_nothing()
    {
        Assert.ThrowsExactly<KernelCompilationException>(() => new KernelCache(new CountingCompiler(), _folder).Get("a.cu", "wrong", s_options));
        Assert.IsFalse(Directory.Exists(_folder));
    }

    private sealed class CountingCompiler : ICudaCompiler
    {
        private int _count;

        public int Count => _count;

        public string Version { get; init; } = "compiler 1";

        public IReadOnlyList<int> Architectures => [70, 80, 90];

        public CompiledKernels Compile(string name, string source, IReadOnlyList<string> options)
        {
            Interlocked.Increment(ref _count);
            if (source == "wrong") throw new KernelCompilationException("no");
            return new([1, 2, 3, 4, 5, .. System.Text.Encoding.UTF8.GetBytes(Version + source)], "");
        }
    }
}
