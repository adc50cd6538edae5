using System.Reflection;
using Microsoft.ML.Runtime;

namespace Microsoft.ML
{
    /// <summary>Internal in ML.NET; declared public here because the stage uses it.</summary>
    public delegate void SignatureLoadModel(ModelLoadContext ctx);

    /// <summary>Says which class reads a model with a given loader signature. Internal in ML.NET; declared public here because the stage uses it.</summary>
    [AttributeUsage(AttributeTargets.Assembly, AllowMultiple = true)]
    public sealed class LoadableClassAttribute(Type instType, Type loaderType, Type argType, Type sigType, string userName, params string[] loadNames) : Attribute
    {
        public LoadableClassAttribute(Type instType, Type argType, Type sigType, string userName, params string[] loadNames)
            : this(instType, instType, argType, sigType, userName, loadNames) { }

        public Type InstanceType => instType;
        public Type LoaderType => loaderType;
        public Type ArgType => argType;
        public Type[] SigTypes => [sigType];
        public string UserName => userName;
        public string[] LoadNames => loadNames is null or [] ? [userName] : loadNames;

        /// <summary>Makes what the context's header names: static Create(IHostEnvironment, ModelLoadContext), or a constructor with these arguments.</summary>
        internal static object Load(IHostEnvironment env, ModelLoadContext ctx)
        {
            Assembly assembly = Assembly.Load(ctx.LoaderAssemblyName);
            Type loader = assembly.GetCustomAttributes<LoadableClassAttribute>()
                .FirstOrDefault(a => a.SigTypes[0] == typeof(SignatureLoadModel) && a.LoadNames.Contains(ctx.LoaderSignature, StringComparer.OrdinalIgnoreCase))?.LoaderType
                ?? throw new FormatException($"{assembly.GetName().Name} has no class that loads '{ctx.LoaderSignature}'.");
            const BindingFlags Any = BindingFlags.Public | BindingFlags.NonPublic;
            Type[] parameters = [typeof(IHostEnvironment), typeof(ModelLoadContext)];
            if (loader.GetMethod("Create", Any | BindingFlags.Static, parameters) is { } create)
                return create.Invoke(null, [env, ctx]);
            ConstructorInfo constructor = loader.GetConstructor(Any | BindingFlags.Instance, parameters)
                ?? throw new InvalidOperationException($"{loader} has neither Create(IHostEnvironment, ModelLoadContext) nor such a constructor.");
            return constructor.Invoke([env, ctx]);
        }
    }
}
