using RMeeTo.Vim;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;

namespace RMeeTo.Cuda;

// Patches, tokens, rows.
public sealed unsafe partial class CudaDevice
{
    /// <inheritdoc/>
    public override void ExtractPatches(VimConfig config, DeviceMatrix images, DeviceMatrix patches) => throw new NotImplementedException();

    /// <inheritdoc/>
    public override void Embed(int batch, in EmbeddingTables tables, DeviceMatrix patchTokens, DeviceMatrix tokens) => throw new NotImplementedException();

    /// <inheritdoc/>
    public override void EmbedGradient(int batch, DeviceMatrix tokensGradient, DeviceMatrix patchTokensGradient, in EmbeddingTables gradients) => throw new NotImplementedException();

    /// <inheritdoc/>
    public override void ScaleChannels(DeviceMatrix x, DeviceMatrix factor, DeviceMatrix y) => throw new NotImplementedException();

    /// <inheritdoc/>
    public override void ScaleChannelsGradient(DeviceMatrix x, DeviceMatrix factor, DeviceMatrix dy, DeviceMatrix dx, DeviceMatrix factorGradient) => throw new NotImplementedException();

    /// <inheritdoc/>
    public override void ScaleImages(DeviceMatrix x, DeviceMatrix factors, DeviceMatrix y, bool accumulate = false) => throw new NotImplementedException();

    /// <inheritdoc/>
    public override void GatherRows(int row, DeviceMatrix source, DeviceMatrix rows) => throw new NotImplementedException();

    /// <inheritdoc/>
    public override void ScatterRows(int row, DeviceMatrix rows, DeviceMatrix destination, bool keepOthers = false) => throw new NotImplementedException();

    /// <inheritdoc/>
    public override void MeanRows(DeviceMatrix source, DeviceMatrix weights, DeviceMatrix means) => throw new NotImplementedException();

    /// <inheritdoc/>
    public override void MeanRowsGradient(DeviceMatrix meansGradient, DeviceMatrix weights, DeviceMatrix sourceGradient) => throw new NotImplementedException();
}
