using RMeeTo.Vim.Devices;

namespace RMeeTo.Vim.Deit;

/// <summary>Classifies images with a <see cref="DeitModel"/>.</summary>
/// <param name="model">The network.</param>
/// <param name="threads">Thread budget; 0 means one a processor.</param>
/// <param name="device">Where to run; null means the CPU, and it can be no other hardware.</param>
public sealed class DeitClassifier(DeitModel model, int threads = 0, IVimDeviceProvider? device = null) : ImageClassifier(model, threads, device)
{
    /// <inheritdoc/>
    public override DeitModel Model => (DeitModel)base.Model;
}
