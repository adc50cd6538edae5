using RMeeTo.Vim;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Tests.Devices;
using RMeeTo.Vim.Tests.Golden;
using RMeeTo.Vim.Tests.Retraining;
using TorchSharp;

namespace RMeeTo.TorchSharp.Tests;

/// <summary>Who frees what, and when: nothing is left for the garbage collector, and nothing is taken away by it.</summary>
[TestClass]
[DoNotParallelize]
public sealed class LifetimeTests
{
    private static readonly MergeOptions s_options =
        new() { Combination = MergeCombination.Max, ProtectedNeighbours = 1, ClassPosition = MergeClassPosition.Exact };

    /// <summary>A training step leaves as many tensors as it found.</summary>
    [TestMethod]
    public void Steps_leave_no_tensors_behind()
    {
        using var run = new TrainingRun();
        run.Step();
        ForgetOthers();
        long before = torch.Tensor.TotalCount;
        for (int step = 0; step < 3; step++)
        {
            run.Step();
            Assert.AreEqual(before, torch.Tensor.TotalCount, $"step {step}");
        }
    }

    [TestMethod]
    public void What_is_disposed_of_leaves_no_tensors_behind()
    {
        ForgetOthers();
        long before = torch.Tensor.TotalCount;
        using (var run = new TrainingRun()) run.Step();
        Assert.AreEqual(before, torch.Tensor.TotalCount);
    }

    /// <summary>A dispose scope of the caller ends before the device's tensors do.</summary>
    [TestMethod]
    public void Buffers_outlive_the_scope_they_were_made_in()
    {
        DevicesUnderTest.RequireLibTorch();
        TrainingRun run;
        using (torch.NewDisposeScope()) run = new TrainingRun();
        using (run)
        {
            using (torch.NewDisposeScope()) run.Step();
            Assert.IsTrue(run.Step().All(double.IsFinite));
        }
    }

    /// <summary>
    /// The same numbers, bit for bit, while another thread collects garbage without a pause: nothing that libtorch still reads is freed.
    /// </summary>
    [TestMethod]
    public void Garbage_collections_change_nothing()
    {
        double[] calm = Losses();
        bool over = false;
        var collector = new Thread(() =>
        {
            for (int generation = 0; !Volatile.Read(ref over); generation = (generation + 1) % 3)
            {
                GC.Collect(generation, GCCollectionMode.Forced, blocking: true);
                GC.WaitForPendingFinalizers();
            }
        });
        collector.Start();
        try
        {
            CollectionAssert.AreEqual(calm, Losses());
        }
        finally
        {
            Volatile.Write(ref over, true);
            collector.Join();
        }

        static double[] Losses()
        {
            using var run = new TrainingRun();
            return [.. Enumerable.Range(0, 6).SelectMany(_ => run.Step())];
        }
    }

    private static void ForgetOthers()
    {
        for (int round = 0; round < 3; round++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
    }

    /// <summary>A small network with merges, its gradients, and the optimizer's step on all of its values at once.</summary>
    private sealed class TrainingRun : IDisposable
    {
        private const int Batch = 3;
        private readonly VimDevice _device = DevicesUnderTest.Create(DevicesUnderTest.Names[0]);
        private readonly DeviceWeights _weights;
        private readonly VimNetwork _network;
        private readonly Workspace _workspace;
        private readonly ParameterBuffer _gradients;
        private readonly DeviceBuffer _first, _second;
        private int _step;

        public TrainingRun()
        {
            var config = TinyTask.Config;
            _weights = new DeviceWeights(_device, VimInitializer.Create(config, 3), forTraining: true);
            _network = new VimNetwork(_weights, MergeSchedule.Uniform(config, 5, interval: 1, merging: s_options), s_options);
            _workspace = _network.CreateWorkspace(_device, Batch, forTraining: true);
            _gradients = new ParameterBuffer(_device, _weights.Parameters);
            (_first, _second) = (_device.Allocate(_gradients.Values.Length), _device.Allocate(_gradients.Values.Length));
            var random = new Random(2);
            _workspace.Images.Buffer.Write([.. Enumerable.Range(0, (int)_workspace.Images.Buffer.Length).Select(_ => random.NextSingle() * 4 - 2)]);
            _workspace.Targets.Buffer.Write([.. Enumerable.Range(0, (int)_workspace.Targets.Buffer.Length).Select(i => i % 4 == 0 ? 1f : 0)]);
        }

        /// <summary>Trains, and gives the losses.</summary>
        public double[] Step()
        {
            _gradients.Values.Clear();
            _network.Forward(_device, _workspace, Batch);
            _device.Loss(new(1, 0), _workspace.Logits, _workspace.Targets, default, 1f / Batch, _workspace.Losses, _workspace.LogitsGradient);
            _network.Backward(_device, _workspace, Batch, _gradients);
            _device.AdamW(new(++_step, 1e-3, 0.9, 0.999, 1e-8, 0.05), _weights.Values, _gradients.Values, _first, _second, 0, _gradients.Values.Length);
            foreach (var linear in _weights.Linear) _device.Refresh(linear);
            return GoldenRun.Read(_workspace.Losses);
        }

        public void Dispose()
        {
            _second.Dispose();
            _first.Dispose();
            _gradients.Dispose();
            _workspace.Dispose();
            _weights.Dispose();
            _device.Dispose();
        }
    }
}
