using Mono.Cecil;
using Mono.Cecil.Cil;
using Mono.Cecil.Rocks;
using RMeeTo.VisibleInternals;

// usage: VisibleInternals members.txt output-folder references.txt assembly.dll ...
// Writes to the folder a copy of every assembly given: no method bodies, and visible what members.txt lists of it. A listed member that is not
// there is an error, in the form that a build shows. references.txt names every assembly of the build, for types that these lean on.
string list = args[0];
int missing = 0;
using var resolver = new DefaultAssemblyResolver();
foreach (string folder in File.ReadLines(args[2]).Select(f => Path.GetDirectoryName(f)!).Distinct())
    resolver.AddSearchDirectory(folder);

foreach (string path in args.Skip(3))
{
    using AssemblyDefinition assembly = AssemblyDefinition.ReadAssembly(path, new ReaderParameters { AssemblyResolver = resolver });
    string name = assembly.Name.Name;
    foreach (ListedMember member in ListedMember.Read(list).Where(m => m.Assembly == name))
    {
        if (member.MakeVisible(assembly.MainModule))
            continue;
        Console.WriteLine($"{list}({member.Line}): error RMT0001: {name} {assembly.Name.Version} has no {member.Text}; the stage relies on it (see src/RMeeTo.MLNet/MlNetInternals.cs).");
        missing++;
    }

    foreach (MethodDefinition method in assembly.MainModule.GetAllTypes().SelectMany(t => t.Methods).Where(m => m.HasBody))
    {
        method.Body = new MethodBody(method);
        method.Body.GetILProcessor().Emit(OpCodes.Ldnull);
        method.Body.GetILProcessor().Emit(OpCodes.Throw);
    }
    Directory.CreateDirectory(args[1]);
    assembly.Write(Path.Combine(args[1], Path.GetFileName(path)));
}
return missing == 0 ? 0 : 1;
