using RMeeTo.Vim.Merging;

namespace RMeeTo.Vim.Devices;

/// <summary>
/// The fused operators of a Vision Mamba, forward and backward: everything that a network asks of a piece of hardware. A device is one in-order queue with its
/// scratch memory: one per CPU worker thread, one per GPU stream. Devices of one kind share buffers and weights.
/// </summary>
/// <remarks>
/// Layout is token-major: an activation is [B·L, C], the tokens of image 0, then of image 1, and so on. Operators do not allocate once warm. Where a method
/// says "added", the result is added to what the destination holds; otherwise it is overwritten. <c>ReferenceDevice</c> says what each operator means. A
/// device is used by one thread at a time. Whoever calls an operator keeps its operands and the device alive until it returns: a buffer that nobody holds any
/// more may be freed under it. An operator may return before it is done; then all devices of one provider, and the writes and reads of their buffers, share
/// one order, that of the calls.
/// </remarks>
public abstract class VimDevice : IDisposable
{
    /// <summary>For messages, such as "CPU (512-bit vectors)".</summary>
    public abstract string Name { get; }

    /// <summary>
    /// True where an operator costs about as much for one image as for many, as on a GPU: then none is called image by image to leave out some of the tokens.
    /// No result depends on it.
    /// </summary>
    public virtual bool PrefersWholeBatches => false;

    /// <summary>A buffer of zeros.</summary>
    public abstract DeviceBuffer Allocate(long length);

    /// <summary>Bytes of any content, for <see cref="NormalizeImages"/>.</summary>
    public virtual DeviceBytes AllocateBytes(long length) => new HostBytes(length);

    /// <summary>Memory of the process to <see cref="Upload(HostBuffer, long, DeviceBuffer, long)"/> from, of any content.</summary>
    /// <param name="bytes">Its length.</param>
    public virtual HostBuffer AllocateHost(long bytes) => new NativeHostBuffer(bytes);

    /// <summary>
    /// Copies floats to the beginning of a buffer, in the order of the operators. It may return before that is done: leave the source as it is, and alive,
    /// until something that was queued later has been read (<see cref="DeviceBuffer.Read"/>).
    /// </summary>
    /// <param name="source">From <see cref="AllocateHost"/>.</param>
    /// <param name="first">First float of the source.</param>
    /// <param name="destination">Its first values are written.</param>
    /// <param name="count">Number of floats.</param>
    /// <exception cref="ArgumentOutOfRangeException">They lie outside the source or the destination.</exception>
    public virtual void Upload(HostBuffer source, long first, DeviceBuffer destination, long count)
    {
        source.CheckRange(first, count, sizeof(float));
        for (long done = 0; done < count; done += int.MaxValue)
            destination.Write(source.Floats(first + done, (int)Math.Min(int.MaxValue, count - done)), done);
        GC.KeepAlive(source);
    }

    /// <summary>The same for bytes.</summary>
    /// <inheritdoc cref="Upload(HostBuffer, long, DeviceBuffer, long)"/>
    /// <param name="source">From <see cref="AllocateHost"/>.</param>
    /// <param name="first">First byte of the source.</param>
    /// <param name="destination">From <see cref="AllocateBytes"/>; its first bytes are written.</param>
    /// <param name="count">Number of bytes.</param>
    public virtual void Upload(HostBuffer source, long first, DeviceBytes destination, long count)
    {
        source.CheckRange(first, count);
        for (long done = 0; done < count; done += int.MaxValue)
            destination.Write(source.Bytes(first + done, (int)Math.Min(int.MaxValue, count - done)), done);
        GC.KeepAlive(source);
    }

    /// <summary>
    /// Runs a sequence of operators that is the same every time: the same operators, operands and numbers. A device may run it as it comes at first, record it
    /// once it is warm, and from then on repeat the record without calling the action; this one always calls it.
    /// </summary>
    /// <remarks>
    /// The action writes nothing to the device from ordinary memory (<see cref="DeviceBuffer.Write"/>, <see cref="MergePlan.SetRowOrder"/>), reads nothing
    /// back and allocates nothing. What it leaves in ordinary memory is not left where a record is repeated.
    /// </remarks>
    /// <param name="recording">What the device keeps of the sequence: null at first, then the device's own. Whoever keeps it disposes it.</param>
    /// <param name="operators">Calls operators of this device and nothing else.</param>
    public virtual void Run(ref IDisposable? recording, Action operators) => operators();

