using Microsoft.ML;
using RMeeTo.Vim;
using RMeeTo.Vim.Checkpoints;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Merging;
using RMeeTo.Vim.Retraining;

namespace RMeeTo.MLNet;

/// <summary>
/// Everything that <see cref="VimMergedClassifierEstimator"/> can be told. Values are checked where they are set; what contradicts each other, when the
/// estimator is made.
/// </summary>
/// <remarks>
/// Weights come from exactly one of <see cref="Checkpoint"/>, <see cref="CheckpointStream"/>, <see cref="Model"/>, <see cref="Previous"/> and
/// <see cref="FromScratch"/>.
/// </remarks>
public sealed partial class VimMergedClassifierOptions
{
    private const int DefaultTokensPerMerge = 5;
    private bool _tokensPerMergeIsSet;

    /// <summary>Column of class labels: a key (best, and what <c>Evaluate</c> needs), a text or a number.</summary>
    public string LabelColumnName { get; set => field = Name(value, nameof(LabelColumnName)); } = "Label";

    /// <summary>
    /// Column of images: <c>MLImage</c>, encoded bytes (vector of <see cref="byte"/>) or paths (text). For video a column of clips: the folder of a clip's
    /// frames (text), or their paths (vector of text).
    /// </summary>
    public string ImageColumnName { get; set => field = Name(value, nameof(ImageColumnName)); } = "Image";

    /// <summary>
    /// For video, where every frame has a column of its own: their names in the order of time, each a column as <see cref="ImageColumnName"/> describes. Null:
    /// the column of <see cref="ImageColumnName"/> holds whole clips, as the folder of the frames (text) or as their paths (vector of text).
    /// </summary>
    public IReadOnlyList<string>? FrameColumnNames
    {
        get;
        set => field = value is null ? null : [.. FrameNames(value)];
    }

    /// <summary>
    /// For video: how often <c>Transform</c> looks at a clip, places in time and crops; the scores are the mean over all views. <see cref="ClipViews.Single"/>
    /// unless set; <see cref="ClipViews.Published"/> is how the published accuracies were measured, and takes twelve times as long.
    /// </summary>
    public ClipViews Views { get; set => field = value ?? throw new ArgumentNullException(nameof(Views)); } = ClipViews.Single;

    /// <summary>
    /// For video: the most frames of a clip that <c>Fit</c> keeps, 1 to 1,000,000, evenly spread over it; training takes a random frame of every segment of
    /// these. Null: four for each frame that the network takes.
    /// </summary>
    public int? ClipFramesKept
    {
        get;
        set => field = value is null or (>= 1 and <= 1_000_000)
            ? value
            : throw new ArgumentOutOfRangeException(nameof(ClipFramesKept), value,
                $"ClipFramesKept is {value}; it must be from 1 to 1000000, or null (four for each frame that the network takes).");
    }

    /// <summary>
    /// Text column that names a row's image in messages; needed while fitting, used where it is there afterwards. Null: the image column's name followed by
    /// "Path", where there is such a column. Folders and paths of clips name themselves.
    /// </summary>
    public string? ImageNameColumnName { get; set; }

    /// <summary>New column of class probabilities, vector of <see cref="float"/>.</summary>
    public string ScoreColumnName { get; set => field = Name(value, nameof(ScoreColumnName)); } = "Score";

    /// <summary>New column of the most probable class, a key.</summary>
    public string PredictedLabelColumnName { get; set => field = Name(value, nameof(PredictedLabelColumnName)); } = "PredictedLabel";

    /// <summary>
    /// New column of features, vector of <see cref="float"/>: the class token after the final norm, as long as the network is wide. What another trainer can
    /// learn from, or what images can be compared by. Null: none.
    /// </summary>
    public string? FeaturesColumnName { get; set => field = value is null ? null : Name(value, nameof(FeaturesColumnName)); }

