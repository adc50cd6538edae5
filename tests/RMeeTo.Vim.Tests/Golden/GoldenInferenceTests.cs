using RMeeTo.Vim.Deit;
using RMeeTo.Vim.Tests.Deit;

namespace RMeeTo.Vim.Tests.Golden;

/// <summary>
/// Recorded networks as a user runs them: a model written to a file and read back, and the probabilities of a classifier on several threads, which keeps
/// nothing for a backward pass and leaves out of the last block what the head does not look at. The other tests of networks look inside, at one that
/// keeps everything.
/// </summary>
[TestClass]
[TestCategory("Golden")]
public sealed class GoldenInferenceTests
{
    // Of the logits, whose own limit is 2e-5 of the largest; that of a probability is a multiple of it.
    private const double Limit = 2e-5;

    /// <summary>Every case but those with recorded random numbers: a classifier draws its own.</summary>
    public static IEnumerable<object[]> Networks => GoldenData.Rows(() =>
        from item in GoldenNets.Cases("models_index.json")
        where item.Unsupported is null && !GoldenData.File(item.Case.File).Names.Any(name => name.StartsWith("shuffle.", StringComparison.Ordinal))
        select new object[] { item.Case.ToString() });

    public static IEnumerable<object[]> Transformers => GoldenData.Rows(() =>
        from golden in DeitGoldenNets.Cases("models_index.json") select new object[] { golden.ToString() });

    [TestMethod]
    [DynamicData(nameof(Networks))]
    public void ProbabilitiesOfANetworkAgreeWithTheOfficialCode(string caseName)
    {
        GoldenData.Require(caseName);
        var golden = GoldenNets.Cases("models_index.json").Select(item => item.Case).First(c => c.ToString() == caseName);
        var config = GoldenNets.Config(golden);
        var (schedule, merging) = GoldenNets.Merging(config, golden.Settings);
        var model = new VimModel(GoldenNets.Weights(config, Weights(golden)), Names(config.Classes), schedule, merging);
        var file = new MemoryStream();
        model.Save(file);
        file.Position = 0;
        using var classifier = new VimClassifier(VimModel.Load(file), threads: 3);
        Compare(classifier, golden, config.Classes);
    }

    [TestMethod]
    [DynamicData(nameof(Transformers))]
    public void ProbabilitiesOfATransformerAgreeWithTheOfficialCode(string caseName)
    {
        GoldenData.Require(caseName);
        var golden = DeitGoldenNets.Cases("models_index.json").First(c => c.ToString() == caseName);
        var config = DeitGoldenNets.Config(golden);
        var (schedule, merging) = DeitGoldenNets.Merging(config, golden.Settings);
        var model = new DeitModel(DeitGoldenNets.Weights(config, Weights(golden)), Names(config.Classes), schedule, merging);
        var file = new MemoryStream();
        model.Save(file);
        file.Position = 0;
        using var classifier = new DeitClassifier(DeitModel.Load(file), threads: 3);
        Compare(classifier, golden, config.Classes);
    }

    private static void Compare(ImageClassifier classifier, GoldenCase golden, int classes)
    {
        double[] logits = GoldenData.File(golden.File)["logits_f64"].Values;
        float[] probabilities = new float[logits.Length];
        classifier.PredictNormalized(GoldenData.File($"{golden.Net}_input.safetensors").Floats("images"), probabilities);
        double[] expected = [.. logits.Chunk(classes).SelectMany(Softmax)];
        // A logit that is off by e moves a probability by a factor of at most exp(2e).
        double limit = 2 * Limit * Math.Max(1, logits.Max(Math.Abs));
        GoldenAssert.Close(expected, Array.ConvertAll(probabilities, p => (double)p), limit, "probabilities");
    }

    private static IEnumerable<double> Softmax(double[] logits)
    {
        double sum = logits.Sum(logit => Math.Exp(logit - logits.Max()));
        return logits.Select(logit => Math.Exp(logit - logits.Max()) / sum);
    }

    private static GoldenFile Weights(GoldenCase golden) => GoldenData.File(golden.Settings.GetProperty("weights_file").GetString()!);

    private static string[] Names(int classes) => [.. Enumerable.Range(0, classes).Select(i => $"class {i}")];
}
