namespace RMeeTo.MLNet;

/// <summary>The frames of a clip that lie in a folder, one image file a frame.</summary>
internal static class FrameFolder
{
    private static readonly HashSet<string> Extensions = new([".png", ".jpg", ".jpeg", ".bmp", ".webp"], StringComparer.OrdinalIgnoreCase);

    /// <summary>
    /// Paths of the image files directly in a folder, in the order of time: by name, runs of digits by their value, so that frame2 comes before frame10.
    /// </summary>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    public static string[] List(string folder)
    {
        string[] files = [.. Directory.EnumerateFiles(folder).Where(path => Extensions.Contains(Path.GetExtension(path)) && Path.GetFileName(path)[0] != '.')];
        Array.Sort(files, static (a, b) => Compare(Path.GetFileName(a.AsSpan()), Path.GetFileName(b.AsSpan())));
        return files;
    }

    /// <summary>
    /// Ordinal but for runs of digits, which are compared as numbers of any length; names that differ in leading zeros only are ordinal again. The same in
    /// every culture.
    /// </summary>
    internal static int Compare(ReadOnlySpan<char> a, ReadOnlySpan<char> b)
    {
        int i = 0, k = 0;
        while (i < a.Length && k < b.Length)
        {
            if (char.IsAsciiDigit(a[i]) && char.IsAsciiDigit(b[k]))
            {
                var (x, y) = (Digits(a[i..]), Digits(b[k..]));
                ReadOnlySpan<char> left = a.Slice(i, x).TrimStart('0'), right = b.Slice(k, y).TrimStart('0');
                int order = left.Length != right.Length ? left.Length.CompareTo(right.Length) : left.SequenceCompareTo(right);
                if (order != 0) return order;
                (i, k) = (i + x, k + y);
            }
            else if (a[i] != b[k]) return a[i].CompareTo(b[k]);
            else (i, k) = (i + 1, k + 1);
        }
        int rest = (a.Length - i).CompareTo(b.Length - k);
        return rest != 0 ? rest : a.SequenceCompareTo(b);
    }

    private static int Digits(ReadOnlySpan<char> text)
    {
        int end = text.IndexOfAnyExceptInRange('0', '9');
        return end < 0 ? text.Length : end;
    }
}