    /// <summary>
    /// k: the labels and probabilities of the k most probable classes become two more columns; of equal ones the lower class comes first. 0: none.
    /// </summary>
    public int TopK
    {
        get;
        set => field = value is >= 0 and <= LabelReader.MaxClasses
            ? value
            : throw new ArgumentOutOfRangeException(nameof(TopK), value,
                $"TopK is {value}; it must be from 0 (no columns of the top classes) to the number of classes.");
    }

    /// <summary>
    /// New column of the labels of the <see cref="TopK"/> most probable classes, vector of the label's type. It exists where <see cref="TopK"/> is above 0.
    /// </summary>
    public string TopKLabelsColumnName { get; set => field = Name(value, nameof(TopKLabelsColumnName)); } = "TopKLabels";

    /// <summary>New column of their probabilities, vector of <see cref="float"/>. It exists where <see cref="TopK"/> is above 0.</summary>
    public string TopKProbabilitiesColumnName { get; set => field = Name(value, nameof(TopKProbabilitiesColumnName)); } = "TopKProbabilities";

    /// <summary>
    /// Path of a file of weights: a saved <see cref="VimModel"/>, or safetensors or a PyTorch checkpoint (<c>.pth</c>, as the authors publish them) under the
    /// official tensor names.
    /// The format is told from the contents.
    /// </summary>
    public string? Checkpoint { get; set => field = value is null ? null : Name(value, nameof(Checkpoint)); }

    /// <summary>The same as a stream. It is read to its end when the estimator is made, and left open.</summary>
    public Stream? CheckpointStream { get; set; }

    /// <summary>
    /// Which weights of <see cref="Checkpoint"/> or <see cref="CheckpointStream"/> are read, where it is a PyTorch checkpoint with several sets of them, such
    /// as that of Vim-Base.
    /// </summary>
    public CheckpointReadOptions CheckpointReading { get; set => field = value ?? throw new ArgumentNullException(nameof(CheckpointReading)); } = new();

    /// <summary>A network as an object, in place of a file; its weights are not changed.</summary>
    public VimModel? Model { get; set; }

    /// <summary>
    /// A fitted model to go on from: a <see cref="VimMergedClassifierTransformer"/>, or a chain that holds one, such as what <c>mlContext.Model.Load</c>
    /// returned. Weights, schedule, merging and preprocessing are its own unless other options say otherwise, and classes go by name: those that it knows keep
    /// their rows of the head, and new ones get new rows. It is not changed, and may be disposed.
    /// </summary>
    /// <exception cref="ArgumentException">It holds no such transformer, or several.</exception>
    public ITransformer? Previous
    {
        get;
        set => (field, PreviousClassifier) = (value, value is null ? null : PreviousModel.ClassifierOf(value));
    }

    /// <summary>What becomes of the classes of <see cref="Previous"/> that the rows do not have; of no effect without it.</summary>
    public AbsentClasses AbsentClasses
    {
        get;
        set => field = Enum.IsDefined(value)
            ? value
            : throw new ArgumentOutOfRangeException(nameof(AbsentClasses), value, $"AbsentClasses is {(int)value}; it must be Keep or Drop.");
    }

    /// <summary>
    /// Architecture. With <see cref="FromScratch"/>: what to train (VimConfig.VimTiny unless given). With weights: what they must be, and the image size to use
    /// them at. The number of classes in it does not count; it follows from the labels.
    /// </summary>
    public VimConfig? Config { get; set; }

    /// <summary>True: random weights in place of a checkpoint. Takes many epochs and many images.</summary>
    public bool FromScratch { get; set; }

    /// <summary>
    /// r, tokens removed at every second block; 0 merges nothing. Null keeps the schedule of the model that is loaded. Unless set: null with
    /// <see cref="Previous"/>, else 5. Ignored where <see cref="Schedule"/> is set.
    /// </summary>
    public int? TokensPerMerge
    {
        get => _tokensPerMergeIsSet ? field : Previous is null ? DefaultTokensPerMerge : null;
        set
        {
            if (value is < 0 or >= 1 << 20)
                throw new ArgumentOutOfRangeException(nameof(TokensPerMerge), value,
                    $"TokensPerMerge is {value}; it must be from 0 (no merging) to the number of tokens, or null (the schedule of the model).");
            (field, _tokensPerMergeIsSet) = (value, true);
        }
    }

