using RMeeTo.Cuda.Tests.Emulation;
using RMeeTo.Cuda.Tests.Runtime;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Tests.Devices;

namespace RMeeTo.Cuda.Tests.Devices;

/// <summary>Sequences of operators that <see cref="CudaDevice.Run"/> records.</summary>
[TestClass]
public sealed class RecordingTests
{
    [TestMethod]
    public void The_first_time_runs_the_second_records_and_then_the_record_is_repeated()
    {
        using CudaContext context = DevicesUnderTest.Emulated(LaunchOrder.Forward);
        using var device = new CudaDevice(context);
        using var values = new Doubling(device);
        IDisposable? recording = null;
        for (int run = 1; run <= 4; run++)
        {
            device.Run(ref recording, values.Double);
            Assert.AreEqual(Math.Pow(2, run), values.Read());
        }
        Assert.AreEqual(2, values.Calls, "once to run, once to record");
        Assert.IsNull(device.RecordingFailure);
        recording!.Dispose();
    }

    [TestMethod]
    public void Nothing_is_recorded_where_it_is_switched_off()
    {
        using CudaContext context = DevicesUnderTest.Emulated(LaunchOrder.Forward);
        using var device = new CudaDevice(context) { RecordsSequences = false };
        using var values = new Doubling(device);
        IDisposable? recording = null;
        for (int run = 1; run <= 3; run++) device.Run(ref recording, values.Double);
        Assert.AreEqual(8, values.Read());
        Assert.AreEqual(3, values.Calls);
    }

    [TestMethod]
    public void A_sequence_that_cannot_be_recorded_runs_operator_by_operator()
    {
        using CudaContext context = DevicesUnderTest.Emulated(LaunchOrder.Forward);
        using var device = new CudaDevice(context);
        using var values = new Doubling(device) { ReadsBack = true };
        IDisposable? recording = null;
        for (int run = 1; run <= 4; run++)
        {
            device.Run(ref recording, values.Double);
            Assert.AreEqual(Math.Pow(2, run), values.Read());
        }
        Assert.AreEqual(5, values.Calls, "every time, and once in vain");
        Assert.IsNotNull(device.RecordingFailure);

        using var others = new Doubling(device);
        IDisposable? second = null;
        for (int run = 1; run <= 3; run++) device.Run(ref second, others.Double);
        Assert.AreEqual(2, others.Calls, "what another sequence does is nothing against this one");
    }

    [TestMethod]
    [DoNotParallelize] // one library holds the kernels of all played GPUs
    [DataRow("cuStreamEndCapture")]
    [DataRow("cuGraphInstantiate")]
    public void A_graph_that_the_driver_does_not_make_is_done_without(string function)
    {
        using var played = new PlayedCuda();
        using CudaContext context = played.OpenContext();
        using var device = new CudaDevice(context);
        using var values = new Doubling(device);
        IDisposable? recording = null;
        for (int run = 1; run <= 3; run++)
        {
            if (run == 2) played.Fail(function);
            device.Run(ref recording, values.Double);
            Assert.AreEqual(Math.Pow(2, run), values.Read());
        }
        Assert.AreEqual(4, values.Calls, "every time, and once in vain");
        StringAssert.Contains(device.RecordingFailure!.Message, function);
    }

    /// <summary>A record holds the address of the scratch memory, which another operator may have replaced by a larger one.</summary>
    [TestMethod]
    public void A_record_is_made_anew_where_the_scratch_memory_has_moved()
    {
        using CudaContext context = DevicesUnderTest.Emulated(LaunchOrder.Forward);
        using var device = new CudaDevice(context);
        using var small = new ScaleGradient(device, rows: 3);
        using var large = new ScaleGradient(device, rows: 5000);
        IDisposable? recording = null;
        for (int run = 1; run <= 3; run++) device.Run(ref recording, small.Run);
        large.Run();
        device.Run(ref recording, small.Run);
        device.Run(ref recording, small.Run);
        Assert.AreEqual(5 * 3, small.Read());
        Assert.AreEqual(5000, large.Read());
        Assert.IsNull(device.RecordingFailure);
    }

    /// <summary>x ← 2 x.</summary>
    private sealed class Doubling : IDisposable
    {
        private readonly CudaDevice _device;
        private readonly DeviceMatrix _x, _two;

        public Doubling(CudaDevice device)
        {
            _device = device;
            (_x, _two) = (Filled(device, 5, 1), Filled(device, 1, 2));
        }

        public bool ReadsBack { get; init; }

        public int Calls { get; private set; }

        public float Read()
        {
            var values = new float[5];
            _x.Buffer.Read(values);
            Assert.IsTrue(values.All(value => value == values[0]));
            return values[0];
        }

        public void Double()
        {
            Calls++;
            if (ReadsBack) Read();
            _device.ScaleImages(_x, _two, _x);
        }

        public void Dispose()
        {
            _x.Buffer.Dispose();
            _two.Buffer.Dispose();
        }
    }

    /// <summary>An operator that needs scratch memory, the more the more rows there are: adds the number of rows to a gradient.</summary>
    private sealed class ScaleGradient(CudaDevice device, int rows) : IDisposable
    {
        private readonly DeviceMatrix _x = Filled(device, rows, 1), _dx = Filled(device, rows, 0);
        private readonly DeviceMatrix _factor = Filled(device, 1, 1), _gradient = Filled(device, 1, 0);

        public void Run() => device.ScaleChannelsGradient(_x, _factor, _x, _dx, _gradient);

        public float Read()
        {
            var value = new float[1];
            _gradient.Buffer.Read(value);
            return value[0];
        }

        public void Dispose()
        {
            foreach (DeviceMatrix matrix in new[] { _x, _dx, _factor, _gradient }) matrix.Buffer.Dispose();
        }
    }

    private static DeviceMatrix Filled(CudaDevice device, int rows, float value)
    {
        var matrix = new DeviceMatrix(device.Allocate(rows), rows, 1);
        var values = new float[rows];
        Array.Fill(values, value);
        matrix.Buffer.Write(values);
        return matrix;
    }
}
