using Microsoft.ML;
using Microsoft.ML.Data;
using RMeeTo.Vim;

namespace RMeeTo.MLNet.Tests.Stage;

/// <summary>A row with the folder of a clip.</summary>
public sealed class ClipRow
{
    public string Id { get; set; } = "";

    public string Label { get; set; } = "";

    public string Clip { get; set; } = "";
}

/// <summary>A row with the paths of a clip's frames.</summary>
public sealed class FramesRow
{
    public string Id { get; set; } = "";

    public string Label { get; set; } = "";

    public string[] Clip { get; set; } = [];
}

/// <summary>A row with a column a frame.</summary>
public sealed class FourFramesRow
{
    public string Id { get; set; } = "";

    public string A { get; set; } = "";

    public string B { get; set; } = "";

    public string C { get; set; } = "";

    public string D { get; set; } = "";

    public static FourFramesRow Of(string id, string[] paths) => new() { Id = id, A = paths[0], B = paths[1], C = paths[2], D = paths[3] };
}

/// <summary>A row with an encoded file a frame.</summary>
public sealed class FourFilesRow
{
    public string Id { get; set; } = "";

    public byte[] A { get; set; } = [];

    public byte[] B { get; set; } = [];

    public byte[] C { get; set; } = [];

    public byte[] D { get; set; } = [];

    public static FourFilesRow Of(FourFramesRow row) =>
        new() { Id = row.Id, A = File.ReadAllBytes(row.A), B = File.ReadAllBytes(row.B), C = File.ReadAllBytes(row.C), D = File.ReadAllBytes(row.D) };
}

/// <summary>
/// Deterministic clips of a square that crosses the picture, to the right or to the left, at any height, on noise. Both classes have the same frames: the clips
/// of one are those
/// of the other backwards, so nothing but their order tells them apart.
/// </summary>
internal static class Clips
{
    public const int Frames = 11, Size = 16, Square = 4;

    public static readonly string[] Classes = ["right", "left"];

    /// <summary>Clips of four frames: the network looks at some of a clip's.</summary>
    public static readonly VimConfig Config = new()
    {
        ImageHeight = Size, ImageWidth = Size, PatchSize = 4, Stride = 4, Width = 32, Depth = 4, StateSize = 4, Frames = 4,
            ClassToken = ClassTokenPosition.First, AverageDirections = false,
    };

    private static readonly Lazy<string> SharedFolder = new(() =>
    {
        string folder = Directory.CreateTempSubdirectory("rmeeto-clips-").FullName;
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(folder, recursive: true);
        return folder;
    });

    private static readonly Lazy<VimMergedClassifierTransformer> SharedClassifier = new(() =>
    {
        var options = Tiny.Options(epochs: 20);
        (options.Config, options.ImageColumnName, options.TokensPerMerge, options.ValidationFraction) = (Config, "Clip", 4, 0);
        options.Retraining = options.Retraining with { LearningRate = 3e-3, BatchSize = 16, MinimumCropArea = 1, WarmupEpochs = 1 };
        var ml = new MLContext();
        return ml.Transforms.Conversion.MapValueToKey("Label").Append(ml.Transforms.VimMergedClassifier(options))
            .Fit(ml.Data.LoadFromEnumerable(Rows(0, 240))).LastTransformer;
    });

    /// <summary>Fitted to 240 clips. Never disposed.</summary>
    public static VimMergedClassifierTransformer Classifier => SharedClassifier.Value;

    /// <summary>Rows with folders.</summary>
    public static ClipRow[] Rows(int first, int count) =>
        [.. Enumerable.Range(first, count).Select(i => new ClipRow { Id = "c" + i, Label = Classes[i % 2], Clip = Folder(i) })];

    /// <summary>Paths of a clip's frames, in the order of time; they are drawn where they are not there.</summary>
    public static string[] Paths(int clip) => [.. Enumerable.Range(1, Frames).Select(t => Path.Combine(Folder(clip), $"frame{t}.png"))];

    /// <summary>Folder of a clip's frames, which is made where it is not there.</summary>
    public static string Folder(int clip)
    {
        string folder = Path.Combine(SharedFolder.Value, $"{clip}");
        lock (SharedFolder)
        {
            if (Directory.Exists(folder)) return folder;
            Directory.CreateDirectory(folder);
            for (int t = 0; t < Frames; t++)
            {
                using var frame = Draw(clip, t);
                frame.Save(Path.Combine(folder, $"frame{t + 1}.png"));
            }
        }
        return folder;
    }

    private static MLImage Draw(int clip, int time)
    {
        int way = Size - Square, moved = way * time / (Frames - 1), left = clip % 2 == 0 ? moved : way - moved, top = new Random(clip).Next(way + 1);
        var noise = new Random(clip * 100 + time);
        var pixels = new byte[Size * Size * 4];
        for (int i = 0; i < pixels.Length; i += 4)
        {
            int x = i / 4 % Size, y = i / 4 / Size;
            bool inside = x >= left && x < left + Square && y >= top && y < top + Square;
            for (int c = 0; c < 3; c++) pixels[i + c] = (byte)((inside ? 200 : 60) + noise.Next(40) - 20);
            pixels[i + 3] = 255;
        }
        return MLImage.CreateFromPixels(Size, Size, MLPixelFormat.Rgba32, pixels);
    }
}
