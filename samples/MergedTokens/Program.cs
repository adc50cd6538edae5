using Microsoft.ML.Data;
using RMeeTo.Samples;
using RMeeTo.Vim;
using RMeeTo.Vim.Analysis;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Merging;

// Draws pictures of the demo and, below each, the patches as the demo's network sees them at its end: patches that were merged have one colour and no line between them.
//   dotnet run -c Release --project samples/MergedTokens -- docs/merged-tokens.png
const int columns = 8, scale = 2, gap = 8, tokensPerMerge = 20, size = ShapePicture.Size;
string output = args.Length > 0 ? args[0] : Path.Combine(Path.GetTempPath(), "merged-tokens.png");

var model = VimModel.Load(Path.Combine(AppContext.BaseDirectory, "demo-vim.safetensors"));
model = model.WithSchedule(MergeSchedule.Uniform(model.Config, tokensPerMerge));
int edge = model.Config.Stride, grid = model.Config.GridWidth;
Console.WriteLine(model.Schedule);

int width = columns * (size * scale + gap) - gap, height = 2 * size * scale + gap;
var canvas = new byte[width * height * 4];
Array.Fill(canvas, byte.MaxValue);
for (int number = 0; number < columns; number++)
{
    var picture = ShapePicture.Draw(PictureSet.Test, number);
    var rows = MergedTokens.Trace(model, new RgbImage(picture, size, size)).RowOfToken.ToArray();
    Paint(number, 0, (x, y) => Pixel(picture, x, y));
    var means = Means(picture, rows);
    Paint(number, size * scale + gap, (x, y) =>
    {
        int row = RowAt(rows, x, y);
        bool border = (x % edge == 0 && x > 0 && RowAt(rows, x - 1, y) != row) || (y % edge == 0 && y > 0 && RowAt(rows, x, y - 1) != row);
        return border ? (20, 20, 20) : means[row];
    });
}
using (var image = MLImage.CreateFromPixels(width, height, MLPixelFormat.Bgra32, canvas)) image.Save(output);
Console.WriteLine($"Wrote {output}.");

(int R, int G, int B) Pixel(byte[] picture, int x, int y) => (picture[(y * size + x) * 3], picture[(y * size + x) * 3 + 1], picture[(y * size + x) * 3 + 2]);

int RowAt(int[] rows, int x, int y)
{
    int patch = Math.Min(y / edge, grid - 1) * grid + Math.Min(x / edge, grid - 1); // patches overlap; each is drawn as the square that the next begins at
    return rows[patch < model.Config.ClassRow ? patch : patch + 1]; // the class token stands in the middle
}

Dictionary<int, (int, int, int)> Means(byte[] picture, int[] rows) => Enumerable.Range(0, size * size)
    .GroupBy(i => RowAt(rows, i % size, i / size), i => Pixel(picture, i % size, i / size))
    .ToDictionary(g => g.Key, g => ((int)g.Average(p => p.R), (int)g.Average(p => p.G), (int)g.Average(p => p.B)));

void Paint(int column, int top, Func<int, int, (int R, int G, int B)> colour)
{
    for (int y = 0; y < size * scale; y++)
        for (int x = 0; x < size * scale; x++)
        {
            int at = ((top + y) * width + column * (size * scale + gap) + x) * 4;
            (canvas[at + 2], canvas[at + 1], canvas[at]) = colour(x / scale, y / scale) is var (r, g, b) ? ((byte)r, (byte)g, (byte)b) : default;
        }
}