    /// <summary>
    /// Prepares a weight matrix for <see cref="Linear"/>, and for <see cref="LinearInputGradient"/> where <paramref name="forTraining"/>. Call
    /// <see cref="Refresh"/> once it has values.
    /// </summary>
    public abstract LinearWeight CreateLinear(DeviceMatrix weight, bool forTraining);

    /// <summary>Tells that the values of the matrix changed.</summary>
    public abstract void Refresh(LinearWeight weight);

    /// <summary>Room for the decisions of a merge for up to <paramref name="batchCapacity"/> images.</summary>
    public abstract MergePlan CreateMergePlan(int batchCapacity, MergeStep step, MergeOptions options);

    /// <summary>Values of a checkpoint buffer with which <see cref="SelectiveScanGradient"/> need not scan from the start again.</summary>
    public abstract long ScanCheckpointLength(int batch, int length, int channels, int states);

    /// <summary>Cuts images, or clips, into patches.</summary>
    /// <param name="config">Geometry.</param>
    /// <param name="images">[B, 3·H·W], planes of red, green and blue; clips [B, 3·T·H·W], of each colour the planes of all frames.</param>
    /// <param name="patches">
    /// [B·patches, 3·P·P], frame by frame and row by row, values in the order (channel, y, x); clips [B·patches, 3·tubelet·P·P], (channel, time, y, x).
    /// </param>
    public abstract void ExtractPatches(VimConfig config, DeviceMatrix images, DeviceMatrix patches);

    /// <summary>
    /// Turns pixels into network input: images[b, colour, frame, pixel] = table[colour, pixels[b, frame, pixel, colour]]. The same bits as
    /// <see cref="Images.PixelNormalization.Apply"/>, whose numbers the table holds.
    /// </summary>
    /// <remarks>Only asked of devices whose provider <see cref="IVimDeviceProvider.TakesImageBytes"/>.</remarks>
    /// <param name="frames">T of a clip; 1 for images.</param>
    /// <param name="pixels">[at least B, T, H·W, 3], from <see cref="AllocateBytes"/>: red, green and blue interleaved.</param>
    /// <param name="table">[3, 256]: for each colour the number that each byte becomes.</param>
    /// <param name="images">[B, 3·T·H·W]: of each colour the planes of all frames; written.</param>
    /// <exception cref="ArgumentException">The images are no whole frames, or there are fewer pixels.</exception>
    /// <exception cref="NotSupportedException">The device has no such operator.</exception>
    public virtual void NormalizeImages(int frames, DeviceBytes pixels, DeviceMatrix table, DeviceMatrix images) =>
        throw new NotSupportedException($"{Name} does not normalise images; give it normalised ones.");

    /// <summary>Inserts the class tokens and adds the tables of positions and of places in time.</summary>
    /// <param name="batch">B.</param>
    /// <param name="tables">Class tokens and tables, and from them L.</param>
    /// <param name="patchTokens">[B·patches, C], frame by frame.</param>
    /// <param name="tokens">[B·L, C]</param>
    public abstract void Embed(int batch, in EmbeddingTables tables, DeviceMatrix patchTokens, DeviceMatrix tokens);

    /// <summary>Gradient of <see cref="Embed"/>.</summary>
    /// <param name="batch">B.</param>
    /// <param name="tokensGradient">[B·L, C]</param>
    /// <param name="patchTokensGradient">[B·patches, C], written.</param>
    /// <param name="gradients">Gradients of class tokens and tables, added; the same of them are there as in the forward pass.</param>
    public abstract void EmbedGradient(int batch, DeviceMatrix tokensGradient, DeviceMatrix patchTokensGradient, in EmbeddingTables gradients);

