using System.Numerics;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Network;

namespace RMeeTo.Vim;

/// <summary>
/// A device with the activations of a network, for batches that are computed while the caller does something else. The activations grow with the batches, so
/// that who classifies single images takes little of the device's memory.
/// </summary>
/// <param name="device">Its own.</param>
/// <param name="network">Weights and merges.</param>
/// <param name="normalization">How pixels become numbers; null where no pixels are given.</param>
/// <param name="largestBatch">Most images at once.</param>
internal sealed class BatchEngine(VimDevice device, ClassifierNetwork network, PixelNormalization? normalization, int largestBatch) : IDisposable
{
    /// <summary>Sizes of batches whose passes are kept recorded; who classifies in batches has one, and another for what is left at the end.</summary>
    private const int BatchSizes = 8;

    private Room? _room;

    /// <summary>Begins to compute a batch.</summary>
    /// <param name="inputs">Network inputs, or pixels [count, T, H·W, 3]; to be left as they are until the results are read.</param>
    /// <param name="count">Images, 1 to the largest batch.</param>
    /// <param name="arePixels">What the inputs are.</param>
    public void Begin(HostBuffer inputs, int count, bool arePixels)
    {
        if (_room is null || _room.Capacity < count)
        {
            _room?.Dispose();
            _room = null; // where there is no memory for a larger one
            _room = new Room(device, network, normalization, Math.Min(largestBatch, (int)BitOperations.RoundUpToPowerOf2((uint)count)));
        }
        _room.Begin(inputs, count, arePixels);
    }

    /// <summary>Waits for the batch and reads its results.</summary>
    /// <param name="probabilities">[count, classes]; written.</param>
    /// <param name="features">[count, features]; written. Empty: not wanted.</param>
    public void End(Span<float> probabilities, Span<float> features)
    {
        _room!.Probabilities.Read(probabilities);
        if (!features.IsEmpty) _room.Workspace.Features.Buffer.Read(features);
    }

    /// <summary>Waits for a batch whose results nobody wants.</summary>
    public void Abandon()
    {
        try
        {
            Span<float> first = stackalloc float[1];
            _room?.Probabilities.Read(first);
        }
        catch (Exception)
        {
            // The caller has an exception already: it is the first that says what went wrong.
        }
    }

    public void Dispose()
    {
        _room?.Dispose();
        device.Dispose();
    }

    /// <summary>Everything that lies on the device, for batches up to a size.</summary>
    private sealed class Room : IDisposable
    {
        private readonly VimDevice _device;
        private readonly ClassifierNetwork _network;
        private readonly DeviceBytes? _pixels;
        private readonly DeviceBuffer? _table;
        private readonly RecordedPasses<(int Images, bool ArePixels)> _passes;

        public Room(VimDevice device, ClassifierNetwork network, PixelNormalization? normalization, int capacity)
        {
            (_device, _network, Capacity) = (device, network, capacity);
            Workspace = network.CreateWorkspace(device, capacity, forTraining: false);
            Probabilities = device.Allocate((long)capacity * network.Classes);
            _passes = new(device, network.IsRecordable, Compute, BatchSizes);
            if (normalization is null) return;
            _pixels = device.AllocateBytes((long)capacity * network.InputLength);
            _table = device.Allocate(normalization.Table.Length);
            _table.Write(normalization.Table);
        }

        public int Capacity { get; }

        public ClassifierWorkspace Workspace { get; }

        public DeviceBuffer Probabilities { get; }

        public void Begin(HostBuffer inputs, int count, bool arePixels)
        {
            long values = (long)count * _network.InputLength;
            if (arePixels) _device.Upload(inputs, 0, _pixels!, values);
            else _device.Upload(inputs, 0, Workspace.Images.Buffer, values);
            Workspace.DrawChoices(count);
            _passes.Run((count, arePixels));
        }

        public void Dispose()
        {
            _passes.Dispose();
            _table?.Dispose();
            _pixels?.Dispose();
            Probabilities.Dispose();
            Workspace.Dispose();
        }

        private void Compute((int Images, bool ArePixels) pass)
        {
            var (count, arePixels) = pass;
            if (arePixels)
                _device.NormalizeImages(Math.Max(1, _network.InputFrames), _pixels!, new(_table!, 3, 256), Workspace.Images.SliceRows(0, count));
            _network.ForwardDrawn(_device, Workspace, count);
            _device.Softmax(Workspace.Logits.SliceRows(0, count), new DeviceMatrix(Probabilities, count, _network.Classes));
        }
    }
}
