using Mono.Cecil;
using Mono.Cecil.Cil;
using TorchSharp;

namespace RMeeTo.TorchSharp.Tests;

/// <summary>
/// A number that nothing holds while libtorch reads it is a crash that shows once in some thousand calls, on another machine. So the calls themselves are read,
/// in the compiled code.
/// </summary>
[TestClass]
public sealed class HeldNumbersTests
{
    private static readonly string s_scalar = typeof(Scalar).FullName!;

    [TestMethod]
    public void No_operator_of_TorchSharp_that_is_called_makes_a_number_of_its_own()
    {
        using var torchSharp = AssemblyDefinition.ReadAssembly(typeof(torch).Assembly.Location);
        var makers = MakersOfNumbers(torchSharp.MainModule);
        Assert.Contains("TorchSharp.torch/Tensor TorchSharp.torch/Tensor::add(TorchSharp.torch/Tensor)", makers, "the search finds what is known to make one");
        string[] wrong = [.. Calls().Where(call => makers.Contains(call.Callee)).Select(call => $"{call.Caller} calls {call.Callee}")];
        Assert.IsEmpty(wrong, string.Join('\n', wrong));
    }

    [TestMethod]
    public void Numbers_are_made_in_one_class()
    {
        string[] callers = [.. Calls().Where(call => IsConversion(call.Callee)).Select(call => call.Caller.DeclaringType.FullName).Distinct()];
        CollectionAssert.AreEqual(new[] { "RMeeTo.TorchSharp.TensorMath" }, callers);
    }

    /// <summary>What ends the process where it fails, and the call that does not do what it is called.</summary>
    [TestMethod]
    public void Nothing_is_called_that_ends_the_process()
    {
        string[] forbidden = ["matmul", "backward", "grad", "zero_", "cummax", "cummin"];
        string[] wrong = [.. Calls().Where(call => call.Callee.Contains(" TorchSharp.torch", StringComparison.Ordinal))
            .Where(call => forbidden.Any(name => call.Callee.Contains($"::{name}(", StringComparison.Ordinal)))
            .Select(call => $"{call.Caller} calls {call.Callee}")];
        Assert.IsEmpty(wrong, string.Join('\n', wrong));
    }

    /// <summary>Every method that makes a number from a .NET value, or calls one that does.</summary>
    private static HashSet<string> MakersOfNumbers(ModuleDefinition module)
    {
        var calls = module.GetTypes().SelectMany(type => type.Methods).Where(method => method.HasBody)
            .Select(method => (Method: method.FullName, Callees: Callees(method).ToHashSet())).ToArray();
        var makers = calls.Where(call => call.Callees.Any(IsConversion)).Select(call => call.Method).Where(method => !IsConversion(method)).ToHashSet();
        for (int before = 0; before != makers.Count;)
        {
            before = makers.Count;
            foreach (var (method, callees) in calls)
                if (callees.Overlaps(makers)) makers.Add(method);
        }
        return makers;
    }

    private static IEnumerable<(MethodDefinition Caller, string Callee)> Calls()
    {
        using var own = AssemblyDefinition.ReadAssembly(typeof(TorchSharpDevice).Assembly.Location);
        foreach (var method in own.MainModule.GetTypes().SelectMany(type => type.Methods).Where(method => method.HasBody))
            foreach (string callee in Callees(method)) yield return (method, callee);
    }

    private static IEnumerable<string> Callees(MethodDefinition method) => method.Body.Instructions
        .Where(instruction => instruction.OpCode.Code is Code.Call or Code.Callvirt or Code.Newobj or Code.Ldftn)
        .Select(instruction => ((MethodReference)instruction.Operand).FullName);

    private static bool IsConversion(string method) =>
        method.StartsWith($"{s_scalar} {s_scalar}::op_Implicit(", StringComparison.Ordinal)
        || method.Contains("ScalarExtensionMethods::ToScalar(", StringComparison.Ordinal);
}