    /// <summary>y (+)= x · Wᵀ (+ bias).</summary>
    /// <param name="x">[M, inputs]</param>
    /// <param name="weight">W [outputs, inputs]</param>
    /// <param name="bias">[1, outputs], or none.</param>
    /// <param name="y">[M, outputs]</param>
    /// <param name="accumulate">Adds to y instead of writing it.</param>
    public abstract void Linear(DeviceMatrix x, LinearWeight weight, DeviceMatrix bias, DeviceMatrix y, bool accumulate = false);

    /// <summary>dx (+)= dy · W.</summary>
    /// <param name="dy">[M, outputs]</param>
    /// <param name="weight">W [outputs, inputs], made for training.</param>
    /// <param name="dx">[M, inputs]</param>
    /// <param name="accumulate">Adds to dx instead of writing it.</param>
    public abstract void LinearInputGradient(DeviceMatrix dy, LinearWeight weight, DeviceMatrix dx, bool accumulate = false);

    /// <summary>dW += dyᵀ · x, and dbias += Σ_rows dy.</summary>
    /// <param name="dy">[M, outputs]</param>
    /// <param name="x">[M, inputs]</param>
    /// <param name="weightGradient">[outputs, inputs], added.</param>
    /// <param name="biasGradient">[1, outputs], added; or none.</param>
    public abstract void LinearWeightGradient(DeviceMatrix dy, DeviceMatrix x, DeviceMatrix weightGradient, DeviceMatrix biasGradient);

    /// <summary>s = residual + hidden; y = norm(s).</summary>
    /// <param name="norm">Kind and parameters.</param>
    /// <param name="residual">[M, C]</param>
    /// <param name="hidden">[M, C], or none: s = residual.</param>
    /// <param name="sum">s [M, C]; may be the same matrix as <paramref name="residual"/>.</param>
    /// <param name="y">[M, C]</param>
    /// <param name="statistics">[M, 2]: mean (0 for RMS) and 1 / deviation of each row, for the gradient.</param>
    public abstract void AddNorm(NormOperands norm, DeviceMatrix residual, DeviceMatrix hidden, DeviceMatrix sum, DeviceMatrix y, DeviceMatrix statistics);

    /// <summary>Gradient of the normalisation of <see cref="AddNorm"/> with regard to s (which is also that with regard to residual and hidden).</summary>
    /// <param name="norm">Kind and parameters.</param>
    /// <param name="sum">s [M, C]</param>
    /// <param name="statistics">[M, 2] of the forward pass.</param>
    /// <param name="dy">[M, C]</param>
    /// <param name="sumGradient">[M, C], added.</param>
    /// <param name="weightGradient">[1, C], added.</param>
    /// <param name="biasGradient">[1, C], added; none where there is no bias.</param>
    public abstract void AddNormGradient(
        NormOperands norm, DeviceMatrix sum, DeviceMatrix statistics, DeviceMatrix dy, DeviceMatrix sumGradient,
        DeviceMatrix weightGradient, DeviceMatrix biasGradient);

    /// <summary>Depthwise causal convolution and SiLU.</summary>
    /// <param name="conv">Parameters and direction.</param>
    /// <param name="x">[B·L, D]</param>
    /// <param name="y">[B·L, D]</param>
    public abstract void CausalConv(ConvOperands conv, DeviceMatrix x, DeviceMatrix y);

    /// <summary>Gradient of <see cref="CausalConv"/>.</summary>
    /// <param name="conv">Parameters and direction.</param>
    /// <param name="x">[B·L, D]</param>
    /// <param name="dy">[B·L, D]; may be overwritten.</param>
    /// <param name="dx">[B·L, D]</param>
    /// <param name="accumulate">Adds to dx instead of writing it (both directions read the same x).</param>
    /// <param name="weightGradient">[D, K], added.</param>
    /// <param name="biasGradient">[1, D], added; none where there is no bias.</param>
    public abstract void CausalConvGradient(
        ConvOperands conv, DeviceMatrix x, DeviceMatrix dy, DeviceMatrix dx, bool accumulate, DeviceMatrix weightGradient, DeviceMatrix biasGradient);

