using RMeeTo.Vim.Devices.Cpu;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Network;

namespace RMeeTo.Vim.Analysis;

/// <summary>Which patches of an image a network merges.</summary>
public static class MergedTokens
{
    /// <summary>Runs one image through the network and follows its tokens.</summary>
    /// <param name="model">The network, with its schedule.</param>
    /// <param name="image">Any size.</param>
    /// <returns>For every original token, the class token at <see cref="VimConfig.ClassRow"/> included, the row that it is part of at the end.</returns>
    public static TokenSources Trace(VimModel model, RgbImage image)
    {
        ArgumentNullException.ThrowIfNull(model);
        using var device = CpuDevice.Create();
        using var weights = new DeviceWeights(device, model.Weights, forTraining: false);
        var network = new VimNetwork(weights, model.Schedule, model.Merging);
        using var workspace = network.CreateWorkspace(device, batchCapacity: 1, forTraining: false);
        var input = new float[model.Preprocessing.OutputLength];
        model.Preprocessing.Apply(image, input);
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
