using Microsoft.ML;
using Microsoft.ML.Data;

namespace RMeeTo.MLNet;

/// <summary>Values of output columns from what the network says of a row.</summary>
internal static class ScoreValues
{
    /// <summary>Getter of the probabilities.</summary>
    public static Delegate Probabilities(IScoredRow row) => (ValueGetter<VBuffer<float>>)((ref VBuffer<float> value) => CopyTo(row.Probabilities, ref value));

    /// <summary>Getter of the features.</summary>
    public static Delegate Features(IScoredRow row) => (ValueGetter<VBuffer<float>>)((ref VBuffer<float> value) => CopyTo(row.Features, ref value));

    /// <summary>Getter of the most probable class as a key.</summary>
    public static Delegate Key(IScoredRow row) => (ValueGetter<uint>)((ref uint value) => value = KeyOf(row.Probabilities));

    /// <summary>Getter of the largest probabilities, best first; all NaN where there are none.</summary>
    public static Delegate TopProbabilities(IScoredRow row, int count)
    {
        var best = new int[count];
        return (ValueGetter<VBuffer<float>>)((ref VBuffer<float> value) =>
        {
            var probabilities = row.Probabilities;
            bool known = SelectTop(probabilities, best);
            var editor = VBufferEditor.Create(ref value, count);
            for (int i = 0; i < count; i++) editor.Values[i] = known ? probabilities[best[i]] : float.NaN;
            value = editor.Commit();
        });
    }

    /// <summary>Finds the most probable classes, best first, of equal ones the lower.</summary>
    /// <param name="probabilities">[classes].</param>
    /// <param name="best">At most as many as there are classes; receives their indices.</param>
    /// <returns>False, and nothing written, where there are no probabilities.</returns>
    public static bool SelectTop(ReadOnlySpan<float> probabilities, Span<int> best)
    {
        if (float.IsNaN(probabilities[0])) return false;
        int found = 0;
        for (int i = 0; i < probabilities.Length; i++)
        {
            int place = found;
            while (place > 0 && probabilities[i] > probabilities[best[place - 1]]) place--;
            if (place == best.Length) continue;
            found = Math.Min(found + 1, best.Length);
            best[place..(found - 1)].CopyTo(best[(place + 1)..]);
            best[place] = i;
        }
        return true;
    }

    /// <summary>Key of the most probable class, from 1, the lowest where several are equal; 0 (missing) where there are no probabilities.</summary>
    private static uint KeyOf(ReadOnlySpan<float> probabilities)
    {
        Span<int> best = stackalloc int[1];
        return SelectTop(probabilities, best) ? (uint)best[0] + 1 : 0;
    }

    /// <summary>Fills the caller's buffer; it never sees ours.</summary>
    private static void CopyTo(ReadOnlySpan<float> values, ref VBuffer<float> destination)
    {
        var editor = VBufferEditor.Create(ref destination, values.Length);
        values.CopyTo(editor.Values);
        destination = editor.Commit();
    }
}
