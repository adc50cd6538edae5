using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using RMeeTo.Vim;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Retraining;

namespace RMeeTo.MLNet;

/// <summary>A fitted <see cref="VimMergedClassifierEstimator"/>: adds class probabilities and the most probable class to rows with images.</summary>
/// <remarks>
/// <list type="table">
/// <listheader><term>Column</term><description>Type</description></listheader>
/// <item><term>image (in)</term><description><c>MLImage</c>, or encoded bytes <c>Vector&lt;Byte&gt;</c>, or paths <c>Text</c>; any size. It may have another
/// form than while fitting.</description></item>
/// <item><term>clip (in, networks for video)</term><description>folder of the frames <c>Text</c>, or their paths <c>Vector&lt;Text&gt;</c>, or one image column
/// a frame</description></item>
/// <item><term>score (out)</term><description><c>Vector&lt;Single, classes&gt;</c>: softmax probabilities; all NaN where the image could not be read and the
/// policy allows it</description></item>
/// <item><term>predicted label (out)</term><description>key 1 … classes with the label's key values; 0 (missing) where the score is NaN</description></item>
/// <item><term>features (out, where asked for)</term><description><c>Vector&lt;Single, width&gt;</c>: the class token after the final norm; all NaN where the
/// score is</description></item>
/// <item><term>top labels (out, where asked for)</term><description>vector of k values of the label's type, most probable first, of equal ones the lower class;
/// missing values (empty texts, NaN, 0) where the score is NaN</description></item>
/// <item><term>top probabilities (out, where asked for)</term><description><c>Vector&lt;Single, k&gt;</c>: their probabilities; all NaN where the score
/// is</description></item>
/// </list>
/// Thread-safe: concurrent Transform calls and prediction engines share the weights and nothing else; a single prediction engine is for one thread, as ever. A
/// row's result is the same bit for bit whatever else is in the view, through a prediction engine, and after saving and loading on a machine of the same vector
/// width. (On a GPU the last digits may differ by the size of the batch.)
/// The orientation tag of photographs (EXIF) is not applied, as <c>MLImage</c> does not apply it.
/// A prediction engine disposes its transformer unless told otherwise (<c>PredictionEngineOptions.OwnsTransformer = false</c>). Disposing is harmless to
/// cursors that are open: the network goes when the last one is closed.
/// </remarks>
public sealed class VimMergedClassifierTransformer : ITransformer, IDisposable
{
    private readonly IHostEnvironment _environment;
    private readonly StageColumns _columns;
    private readonly LabelClasses _classes;
    private readonly Lock _lock = new();
    private ScoringEngine _engine;

    internal VimMergedClassifierTransformer(IHostEnvironment environment, VimModel model, StageColumns columns, LabelClasses classes,
        ScoringOptions scoring, RetrainResult<VimModel>? retraining = null)
    {
        _environment = environment; // no host of our own: a host keeps the GPU settings of the moment it was made
        (_columns, _classes, Model, Retraining) = (columns, classes, model, retraining);
        _engine = new ScoringEngine(environment, model, scoring);
    }

    /// <summary>The network: weights, schedule, preprocessing.</summary>
    public VimModel Model { get; }

    /// <summary>Names of the classes, in the order of the score's slots.</summary>
    public IReadOnlyList<string> ClassNames => Model.ClassNames;

    /// <summary>Where tokens merge.</summary>
    public MergeSchedule Schedule => Model.Schedule;

    /// <summary>How re-training went, epoch by epoch, and why it ended; null where there was none, and after loading from a file.</summary>
    public RetrainResult<VimModel>? Retraining { get; }

    /// <summary>
    /// Thread budget for all that this transformer does at the same time; 0: one a processor. It changes no result. Cursors that are open keep theirs.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is negative or above 4096.</exception>
    public int Threads
    {
        get => Engine.Options.Threads;
        set
        {
            if (value is < 0 or > 4096)
                throw new ArgumentOutOfRangeException(nameof(Threads), value, $"Threads is {value}; it must be from 0 (one a processor) to 4096.");
            Renew(options => options with { Threads = value });
        }
    }

