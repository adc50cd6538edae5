namespace RMeeTo.Vim.Checkpoints.PyTorch;

/// <summary>What stands in the place of a call: data made of its arguments.</summary>
/// <param name="unknown">What to do about names that are not known.</param>
/// <param name="budget">Pays for copies.</param>
/// <param name="fault">For messages.</param>
internal sealed class PickleCalls(UnknownObjects unknown, PickleBudget budget, TorchFault fault)
{
    private const int MaxRank = 8;

    /// <summary>The function or class of that name.</summary>
    /// <exception cref="CheckpointFormatException">It is not on the list.</exception>
    public PickledGlobal Find(string module, string name) => PickleGlobals.Find(module, name, unknown, fault);

    /// <summary>What calling it with these arguments makes.</summary>
    /// <exception cref="CheckpointFormatException">The arguments are not those that PyTorch writes.</exception>
    public object Call(PickledGlobal global, object?[] arguments) => global.Kind switch
    {
        GlobalKind.Opaque => new PickledObject(global.Name),
        GlobalKind.OrderedDict => MakeDict(arguments),
        GlobalKind.Size when arguments is [PickledTuple edges] => edges,
        GlobalKind.RebuildTensor => MakeTensor(global, arguments, null),
        GlobalKind.RebuildTensorV3 when arguments.Length >= 7 => MakeTensor(global, arguments[..6], arguments[6]),
        GlobalKind.RebuildParameter when arguments.Length >= 1 && arguments[0] is PickledTensor tensor => tensor,
        GlobalKind.RebuildFromType when arguments is [PickledGlobal { Kind: GlobalKind.RebuildTensor } rebuild, _, PickledTuple inner, _] =>
            Call(rebuild, inner.Items),
        _ => throw WrongArguments(global),
    };

    private PickledDict MakeDict(object?[] arguments)
    {
        var dict = new PickledDict();
        if (arguments.Length == 0) return dict;
        if (arguments is not [PickledList pairs]) throw fault.Bad("its pickle makes an OrderedDict of something other than a list of pairs");
        budget.Spend((long)PickleBudget.StepBytes * pairs.Items.Count); // one list can be copied by many calls
        foreach (object? pair in pairs.Items)
        {
            IReadOnlyList<object?> items = pair switch { PickledTuple tuple => tuple.Items, PickledList list => list.Items, _ => [] };
            if (items.Count != 2) throw fault.Bad("its pickle makes an OrderedDict of something other than a list of pairs");
            dict.Add(items[0], items[1]);
        }
        return dict;
    }

    private PickledTensor MakeTensor(PickledGlobal global, object?[] arguments, object? typeArgument)
    {
        if (arguments is not [PickledStorage storage, long offset, PickledTuple shape, PickledTuple strides, ..])
            throw WrongArguments(global);
        if (global.Kind == GlobalKind.RebuildTensorV3 && typeArgument is not PickledGlobal { Kind: GlobalKind.DataType }) throw WrongArguments(global);
        if (storage.IsUntyped != (typeArgument != null)) throw WrongArguments(global);
        var type = typeArgument is PickledGlobal given ? given.DataType : storage.DataType;
        var tensor = new PickledTensor(storage, type, NotNegative(offset), Numbers(shape, global), Numbers(strides, global));
        return tensor.Shape.Length == tensor.Strides.Length ? tensor : throw WrongArguments(global);
    }

    private long[] Numbers(PickledTuple tuple, PickledGlobal global)
    {
        if (tuple.Items.Length > MaxRank) throw fault.Bad($"its pickle holds a tensor of {tuple.Items.Length} edges; at most {MaxRank} are possible");
        var numbers = new long[tuple.Items.Length];
        for (int i = 0; i < numbers.Length; i++) numbers[i] = tuple.Items[i] is long number ? NotNegative(number) : throw WrongArguments(global);
        return numbers;
    }

    private long NotNegative(long number) =>
        number >= 0 ? number : throw fault.Bad($"its pickle gives a tensor the size, offset or stride {number}; none can be negative");

    private CheckpointFormatException WrongArguments(PickledGlobal global) =>
        fault.Bad($"its pickle calls {SafetensorsHeader.Show(global.Name)} with arguments that PyTorch does not write");
}
