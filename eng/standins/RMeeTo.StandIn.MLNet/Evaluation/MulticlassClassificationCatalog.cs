using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace Microsoft.ML
{
    public abstract class TrainCatalogBase
    {
        private protected TrainCatalogBase() { }

        public sealed record CrossValidationResult<T>(ITransformer Model, T Metrics, IDataView ScoredHoldOutSet, int Fold) where T : class;
    }

    public sealed class MulticlassClassificationCatalog : TrainCatalogBase
    {
        private readonly IHostEnvironmentInternal _env;

        internal MulticlassClassificationCatalog(IHostEnvironmentInternal env) => _env = env;

        public MulticlassClassificationMetrics Evaluate(IDataView data, string labelColumnName = "Label", string scoreColumnName = "Score",
            string predictedLabelColumnName = "PredictedLabel")
        {
            DataViewSchema.Column Find(string name) => data.Schema.GetColumnOrNull(name) ?? throw Contracts.NotFound(name);
            Find(predictedLabelColumnName); // must be there, and is not read: the prediction is the largest score
            return new MulticlassEvaluator(Find(labelColumnName), Find(scoreColumnName)).Run(data);
        }

        public IReadOnlyList<CrossValidationResult<MulticlassClassificationMetrics>> CrossValidate(IDataView data, IEstimator<ITransformer> estimator,
            int numberOfFolds = 5, string labelColumnName = "Label", int? seed = null)
        {
            int splitSeed = seed ?? _env.Seed ?? Random.Shared.Next();
            return [.. Enumerable.Range(0, numberOfFolds).Select(fold =>
            {
                ITransformer model = estimator.Fit(DataOperationsCatalog.Fold(data, fold, numberOfFolds, others: true, splitSeed));
                IDataView scored = model.Transform(DataOperationsCatalog.Fold(data, fold, numberOfFolds, others: false, splitSeed));
                return new CrossValidationResult<MulticlassClassificationMetrics>(model, Evaluate(scored, labelColumnName), scored, fold);
            })];
        }
    }
}

namespace Microsoft.ML.Data
{
    public sealed record MulticlassClassificationMetrics(double MicroAccuracy, double MacroAccuracy, double LogLoss, ConfusionMatrix ConfusionMatrix);

    /// <summary>Rows are the true classes, columns the predicted ones.</summary>
    public sealed record ConfusionMatrix(IReadOnlyList<IReadOnlyList<double>> Counts)
    {
        public int NumberOfClasses => Counts.Count;
    }

    /// <summary>Reads label and score of every row once and counts. The prediction is the largest score, the lower class of equal ones.</summary>
    internal sealed class MulticlassEvaluator
    {
        private const float Epsilon = 1e-15f;

        private readonly DataViewSchema.Column _label, _score;
        private readonly int _classes;
        private readonly double[][] _confusion;
        private double _count, _correct, _logLoss;

        public MulticlassEvaluator(DataViewSchema.Column label, DataViewSchema.Column score)
        {
            if (score.Type is not VectorDataViewType { Size: >= 2 } vector || vector.ItemType != NumberDataViewType.Single)
                throw Contracts.WrongType(score.Name, "a vector of two or more items of type Single", score.Type);
            if (label.Type is not KeyDataViewType && label.Type != NumberDataViewType.Single)
                throw Contracts.WrongType(label.Name, "Single or Key", label.Type);
            (_label, _score, _classes) = (label, score, vector.Size);
            _confusion = [.. Enumerable.Range(0, _classes).Select(_ => new double[_classes])];
        }

        public MulticlassClassificationMetrics Run(IDataView data)
        {
            using DataViewRowCursor cursor = data.GetRowCursor([_label, _score]);
            Func<object> label = CellReader.Create(cursor, _label, _label.Type.RawType), score = CellReader.Create(cursor, _score, typeof(float[]));
            int first = _label.Type is KeyDataViewType ? 1 : 0;
            while (cursor.MoveNext())
                if (Convert.ToDouble(label()) - first is >= 0 and var index && (float[])score() is var scores && scores.All(float.IsFinite))
                    Count((int)index, scores);
            double[] recall = [.. _confusion.Select((row, i) => row[i] / row.Sum()).Where(r => !double.IsNaN(r))];
            return new(_correct / _count, recall.DefaultIfEmpty().Average(), _logLoss / _count, new ConfusionMatrix(_confusion));
        }

        /// <summary>A label that no score stands for is a row that no prediction can get right.</summary>
        private void Count(int label, float[] scores)
        {
            bool known = label < _classes;
            int predicted = Array.IndexOf(scores, scores.Max());
            _count++;
            _correct += label == predicted ? 1 : 0;
            _logLoss -= Math.Log(known ? Math.Clamp(scores[label], Epsilon, 1f) : Epsilon);
            if (known)
                _confusion[label][predicted]++;
        }
    }
}