    /// <summary>Selective scan with softplus, skip and gate.</summary>
    /// <param name="scan">Operands.</param>
    /// <param name="output">[B·L, D]</param>
    /// <param name="accumulate">Adds to the output instead of writing it (second direction).</param>
    /// <param name="checkpoints">Null, or a buffer of <see cref="ScanCheckpointLength"/> values that the gradient will need.</param>
    public abstract void SelectiveScan(in ScanOperands scan, DeviceMatrix output, bool accumulate, DeviceBuffer? checkpoints);

    /// <summary>Gradient of <see cref="SelectiveScan"/>.</summary>
    /// <param name="scan">Operands of the forward pass.</param>
    /// <param name="checkpoints">What the forward pass left.</param>
    /// <param name="outputGradient">[B·L, D], with regard to the scaled output.</param>
    /// <param name="gradients">Destinations.</param>
    public abstract void SelectiveScanGradient(in ScanOperands scan, DeviceBuffer checkpoints, DeviceMatrix outputGradient, in ScanGradients gradients);

    /// <summary>y = x · factor, channel by channel; in place where x and y are the same.</summary>
    /// <param name="x">[M, C]</param>
    /// <param name="factor">[1, C]</param>
    /// <param name="y">[M, C]</param>
    public abstract void ScaleChannels(DeviceMatrix x, DeviceMatrix factor, DeviceMatrix y);

    /// <summary>Gradient of <see cref="ScaleChannels"/>.</summary>
    /// <param name="x">[M, C]</param>
    /// <param name="factor">[1, C]</param>
    /// <param name="dy">[M, C]</param>
    /// <param name="dx">[M, C], written; may be the same matrix as dy.</param>
    /// <param name="factorGradient">[1, C], added.</param>
    public abstract void ScaleChannelsGradient(DeviceMatrix x, DeviceMatrix factor, DeviceMatrix dy, DeviceMatrix dx, DeviceMatrix factorGradient);

    /// <summary>
    /// y (+)= factor · x, image by image; its own gradient with regard to x. A factor of 0 gives (or adds) zeros whatever x holds. In place where x and y are
    /// the same.
    /// </summary>
    /// <param name="x">[B·L, C], L at least 1.</param>
    /// <param name="factors">[B, 1], B at least 1.</param>
    /// <param name="y">[B·L, C]</param>
    /// <param name="accumulate">Adds to y instead of writing it; then y is another matrix than x.</param>
    public abstract void ScaleImages(DeviceMatrix x, DeviceMatrix factors, DeviceMatrix y, bool accumulate = false);

    /// <summary>metric (+)= factor · values: what one scan direction gives to the values that tokens are compared by.</summary>
    /// <param name="batch">B.</param>
    /// <param name="values">[B·L, C]</param>
    /// <param name="factor">Factor.</param>
    /// <param name="placement">Which place of the metric each value goes to.</param>
    /// <param name="metric">[B·L, C]</param>
    /// <param name="accumulate">Adds to the metric instead of writing it (second direction).</param>
    public abstract void AddMetric(int batch, DeviceMatrix values, float factor, MetricPlacement placement, DeviceMatrix metric, bool accumulate = false);

    /// <summary>
    /// Decides a merge (spec 2.2, 2.3): takes the class row out, pairs every even row with its most (or k-th most) similar odd row, and removes the
    /// <see cref="MergeStep.Removed"/> even rows with the highest similarity among those that may go. <see cref="MergePlan.Options"/> says by what distance and
    /// which may go.
    /// </summary>
    /// <remarks>
    /// Ties: the lowest partner, then the lowest row. A row of zeros (or with a value that is no number) has similarity −∞ to every other. In odd–even order
    /// the rows that may not go stand behind those that might have gone.
    /// </remarks>
    /// <param name="batch">B, at most the plan's capacity.</param>
    /// <param name="operands">Metric, sizes, and what some options ask for.</param>
    /// <param name="plan">Filled.</param>
    /// <param name="mergedSizes">[B·L', 1]; written.</param>
    public abstract void Match(int batch, in MatchOperands operands, MergePlan plan, DeviceMatrix mergedSizes);

