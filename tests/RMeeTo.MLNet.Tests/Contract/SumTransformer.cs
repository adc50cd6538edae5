using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using RMeeTo.MLNet.Tests.Contract;

// The stage may show its own attribute of this name to its tests; either will do.
#pragma warning disable CS0436
[assembly: System.Runtime.CompilerServices.IgnoresAccessChecksTo("Microsoft.ML.Core")]
[assembly: System.Runtime.CompilerServices.IgnoresAccessChecksTo("Microsoft.ML.Data")]
#pragma warning restore CS0436
[assembly: LoadableClass(typeof(SumTransformer), null, typeof(SignatureLoadModel), "Sum of a vector", "ContractTestSum")]

namespace System.Runtime.CompilerServices
{
    [AttributeUsage(AttributeTargets.Assembly, AllowMultiple = true)]
    internal sealed class IgnoresAccessChecksToAttribute(string assemblyName) : Attribute
    {
        public string AssemblyName => assemblyName;
    }
}

namespace RMeeTo.MLNet.Tests.Contract
{
    /// <summary>The smallest transformer from outside that ML.NET can save, load and predict with: it adds a factor times the sum of "Score".</summary>
    internal sealed class SumTransformer(double factor, byte[] payload) : ITransformer, IDisposable
    {
        private static readonly VersionInfo Version =
            new("SUMTEST ", 0x00010001, 0x00010001, 0x00010001, typeof(SumTransformer).Assembly.GetName().Name, "ContractTestSum");

        public static int Computed;

        public double Factor => factor;
        public byte[] Payload => payload;
        public int Disposed { get; private set; }
        public bool IsRowToRowMapper => true;

        public DataViewSchema GetOutputSchema(DataViewSchema inputSchema) => new Mapper(inputSchema, factor).OutputSchema;
        public IRowToRowMapper GetRowToRowMapper(DataViewSchema inputSchema) => new Mapper(inputSchema, factor);
        public IDataView Transform(IDataView input) => throw new NotSupportedException("Only the mapper is under test.");
        public void Dispose() => Disposed++;

        void ICanSaveModel.Save(ModelSaveContext ctx)
        {
            ctx.CheckAtModel();
            ctx.SetVersionInfo(Version);
            ctx.SaveNonEmptyString("Score");
            ctx.Writer.Write(factor);
            ctx.SaveBinaryStream("Payload.bin", writer =>
            {
                writer.Write(payload.Length);
                writer.Write(payload);
            });
        }

        private static SumTransformer Create(IHostEnvironment env, ModelLoadContext ctx)
        {
            ctx.CheckAtModel(Version);
            Microsoft.VisualStudio.TestTools.UnitTesting.Assert.AreEqual("Score", ctx.LoadNonEmptyString());
            double factor = ctx.Reader.ReadDouble();
            byte[]? payload = null;
            bool found = ctx.TryLoadBinaryStream("Payload.bin", reader => payload = reader.ReadBytes(reader.ReadInt32()));
            return found && !ctx.TryLoadBinaryStream("Absent.bin", _ => { }) ? new SumTransformer(factor, payload!) : throw new InvalidDataException();
        }

        private sealed class Mapper : IRowToRowMapper
        {
            private readonly double _factor;

            public Mapper(DataViewSchema input, double factor)
            {
                (InputSchema, _factor) = (input, factor);
                var builder = new DataViewSchema.Builder();
                builder.AddColumns(input);
                builder.AddColumn("Sum", NumberDataViewType.Double);
                OutputSchema = builder.ToSchema();
            }

            public DataViewSchema InputSchema { get; }
            public DataViewSchema OutputSchema { get; }

            public IEnumerable<DataViewSchema.Column> GetDependencies(IEnumerable<DataViewSchema.Column> dependingColumns) =>
                [.. dependingColumns.Select(c => c.Index < InputSchema.Count ? InputSchema[c.Index] : InputSchema["Score"]).DistinctBy(c => c.Index)];

            public DataViewRow GetRow(DataViewRow input, IEnumerable<DataViewSchema.Column> activeColumns) =>
                new Row(this, input, [.. activeColumns.Select(c => c.Index)]);

            private sealed class Row(Mapper mapper, DataViewRow input, HashSet<int> active) : DataViewRow
            {
                public override long Position => input.Position;
                public override long Batch => input.Batch;
                public override DataViewSchema Schema => mapper.OutputSchema;
                public override bool IsColumnActive(DataViewSchema.Column column) => active.Contains(column.Index);
                public override ValueGetter<DataViewRowId> GetIdGetter() => input.GetIdGetter();

                public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
                {
                    if (column.Index < mapper.InputSchema.Count)
                        return input.GetGetter<TValue>(mapper.InputSchema[column.Index]);
                    ValueGetter<VBuffer<float>> score = input.GetGetter<VBuffer<float>>(mapper.InputSchema["Score"]);
                    VBuffer<float> buffer = default;
                    return (ValueGetter<TValue>)(Delegate)(ValueGetter<double>)((ref double value) =>
                    {
                        score(ref buffer);
                        Interlocked.Increment(ref Computed);
                        value = mapper._factor * buffer.DenseValues().Sum(v => (double)v);
                    });
                }
            }
        }
    }
}