    /// <summary>
    /// How a GPU computes matrix products; single precision after loading. Of no effect on a CPU, and not saved. Cursors that are open keep theirs. Which GPU:
    /// <c>MLContext.GpuDeviceId</c>, as it is when the first row is classified.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is none of the enum.</exception>
    public MatrixPrecision GpuMatrixPrecision
    {
        get => Engine.Options.Gpu.Precision;
        set
        {
            DeviceChoice.Checked(value, nameof(GpuMatrixPrecision));
            Renew(options => options with { Gpu = options.Gpu with { Precision = value } });
        }
    }

    /// <summary>How often a clip is looked at, where the network takes clips. Cursors that are open keep theirs.</summary>
    /// <exception cref="ArgumentException">The network takes single images, and there is more than one view.</exception>
    public ClipViews Views
    {
        get => Engine.Options.Views;
        set
        {
            ArgumentNullException.ThrowIfNull(value);
            if (!Model.Config.IsVideo && value.Count > 1)
                throw new ArgumentException($"Views is {value.Times} × {value.Crops} and the network takes single images.", nameof(Views));
            Renew(options => options with { Views = value });
        }
    }

    /// <summary>Always true: prediction engines work.</summary>
    public bool IsRowToRowMapper => true;

    /// <summary>The classes as values of the label that it was fitted to.</summary>
    internal LabelClasses Classes => _classes;

    /// <summary>For tests: what was classified, and whether the network is alive.</summary>
    internal ScoringEngine Engine
    {
        get
        {
            lock (_lock) return _engine;
        }
    }

    /// <summary>
    /// The right to use the network as it is run now. Views and prediction engines ask for it whenever they begin, and so follow changes of threads and views.
    /// </summary>
    /// <exception cref="ObjectDisposedException">This transformer is disposed.</exception>
    internal ScoringEngine.Lease Acquire()
    {
        lock (_lock) return _engine.Acquire();
    }

    /// <summary>The input's columns, and behind them predicted label, score, and features and top classes where they are wanted.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The image column is missing or of another type.</exception>
    public DataViewSchema GetOutputSchema(DataViewSchema inputSchema) => Bind(inputSchema).Output;

    /// <summary>Adds the columns, lazily: images are read and classified when someone reads the columns.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The image column is missing or of another type.</exception>
    /// <exception cref="ObjectDisposedException">This transformer is disposed.</exception>
    public IDataView Transform(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        Engine.ThrowIfDisposed();
        return new ScoredView(_environment, this, input, Bind(input.Schema));
    }

    /// <summary>Row by row, for prediction engines.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The image column is missing or of another type.</exception>
    /// <exception cref="ObjectDisposedException">This transformer is disposed.</exception>
    public IRowToRowMapper GetRowToRowMapper(DataViewSchema inputSchema)
    {
        Engine.ThrowIfDisposed();
        return new RowMapper(this, Bind(inputSchema));
    }

    /// <summary>The most probable classes of a score, best first; of equal ones the lower slot.</summary>
    /// <param name="score">[classes]: the value of the score column.</param>
    /// <param name="count">How many, from 1; at most all classes are returned.</param>
    /// <returns>Empty where the score is NaN, that is where the image could not be read.</returns>
    /// <exception cref="ArgumentException"><paramref name="score"/> has another length.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="count"/> is less than 1.</exception>
    public IReadOnlyList<ClassPrediction> TopK(ReadOnlySpan<float> score, int count = 5)
    {
        if (score.Length != ClassNames.Count)
            throw new ArgumentException($"The score has {score.Length} values and the classifier {ClassNames.Count} classes; pass a value of the column "
                + $"'{_columns.Score}'.", nameof(score));
        if (count < 1) throw new ArgumentOutOfRangeException(nameof(count), count, $"count is {count}; it must be at least 1.");
        var best = new int[Math.Min(count, score.Length)];
        if (!ScoreValues.SelectTop(score, best)) return [];
        var result = new ClassPrediction[best.Length];
        for (int i = 0; i < result.Length; i++) result[i] = new(ClassNames[best[i]], score[best[i]], best[i]);
        return result;
    }