    /// <summary>
    /// Carries a merge out: destination row = Σ weight · source row; channel by channel the largest or smallest weight · source value for
    /// <see cref="MergeCombination.Max"/> and <see cref="MergeCombination.Min"/>.
    /// </summary>
    /// <param name="batch">B.</param>
    /// <param name="plan">Filled by <see cref="Match"/>.</param>
    /// <param name="source">[B·L, C]</param>
    /// <param name="destination">[B·L', C]</param>
    /// <param name="winners">[B·L', C]; where a largest or smallest value is taken, receives the row of its image that it came from (the lowest wins a tie).
    /// None where no gradient is wanted; left alone in every other mode.</param>
    public abstract void Merge(int batch, MergePlan plan, DeviceMatrix source, DeviceMatrix destination, DeviceMatrix winners = default);

    /// <summary>
    /// Gradient of <see cref="Merge"/>: source row = weight · destination row, zero for a dropped row; where there are winners, zero for the channels that it
    /// lost.
    /// </summary>
    /// <param name="batch">B.</param>
    /// <param name="plan">Filled by <see cref="Match"/>.</param>
    /// <param name="destinationGradient">[B·L', C]</param>
    /// <param name="sourceGradient">[B·L, C], written.</param>
    /// <param name="winners">[B·L', C] of <see cref="Merge"/>, for <see cref="MergeCombination.Max"/> and <see cref="MergeCombination.Min"/>.</param>
    public abstract void MergeGradient(
        int batch, MergePlan plan, DeviceMatrix destinationGradient, DeviceMatrix sourceGradient, DeviceMatrix winners = default);

    /// <summary>Takes the class row that every image has after a merge.</summary>
    /// <param name="plan">Filled by <see cref="Match"/>.</param>
    /// <param name="source">[B·L', C]</param>
    /// <param name="rows">[B, C]</param>
    public abstract void GatherClassRows(MergePlan plan, DeviceMatrix source, DeviceMatrix rows);

    /// <summary>Gradient of <see cref="GatherClassRows"/>: everything zero but the class row of every image.</summary>
    /// <param name="plan">Filled by <see cref="Match"/>.</param>
    /// <param name="rows">[B, C]</param>
    /// <param name="destination">[B·L', C], written.</param>
    public abstract void ScatterClassRows(MergePlan plan, DeviceMatrix rows, DeviceMatrix destination);

    /// <summary>Takes one row of every image.</summary>
    /// <param name="row">The row.</param>
    /// <param name="source">[B·L, C]</param>
    /// <param name="rows">[B, C]</param>
    public abstract void GatherRows(int row, DeviceMatrix source, DeviceMatrix rows);

    /// <summary>Gradient of <see cref="GatherRows"/>: everything zero but that row of every image.</summary>
    /// <param name="row">The row.</param>
    /// <param name="rows">[B, C]</param>
    /// <param name="destination">[B·L, C], written.</param>
    /// <param name="keepOthers">True: the other rows stay as they are instead of becoming zero.</param>
    public abstract void ScatterRows(int row, DeviceMatrix rows, DeviceMatrix destination, bool keepOthers = false);

    /// <summary>The mean of the rows of every image: Σ_l weight_l · row_l / Σ_l weight_l.</summary>
    /// <param name="source">[B·L, C], L at least 1.</param>
    /// <param name="weights">[B·L, 1], of positive sum for every image; none: all equal.</param>
    /// <param name="means">[B, C]; another matrix than the source.</param>
    public abstract void MeanRows(DeviceMatrix source, DeviceMatrix weights, DeviceMatrix means);

    /// <summary>Gradient of <see cref="MeanRows"/> with regard to the rows.</summary>
    /// <param name="meansGradient">[B, C]</param>
    /// <param name="weights">[B·L, 1], or none, as in the forward pass.</param>
    /// <param name="sourceGradient">[B·L, C], written.</param>
    public abstract void MeanRowsGradient(DeviceMatrix meansGradient, DeviceMatrix weights, DeviceMatrix sourceGradient);

    /// <summary>Class probabilities.</summary>
    /// <param name="logits">[B, classes]</param>
    /// <param name="probabilities">[B, classes]</param>
    public abstract void Softmax(DeviceMatrix logits, DeviceMatrix probabilities);

