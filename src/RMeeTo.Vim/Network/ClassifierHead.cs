using RMeeTo.Vim.Devices;
using RMeeTo.Vim.Merging;

namespace RMeeTo.Vim.Network;

/// <summary>
/// The end of a network: last add and final norm of the tokens that it reads, their mean where they are several, and logits. It reads the class token, or both
/// of <see cref="ClassTokenPosition.Ends"/>, or without one the last token or all of them (spec 1.1, 1.6).
/// </summary>
/// <remarks>Where merged tokens are averaged, each counts as often as original tokens stand in it: the mean over the original tokens.</remarks>
internal sealed class ClassifierHead
{
    private readonly VimParameters _parameters;
    private readonly DeviceWeights _weights;
    private readonly MergeSchedule _schedule;
    private readonly int[] _rows;
    private readonly int _rowsPerImage;

    public ClassifierHead(VimParameters parameters, DeviceWeights weights, MergeSchedule schedule)
    {
        (_parameters, _weights, _schedule) = (parameters, weights, schedule);
        int last = schedule.TokensPerBlock[^1] - 1;
        _rows = parameters.Config.ClassToken switch
        {
            ClassTokenPosition.Ends => [0, last],
            ClassTokenPosition.None => HeadActivations.ReadsAll(parameters.Config) ? [] : [last],
            _ => [schedule.FinalClassRow],
        };
        _rowsPerImage = HeadActivations.RowsPerImage(parameters.Config, schedule);
    }

    /// <summary>The row that is read, where it is only one.</summary>
    public int? OnlyRow => _rows.Length == 1 ? _rows[0] : null;

    /// <summary>False for one row an image, whose norm is the feature itself: the same matrix.</summary>
    private bool TakesMean => _rowsPerImage > 1;

    private NormOperands FinalNorm => _weights.Norm(_parameters.Config, _parameters.FinalNorm, _parameters.FinalNormBias);

    /// <summary>Computes <c>workspace.Logits</c> from the last block's output and <paramref name="residualStream"/>.</summary>
    /// <param name="device">The caller's device.</param>
    /// <param name="workspace">The caller's activations.</param>
    /// <param name="batch">B.</param>
    /// <param name="residualStream">After the last block.</param>
    /// <param name="classRows">Knows the class row of every image, where they differ; null where the schedule's is that of all.</param>
    public void Forward(VimDevice device, Workspace workspace, int batch, DeviceMatrix residualStream, MergePlan? classRows)
    {
        var head = workspace.Head;
        var allHidden = workspace.Hidden.Current.SliceRows(0, batch * _schedule.TokensPerBlock[^1]);
        var allResidual = residualStream.SliceRows(0, allHidden.Rows);
        var (rows, feature) = (HeadRows(batch), head.Feature.SliceRows(0, batch));
        var (sum, normed) = (head.Sum.SliceRows(0, rows), head.Normed.SliceRows(0, rows));
        for (int i = 0; i < _rows.Length; i++)
        {
            Gather(i, allHidden, head.Hidden);
            Gather(i, allResidual, head.Sum);
        }
        var (hidden, residual) = _rows.Length == 0 ? (allHidden, allResidual) : (head.Hidden.SliceRows(0, rows), sum);
        if (workspace.BranchFactors(_parameters.Config.Depth, batch) is { IsNone: false } factors) device.ScaleImages(hidden, factors, hidden);
        device.AddNorm(FinalNorm, residual, hidden, sum, normed, head.Statistics.SliceRows(0, rows));
        if (TakesMean) device.MeanRows(normed, TokenSizes(workspace, rows), feature);
        device.Linear(feature, _weights.LinearOf(_parameters.HeadWeight), _weights[_parameters.HeadBias], workspace.Logits.SliceRows(0, batch));

        void Gather(int i, DeviceMatrix tokens, DeviceMatrix destination)
        {
            if (classRows is null) device.GatherRows(_rows[i], tokens, OfEveryImage(destination, i, batch));
            else device.GatherClassRows(classRows, tokens, OfEveryImage(destination, i, batch));
        }
    }

    /// <summary>
    /// From <c>workspace.LogitsGradient</c> to the gradient of the residual stream behind the last block, which <c>workspace.Gradient.Current</c> then holds.
    /// </summary>
    public void Backward(VimDevice device, Workspace workspace, int batch, MergePlan? classRows, ParameterBuffer gradients)
    {
        var head = workspace.Head;
        int rows = HeadRows(batch);
        var (logitsGradient, featureGradient) = (workspace.LogitsGradient.SliceRows(0, batch), head.FeatureGradient.SliceRows(0, batch));
        var normedGradient = head.NormedGradient.SliceRows(0, rows);
        var tokensGradient = workspace.Gradient.Current.SliceRows(0, batch * _schedule.TokensPerBlock[^1]);
        var sumGradient = _rows.Length == 0 ? tokensGradient : head.SumGradient.SliceRows(0, rows);
        device.LinearWeightGradient(logitsGradient, head.Feature.SliceRows(0, batch), gradients[_parameters.HeadWeight], gradients[_parameters.HeadBias]);
        device.LinearInputGradient(logitsGradient, _weights.LinearOf(_parameters.HeadWeight), featureGradient);
        if (TakesMean) device.MeanRowsGradient(featureGradient, TokenSizes(workspace, rows), normedGradient);
        sumGradient.Buffer.Clear();
        device.AddNormGradient(FinalNorm, head.Sum.SliceRows(0, rows), head.Statistics.SliceRows(0, rows), normedGradient, sumGradient,
            gradients[_parameters.FinalNorm], gradients[_parameters.FinalNormBias]);
        for (int i = 0; i < _rows.Length; i++)
        {
            if (classRows is null) device.ScatterRows(_rows[i], OfEveryImage(head.SumGradient, i, batch), tokensGradient, keepOthers: i > 0);
            else device.ScatterClassRows(classRows, sumGradient, tokensGradient);
        }
    }

    private int HeadRows(int batch) => batch * _rowsPerImage;

    /// <summary>Sizes of the tokens that are averaged; none where each stands for one.</summary>
    private DeviceMatrix TokenSizes(Workspace workspace, int rows) =>
        _rows.Length > 0 || _schedule.IsDense ? default : workspace.Sizes.Current.SliceRows(0, rows);

    /// <summary>The i-th row read of every image.</summary>
    private DeviceMatrix OfEveryImage(DeviceMatrix matrix, int i, int batch) =>
        matrix with { Offset = matrix.Offset + (long)i * matrix.Stride, Rows = batch, Stride = _rows.Length * matrix.Stride };
}
