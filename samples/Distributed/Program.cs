using System.Runtime.InteropServices;
using System.Security.Cryptography;
using RMeeTo.Samples;
using RMeeTo.Vim;
using RMeeTo.Vim.Images;
using RMeeTo.Vim.Network;
using RMeeTo.Vim.Retraining;
using RMeeTo.Vim.Retraining.Distributed;

// Trains a small network over several processes: the same weights bit for bit from any number of them, after one was killed too.
//   dotnet publish -c Release samples/Distributed -o distributed
//   mpirun -n 2 dotnet distributed/Distributed.dll [checkpoint]        (docs/distributed.md: several machines, threads, Slurm)
// Without mpirun it trains in one process, and needs no MPI.
using IProcessGroup processes = MpiGroup.IsLaunched ? MpiGroup.Start() : SingleProcess.Instance;
Console.WriteLine($"{processes.Description}, {Environment.ProcessorCount} threads");

var config = new VimConfig
{
    ImageHeight = ShapePicture.Size,
    ImageWidth = ShapePicture.Size,
    PatchSize = 8,
    Stride = 8,
    Width = 32,
    Depth = 6,
    StateSize = 8,
    Classes = Shape.Names.Length,
};
var model = new VimModel(VimInitializer.Create(config, seed: 1), Shape.Names,
    preprocessing: new() { ImageHeight = ShapePicture.Size, ImageWidth = ShapePicture.Size, CropRatio = 1 });
using var training = new ImageStore();
for (int number = 0; number < 640; number++)
    training.Add(new RgbImage(ShapePicture.Draw(PictureSet.CheckpointTraining, number), ShapePicture.Size, ShapePicture.Size), ShapePicture.ClassOf(number));

var result = Retrainer.Run(model, new ImageSet(training), validation: null, new RetrainOptions
{
    Epochs = 2,
    BatchSize = 32,
    LearningRate = 2e-3,
    TeacherLossWeight = 0,
    MinimumCropArea = 1,
    CheckpointPath = args.FirstOrDefault(), // process 0 writes it, and the others get from it what they need
    Progress = new Printer(), // that of process 0 is told
    Processes = processes,
});

byte[] hash = SHA256.HashData(MemoryMarshal.AsBytes(result.Model.Weights.Values.AsSpan()));
if (processes.Rank == 0) Console.WriteLine($"{result.Duration.TotalSeconds:0} s; weights {Convert.ToHexStringLower(hash)[..16]}, from any number of processes");

internal sealed class Printer : IProgress<RetrainProgress>
{
    public void Report(RetrainProgress value)
    {
        if (value.EpochEnded) Console.WriteLine(value);
    }
}