    /// <summary>Tokens removed at each block, made for a network of the same depth; takes the place of <see cref="TokensPerMerge"/>.</summary>
    public MergeSchedule? Schedule { get; set; }

    /// <summary>
    /// What the schedule is to reach, such as <c>MergeSchedule.ForSpeedup(1.4)</c> or <c>MergeSchedule.ForAccuracyLoss(0.01)</c>: <c>Fit</c> finds the numbers
    /// of tokens for it on training images before it re-trains, and logs the trade-off. Takes the place of <see cref="TokensPerMerge"/>. The checkpoint has to
    /// know the classes.
    /// Null: no search.
    /// </summary>
    public ScheduleTarget? Target { get; set; }

    /// <summary>
    /// Training images, 1 to 1,000,000, on which the schedule for <see cref="Target"/> is found: some hundred for a speed, a thousand and more for an accuracy
    /// loss.
    /// </summary>
    public int TargetImages
    {
        get;
        set => field = value is >= 1 and <= 1_000_000
            ? value
            : throw new ArgumentOutOfRangeException(nameof(TargetImages), value, $"TargetImages is {value}; it must be from 1 to 1000000.");
    } = 256;

    /// <summary>How tokens are chosen and combined. Null: as the model that is loaded says, the paper's way where it says nothing.</summary>
    public MergeOptions? Merging { get; set; }

    /// <summary>
    /// Times that all training images are shown; 0 merges without training. Null: <see cref="RetrainOptions.Epochs"/> of <see cref="Retraining"/>, which is 3
    /// unless set.
    /// </summary>
    public int? Epochs
    {
        get;
        set => field = value is null or (>= 0 and <= 100_000)
            ? value
            : throw new ArgumentOutOfRangeException(nameof(Epochs), value, $"Epochs is {value}; it must be from 0 (merge without training) to 100000.");
    }

    /// <summary>
    /// Time that training may take: as many of the <see cref="Epochs"/> are done as fit, and the learning rate's schedule ends in time. Reading the rows does
    /// not count. Null: <see cref="RetrainOptions.TimeBudget"/> of <see cref="Retraining"/>, which is none unless set.
    /// </summary>
    public TimeSpan? TimeBudget
    {
        get;
        set => field = value is null || value >= TimeSpan.FromMilliseconds(1) && value <= TimeSpan.FromDays(1000)
            ? value
            : throw new ArgumentOutOfRangeException(nameof(TimeBudget), value, $"TimeBudget is {value}; it must be from 1 ms to 1000 days, or null (none).");
    }

    /// <summary>The recipe of re-training; checkpoints and early stopping of long runs too.</summary>
    public RetrainOptions Retraining { get; set => field = value ?? throw new ArgumentNullException(nameof(Retraining)); } = new();

    /// <summary>
    /// Part of the training rows, class by class, that decides which epoch is best; 0: none, the last epoch is the best. Ignored where
    /// <see cref="ValidationColumnName"/> or <see cref="ValidationData"/> is set.
    /// </summary>
    public double ValidationFraction
    {
        get;
        set => field = value is >= 0 and <= 0.9
            ? value
            : throw new ArgumentOutOfRangeException(nameof(ValidationFraction), value,
                $"ValidationFraction is {value}; it must be from 0 (no validation) to 0.9.");
    } = 0.1;

    /// <summary>Column of <see cref="bool"/> that is true in the rows for validation.</summary>
    public string? ValidationColumnName { get; set; }

    /// <summary>Rows for validation, prepared as the training rows are; labels are compared by value, not by key.</summary>
    public IDataView? ValidationData { get; set; }

