using RMeeTo.Vim.Devices.Cpu;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Analysis;

/// <summary>Which patches of an image or clip a network merges.</summary>
public static class MergedTokens
{
    /// <summary>Runs one image through the network and follows its tokens.</summary>
    /// <param name="model">The network, with its schedule.</param>
    /// <param name="image">Any size.</param>
    /// <returns>For every original token, the class token at <see cref="VimConfig.ClassRow"/> included, the row that it is part of at the end.</returns>
    /// <exception cref="ArgumentException">The network is for clips.</exception>
    public static TokenSources Trace(VimModel model, RgbImage image)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (model.Config.IsVideo) throw new ArgumentException($"The network is for clips of {model.Config.Frames} frames; pass a VideoClip.", nameof(model));
        return Trace(model, input => model.Preprocessing.Apply(image, input));
    }

    /// <summary>Runs one clip through the network, the single central view of it, and follows its tokens.</summary>
    /// <param name="model">The network, with its schedule.</param>
    /// <param name="clip">Any size and number of frames.</param>
    /// <returns>For every original token the row that it is part of at the end: the class token first, then the patches frame by frame.</returns>
    /// <exception cref="ArgumentException">The network is for images.</exception>
    public static TokenSources Trace(VimModel model, VideoClip clip)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (!model.Config.IsVideo) throw new ArgumentException("The network is for images; pass an RgbImage.", nameof(model));
        return Trace(model, input => model.Preprocessing.Apply(clip, model.Config.Frames, ClipViews.Single, 0, input));
    }

    private static TokenSources Trace(VimModel model, Action<float[]> fill)
    {
        using var device = CpuDevice.Create();
        using var weights = new DeviceWeights(device, model.Weights, forTraining: false);
        var network = new VimNetwork(weights, model.Schedule, model.Merging);
        using var workspace = network.CreateWorkspace(device, batchCapacity: 1, forTraining: false);
        var input = new float[model.Config.InputLength];
        fill(input);
        workspace.Images.Buffer.Write(input);
        network.Forward(device, workspace, batch: 1);

        var sources = new TokenSources(model.Config.Tokens);
        foreach (var plan in workspace.Plans.OfType<MergePlan>())
        {
            var destinations = new int[plan.Step.TokensIn];
            plan.Read(0, destinations, new float[plan.Step.TokensIn]);
            sources.Apply(destinations, plan.Step.TokensOut);
        }
        return sources;
    }
}
