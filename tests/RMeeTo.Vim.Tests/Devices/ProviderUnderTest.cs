using RMeeTo.Vim.Devices;

namespace RMeeTo.Vim.Tests.Devices;

/// <summary>Makes devices of one kind of <see cref="DevicesUnderTest"/>, for what asks for a provider.</summary>
internal sealed class ProviderUnderTest(string name) : IVimDeviceProvider
{
    public string Name => name;

    public int Workers(int threads) => Math.Max(1, threads);

    public VimDevice CreateDevice() => DevicesUnderTest.Create(name);
}
