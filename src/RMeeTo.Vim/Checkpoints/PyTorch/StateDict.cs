namespace RMeeTo.Vim.Checkpoints.PyTorch;

/// <summary>The tensors of one set of weights, chosen from what a checkpoint holds.</summary>
internal sealed class StateDict
{
    // Of DataParallel and DistributedDataParallel.
    private const string WrapperPrefix = "module.";
    private const int MaxTensors = 1 << 16, Shown = 8;

    private static readonly string[] ModelKeys = ["model", "state_dict", "module"];
    private static readonly string[] EmaKeys = ["model_ema", "state_dict_ema"];

    private readonly TorchFault _fault;
    private readonly List<string> _notes = [];

    private StateDict(TorchFault fault) => _fault = fault;

    /// <summary>Name and tensor, in the order of the file; no name twice.</summary>
    public List<(string Name, PickledTensor Tensor)> Tensors { get; private set; } = [];

    /// <summary>What was chosen, renamed and left out, a line each.</summary>
    public IReadOnlyList<string> Notes => _notes;

    /// <summary>Chooses.</summary>
    /// <param name="root">What was saved.</param>
    /// <param name="weights">Which set of weights.</param>
    /// <param name="fault">For messages.</param>
    /// <exception cref="CheckpointFormatException">What was saved is no dict, or holds no weights under any known key.</exception>
    /// <exception cref="CheckpointMismatchException">It holds weights, but not the set that is asked for.</exception>
    public static StateDict Choose(object? root, CheckpointWeights weights, TorchFault fault)
    {
        var chosen = new StateDict(fault);
        if (root is not PickledDict all)
            throw fault.Refused($"holds {Describe(root)} instead of a dict of tensors",
                "Save the weights in Python: torch.save(model.state_dict(), 'weights.pth').");
        string? key = Array.Find(weights == CheckpointWeights.Ema ? EmaKeys : ModelKeys, k => HoldsTensors(all.Find(k)));
        bool bare = key == null && weights == CheckpointWeights.Model && HoldsTensors(all);
        if (key == null && !bare) throw NotThere(all, weights, fault);
        if (key != null) chosen.NoteRest(all, key);
        chosen.Collect(key == null ? all : (PickledDict)all.Find(key)!, key);
        chosen.Unwrap();
        return chosen;
    }

    private static bool HoldsTensors(object? value) => value is PickledDict dict && dict.Items.Any(item => item is { Key: string, Value: PickledTensor });

    private static Exception NotThere(PickledDict all, CheckpointWeights weights, TorchFault fault)
    {
        string keys = Names(all.Items.Select(item => item.Key));
        string? other = Array.Find(weights == CheckpointWeights.Ema ? ModelKeys : EmaKeys, k => HoldsTensors(all.Find(k))) ?? (HoldsTensors(all) ? "" : null);
        if (other == null)
            return fault.Refused($"holds a dict with the keys {keys}, and no weights under any of {Names(ModelKeys)} or {Names(EmaKeys)}",
                "Save the weights alone in Python: torch.save(checkpoint['KEY'], 'weights.pth').");
        string found = other.Length == 0 ? "it is a state dict of one set of weights" : $"it has weights under '{other}'";
        return new CheckpointMismatchException(weights == CheckpointWeights.Ema
            ? $"{fault.Source} holds no moving average of the weights (under {Names(EmaKeys)}); {found}. Read it with CheckpointWeights.Model."
            : $"{fault.Source} holds no weights under {Names(ModelKeys)}; {found}. Read it with CheckpointWeights.Ema.");
    }

    private void NoteRest(PickledDict all, string key)
    {
        var rest = all.Items.Select(item => item.Key).Where(k => k is not string text || text != key).ToList();
        _notes.Add($"Weights taken from '{key}' of {_fault.Source}{(rest.Count == 0 ? "" : $"; not read: {Names(rest)}")}.");
    }

    private void Collect(PickledDict dict, string? key)
    {
        var names = new HashSet<string>();
        var others = new List<object?>();
        foreach (var (name, value) in dict.Items)
        {
            if (name is not string text || value is not PickledTensor tensor)
            {
                others.Add(name);
                continue;
            }
            if (!names.Add(text)) throw _fault.Bad($"tensor {SafetensorsHeader.Show(text)} occurs twice");
            if (Tensors.Count == MaxTensors) throw _fault.Bad($"it lists more than {MaxTensors} tensors");
            Tensors.Add((text, tensor));
        }
        if (others.Count > 0) _notes.Add($"Not tensors, and ignored{(key == null ? "" : $" inside '{key}'")}: {Names(others)}.");
    }

    private void Unwrap()
    {
        if (!Tensors.TrueForAll(t => t.Name.StartsWith(WrapperPrefix, StringComparison.Ordinal))) return;
        Tensors = [.. Tensors.Select(t => (t.Name[WrapperPrefix.Length..], t.Tensor))];
        _notes.Add($"'{WrapperPrefix}' removed from the beginning of all names.");
    }

    private static string Names(IEnumerable<object?> keys)
    {
        var all = keys.Select(key => key is string text ? SafetensorsHeader.Show(text) : "one that is no text").Distinct().ToList();
        return all.Count == 0 ? "(none)" : string.Join(", ", all.Take(Shown)) + (all.Count > Shown ? $" and {all.Count - Shown} more" : "");
    }

    private static string Describe(object? value) => value switch
    {
        null => "None",
        PickledTensor => "a single tensor",
        PickledList or PickledTuple => "a list",
        PickledObject o => $"an object of type {SafetensorsHeader.Show(o.Type)}",
        _ => "a single value",
    };
}
