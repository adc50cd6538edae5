using Microsoft.ML.Data;

namespace Microsoft.ML
{
    public interface ICanSaveModel
    {
        void Save(ModelSaveContext ctx);
    }

    public interface ITransformer : ICanSaveModel
    {
        bool IsRowToRowMapper { get; }
        DataViewSchema GetOutputSchema(DataViewSchema inputSchema);
        IDataView Transform(IDataView input);
        IRowToRowMapper GetRowToRowMapper(DataViewSchema inputSchema);
    }

    public interface IEstimator<out TTransformer> where TTransformer : ITransformer
    {
        TTransformer Fit(IDataView input);
        SchemaShape GetOutputSchema(SchemaShape inputSchema);
    }

    public static class LearningPipelineExtensions
    {
        public static EstimatorChain<TTrans> Append<TTrans>(this IEstimator<ITransformer> start, IEstimator<TTrans> estimator)
            where TTrans : class, ITransformer => new EstimatorChain<ITransformer>([start]).Append(estimator);
    }
}

namespace Microsoft.ML.Data
{
    public sealed class EstimatorChain<TLastTransformer> : IEstimator<TransformerChain<TLastTransformer>> where TLastTransformer : class, ITransformer
    {
        private readonly IEstimator<ITransformer>[] _estimators;

        internal EstimatorChain(IEstimator<ITransformer>[] estimators) => _estimators = estimators;

        public TransformerChain<TLastTransformer> Fit(IDataView input)
        {
            GetOutputSchema(SchemaShape.Create(input.Schema));
            var fitted = new List<ITransformer>();
            foreach (IEstimator<ITransformer> estimator in _estimators)
            {
                fitted.Add(estimator.Fit(input));
                input = fitted[^1].Transform(input);
            }
            return new TransformerChain<TLastTransformer>([.. fitted]);
        }

        public SchemaShape GetOutputSchema(SchemaShape inputSchema) => _estimators.Aggregate(inputSchema, (shape, next) => next.GetOutputSchema(shape));

        public EstimatorChain<TNewTrans> Append<TNewTrans>(IEstimator<TNewTrans> estimator) where TNewTrans : class, ITransformer =>
            new([.. _estimators, (IEstimator<ITransformer>)estimator]);
    }

    /// <summary>An estimator with nothing to learn.</summary>
    public abstract class TrivialEstimator<TTransformer>(TTransformer transformer) : IEstimator<TTransformer> where TTransformer : OneToOneTransformerBase
    {
        public SchemaShape GetOutputSchema(SchemaShape inputSchema) => inputSchema.With(transformer.Shape(inputSchema.Find(transformer.Source)));

        public TTransformer Fit(IDataView input)
        {
            transformer.GetOutputSchema(input.Schema);
            return transformer;
        }
    }
}