    /// <summary>What to do about images that are missing or cannot be decoded.</summary>
    public UnreadableImages UnreadableImages
    {
        get;
        set => field = Enum.IsDefined(value)
            ? value
            : throw new ArgumentOutOfRangeException(nameof(UnreadableImages), value, $"UnreadableImages is {(int)value}; it must be Throw or Missing.");
    }

    /// <summary>Part of the resized image's shorter edge that the centre crop keeps, 0.1 to 1. Null: as the model says, 0.875 where it says nothing.</summary>
    public double? CropRatio
    {
        get;
        set => field = value is null or (>= 0.1 and <= 1)
            ? value
            : throw new ArgumentOutOfRangeException(nameof(CropRatio), value, $"CropRatio is {value}; it must be from 0.1 to 1.");
    }

    /// <summary>Mean and standard deviation of the colours. Null: as the model says, those of ImageNet where it says nothing.</summary>
    public PixelNormalization? Normalization { get; set; }

    /// <summary>
    /// Threads for fitting and transforming; 0: one a processor. It changes no result. Null: <see cref="RetrainOptions.Threads"/> of <see cref="Retraining"/>.
    /// </summary>
    public int? Threads
    {
        get;
        set => field = value is null or (>= 0 and <= 4096)
            ? value
            : throw new ArgumentOutOfRangeException(nameof(Threads), value, $"Threads is {value}; it must be from 0 (one a processor) to 4096.");
    }

    /// <summary>Rows that <c>Transform</c> classifies at once; null: enough to keep all threads at work. It changes no result.</summary>
    public int? BatchSize
    {
        get;
        set => field = value is null or (>= 1 and <= 1 << 16)
            ? value
            : throw new ArgumentOutOfRangeException(nameof(BatchSize), value, $"BatchSize is {value}; it must be from 1 to 65536.");
    }

    /// <summary>
    /// Bytes of memory that <c>Fit</c> may take. Images that do not fit beside the network go to a temporary file; where the network alone does not fit,
    /// <c>Fit</c> throws before it reads an image. Null: three quarters of what the process may have.
    /// </summary>
    public long? MemoryBudget
    {
        get;
        set => field = value is null or > 0
            ? value
            : throw new ArgumentOutOfRangeException(nameof(MemoryBudget), value, $"MemoryBudget is {value} bytes; it must be more than 0.");
    }

    /// <summary>
    /// Told after every step and every epoch, on the thread that trains. Null: <see cref="RetrainOptions.Progress"/> of <see cref="Retraining"/>.
    /// </summary>
    public IProgress<RetrainProgress>? Progress { get; set; }

    /// <summary>
    /// Stops <c>Fit</c> within one batch. Before training begins it throws; after that the best weights so far are kept and <c>Fit</c> returns.
    /// </summary>
    public CancellationToken CancellationToken { get; set; }

    /// <summary>The columns that the stage reads and adds.</summary>
    internal StageColumns Columns => new(LabelColumnName, ImageColumnName, ImageNameColumnName, ScoreColumnName, PredictedLabelColumnName)
    {
        Frames = FrameColumnNames,
        Features = FeaturesColumnName,
        TopK = TopK > 0 ? new(TopK, TopKLabelsColumnName, TopKProbabilitiesColumnName) : null,
    };

    /// <summary>The classifier in <see cref="Previous"/>.</summary>
    internal VimMergedClassifierTransformer? PreviousClassifier { get; private set; }

    /// <summary>The recipe with what is set beside it.</summary>
    internal RetrainOptions Recipe => Retraining with
    {
        Epochs = Epochs ?? Retraining.Epochs,
        Threads = Threads ?? Retraining.Threads,
        TimeBudget = TimeBudget ?? Retraining.TimeBudget,
    };

    /// <summary>A copy that later changes to this object do not reach.</summary>
    internal VimMergedClassifierOptions Clone() => (VimMergedClassifierOptions)MemberwiseClone();

