using System.Numerics;
using System.Runtime.InteropServices;
using System.Text;

namespace RMeeTo.Vim.Checkpoints.PyTorch;

/// <summary>
/// Takes the steps of one pickle and gives the plain data that it describes. A pickle is a program for a stack machine; this one has no step that runs
/// anything: where Python would call a function, <see cref="PickleCalls"/> makes data of the arguments or refuses. Nothing here recurses, so nesting costs
/// no stack; every step pays <see cref="PickleBudget"/>.
/// </summary>
/// <param name="input">Starts at the pickle; stands behind it afterwards.</param>
/// <param name="budget">Shared by all pickles of a file.</param>
/// <param name="calls">What named functions make.</param>
/// <param name="persistent">What a persistent id stands for.</param>
/// <param name="fault">For messages.</param>
/// <remarks>Source: the descriptions of the opcodes in Python's <c>pickletools</c>.</remarks>
internal sealed class PickleMachine(PickleInput input, PickleBudget budget, PickleCalls calls, Func<object?, object> persistent, TorchFault fault)
{
    private const int MaxIntegerBytes = 255;

    private readonly List<object?> _stack = [];
    private readonly List<int> _marks = [];
    private readonly Dictionary<uint, object?> _memo = [];

    /// <summary>Runs to the end of the pickle.</summary>
    /// <returns>The object on top of the stack.</returns>
    /// <exception cref="CheckpointFormatException">A step that is not allowed, or damage.</exception>
    public object? Run()
    {
        while (true)
        {
            budget.Spend(PickleBudget.StepBytes);
            byte code = input.ReadByte();
            if (code == (byte)PickleOpcode.Stop) return Pop();
            if (!StepValue(code) && !StepContainer(code) && !StepObject(code)) throw NotTaken(code);
        }
    }

    private CheckpointFormatException NotTaken(byte code) =>
        fault.Refused($"has a pickle with the step 0x{code:X2} at {input.Consumed - 1}, which PyTorch does not write; nothing of the file was executed",
            "Get a fresh copy of the file, or save its weights alone in Python: torch.save(state_dict, 'weights.pth').");

    /// <summary>Numbers, truth values, texts and bytes.</summary>
    private bool StepValue(byte code)
    {
        switch ((PickleOpcode)code)
        {
            case PickleOpcode.None: Push(null); break;
            case PickleOpcode.NewTrue: Push(true); break;
            case PickleOpcode.NewFalse: Push(false); break;
            case PickleOpcode.BinInt: Push((long)input.ReadInt32()); break;
            case PickleOpcode.BinInt1: Push((long)input.ReadByte()); break;
            case PickleOpcode.BinInt2: Push((long)input.ReadUInt16()); break;
            case PickleOpcode.Long1: Push(ReadInteger(input.ReadByte())); break;
            case PickleOpcode.BinFloat: Push(input.ReadDouble()); break;
            case PickleOpcode.ShortBinUnicode: Push(input.ReadText(input.ReadByte(), Encoding.UTF8)); break;
            case PickleOpcode.BinUnicode: Push(input.ReadText(input.ReadLength(wide: false), Encoding.UTF8)); break;
            case PickleOpcode.BinUnicode8: Push(input.ReadText(input.ReadLength(wide: true), Encoding.UTF8)); break;
            // Texts of Python 2.
            case PickleOpcode.ShortBinString: Push(input.ReadText(input.ReadByte(), Encoding.Latin1)); break;
            case PickleOpcode.BinString: Push(input.ReadText(input.ReadLength(wide: false), Encoding.Latin1)); break;
            case PickleOpcode.ShortBinBytes: PushSkipped(input.ReadByte()); break;
            case PickleOpcode.BinBytes: PushSkipped(input.ReadLength(wide: false)); break;
            case PickleOpcode.BinBytes8 or PickleOpcode.ByteArray8: PushSkipped(input.ReadLength(wide: true)); break;
            default: return false;
        }
        return true;
    }

    /// <summary>Tuples, lists, dicts and sets.</summary>
    private bool StepContainer(byte code)
    {
        switch ((PickleOpcode)code)
        {
            case PickleOpcode.EmptyTuple: Push(new PickledTuple([])); break;
            case PickleOpcode.Tuple1: PushTuple(1); break;
            case PickleOpcode.Tuple2: PushTuple(2); break;
            case PickleOpcode.Tuple3: PushTuple(3); break;
            case PickleOpcode.Tuple: Push(new PickledTuple(PopToMark())); break;
            case PickleOpcode.EmptyList: Push(new PickledList()); break;
            case PickleOpcode.List: MakeFromMark(new PickledList(), Append); break;
            case PickleOpcode.Append: AppendOne(); break;
            case PickleOpcode.Appends or PickleOpcode.AddItems: Append(PopToMark(), Peek()); break;
            case PickleOpcode.EmptyDict: Push(new PickledDict()); break;
            case PickleOpcode.Dict: MakeFromMark(new PickledDict(), SetItems); break;
            case PickleOpcode.SetItem: SetOne(); break;
            case PickleOpcode.SetItems: SetItems(PopToMark(), Peek()); break;
            case PickleOpcode.EmptySet: Push(new PickledObject("set")); break;
            case PickleOpcode.FrozenSet: PopToMark(); Push(new PickledObject("frozenset")); break;
            default: return false;
        }
        return true;
    }

