namespace RMeeTo.Samples;

/// <summary>What --help prints.</summary>
internal static class Usage
{
    public const string Text = """
        Merges similar tokens inside a Vision Mamba, rebuilds its accuracy, and uses the result in an ML.NET pipeline.
        Without options: on pictures that it draws itself, with a small network that lies beside it.

          --images FOLDER            train/CLASS/*.jpg|png and val/CLASS/*.jpg|png, or CLASS/*.jpg|png, a fifth of which is then set aside to measure
          --checkpoint FILE          weights of a Vim: a saved VimModel, or an official .pth or safetensors file; a head for other classes is
                                     replaced and the network re-trained without merges first
          --from-scratch             no checkpoint: train a network first (with --images)
          --tokens-per-merge N       tokens that every second block removes (unless given: reduction ratio near 0.3)
          --exact-position           the class token stays between its neighbours at every merge (docs/merging.md)
          --epochs N                 epochs of the rebuild (3; 10 on the drawn pictures)
          --learning-rate X          of the rebuild (2e-4; 5e-4 with --from-scratch, 1e-3 on the drawn pictures)
          --smallest-crop X          share of a picture's area that random crops keep at least, 0.01 to 1 (0.35; 1 on the drawn pictures)
          --threads N                threads (0: one a processor); they do not change the result
          --seed N                   seed of training and of the split (1)
          --work FOLDER              keeps networks and the state of training; the same command goes on from there after a stop
          --output FILE              where the pipeline is saved (model.zip in the work folder, or in a temporary one)

        With --from-scratch, and where a checkpoint has other classes:
          --dense-epochs N           epochs of the network without merges (20)
          --dense-learning-rate X    (1e-3 from scratch, 2e-4 otherwise)
          --size N  --patch N  --width N  --depth N      of the network from scratch (96, 8, 128, 12)

        Ctrl+C stops training within one batch and keeps the best network so far; with --work, the same command trains on, also after the process was killed.
        """;
}
