using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using RMeeTo.Vim;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Retraining;

namespace RMeeTo.MLNet;

/// <summary>
/// The rows of a view as an <see cref="ImageStore"/> with classes. The view is read once, on one thread; meanwhile images are decoded and reduced by all
/// threads, and kept in the order of the rows.
/// </summary>
internal sealed class TrainingRows : IDisposable
{
    private const int FramesPerSegment = 4;

    private readonly VimMergedClassifierOptions _options;
    private readonly bool _video;
    private readonly int _clipFrames;
    private readonly int _threads;
    private readonly FitCancellation _cancellation;
    private readonly List<int> _training = [];
    private readonly List<int> _validation = [];

    private TrainingRows(VimMergedClassifierOptions options, ImageStore store, VimConfig config, int threads, FitCancellation cancellation)
    {
        (_options, Store, _video, _threads, _cancellation) = (options, store, config.IsVideo, threads, cancellation);
        _clipFrames = options.ClipFramesKept ?? FramesPerSegment * config.Frames;
    }

    /// <summary>Images of training and validation.</summary>
    public ImageStore Store { get; }

    /// <summary>The classes of the training rows, and those that are kept beside them.</summary>
    public FitClasses Classes { get; private set; } = null!;

    /// <summary>Images to learn from.</summary>
    public ImageSet Training => new(Store, _training);

    /// <summary>Images that decide which epoch is best, or null.</summary>
    public ImageSet? Validation => _validation.Count == 0 ? null : new(Store, _validation);

    /// <summary>Reads training rows, and validation rows where there is a view of them.</summary>
    /// <param name="view">The training rows.</param>
    /// <param name="options">Columns, validation, and what to do about images that cannot be read.</param>
    /// <param name="config">Whether samples are clips, and of how many frames.</param>
    /// <param name="images">Where pixels go.</param>
    /// <param name="threads">Threads that decode.</param>
    /// <param name="channel">Told how many rows there are, and which were left out.</param>
    /// <param name="cancellation">Looked at between batches of rows.</param>
    /// <param name="kept">Classes that there are whether rows have them or not; null: none.</param>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or of another type.</exception>
    /// <exception cref="InvalidOperationException">There are too few rows or classes to train with.</exception>
    /// <exception cref="UnreadableImageException">An image cannot be read, and the policy is to throw.</exception>
    public static TrainingRows Read(
        IDataView view, VimMergedClassifierOptions options, VimConfig config, ImageStoreOptions images, int threads, IChannel channel,
        FitCancellation cancellation, LabelClasses? kept = null)
    {
        var store = new ImageStore(images);
        try
        {
            var rows = new TrainingRows(options, store, config, threads, cancellation);
            rows.ReadTraining(view, kept, channel);
            if (options.ValidationData is { } validation) rows.ReadValidation(validation, channel);
            else if (options.ValidationColumnName is null && options.ValidationFraction > 0) rows.Split();
            channel.Say($"{rows._training.Count} {(config.IsVideo ? "clips" : "images")} to train, {rows._validation.Count} to validate, "
                + $"{rows.Classes.All.Names.Count} classes; {store.MemoryBytes >> 20} MB in memory, {store.FileBytes >> 20} MB in a temporary file.");
            return rows;
        }
        catch
        {
            store.Dispose();
            throw;
        }
    }

    /// <summary>The classes alone, without a look at any image: all that merging without training needs.</summary>
    /// <exception cref="InvalidOperationException">There are fewer than two classes.</exception>
    public static FitClasses ReadClasses(IDataView view, VimMergedClassifierOptions options, LabelClasses? kept, FitCancellation cancellation)
    {
        var label = LabelReader.Find(view.Schema, options.LabelColumnName);
        using var cursor = view.GetRowCursor([label]);
        var labels = LabelReader.Open(cursor, label, kept);
        long rows = 0;
        for (; label.Type is not KeyDataViewType && cursor.MoveNext(); rows++)
        {
            labels.Read();
            if (rows % 1024 != 0) continue;
            cancellation.Ask();
            cancellation.Token.ThrowIfCancellationRequested();
        }
        var classes = new FitClasses(labels);
        int enough = options.Previous is null ? classes.Occurring : classes.All.Names.Count; // a model that goes on needs no rows to know its classes
        return enough >= 2 ? classes : throw TooFewClasses(options, classes.Occurring, rows);
    }

    public void Dispose() => Store.Dispose();