    /// <summary>Stack, memo, globals and what Python would call.</summary>
    private bool StepObject(byte code)
    {
        switch ((PickleOpcode)code)
        {
            case PickleOpcode.Proto: CheckProtocol(input.ReadByte()); break;
            case PickleOpcode.Frame: input.ReadLength(wide: true); break;
            case PickleOpcode.Mark: _marks.Add(_stack.Count); break;
            case PickleOpcode.Pop: Pop(); break;
            case PickleOpcode.PopMark: PopToMark(); break;
            case PickleOpcode.Dup: Push(Peek()); break;
            case PickleOpcode.BinGet: Push(Remembered(input.ReadByte())); break;
            case PickleOpcode.LongBinGet: Push(Remembered((uint)input.ReadInt32())); break;
            case PickleOpcode.BinPut: _memo[input.ReadByte()] = Peek(); break;
            case PickleOpcode.LongBinPut: _memo[(uint)input.ReadInt32()] = Peek(); break;
            case PickleOpcode.Memoize: _memo[(uint)_memo.Count] = Peek(); break;
            case PickleOpcode.Global: Push(calls.Find(input.ReadLine(), input.ReadLine())); break;
            case PickleOpcode.StackGlobal: PushStackGlobal(); break;
            case PickleOpcode.BinPersId: Push(persistent(Pop())); break;
            case PickleOpcode.Reduce or PickleOpcode.NewObj: PushCall(hasKeywords: false); break;
            case PickleOpcode.NewObjEx: PushCall(hasKeywords: true); break;
            case PickleOpcode.Build: Build(); break;
            default: return false;
        }
        return true;
    }

    private void Push(object? value) => _stack.Add(value);

    private object? Pop()
    {
        object? top = Peek();
        _stack.RemoveAt(_stack.Count - 1);
        return top;
    }

    private object? Peek() =>
        _stack.Count > (_marks.Count == 0 ? 0 : _marks[^1]) ? _stack[^1]
            : throw fault.Bad($"its pickle takes a value from an empty stack at {input.Consumed}");

    private object?[] PopToMark()
    {
        if (_marks.Count == 0) throw fault.Bad($"its pickle looks for a mark that is not there at {input.Consumed}");
        int start = _marks[^1];
        _marks.RemoveAt(_marks.Count - 1);
        object?[] items = CollectionsMarshal.AsSpan(_stack)[start..].ToArray();
        _stack.RemoveRange(start, items.Length);
        return items;
    }

    private void PushTuple(int count)
    {
        var items = new object?[count];
        for (int i = count - 1; i >= 0; i--) items[i] = Pop();
        Push(new PickledTuple(items));
    }

    private void MakeFromMark(object container, Action<object?[], object?> fill)
    {
        fill(PopToMark(), container);
        Push(container);
    }

    private void PushSkipped(long bytes)
    {
        input.Skip(bytes);
        Push(new PickledObject("bytes"));
    }

    private object ReadInteger(int bytes)
    {
        Span<byte> value = stackalloc byte[MaxIntegerBytes];
        input.ReadExactly(value[..bytes]);
        var number = new BigInteger(value[..bytes]);
        return number >= long.MinValue && number <= long.MaxValue ? (object)(long)number : number; // not the conditional's own type, a BigInteger
    }

    private object? Remembered(uint place) =>
        _memo.TryGetValue(place, out object? value) ? value
            : throw fault.Bad($"its pickle recalls object {place} at {input.Consumed}, which was not remembered");

    private void CheckProtocol(byte protocol)
    {
        if (protocol is < 2 or > 5)
            throw fault.Refused($"is a pickle of protocol {protocol}; 2 to 5 are read", "Save it again with PyTorch's default protocol.");
    }

    private void PushStackGlobal()
    {
        object? name = Pop(), module = Pop();
        if (module is not string moduleText || name is not string nameText)
            throw fault.Bad($"its pickle names a global by something other than two texts at {input.Consumed}");
        Push(calls.Find(moduleText, nameText));
    }

    private void PushCall(bool hasKeywords)
    {
        if (hasKeywords) Pop();
        object? arguments = Pop(), callable = Pop();
        if (callable is not PickledGlobal global) throw fault.Bad($"its pickle calls something that is no function at {input.Consumed}; nothing was executed");
        if (arguments is not PickledTuple tuple)
            throw fault.Bad($"its pickle calls {SafetensorsHeader.Show(global.Name)} with something other than a tuple at {input.Consumed}");
        Push(calls.Call(global, tuple.Items));
    }

    /// <summary>The state of an object: attributes of an <c>OrderedDict</c>, options of a Namespace. None of it is needed.</summary>
    private void Build()
    {
        Pop();
        if (Peek() is not (PickledObject or PickledDict or PickledTensor))
            throw fault.Bad($"its pickle gives attributes to a value that has none at {input.Consumed}");
    }

    private void AppendOne()
    {
        object? item = Pop();
        Append([item], Peek());
    }

    private void SetOne()
    {
        object? value = Pop(), key = Pop();
        SetItems([key, value], Peek());
    }

    private void Append(object?[] items, object? container)
    {
        if (container is PickledObject) return;
        if (container is not PickledList list) throw fault.Bad($"its pickle appends to a value that is no list at {input.Consumed}");
        foreach (object? item in items) list.Add(item);
    }

    private void SetItems(object?[] items, object? container)
    {
        if (items.Length % 2 != 0) throw fault.Bad($"its pickle has a key without a value at {input.Consumed}");
        if (container is PickledObject) return;
        if (container is not PickledDict dict) throw fault.Bad($"its pickle sets an item of a value that is no dict at {input.Consumed}");
        for (int i = 0; i < items.Length; i += 2) dict.Add(items[i], items[i + 1]);
    }
}
