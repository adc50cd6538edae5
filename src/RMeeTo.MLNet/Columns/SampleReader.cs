using Microsoft.ML;
using Microsoft.ML.Data;

namespace RMeeTo.MLNet;

/// <summary>Reads what the network looks at in a row into something that outlives the row.</summary>
internal abstract class SampleReader
{
    /// <summary>Opens the columns.</summary>
    public static SampleReader Create(DataViewRow row, SampleColumns columns) => columns.Images[0].Form switch
    {
        ImageForm.Folder => new FolderReader(row.GetGetter<ReadOnlyMemory<char>>(columns.Images[0].Column), columns.Images[0].Column.Name),
        ImageForm.Paths => new PathsReader(row.GetGetter<VBuffer<ReadOnlyMemory<char>>>(columns.Images[0].Column), columns.Images[0].Column.Name),
        _ => new ImagesReader([.. columns.Images.Select(column => new ImageColumnReader(row, column))], columns.Images[0].Column.Name),
    };

    /// <summary>Takes the current row's images; a failure to do so is kept for whoever wants them.</summary>
    /// <param name="sample">Receives them.</param>
    /// <param name="row">Number of the row, for messages.</param>
    public abstract void Read(SampleInput sample, long row);

    private sealed class ImagesReader(ImageColumnReader[] readers, string name) : SampleReader
    {
        public override void Read(SampleInput sample, long row)
        {
            sample.Begin(name, row, readers.Length);
            for (int i = 0; i < readers.Length; i++) readers[i].Read(sample[i], row);
        }
    }

    private sealed class FolderReader(ValueGetter<ReadOnlyMemory<char>> getter, string name) : SampleReader
    {
        private ReadOnlyMemory<char> _text;

        public override void Read(SampleInput sample, long row)
        {
            sample.Begin(name, row, 0);
            try
            {
                getter(ref _text);
                if (_text.Span.IsWhiteSpace()) sample.Fail("the path is empty");
                else sample.SetFolder(_text.ToString());
            }
            catch (Exception failure) when (failure is not (OperationCanceledException or OutOfMemoryException))
            {
                sample.Fail(failure.Message, cause: failure);
            }
        }
    }

    private sealed class PathsReader(ValueGetter<VBuffer<ReadOnlyMemory<char>>> getter, string name) : SampleReader
    {
        private VBuffer<ReadOnlyMemory<char>> _texts;

        public override void Read(SampleInput sample, long row)
        {
            sample.Begin(name, row, 0);
            try
            {
                getter(ref _texts);
                sample.Begin(name, row, _texts.Length);
                int i = 0;
                foreach (var text in _texts.DenseValues())
                {
                    var image = sample[i++];
                    image.Begin(name, row, "");
                    if (text.Span.IsWhiteSpace()) image.Fail($"the path of frame {i - 1} (counted from 0) is empty");
                    else image.SetPath(text.ToString());
                }
            }
            catch (Exception failure) when (failure is not (OperationCanceledException or OutOfMemoryException))
            {
                sample.Fail(failure.Message, cause: failure);
            }
        }
    }
}
