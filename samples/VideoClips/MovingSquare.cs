using Microsoft.ML.Data;

namespace RMeeTo.Samples;

/// <summary>
/// A clip of a square that crosses a noisy picture, to the right or, which is the same backwards, to the left: only motion tells the two apart.
/// </summary>
internal sealed class MovingSquare
{
    public const int Size = 16;

    private const int Edge = 4, Frames = 11;

    /// <summary>Folder of the frames.</summary>
    public string Folder { get; set; } = "";

    /// <summary>Where it moves.</summary>
    public string Label { get; set; } = "";

    /// <summary>Draws clips below a folder; a clip is a function of its number.</summary>
    public static MovingSquare[] Draw(string root, int first, int count) => [.. Enumerable.Range(first, count).Select(number => Draw(root, number))];

    private static MovingSquare Draw(string root, int number)
    {
        var random = new Random(number);
        bool right = number % 2 == 0;
        int way = Size - Edge, top = random.Next(way + 1);
        string folder = Directory.CreateDirectory(Path.Combine(root, $"clip{number}")).FullName;
        for (int t = 0; t < Frames; t++)
        {
            int moved = way * t / (Frames - 1), left = right ? moved : way - moved;
            var pixels = new byte[Size * Size * 4];
            for (int i = 0; i < pixels.Length; i++)
            {
                int x = i / 4 % Size, y = i / 4 / Size;
                bool inside = x >= left && x < left + Edge && y >= top && y < top + Edge;
                pixels[i] = i % 4 == 3 ? byte.MaxValue : (byte)((inside ? 180 : 40) + random.Next(40));
            }
            using var frame = MLImage.CreateFromPixels(Size, Size, MLPixelFormat.Rgba32, pixels);
            frame.Save(Path.Combine(folder, $"frame{t}.png"));
        }
        return new() { Folder = folder, Label = right ? "right" : "left" };
    }
}

/// <summary>What the pipeline says of a clip.</summary>
internal sealed class Answer
{
    public string[] TopKLabels { get; set; } = [];

    public float[] TopKProbabilities { get; set; } = [];
}