    /// <inheritdoc cref="TopK(ReadOnlySpan{float}, int)"/>
    public IReadOnlyList<ClassPrediction> TopK(in VBuffer<float> score, int count = 5) => TopK([.. score.DenseValues()], count);

    /// <summary>The most probable classes of an image, best first.</summary>
    /// <param name="image">Any size; not disposed.</param>
    /// <param name="count">How many, from 1.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="count"/> is less than 1.</exception>
    /// <exception cref="InvalidOperationException">The network takes clips.</exception>
    /// <exception cref="ObjectDisposedException">This transformer is disposed.</exception>
    public IReadOnlyList<ClassPrediction> TopK(MLImage image, int count = 5)
    {
        ArgumentNullException.ThrowIfNull(image);
        if (Model.Config.IsVideo) throw new InvalidOperationException($"The network takes clips of {Model.Config.Frames} frames; pass all frames of a clip.");
        return Classify([image], count);
    }

    /// <summary>The most probable classes of a clip, best first.</summary>
    /// <param name="frames">
    /// All of one size, in the order of time; not disposed. Any number: frames are chosen, or repeated, as in <see cref="Transform"/>.
    /// </param>
    /// <param name="count">How many, from 1.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="count"/> is less than 1.</exception>
    /// <exception cref="InvalidOperationException">The network takes single images.</exception>
    /// <exception cref="UnreadableImageException">There is no frame, or they have several sizes, and the policy is to throw.</exception>
    /// <exception cref="ObjectDisposedException">This transformer is disposed.</exception>
    public IReadOnlyList<ClassPrediction> TopK(IReadOnlyList<MLImage> frames, int count = 5)
    {
        ArgumentNullException.ThrowIfNull(frames);
        if (!Model.Config.IsVideo) throw new InvalidOperationException("The network takes single images; pass one image.");
        return Classify(frames, count);
    }

    private IReadOnlyList<ClassPrediction> Classify(IReadOnlyList<MLImage> images, int count)
    {
        var sample = new SampleInput();
        sample.Begin(_columns.Image, 0, images.Count);
        for (int i = 0; i < images.Count; i++)
        {
            sample[i].Begin(_columns.Image, 0, "");
            sample[i].SetPicture(images[i]);
        }
        var probabilities = new float[ClassNames.Count];
        using (var lease = Acquire()) lease.Score([sample], 1, probabilities);
        return TopK(probabilities, count);
    }

    /// <summary>
    /// Saves the network alone as a safetensors file with the official tensor names: for PyTorch, and as the checkpoint of another estimator.
    /// </summary>
    /// <param name="path">The file to make or to replace, whole or not at all.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void SaveCheckpoint(string path) => Model.Save(path);

    /// <summary>Frees the network as soon as no cursor uses it; may be called again.</summary>
    public void Dispose() => Engine.Dispose();

    /// <summary>Called by <c>mlContext.Model.Save</c>.</summary>
    void ICanSaveModel.Save(ModelSaveContext ctx)
    {
        ArgumentNullException.ThrowIfNull(ctx);
        MlNetInternals.Save(ctx, stream => StageFile.Write(stream, _columns, _classes, Engine.Options.UnreadableImages, Engine.Options.Views, Model));
    }

    /// <summary>Changes how the network is run; what is under way goes on as it began.</summary>
    internal void Renew(Func<ScoringOptions, ScoringOptions> change)
    {
        lock (_lock)
        {
            var options = change(_engine.Options);
            if (options == _engine.Options) return;
            _engine.ThrowIfDisposed(); // and does not make a device only to leave it
            _engine.Dispose();
            _engine = new ScoringEngine(_environment, Model, options);
        }
    }

    private StageSchema Bind(DataViewSchema schema)
    {
        ArgumentNullException.ThrowIfNull(schema);
        return new StageSchema(schema, _columns, _classes, Model.Config);
    }
}
