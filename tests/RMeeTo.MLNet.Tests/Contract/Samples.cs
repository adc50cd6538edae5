using Microsoft.ML;
using Microsoft.ML.Data;

namespace RMeeTo.MLNet.Tests.Contract;

/// <summary>Rows to try ML.NET with, and short ways to read a view.</summary>
internal static class Samples
{
    public sealed class Row
    {
        public string Id { get; set; } = "";
        public string Label { get; set; } = "";
        public float Number { get; set; }

        [VectorType(3)]
        public float[] Score { get; set; } = [];
    }

    /// <summary>Labels cat, dog, owl in turn; the score is right but for every tenth row.</summary>
    public static Row[] Rows(int count) => [.. Enumerable.Range(0, count).Select(i =>
    {
        int right = i % 3, shown = i % 10 == 9 ? (right + 1) % 3 : right;
        float[] score = [0.1f, 0.1f, 0.1f];
        score[shown] = 0.8f;
        return new Row { Id = "r" + i, Label = ((string[])["cat", "dog", "owl"])[right], Number = i, Score = score };
    })];

    public static string[] Texts(IDataView view, string column) => [.. view.GetColumn<string>(column)];

    public static string[] KeyValues(DataViewSchema.Column column)
    {
        VBuffer<ReadOnlyMemory<char>> values = default;
        column.GetKeyValues(ref values);
        return [.. values.DenseValues().Select(v => v.ToString())];
    }
}
