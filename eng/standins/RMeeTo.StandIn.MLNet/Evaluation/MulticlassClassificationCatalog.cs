using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace Microsoft.ML;

public abstract class TrainCatalogBase : IInternalCatalog
{
    private protected TrainCatalogBase(IHostEnvironmentInternal env) => Environment = env;

    private protected IHostEnvironmentInternal Environment { get; }
    IHostEnvironment IInternalCatalog.Environment => Environment;

    public sealed class CrossValidationResult<T> where T : class
    {
        public readonly T Metrics;
        public readonly ITransformer Model;
        public readonly IDataView ScoredHoldOutSet;
        public readonly int Fold;

        internal CrossValidationResult(ITransformer model, T metrics, IDataView scores, int fold) => (Model, Metrics, ScoredHoldOutSet, Fold) = (model, metrics, scores, fold);
    }
}

public sealed class MulticlassClassificationCatalog : TrainCatalogBase
{
    internal MulticlassClassificationCatalog(IHostEnvironmentInternal env) : base(env) { }

    public MulticlassClassificationMetrics Evaluate(IDataView data, string labelColumnName = "Label", string scoreColumnName = "Score",
        string predictedLabelColumnName = "PredictedLabel", int topKPredictionCount = 0)
    {
        Contracts.CheckValue(data, nameof(data));
        Contracts.CheckParam(topKPredictionCount >= 0, nameof(topKPredictionCount), "Must not be negative.");
        DataViewSchema.Column Column(string name, string role) => data.Schema.GetColumnOrNull(name) ?? throw Contracts.SchemaMismatch("data", role, name);
        return new MulticlassEvaluator(data, Column(labelColumnName, "label"), Column(scoreColumnName, "score"),
            Column(predictedLabelColumnName, "predicted label"), topKPredictionCount).Run();
    }

    public IReadOnlyList<CrossValidationResult<MulticlassClassificationMetrics>> CrossValidate(IDataView data, IEstimator<ITransformer> estimator,
        int numberOfFolds = 5, string labelColumnName = "Label", string samplingKeyColumnName = null, int? seed = null)
    {
        Contracts.CheckValue(estimator, nameof(estimator));
        var results = new List<CrossValidationResult<MulticlassClassificationMetrics>>();
        foreach (DataOperationsCatalog.TrainTestData fold in new DataOperationsCatalog(Environment).CrossValidationSplit(data, numberOfFolds, samplingKeyColumnName, seed))
        {
            ITransformer model = estimator.Fit(fold.TrainSet);
            IDataView scored = model.Transform(fold.TestSet);
            results.Add(new(model, Evaluate(scored, labelColumnName), scored, results.Count));
        }
        return results;
    }
}
