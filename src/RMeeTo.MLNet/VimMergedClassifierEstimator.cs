using Microsoft.ML;
using Microsoft.ML.Runtime;
using RMeeTo.Vim.Retraining;

namespace RMeeTo.MLNet;

/// <summary>
/// Merges similar tokens inside a Vision Mamba image classifier, re-trains it with the rows it is fitted to, and yields a transformer that adds class
/// probabilities and the most probable class. Made by <see cref="VimCatalog"/>.
/// </summary>
/// <remarks>
/// <list type="table">
/// <listheader><term>Column</term><description>Type</description></listheader>
/// <item><term>image (in)</term><description><c>MLImage</c>, or encoded bytes <c>Vector&lt;Byte&gt;</c>, or paths <c>Text</c> (relative ones from the current
/// directory); any size</description></item>
/// <item><term>clip (in, networks for video)</term><description>folder of the frames <c>Text</c>, or their paths <c>Vector&lt;Text&gt;</c>, or one image column
/// a frame</description></item>
/// <item><term>label (in)</term><description>
/// a key: class k is key k + 1, and key values are kept; a text or a number: classes in order of appearance. Rows without a label are left out and counted in
/// the log.
/// <c>Evaluate</c> needs a key: put <c>Conversion.MapValueToKey</c> before this stage.</description></item>
/// <item><term>score (out)</term><description><c>Vector&lt;Single, classes&gt;</c>: softmax probabilities, with slot names</description></item>
/// <item><term>predicted label (out)</term><description>key 1 … classes with the label's key values</description></item>
/// <item><term>features (out)</term><description><c>Vector&lt;Single, width&gt;</c>, where <see cref="VimMergedClassifierOptions.FeaturesColumnName"/> is
/// set</description></item>
/// <item><term>top labels, top probabilities (out)</term><description>vectors of k label values and of <c>Single</c>, where
/// <see cref="VimMergedClassifierOptions.TopK"/> is set</description></item>
/// </list>
/// With 0 epochs no image is read, unless a schedule is to be found (<see cref="VimMergedClassifierOptions.Target"/>); the rows only say which classes there
/// are.
/// Classes of the checkpoint are matched by name, never by index, where it carries names. Where the classes are others, rows of the head are kept for the known
/// ones and new for the rest, and the log says which. Distillation from the un-merged network takes place only where its head knows all classes.
/// To go on from a fitted model: <see cref="Fit(IDataView, ITransformer)"/>, or <see cref="VimMergedClassifierOptions.Previous"/> where the estimator is part
/// of a pipeline. The teacher is then that model as it is, with its merges.
/// The result is a function of the rows, the options and <see cref="RetrainOptions.Seed"/>, bit for bit, whatever the number of threads; the seed of the
/// MLContext has no part in it.
/// The orientation tag of photographs (EXIF) is not applied, neither here nor in the transformer, as <c>MLImage</c> does not apply it: rotate such images
/// beforehand.
/// Progress goes to <c>MLContext.Log</c> (source "VimMergedClassifier; Fit") and to <see cref="VimMergedClassifierOptions.Progress"/>.
/// </remarks>
public sealed class VimMergedClassifierEstimator : IEstimator<VimMergedClassifierTransformer>
{
    private readonly IHostEnvironment _environment;
    private readonly VimMergedClassifierOptions _options;
    private readonly byte[]? _checkpointBytes;

    internal VimMergedClassifierEstimator(IHostEnvironment environment, VimMergedClassifierOptions options)
    {
        _environment = environment;
        _options = options.Clone();
        _options.Validate();
        if (_options.CheckpointStream is not { } stream) return;
        using var copy = new MemoryStream(); // cross-validation fits more than once
        stream.CopyTo(copy);
        _checkpointBytes = copy.ToArray();
    }

    /// <summary>The input's columns, and those that the stage adds.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The image or label column is missing or of another type.</exception>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        SampleColumns.Check(inputSchema, _options.Columns);
        LabelReader.Check(inputSchema, _options.LabelColumnName);
        return OutputColumns.Shape(_options.Columns, inputSchema);
    }

    /// <summary>
    /// Reads the rows once, merges, re-trains, and returns the network that was best on the validation rows (the latest, where there are none).
    /// </summary>
    /// <param name="input">Rows with image and label.</param>
    /// <exception cref="ArgumentOutOfRangeException">The image or label column is missing or of another type.</exception>
    /// <exception cref="InvalidOperationException">
    /// There are too few rows or classes, no GPU, or with 0 epochs classes that the checkpoint does not know.
    /// </exception>
    /// <exception cref="InsufficientMemoryException">
    /// The network alone takes more memory than there is, or than <see cref="VimMergedClassifierOptions.MemoryBudget"/> allows.
    /// </exception>
    /// <exception cref="UnreadableImageException">An image cannot be read, and the policy is to throw.</exception>
    /// <exception cref="RMeeTo.Vim.Checkpoints.CheckpointFormatException">The checkpoint is damaged or of another format.</exception>
    /// <exception cref="RMeeTo.Vim.Checkpoints.CheckpointMismatchException">
    /// The checkpoint is for another network than <see cref="VimMergedClassifierOptions.Config"/> says.
    /// </exception>
    /// <exception cref="TrainingDivergedException">The loss is no longer a number.</exception>
    /// <exception cref="OperationCanceledException">Cancelled before training began. Later, the best weights so far are returned.</exception>
    public VimMergedClassifierTransformer Fit(IDataView input) => Fit(input, _options, _checkpointBytes);

    /// <summary>
    /// The same with a fitted model to go on from in place of the weights that this estimator was made with: as if it were
    /// <see cref="VimMergedClassifierOptions.Previous"/>. All other options hold; in the simple form of the catalog the tokens a merge are one of them.
    /// </summary>
    /// <param name="trainData">Rows with image and label; the classes may be others than the model's.</param>
    /// <param name="previous">
    /// What <c>Fit</c> returned before, of this estimator or of a pipeline with it, or what <c>mlContext.Model.Load</c> returned. It is not changed.
    /// </param>
    /// <exception cref="ArgumentException"><paramref name="previous"/> holds no transformer of this kind, or several.</exception>
    /// <inheritdoc cref="Fit(IDataView)" path="/exception"/>
    public VimMergedClassifierTransformer Fit(IDataView trainData, ITransformer previous)
    {
        ArgumentNullException.ThrowIfNull(previous);
        var options = _options.GoingOnFrom(previous);
        options.Validate();
        return Fit(trainData, options, null);
    }

    private VimMergedClassifierTransformer Fit(IDataView data, VimMergedClassifierOptions options, byte[]? checkpoint)
    {
        ArgumentNullException.ThrowIfNull(data);
        LabelReader.Find(data.Schema, options.LabelColumnName);
        using var channel = StageLog.Open(_environment, "Fit");
        using var cancellation = new FitCancellation(_environment, options.CancellationToken);
        return new FitRun(_environment, options, checkpoint, channel, cancellation).Execute(data);
    }
}
