using Microsoft.ML;

namespace RMeeTo.Samples;

/// <summary>What a service does with model.zip: load it, with nothing but the package reference, and classify files.</summary>
internal static class SavedPipeline
{
    public static void Classify(string file, IEnumerable<Picture> pictures, string folder)
    {
        var mlContext = new MLContext();
        var model = mlContext.Model.Load(file, out _);
        using var engine = mlContext.Model.CreatePredictionEngine<Picture, Answer>(model);
        foreach (var picture in pictures)
        {
            var answer = engine.Predict(picture);
            Console.WriteLine($"  {Path.GetRelativePath(folder, picture.ImagePath),-28}{answer.PredictedLabel,-14}{answer.Score.Max(),8:P1}");
        }
    }
}