    /// <summary>
    /// Training loss of every image and its gradient: Target · Σ_k −targets_k log p_k + Teacher · Σ_k q_k (log q_k − log p_k), with p = softmax(logits) and
    /// q = softmax(teacherLogits).
    /// </summary>
    /// <param name="weights">Weights of the two parts.</param>
    /// <param name="logits">[B, classes]</param>
    /// <param name="targets">[B, classes], probabilities (label smoothing and mixing included).</param>
    /// <param name="teacherLogits">[B, classes], or none.</param>
    /// <param name="gradientScale">Factor of the gradient: 1 / images in the whole batch.</param>
    /// <param name="losses">[B, 1], unscaled.</param>
    /// <param name="logitsGradient">[B, classes], written.</param>
    public abstract void Loss(
        LossWeights weights, DeviceMatrix logits, DeviceMatrix targets, DeviceMatrix teacherLogits, float gradientScale,
        DeviceMatrix losses, DeviceMatrix logitsGradient);

    /// <summary>destination[i] = Σ sources[k][i], in the order of the sources, for a range of a flat buffer.</summary>
    public abstract void SumBuffers(DeviceBuffer destination, IReadOnlyList<DeviceBuffer> sources, long offset, long count);

    /// <summary>One AdamW step on a range of a flat buffer.</summary>
    /// <param name="step">Hyper-parameters.</param>
    /// <param name="values">Parameters, updated.</param>
    /// <param name="gradient">Gradient; <see cref="AdamWStep.GradientScale"/> of it is used, and it stays as it is.</param>
    /// <param name="firstMoment">Updated.</param>
    /// <param name="secondMoment">Updated.</param>
    /// <param name="offset">First value of the range.</param>
    /// <param name="count">Values in the range.</param>
    public abstract void AdamW(
        AdamWStep step, DeviceBuffer values, DeviceBuffer gradient, DeviceBuffer firstMoment, DeviceBuffer secondMoment, long offset, long count);

    /// <summary>One step of an exponential moving average on a range of a flat buffer: average ← average + (1 − decay) · (values − average).</summary>
    /// <remarks>Not decay · average + …: rounded to single precision, decay and 1 − decay do not make 1, and the average would shrink or grow.</remarks>
    /// <param name="decay">0 to 1.</param>
    /// <param name="average">Updated.</param>
    /// <param name="values">Read.</param>
    /// <param name="offset">First value of the range.</param>
    /// <param name="count">Values in the range.</param>
    public abstract void MovingAverage(double decay, DeviceBuffer average, DeviceBuffer values, long offset, long count);

    /// <summary>Frees the scratch memory.</summary>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees what the derived class holds.</summary>
    protected virtual void Dispose(bool disposing) { }

    /// <summary>L of [B·L, …].</summary>
    /// <exception cref="ArgumentException">The rows are not as many for every image.</exception>
    private protected static int TokensPerImage(DeviceMatrix matrix, int batch, string name) => batch >= 1 && matrix.Rows % batch == 0
        ? matrix.Rows / batch
        : throw new ArgumentException($"{name} has {matrix.Rows} rows, which do not belong to {batch} images, as many to each.", name);

    /// <summary>H·W of [B, 3·T·H·W], once there are pixels for all of it.</summary>
    /// <exception cref="ArgumentException">The images are no whole frames, or there are fewer pixels.</exception>
    private protected static int PixelsPerFrame(int frames, DeviceBytes pixels, DeviceMatrix images)
    {
        if (frames < 1 || images.Columns % (3L * frames) != 0)
            throw new ArgumentException($"images is {images}, which are no {frames} whole frames of three colours.", nameof(images));
        if (pixels.Length < (long)images.Rows * images.Columns)
            throw new ArgumentException(
                $"There are {pixels.Length} bytes of pixels; images of {images} need {(long)images.Rows * images.Columns}.", nameof(pixels));
        return images.Columns / (3 * frames);
    }

    /// <summary>Throws where a plan knows no class row.</summary>
    /// <exception cref="ArgumentException">It knows none.</exception>
    private protected static void CheckClassToken(MergePlan plan)
    {
        if (!plan.Step.HasClassToken) throw new ArgumentException($"{plan.Step} has no class token, so none can be taken out after it.", nameof(plan));
    }
}
