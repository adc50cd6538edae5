namespace RMeeTo.Vim.Images;

/// <summary>A colour of 8-bit parts.</summary>
/// <param name="Red">Red.</param>
/// <param name="Green">Green.</param>
/// <param name="Blue">Blue.</param>
public readonly record struct RgbColor(byte Red, byte Green, byte Blue);
