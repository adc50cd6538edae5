using Microsoft.ML.Runtime;

namespace Microsoft.ML.Data;

/// <summary>Reads label and score of every row once and counts. Predictions are the largest scores, ties to the lower class; scores are probabilities.</summary>
internal sealed class MulticlassEvaluator
{
    private const float Epsilon = 1e-15f;

    private readonly IDataView _data;
    private readonly DataViewSchema.Column _label, _score;
    private readonly int _classes, _topK;
    private readonly double[][] _confusion;
    private readonly double[] _perClassLogLoss, _perClassCount, _ranks;
    private double _count, _correct, _logLoss;

    public MulticlassEvaluator(IDataView data, DataViewSchema.Column label, DataViewSchema.Column score, DataViewSchema.Column predicted, int topK)
    {
        if (score.Type is not VectorDataViewType { Size: >= 2 } vector || vector.ItemType != NumberDataViewType.Single)
            throw Contracts.SchemaMismatch(nameof(data), "score", score.Name, "a vector of two or more items of type Single", score.Type.ToString());
        if (label.Type is not KeyDataViewType && label.Type != NumberDataViewType.Single)
            throw Contracts.SchemaMismatch(nameof(data), "label", label.Name, "Single or Key", label.Type.ToString());
        _ = predicted;
        (_data, _label, _score, _classes, _topK) = (data, label, score, vector.Size, topK);
        _confusion = [.. Enumerable.Range(0, _classes).Select(_ => new double[_classes])];
        (_perClassLogLoss, _perClassCount, _ranks) = (new double[_classes], new double[_classes], new double[_classes + 1]);
    }

    public MulticlassClassificationMetrics Run()
    {
        using (DataViewRowCursor cursor = _data.GetRowCursor([_label, _score]))
        {
            Func<object> label = CellReader.Create(cursor, _label, _label.Type.RawType);
            ValueGetter<VBuffer<float>> score = cursor.GetGetter<VBuffer<float>>(_score);
            VBuffer<float> buffer = default;
            var scores = new float[_classes];
            while (cursor.MoveNext())
            {
                if (!TryLabel(label(), out int index))
                    continue;
                score(ref buffer);
                Contracts.Check(buffer.Length == _classes, $"A row has {buffer.Length} scores, the column {_classes}.");
                buffer.CopyTo(scores);
                if (scores.All(float.IsFinite))
                    Count(index, scores);
            }
        }
        return Result();
    }

    /// <summary>A key counts from 1, with 0 for a missing one; a number is the class itself.</summary>
    private bool TryLabel(object value, out int index)
    {
        double label = _label.Type is KeyDataViewType ? Convert.ToDouble(value) - 1 : (float)value;
        index = label >= 0 && label == (int)label ? (int)label : -1;
        return index >= 0;
    }

    private void Count(int label, float[] scores)
    {
        bool known = label < _classes;
        double loss = -Math.Log(known ? Math.Clamp(scores[label], Epsilon, 1f) : Epsilon);
        float right = known ? scores[label] : 0;
        int rank = 0, assigned = 0;
        for (int i = 0; i < _classes; i++)
        {
            if (scores[i] > right || scores[i] == right && i < label)
                rank++;
            if (scores[i] > scores[assigned])
                assigned = i;
        }
        _count++;
        _logLoss += loss;
        _ranks[rank]++;
        if (rank == 0)
            _correct++;
        if (!known)
            return;
        _perClassCount[label]++;
        _perClassLogLoss[label] += loss;
        _confusion[label][assigned]++;
    }

    private MulticlassClassificationMetrics Result()
    {
        double[] recall = [.. _confusion.Select((row, i) => Ratio(row[i], row.Sum()))];
        double[] precision = [.. _confusion.Select((row, i) => Ratio(row[i], _confusion.Sum(r => r[i])))];
        int[] seen = [.. Enumerable.Range(0, _classes).Where(i => _perClassCount[i] > 0)];
        double entropy = seen.Sum(i => _perClassCount[i] * Math.Log(_perClassCount[i] / _count)) / -_count;
        double logLoss = Ratio(_logLoss, _count), within = 0;
        return new MulticlassClassificationMetrics
        {
            MicroAccuracy = Ratio(_correct, _count),
            MacroAccuracy = seen is [] ? 0 : seen.Average(i => _confusion[i][i] / _perClassCount[i]),
            LogLoss = logLoss,
            LogLossReduction = (entropy - logLoss) / entropy,
            TopKPredictionCount = _topK,
            TopKAccuracyForAllK = _topK == 0 ? null : [.. _ranks.Take(_topK).Select(r => (within += r) / _count)],
            PerClassLogLoss = [.. _perClassLogLoss.Select((loss, i) => Ratio(loss, _perClassCount[i]))],
            ConfusionMatrix = new ConfusionMatrix(precision, recall, _confusion, ClassNames()),
        };
    }

    private string[] ClassNames()
    {
        if (_score.Annotations.Schema.GetColumnOrNull("SlotNames")?.Type is not VectorDataViewType { IsKnownSize: true, ItemType: TextDataViewType })
            return [.. Enumerable.Range(0, _classes).Select(i => i.ToString())];
        VBuffer<ReadOnlyMemory<char>> names = default;
        _score.GetSlotNames(ref names);
        return [.. names.DenseValues().Select(n => n.ToString())];
    }

    private static double Ratio(double part, double whole) => whole > 0 ? part / whole : 0;
}
