namespace RMeeTo.Vim.Devices.Cpu;

// Selective scan: operands checked, then image by image.
internal sealed unsafe partial class CpuDevice<TSimd, TVector>
{
    public override long ScanCheckpointLength(int batch, int length, int channels, int states) =>
        batch * (long)Cpu.SelectiveScan.CheckpointFloats<TSimd, TVector>(length, channels, states);

    public override void SelectiveScan(in ScanOperands scan, DeviceMatrix output, bool accumulate, DeviceBuffer? checkpoints)
    {
        var (channels, states) = (scan.Input.Columns, scan.ALog.Columns);
        var arguments = Arguments(scan);
        arguments.Accumulate = accumulate;
        arguments.Output = Pointer(output, scan.Batch * scan.Length, channels, nameof(output));
        arguments.OutputStride = output.Stride;
        if (checkpoints is not null) arguments.Checkpoints = Checkpoints(checkpoints, scan);
        float* scratch = Scratch(Cpu.SelectiveScan.ScratchFloats<TSimd, TVector>(channels, states));
        for (int image = 0; image < scan.Batch; image++)
        {
            Cpu.SelectiveScan.Forward<TSimd, TVector>(arguments, scratch, sameParameters: image > 0);
            arguments.Output += scan.Length * arguments.OutputStride;
            Advance(ref arguments);
        }
    }

    public override void SelectiveScanGradient(in ScanOperands scan, DeviceBuffer checkpoints, DeviceMatrix outputGradient, in ScanGradients gradients)
    {
        var (rows, channels, states) = (scan.Batch * scan.Length, scan.Input.Columns, scan.ALog.Columns);
        var arguments = Arguments(scan);
        arguments.Checkpoints = Checkpoints(checkpoints, scan);
        var destinations = new SelectiveScanGradients
        {
            Output = Pointer(outputGradient, rows, channels, nameof(outputGradient)),
            OutputStride = outputGradient.Stride,
            U = Pointer(gradients.Input, rows, channels, nameof(gradients.Input)),
            UStride = gradients.Input.Stride,
            Delta = Pointer(gradients.DeltaRaw, rows, channels, nameof(gradients.DeltaRaw)),
            DeltaStride = gradients.DeltaRaw.Stride,
            B = Pointer(gradients.B, rows, states, nameof(gradients.B)),
            BStride = gradients.B.Stride,
            C = Pointer(gradients.C, rows, states, nameof(gradients.C)),
            CStride = gradients.C.Stride,
            Z = scan.Gate.IsNone ? null : Pointer(gradients.Gate, rows, channels, nameof(gradients.Gate)),
            ZStride = gradients.Gate.Stride,
            AccumulateZ = gradients.AccumulateGate,
            ALog = Contiguous(gradients.ALog, channels, states, nameof(gradients.ALog)),
            Skip = PointerOrNull(gradients.Skip, 1, channels, nameof(gradients.Skip)),
            DeltaBias = PointerOrNull(gradients.DeltaBias, 1, channels, nameof(gradients.DeltaBias)),
        };
        float* scratch = Scratch(SelectiveScanBackward.ScratchFloats<TSimd, TVector>(channels, states));
        for (int image = 0; image < scan.Batch; image++)
        {
            SelectiveScanBackward.Backward<TSimd, TVector>(arguments, destinations, scratch, sameParameters: image > 0);
            Advance(ref arguments);
            destinations.Output += scan.Length * destinations.OutputStride;
            destinations.U += scan.Length * destinations.UStride;
            destinations.Delta += scan.Length * destinations.DeltaStride;
            destinations.B += scan.Length * destinations.BStride;
            destinations.C += scan.Length * destinations.CStride;
            if (destinations.Z != null) destinations.Z += scan.Length * destinations.ZStride;
        }
    }

    private float* Checkpoints(DeviceBuffer checkpoints, in ScanOperands scan)
    {
        long needed = ScanCheckpointLength(scan.Batch, scan.Length, scan.Input.Columns, scan.ALog.Columns);
        return Range(checkpoints, 0, needed, nameof(checkpoints));
    }

    private static SelectiveScanArguments Arguments(in ScanOperands scan)
    {
        var (rows, channels, states) = (scan.Batch * scan.Length, scan.Input.Columns, scan.ALog.Columns);
        return new SelectiveScanArguments
        {
            Length = scan.Length,
            Channels = channels,
            States = states,
            U = Pointer(scan.Input, rows, channels, nameof(scan.Input)),
            UStride = scan.Input.Stride,
            Delta = Pointer(scan.DeltaRaw, rows, channels, nameof(scan.DeltaRaw)),
            DeltaStride = scan.DeltaRaw.Stride,
            B = Pointer(scan.B, rows, states, nameof(scan.B)),
            BStride = scan.B.Stride,
            C = Pointer(scan.C, rows, states, nameof(scan.C)),
            CStride = scan.C.Stride,
            Z = PointerOrNull(scan.Gate, rows, channels, nameof(scan.Gate)),
            ZStride = scan.Gate.Stride,
            ALog = Contiguous(scan.ALog, channels, states, nameof(scan.ALog)),
            Skip = PointerOrNull(scan.Skip, 1, channels, nameof(scan.Skip)),
            DeltaBias = PointerOrNull(scan.DeltaBias, 1, channels, nameof(scan.DeltaBias)),
            Softplus = scan.Softplus,
            Reverse = scan.Reverse,
            OutputScale = scan.OutputScale,
        };
    }

    /// <summary>On to the next image.</summary>
    private static void Advance(ref SelectiveScanArguments arguments)
    {
        arguments.U += arguments.Length * arguments.UStride;
        arguments.Delta += arguments.Length * arguments.DeltaStride;
        arguments.B += arguments.Length * arguments.BStride;
        arguments.C += arguments.Length * arguments.CStride;
        if (arguments.Z != null) arguments.Z += arguments.Length * arguments.ZStride;
        if (arguments.Checkpoints != null) arguments.Checkpoints += Cpu.SelectiveScan.CheckpointFloats<TSimd, TVector>(arguments.Length, arguments.Channels, arguments.States);
    }
}
