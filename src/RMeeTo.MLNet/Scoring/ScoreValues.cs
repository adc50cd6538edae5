using Microsoft.ML.Data;

namespace RMeeTo.MLNet;

/// <summary>Values of the two output columns from a row of probabilities.</summary>
internal static class ScoreValues
{
    /// <summary>Fills the caller's buffer; it never sees ours.</summary>
    public static void CopyTo(ReadOnlySpan<float> probabilities, ref VBuffer<float> destination)
    {
        var editor = VBufferEditor.Create(ref destination, probabilities.Length);
        probabilities.CopyTo(editor.Values);
        destination = editor.Commit();
    }

    /// <summary>Key of the most probable class, from 1, the lowest where several are equal; 0 (missing) where there are no probabilities.</summary>
    public static uint KeyOf(ReadOnlySpan<float> probabilities)
    {
        if (float.IsNaN(probabilities[0])) return 0;
        int best = 0;
        for (int i = 1; i < probabilities.Length; i++)
            if (probabilities[i] > probabilities[best]) best = i;
        return (uint)best + 1;
    }
}
