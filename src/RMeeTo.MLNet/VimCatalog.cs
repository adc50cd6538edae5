using RMeeTo.MLNet;

namespace Microsoft.ML;

/// <summary>Adds <c>VimMergedClassifier</c> to <c>mlContext.Transforms</c>.</summary>
public static class VimCatalog
{
    /// <summary>
    /// Classifies images with a Vision Mamba whose similar tokens are merged, so that it runs faster, and which is re-trained so that the accuracy comes back.
    /// </summary>
    /// <param name="catalog">The catalog.</param>
    /// <param name="labelColumnName">Column of class labels: key, text or number.</param>
    /// <param name="imageColumnName">Column of images: <c>MLImage</c>, encoded bytes (vector of <see cref="byte"/>) or paths (text).</param>
    /// <param name="checkpoint">
    /// Path of the weights: an official <c>.pth</c> file, safetensors with the official tensor names, or a saved <c>VimModel</c>. The head is replaced where
    /// its classes are others.
    /// </param>
    /// <param name="tokensPerMerge">r, tokens removed at every second block; 0 merges nothing.</param>
    /// <param name="epochs">Times that all training images are shown; 0 merges without training.</param>
    /// <param name="scoreColumnName">New column of class probabilities.</param>
    /// <param name="predictedLabelColumnName">New column of the most probable class.</param>
    /// <remarks>
    /// <list type="table">
    /// <listheader><term>Column</term><description>Type</description></listheader>
    /// <item><term>image (in)</term><description><c>MLImage</c>, or encoded bytes <c>Vector&lt;Byte&gt;</c>, or paths <c>Text</c>; any
    /// size</description></item>
    /// <item><term>clip (in, networks for video)</term><description>folder of the frames <c>Text</c>, or their paths <c>Vector&lt;Text&gt;</c>, or one image
    /// column a frame</description></item>
    /// <item><term>label (in, while fitting)</term><description>key, text or number; <c>Evaluate</c> needs a key:
    /// <c>Conversion.MapValueToKey</c></description></item>
    /// <item><term>score (out)</term><description><c>Vector&lt;Single, classes&gt;</c>: probabilities, with slot names</description></item>
    /// <item><term>predicted label (out)</term><description>key with the label's key values: <c>Conversion.MapKeyToValue</c> turns it into the label's
    /// value</description></item>
    /// </list>
    /// Columns of features and of the most probable classes: <see cref="VimMergedClassifierOptions.FeaturesColumnName"/>,
    /// <see cref="VimMergedClassifierOptions.TopK"/>. To go on from a fitted model: <see cref="VimMergedClassifierOptions.Previous"/>,
    /// <see cref="VimMergedClassifierEstimator.Fit(IDataView, ITransformer)"/>. Long runs: <see cref="VimMergedClassifierOptions.TimeBudget"/>,
    /// <see cref="VimMergedClassifierOptions.CancellationToken"/>, <see cref="VimMergedClassifierOptions.Progress"/>, and checkpoints, early stopping and the
    /// whole recipe in <see cref="VimMergedClassifierOptions.Retraining"/>.
    /// Images are resized, cropped and normalised alike while fitting and predicting; do not add ResizeImages or ExtractPixels. The orientation tag of
    /// photographs (EXIF) is not applied, as <c>MLImage</c> does not apply it: rotate such images beforehand.
    /// </remarks>
    /// <exception cref="ArgumentException">There is no checkpoint, or a value is out of range.</exception>
    /// <example><code>
    /// var pipeline = mlContext.Transforms.Conversion.MapValueToKey("Label")
    ///     .Append(mlContext.Transforms.LoadImages("Image", folder, "ImagePath"))
    ///     .Append(mlContext.Transforms.VimMergedClassifier(checkpoint: "vim_t_midclstok_76p1acc.pth"))
    ///     .Append(mlContext.Transforms.Conversion.MapKeyToValue("PredictedLabel"));
    /// </code></example>
    public static VimMergedClassifierEstimator VimMergedClassifier(this TransformsCatalog catalog, string labelColumnName = "Label",
        string imageColumnName = "Image", string? checkpoint = null, int tokensPerMerge = 5, int epochs = 3, string scoreColumnName = "Score",
        string predictedLabelColumnName = "PredictedLabel") =>
        VimMergedClassifier(catalog, new VimMergedClassifierOptions
        {
            LabelColumnName = labelColumnName,
            ImageColumnName = imageColumnName,
            Checkpoint = checkpoint,
            TokensPerMerge = tokensPerMerge,
            Epochs = epochs,
            ScoreColumnName = scoreColumnName,
            PredictedLabelColumnName = predictedLabelColumnName,
        });

    /// <summary>The same with every option.</summary>
    /// <param name="catalog">The catalog.</param>
    /// <param name="options">Copied; later changes have no effect.</param>
    /// <inheritdoc cref="VimMergedClassifier(TransformsCatalog, string, string, string?, int, int, string, string)" path="/remarks"/>
    /// <exception cref="ArgumentException">Options contradict each other.</exception>
    public static VimMergedClassifierEstimator VimMergedClassifier(this TransformsCatalog catalog, VimMergedClassifierOptions options)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        ArgumentNullException.ThrowIfNull(options);
        return new VimMergedClassifierEstimator(MlNetInternals.EnvironmentOf(catalog), options);
    }
}
