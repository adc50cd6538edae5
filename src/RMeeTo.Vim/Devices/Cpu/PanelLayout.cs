namespace RMeeTo.Vim.Devices.Cpu;

/// <summary>
/// How the columns of a product are cut into panels, counted in vectors: panels three vectors wide, then one or two narrower ones.
/// One vector left over is joined with the last full panel into two panels of two, since a tile one vector wide is bound by loads and not by arithmetic.
/// </summary>
internal readonly struct PanelLayout
{
    /// <summary>Vectors in a full panel, the widest tile of a micro-kernel.</summary>
    public const int FullVectors = 3;

    public PanelLayout(int columns, int vectorLength)
    {
        Vectors = (columns + vectorLength - 1) / vectorLength;
        (FullPanels, TailPanels, TailVectors) = (Vectors % FullVectors) switch
        {
            0 => (Vectors / FullVectors, 0, 0),
            1 when Vectors > 1 => (Vectors / FullVectors - 1, 2, 2),
            var rest => (Vectors / FullVectors, 1, rest),
        };
    }

    /// <summary>Vectors in all panels.</summary>
    public int Vectors { get; }

    public int FullPanels { get; }

    public int TailPanels { get; }

    /// <summary>Vectors in each tail panel.</summary>
    public int TailVectors { get; }

    /// <summary>Vectors in the panel that starts at this vector.</summary>
    public int VectorsAt(int firstVector) => firstVector < FullPanels * FullVectors ? FullVectors : TailVectors;
}
