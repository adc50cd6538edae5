using System.Diagnostics.CodeAnalysis;
using System.Reflection;

namespace Microsoft.ML.Runtime;

/// <summary>Checks, with the exception types that ML.NET throws.</summary>
internal static class Contracts
{
    public static void CheckValue([NotNull] object value, string name)
    {
        if (value is null)
            throw new ArgumentNullException(name);
    }

    public static void CheckNonEmpty(string value, string name)
    {
        if (string.IsNullOrEmpty(value))
            throw new ArgumentOutOfRangeException(name, $"{name} must not be null or empty.");
    }

    public static void CheckParam(bool condition, string name, string message = null)
    {
        if (!condition)
            throw new ArgumentOutOfRangeException(name, message);
    }

    public static void Check(bool condition, string message = null)
    {
        if (!condition)
            throw new InvalidOperationException(message);
    }

    public static void CheckDecode(bool condition, string message = "The model file is corrupt.")
    {
        if (!condition)
            throw new FormatException(message);
    }

    public static Exception SchemaMismatch(string name, string role, string column) =>
        new ArgumentOutOfRangeException(name, $"The {role} column '{column}' was not found.");

    public static Exception SchemaMismatch(string name, string role, string column, string expected, string actual) =>
        new ArgumentOutOfRangeException(name, $"The {role} column '{column}' must be {expected}, but is {actual}.");

    /// <summary>Calls a method, generic or of a generic type, whose type arguments are known only at run time.</summary>
    public static object Generic(Type type, string method, Type[] typeArguments, object instance, params object[] arguments)
    {
        MethodInfo found = type.GetMethod(method, BindingFlags.Static | BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.Public);
        return (typeArguments is [] ? found : found.MakeGenericMethod(typeArguments)).Invoke(instance, BindingFlags.DoNotWrapExceptions, null, arguments, null);
    }
}
