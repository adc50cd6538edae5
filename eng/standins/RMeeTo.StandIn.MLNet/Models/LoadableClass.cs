using System.Reflection;
using Microsoft.ML.Runtime;

namespace Microsoft.ML;

/// <summary>Internal in ML.NET; declared public here because the stage uses it.</summary>
public delegate void SignatureLoadModel(ModelLoadContext ctx);

/// <summary>Says which class reads a model with a given loader signature. Internal in ML.NET; declared public here because the stage uses it.</summary>
[AttributeUsage(AttributeTargets.Assembly, AllowMultiple = true)]
public sealed class LoadableClassAttribute : Attribute
{
    private readonly Type _loaderType;
    private readonly string[] _loadNames;

    public LoadableClassAttribute(Type instType, Type argType, Type sigType, string userName, params string[] loadNames)
        : this(instType, instType, argType, sigType, userName, loadNames) { }

    public LoadableClassAttribute(Type instType, Type loaderType, Type argType, Type sigType, string userName, params string[] loadNames) =>
        (_loaderType, _loadNames) = (loaderType, loadNames);

    /// <summary>Makes what a header names, through static Create(IHostEnvironment, ModelLoadContext) or a constructor with these arguments.</summary>
    internal static ITransformer Load(IHostEnvironment env, ModelLoadContext ctx, string assemblyName, string loaderSignature)
    {
        const BindingFlags Any = BindingFlags.Public | BindingFlags.NonPublic;
        IEnumerable<LoadableClassAttribute> known = Assembly.Load(assemblyName).GetCustomAttributes<LoadableClassAttribute>();
        Type loader = known.FirstOrDefault(a => a._loadNames.Contains(loaderSignature))?._loaderType
            ?? throw new FormatException($"{assemblyName} has no class that loads '{loaderSignature}'.");
        Type[] parameters = [typeof(IHostEnvironment), typeof(ModelLoadContext)];
        return (ITransformer)(loader.GetMethod("Create", Any | BindingFlags.Static, parameters) is { } create
            ? create.Invoke(null, [env, ctx])
            : loader.GetConstructor(Any | BindingFlags.Instance, parameters).Invoke([env, ctx]));
    }
}
