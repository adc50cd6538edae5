namespace RMeeTo.Vim.Images;

/// <summary>A rectangle of whole pixels inside an image.</summary>
/// <param name="Left">First column.</param>
/// <param name="Top">First row.</param>
/// <param name="Width">Columns, at least 1.</param>
/// <param name="Height">Rows, at least 1.</param>
public readonly record struct PixelBox(int Left, int Top, int Width, int Height);

/// <summary>
/// A rectangle in pixel coordinates that may cut through pixels; (0, 0) is the outer corner of the first pixel. Single precision, as in Pillow.
/// </summary>
/// <param name="Left">Left edge, at least 0.</param>
/// <param name="Top">Top edge, at least 0.</param>
/// <param name="Right">Right edge, beyond <paramref name="Left"/> and at most the width.</param>
/// <param name="Bottom">Bottom edge, beyond <paramref name="Top"/> and at most the height.</param>
public readonly record struct ResizeBox(float Left, float Top, float Right, float Bottom);
