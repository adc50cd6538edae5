namespace RMeeTo.Vim.Devices;

/// <summary>Makes devices of one kind. The seam between the network and the hardware that runs it.</summary>
public interface IVimDeviceProvider
{
    /// <summary>For logs, such as "CPU (512-bit vectors)".</summary>
    string Name { get; }

    /// <summary>How many devices can usefully work at once; for the CPU as many as there are threads.</summary>
    /// <param name="threads">Threads asked for; 0 means all.</param>
    int Workers(int threads);

    /// <summary>A new device. All devices of one provider share buffers and weights.</summary>
    VimDevice CreateDevice();
}
