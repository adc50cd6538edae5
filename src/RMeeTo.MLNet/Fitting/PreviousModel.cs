using Microsoft.ML;

namespace RMeeTo.MLNet;

/// <summary>Finds the classifier in a fitted model.</summary>
internal static class PreviousModel
{
    /// <summary>The model itself, or the one in a chain, or in a chain of chains.</summary>
    /// <exception cref="ArgumentException">There is none, or more than one.</exception>
    public static VimMergedClassifierTransformer ClassifierOf(ITransformer model)
    {
        VimMergedClassifierTransformer[] found = [.. All(model).Distinct()];
        return found switch
        {
            [var one] => one,
            [] => throw new ArgumentException($"The previous model ({model.GetType().Name}) holds no VimMergedClassifierTransformer; pass what Fit of "
                + "VimMergedClassifier or of a pipeline with it returned, or what mlContext.Model.Load returned."),
            _ => throw new ArgumentException($"The previous model holds {found.Length} VimMergedClassifierTransformers; pass the one to go on from."),
        };
    }

    private static IEnumerable<VimMergedClassifierTransformer> All(ITransformer model) => model switch
    {
        VimMergedClassifierTransformer classifier => [classifier],
        IEnumerable<ITransformer> chain => chain.SelectMany(All),
        _ => [],
    };
}