    /// <summary>A copy that takes its weights from a fitted model.</summary>
    /// <exception cref="ArgumentException">It holds no classifier of this kind, or several.</exception>
    internal VimMergedClassifierOptions GoingOnFrom(ITransformer previous)
    {
        var copy = Clone();
        (copy.Checkpoint, copy.CheckpointStream, copy.Model, copy.FromScratch, copy.Previous) = (null, null, null, false, previous);
        return copy;
    }

    /// <summary>Checks what no single property can see.</summary>
    /// <exception cref="ArgumentException">Options contradict each other.</exception>
    internal void Validate()
    {
        var sources = new List<string>();
        if (Checkpoint is not null) sources.Add(nameof(Checkpoint));
        if (CheckpointStream is not null) sources.Add(nameof(CheckpointStream));
        if (Model is not null) sources.Add(nameof(Model));
        if (Previous is not null) sources.Add(nameof(Previous));
        if (FromScratch) sources.Add(nameof(FromScratch));
        if (sources.Count == 0)
            throw new ArgumentException("VimMergedClassifier has no weights: pass the path of a checkpoint (.pth or safetensors), a stream, a VimModel or a "
                + "fitted model (Previous), or set FromScratch to train from random weights.");
        if (sources.Count > 1)
            throw new ArgumentException($"VimMergedClassifier has several sources of weights: {string.Join(", ", sources)}; set one of them.");
        if (CheckpointStream is { CanRead: false })
            throw new ArgumentException("CheckpointStream cannot be read: it is closed, or open for writing only. Open it for reading, and close it after the "
                + "estimator is made.");
        if (ValidationColumnName is not null && ValidationData is not null)
            throw new ArgumentException($"Both ValidationColumnName ('{ValidationColumnName}') and ValidationData are set; set one of them.");
        if (Target is not null && Schedule is not null)
            throw new ArgumentException($"Both Target ({Target}) and Schedule ({Schedule}) are set; set one of them.");
        if (Target is not null && FromScratch)
            throw new ArgumentException($"Target ({Target}) asks for a schedule that is found by what the network answers, and FromScratch starts with "
                + "random weights. Train without merges first, or set TokensPerMerge or Schedule.");
        CheckNewNames();
        Config?.Validate();
        if (FromScratch && (Epochs ?? Retraining.Epochs) == 0)
            throw new ArgumentException("FromScratch with 0 epochs leaves the weights random; set Epochs to 1 or more.");
    }

    private void CheckNewNames()
    {
        List<(string Option, string Name)> added = [(nameof(ScoreColumnName), ScoreColumnName), (nameof(PredictedLabelColumnName), PredictedLabelColumnName)];
        if (FeaturesColumnName is { } features) added.Add((nameof(FeaturesColumnName), features));
        if (TopK > 0)
            added.AddRange([(nameof(TopKLabelsColumnName), TopKLabelsColumnName), (nameof(TopKProbabilitiesColumnName), TopKProbabilitiesColumnName)]);
        if (added.GroupBy(a => a.Name).FirstOrDefault(group => group.Count() > 1) is { } same)
            throw new ArgumentException($"{string.Join(" and ", same.Select(a => a.Option))} are both '{same.Key}'; give the columns different names.");
        if (added.FirstOrDefault(a => a.Option != nameof(PredictedLabelColumnName) && a.Name == LabelColumnName) is { Option: { } hides })
            throw new ArgumentException($"{hides} is '{LabelColumnName}', the name of the label column, which would be hidden from Evaluate and from later "
                + "stages; give the new column another name.");
    }

    private static IEnumerable<string> FrameNames(IReadOnlyList<string> names)
    {
        if (names.Count == 0)
            throw new ArgumentException("FrameColumnNames is empty; name a column for every frame, or leave it null.", nameof(FrameColumnNames));
        return names.Select(name => Name(name, nameof(FrameColumnNames)));
    }

    private static string Name(string value, string property) =>
        string.IsNullOrWhiteSpace(value) ? throw new ArgumentException($"{property} is empty.", property) : value;
}
