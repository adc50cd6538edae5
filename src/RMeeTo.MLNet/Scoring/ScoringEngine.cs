using Microsoft.ML.Runtime;
using RMeeTo.Vim;
using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Images;

namespace RMeeTo.MLNet;

/// <summary>
/// The network of one transformer on its device, made at the first image and shared by all cursors and prediction engines. It lives until it is disposed and
/// the last <see cref="Lease"/> is given back.
/// </summary>
internal sealed class ScoringEngine(IHostEnvironment environment, VimModel model, ScoringOptions options) : IDisposable
{
    private readonly Lock _lock = new();
    private VimClassifier? _classifier;
    private IVimDeviceProvider? _gpu;
    private int _leases;
    private bool _disposed;
    private long _imagesScored;
    private long _batchesScored;

    /// <summary>Images that went through the network so far.</summary>
    public long ImagesScored => Interlocked.Read(ref _imagesScored);

    /// <summary>Batches that went through the network so far.</summary>
    public long BatchesScored => Interlocked.Read(ref _batchesScored);

    /// <summary>Whether weights are still held for anyone.</summary>
    public bool IsAlive => _classifier is not null;

    /// <summary>The network.</summary>
    public VimModel Model => model;

    /// <summary>How it is run.</summary>
    public ScoringOptions Options => options;

    /// <summary>Keeps the network alive until the lease is disposed.</summary>
    /// <exception cref="ObjectDisposedException">The transformer was disposed.</exception>
    public Lease Acquire()
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, typeof(VimMergedClassifierTransformer));
            _classifier ??= Create();
            _leases++;
            return new Lease(this, _classifier);
        }
    }

    /// <summary>Throws where there will be no more leases.</summary>
    /// <exception cref="ObjectDisposedException">The transformer was disposed.</exception>
    public void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(_disposed, typeof(VimMergedClassifierTransformer));

    /// <summary>No more leases from now on.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
            FreeIfUnused();
        }
    }

    private VimClassifier Create()
    {
        using var channel = StageLog.Open(environment, "Scoring");
        _gpu = DeviceChoice.Resolve(environment, options.Gpu, channel);
        try
        {
            var classifier = new VimClassifier(model, options.Threads, _gpu);
            channel.Say(DeviceChoice.Describe(classifier.Device, options.Threads));
            return classifier;
        }
        catch
        {
            DeviceChoice.Return(_gpu);
            _gpu = null;
            throw;
        }
    }

    private void Release()
    {
        lock (_lock)
        {
            _leases--;
            FreeIfUnused();
        }
    }

    private void FreeIfUnused()
    {
        if (!_disposed || _leases > 0) return;
        _classifier?.Dispose();
        DeviceChoice.Return(_gpu);
        (_classifier, _gpu) = (null, null);
    }

    /// <summary>The right to use the network.</summary>
    public sealed class Lease(ScoringEngine owner, VimClassifier classifier) : IDisposable
    {
        private int _returned;

        /// <summary>The network.</summary>
        public VimModel Model => owner.Model;

        /// <summary>How it is run.</summary>
        public ScoringOptions Options => owner.Options;

        /// <summary>Where it runs.</summary>
        public IVimDeviceProvider Device => classifier.Device;

        /// <summary>Classifies samples; those that cannot be read get NaN where the policy allows.</summary>
        /// <param name="samples">What to classify.</param>
        /// <param name="count">How many of them.</param>
        /// <param name="probabilities">[count, classes]; written.</param>
        /// <param name="features">[count, width]; written. Null: not wanted.</param>
        /// <returns>Number of samples that could not be read.</returns>
        /// <exception cref="UnreadableImageException">An image cannot be read, and the policy is to throw.</exception>
        public int Score(IReadOnlyList<SampleInput> samples, int count, float[] probabilities, float[]? features = null)
        {
            ObjectDisposedException.ThrowIf(_returned != 0, typeof(VimMergedClassifierTransformer));
            var model = owner.Model;
            if (model.Config.IsVideo) ScoreClips(samples, count, probabilities, features);
            else ScoreImages(samples, count, probabilities, features);
            Interlocked.Add(ref owner._imagesScored, count);
            Interlocked.Increment(ref owner._batchesScored);
            int classes = model.Config.Classes, width = model.Config.Width, unreadable = 0;
            for (int i = 0; i < count; i++)
            {
                if (!samples[i].Failed) continue;
                probabilities.AsSpan(i * classes, classes).Fill(float.NaN);
                features?.AsSpan(i * width, width).Fill(float.NaN);
                unreadable++;
            }
            return unreadable;
        }

        private bool KeepsRows => owner.Options.UnreadableImages == UnreadableImages.Missing;

        private void ScoreImages(IReadOnlyList<SampleInput> samples, int count, float[] probabilities, float[]? features)
        {
            var preprocessing = owner.Model.Preprocessing;
            classifier.Predict(count, (index, destination) => Fill<float>(index, destination, preprocessing.Apply), probabilities, CancellationToken.None,
                features, (index, destination) => Fill<byte>(index, destination, preprocessing.Crop));

            void Fill<T>(int index, Span<T> destination, Preparation<T> prepare)
            {
                try
                {
                    samples[index].Open();
                    prepare(samples[index].Decode(0), destination);
                }
                catch (UnreadableImageException) when (KeepsRows)
                {
                    destination.Clear();
                }
            }
        }

        private void ScoreClips(IReadOnlyList<SampleInput> samples, int count, float[] probabilities, float[]? features)
        {
            var (model, views) = (owner.Model, owner.Options.Views);
            SampleFrames[] clips = [.. samples.Take(count).Select(sample => new SampleFrames(sample, views.Count))];
            classifier.PredictViews(count, views.Count, new ViewFiller(
                (index, view, destination) => Fill(index, destination, (clip, to) => model.Preprocessing.Apply(clip, model.Config.Frames, views, view, to)),
                (index, view, destination) => Fill(index, destination, (clip, to) => model.Preprocessing.Crop(clip, model.Config.Frames, views, view, to))),
                probabilities, features, CancellationToken.None);

            void Fill<T>(int index, Span<T> destination, ClipPreparation<T> prepare)
            {
                try
                {
                    prepare(clips[index].Open(), destination);
                }
                catch (UnreadableImageException) when (KeepsRows)
                {
                    destination.Clear();
                }
                finally
                {
                    clips[index].Close();
                }
            }
        }

        private delegate void Preparation<T>(RgbImage image, Span<T> destination);

        private delegate void ClipPreparation<T>(VideoClip clip, Span<T> destination);

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _returned, 1) == 0) owner.Release();
        }
    }
}

/// <summary>How a transformer runs its network. All but policy and views belongs to the process, and is not stored in a model file.</summary>
/// <param name="UnreadableImages">Policy.</param>
/// <param name="Threads">Thread budget; 0: one a processor.</param>
/// <param name="BatchSize">Rows that a cursor reads ahead; null: enough to keep all threads at work.</param>
internal sealed record ScoringOptions(UnreadableImages UnreadableImages, int Threads = 0, int? BatchSize = null)
{
    /// <summary>GPU asked for; unless set, as the environment says.</summary>
    public GpuChoice Gpu { get; init; } = new();

    /// <summary>How often a clip is looked at; without meaning for images. Stored in a model file.</summary>
    public ClipViews Views { get; init; } = ClipViews.Single;
}
