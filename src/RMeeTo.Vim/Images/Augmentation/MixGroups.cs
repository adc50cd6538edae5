namespace RMeeTo.Vim.Images.Augmentation;

/// <summary>
/// Which images of a batch are mixed under one decision, and with whom. Group g of G holds the positions g, g + G, g + 2G … of the batch: what reaches one of
/// G processes when samples are dealt out in turn. Where c in a row are dealt out together, as the copies of a video are, these positions count such rows. The
/// groups, not the processes, decide the result.
/// </summary>
public readonly record struct MixGroups
{
    /// <summary>The groups of one batch.</summary>
    /// <param name="images">Images in this batch, at least 1; fewer than <paramref name="batchSize"/> where an epoch ends.</param>
    /// <param name="batchSize">Images in a full batch.</param>
    /// <param name="groupSize">Images in a group of a full batch; a divisor of <paramref name="batchSize"/>, or 0 for all of them.</param>
    /// <param name="together">c, positions in a row that are of one group; a divisor of <paramref name="groupSize"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of range.</exception>
    /// <exception cref="ArgumentException">
    /// <paramref name="groupSize"/> does not divide <paramref name="batchSize"/>, or <paramref name="together"/> not <paramref name="groupSize"/>.
    /// </exception>
    public MixGroups(int images, int batchSize, int groupSize, int together = 1)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(images, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, images);
        ArgumentOutOfRangeException.ThrowIfNegative(groupSize);
        ArgumentOutOfRangeException.ThrowIfLessThan(together, 1);
        if (groupSize > 0 && batchSize % groupSize != 0)
        {
            throw new ArgumentException(
                $"A mix group of {groupSize} images does not divide a batch of {batchSize}; choose a divisor, or 0 for the whole batch.", nameof(groupSize));
        }

        if (groupSize % together != 0)
        {
            throw new ArgumentException(
                $"{together} images that belong together do not divide a mix group of {groupSize}; choose a divisor.", nameof(together));
        }

        Images = images;
        Count = groupSize == 0 ? 1 : batchSize / groupSize;
        Together = together;
    }

    /// <summary>Images in this batch.</summary>
    public int Images { get; }

    /// <summary>G, groups of a full batch; the last ones of a smaller batch may be empty.</summary>
    public int Count { get; }

    /// <summary>c, positions in a row that are of one group.</summary>
    public int Together { get; }

    private int Round => Count * Together;

    /// <summary>The group of an image.</summary>
    /// <param name="position">Position in the batch, 0 … <see cref="Images"/> − 1.</param>
    public int GroupOf(int position) => position / Together % Count;

    /// <summary>Number of images in a group.</summary>
    /// <param name="group">0 … <see cref="Count"/> − 1.</param>
    public int SizeOf(int group) => Images / Round * Together + Math.Clamp(Images % Round - group * Together, 0, Together);

    /// <summary>Position of the image that an image is mixed with: the j-th of n with the (n − 1 − j)-th; its own where it is in the middle.</summary>
    /// <param name="position">Position in the batch, 0 … <see cref="Images"/> − 1.</param>
    public int PartnerOf(int position)
    {
        int group = GroupOf(position), member = position / Round * Together + position % Together, partner = SizeOf(group) - 1 - member;
        return partner / Together * Round + group * Together + partner % Together;
    }
}