    private void ReadTraining(IDataView view, LabelClasses? kept, IChannel channel)
    {
        var validationColumn = _options.ValidationColumnName is { } name ? SchemaChecks.Find(view.Schema, name, "validation") : (DataViewSchema.Column?)null;
        if (validationColumn is { Type: not BooleanDataViewType } wrong)
            throw new ArgumentOutOfRangeException("inputSchema", $"Column '{wrong.Name}' is {wrong.Type}; the validation column must be Boolean: true in the "
                + "rows for validation.");
        void Add(int index, bool forValidation) => (forValidation ? _validation : _training).Add(index);
        Classes = ReadView(view, validationColumn, kept, null, Add, "training", channel);
        int present = _training.Select(Store.Label).Distinct().Count();
        if (_training.Count == 0 && _validation.Count > 0)
            throw new InvalidOperationException($"There are no training images: all {_validation.Count} rows that can be used are true in the validation "
                + $"column '{_options.ValidationColumnName}'. It must be false in the rows to learn from.");
        if (_training.Count == 0)
            throw new InvalidOperationException($"There are no training images: no row has both a label in column '{_options.LabelColumnName}' and an image "
                + $"in column '{_options.ImageColumnName}' that can be read. Check the two columns, for example with Preview(), and the warnings in the log.");
        if (present < 2) throw TooFewClasses(_options, present, _training.Count);
    }

    private static InvalidOperationException TooFewClasses(VimMergedClassifierOptions options, int classes, long rows) =>
        new($"Column '{options.LabelColumnName}' has {classes} class{(classes == 1 ? "" : "es")} in {rows} rows; a classifier needs at least 2. Check the "
            + "label column and how the rows were chosen.");

    private void ReadValidation(IDataView view, IChannel channel)
    {
        int before = Store.Count;
        ReadView(view, null, null, Classes.All, (index, _) => _validation.Add(index), "validation", channel);
        if (Store.Count == before)
            throw new InvalidOperationException("No row of ValidationData can be used: labels are compared by value, and none is a class of the training "
                + "rows. Check that both views have the same label values.");
    }

    private void Split()
    {
        var split = Store.Split(_options.ValidationFraction, _options.Retraining.Seed);
        _training.Clear();
        _training.AddRange(split.Train);
        _validation.AddRange(split.Validation);
    }

    private FitClasses ReadView(IDataView view, DataViewSchema.Column? flag, LabelClasses? kept, LabelClasses? known, Action<int, bool> added, string what,
        IChannel channel)
    {
        var label = LabelReader.Find(view.Schema, _options.LabelColumnName);
        var sample = SampleColumns.Find(view.Schema, _options.Columns, _video);
        DataViewSchema.Column[] columns = [label, .. sample.Dependencies, .. flag is { } column ? [column] : Array.Empty<DataViewSchema.Column>()];
        using var cursor = view.GetRowCursor(columns.DistinctBy(c => c.Index));
        var labels = LabelReader.Open(cursor, label, kept);
        var samples = SampleReader.Create(cursor, sample);
        var isValidation = flag is { } boolean ? cursor.GetGetter<bool>(boolean) : null;
        bool fail = _options.UnreadableImages == UnreadableImages.Throw;
        using var decoder = new DecodeAhead(Store, _threads, _video ? _clipFrames : 0, fail, _cancellation.Token);
        var leftOut = new LeftOut();
        bool more = true;
        while (more)
        {
            _cancellation.Ask();
            _cancellation.Token.ThrowIfCancellationRequested();
            var batch = decoder.Next;
            while (!batch.IsFull && (more = cursor.MoveNext()))
            {
                int index = labels.Read();
                bool forValidation = false;
                isValidation?.Invoke(ref forValidation);
                if (index < 0) leftOut.MissingLabels++;
                else batch.Add(samples, cursor.Position, index, forValidation);
            }
            KeepDecoded(decoder.Exchange());
        }
        KeepDecoded(decoder.Last());
        foreach (string line in leftOut.Lines(what)) channel.Warning(MessageSensitivity.UserData, line);
        return new FitClasses(labels);

        void KeepDecoded(ReadBatch batch) => Keep(batch, known is null ? null : Translate(labels.Classes(), known), leftOut, added);
    }

    private void Keep(ReadBatch batch, int[]? translation, LeftOut leftOut, Action<int, bool> added)
    {
        foreach (var row in batch.Rows)
        {
            int label = translation is null ? row.Label : translation[row.Label];
            if (label < 0) leftOut.UnknownClasses++;
            else if (row.Sample.Failed)
            {
                if (leftOut.UnreadableImages++ == 0) leftOut.FirstUnreadable = row.Sample.FailedName;
            }
            else
            {
                int index = _video ? Store.AddClip(new VideoClip(row.Decoded), label, row.Sample.Name) : Store.Add(row.Decoded[0], label, row.Sample.Name);
                added(index, row.ForValidation);
            }
            row.Decoded = [];
        }
    }

    /// <summary>From the classes of one view to those of another, by name; −1 where there is none.</summary>
    private static int[] Translate(LabelClasses from, LabelClasses to)
    {
        var index = new Dictionary<string, int>();
        for (int i = 0; i < to.Names.Count; i++) index.Add(to.Names[i], i);
        return [.. from.Names.Select(name => index.GetValueOrDefault(name, -1))];
    }
}
