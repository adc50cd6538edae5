using System.Reflection;

namespace Microsoft.ML.Runtime;

/// <summary>Checks, with the exception types that ML.NET throws, and what reflection is needed in many places.</summary>
internal static class Contracts
{
    public static void CheckParam(bool condition, string name, string message = null)
    {
        if (!condition)
            throw new ArgumentOutOfRangeException(name, message);
    }

    public static void Check(bool condition, string message)
    {
        if (!condition)
            throw new InvalidOperationException(message);
    }

    public static void CheckDecode(bool condition, string message = "The model file is corrupt.")
    {
        if (!condition)
            throw new FormatException(message);
    }

    public static Exception NotFound(string column) => new ArgumentOutOfRangeException("inputSchema", $"The column '{column}' was not found.");

    public static Exception WrongType(string column, string expected, object actual) =>
        new ArgumentOutOfRangeException("inputSchema", $"The column '{column}' must be {expected}, but is {actual}.");

    /// <summary>Calls a method whose type arguments are known only at run time.</summary>
    public static object Generic(Type type, string method, Type[] typeArguments, object instance, params object[] arguments)
    {
        MethodInfo found = type.GetMethod(method, BindingFlags.Static | BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.Public);
        return found.MakeGenericMethod(typeArguments).Invoke(instance, BindingFlags.DoNotWrapExceptions, null, arguments, null);
    }

    /// <summary>A getter as the type asked for.</summary>
    public static ValueGetter<T> Cast<T>(Delegate getter, DataViewSchema.Column column) => getter as ValueGetter<T>
        ?? throw new InvalidOperationException($"Column '{column.Name}' is {column.Type}, not {typeof(T)}.");
}
