using System.Runtime.InteropServices;
using System.Text;

namespace RMeeTo.Vim.Retraining.Distributed;

/// <summary>
/// The few functions that are called of an MPI library, found at run time. A handle is an <see cref="nint"/>: in Open MPI it is a pointer, in MPICH and its kin
/// an int, which all calling conventions pass in the lower half of the same register.
/// </summary>
internal sealed unsafe class MpiLibrary
{
    // The largest MPI_MAX_ERROR_STRING and MPI_MAX_LIBRARY_VERSION_STRING of the libraries that are known.
    private const int MaxErrorString = 1024;
    private const int MaxVersionString = 8192;

    private static readonly string[] s_openMpi = ["libmpi.so.40", "libmpi.so.80", "libmpi.40.dylib"];
    private static readonly string[] s_mpich = ["libmpi.so.12", "libmpich.so.12", "libmpi.12.dylib", "msmpi.dll"];
    private static readonly string[] s_any = ["libmpi.so", "libmpi.dylib"];

    // int (*)(…) of the MPI standard, in C.
    private readonly delegate* unmanaged[Cdecl]<int*, int> _initialized;
    private readonly delegate* unmanaged[Cdecl]<void*, void*, int, int*, int> _initThread;
    private readonly delegate* unmanaged[Cdecl]<int> _finalize;
    private readonly delegate* unmanaged[Cdecl]<nint, nint*, int> _commDup;
    private readonly delegate* unmanaged[Cdecl]<nint, nint, int> _commSetErrhandler;
    private readonly delegate* unmanaged[Cdecl]<nint, int*, int> _commRank, _commSize;
    private readonly delegate* unmanaged[Cdecl]<void*, int, nint, int, int, nint, nint*, int> _isend, _irecv;
    private readonly delegate* unmanaged[Cdecl]<void*, int, nint, int, nint, nint*, int> _ibcast;
    private readonly delegate* unmanaged[Cdecl]<void*, int, nint, void*, int, nint, nint, nint*, int> _iallgather;
    private readonly delegate* unmanaged[Cdecl]<nint*, int*, nint, int> _test;
    private readonly delegate* unmanaged[Cdecl]<int, byte*, int*, int> _errorString;
    private readonly nint _byte, _statusIgnore, _errorsReturn;

    private MpiLibrary(nint handle, string name)
    {
        Version = ReadVersion((delegate* unmanaged[Cdecl]<byte*, int*, int>)Export(handle, name, "MPI_Get_library_version"));
        if (NativeLibrary.TryGetExport(handle, "ompi_mpi_comm_world", out nint world))
        {
            (World, _statusIgnore) = (world, 0);
            (_byte, _errorsReturn) = (Export(handle, name, "ompi_mpi_byte"), Export(handle, name, "ompi_mpi_errors_return"));
        }
        else if (IsMpichKin(Version))
        {
            (World, _byte, _errorsReturn, _statusIgnore) = (0x44000000, 0x4c00010d, 0x54000001, 1); // the common binary interface of the MPICH family
        }
        else
        {
            throw new NotSupportedException($"'{name}' is {Version}; known are Open MPI 4 and 5 and the MPICH family (MPICH, Intel MPI, MVAPICH, MS-MPI). "
                + "Install one of them and start the processes with its mpirun, or name its library to MpiGroup.Start.");
        }
        _initialized = (delegate* unmanaged[Cdecl]<int*, int>)Export(handle, name, "MPI_Initialized");
        _initThread = (delegate* unmanaged[Cdecl]<void*, void*, int, int*, int>)Export(handle, name, "MPI_Init_thread");
        _finalize = (delegate* unmanaged[Cdecl]<int>)Export(handle, name, "MPI_Finalize");
        _commDup = (delegate* unmanaged[Cdecl]<nint, nint*, int>)Export(handle, name, "MPI_Comm_dup");
        _commSetErrhandler = (delegate* unmanaged[Cdecl]<nint, nint, int>)Export(handle, name, "MPI_Comm_set_errhandler");
        _commRank = (delegate* unmanaged[Cdecl]<nint, int*, int>)Export(handle, name, "MPI_Comm_rank");
        _commSize = (delegate* unmanaged[Cdecl]<nint, int*, int>)Export(handle, name, "MPI_Comm_size");
        _isend = (delegate* unmanaged[Cdecl]<void*, int, nint, int, int, nint, nint*, int>)Export(handle, name, "MPI_Isend");
        _irecv = (delegate* unmanaged[Cdecl]<void*, int, nint, int, int, nint, nint*, int>)Export(handle, name, "MPI_Irecv");
        _ibcast = (delegate* unmanaged[Cdecl]<void*, int, nint, int, nint, nint*, int>)Export(handle, name, "MPI_Ibcast");
        _iallgather = (delegate* unmanaged[Cdecl]<void*, int, nint, void*, int, nint, nint, nint*, int>)Export(handle, name, "MPI_Iallgather");
        _test = (delegate* unmanaged[Cdecl]<nint*, int*, nint, int>)Export(handle, name, "MPI_Test");
        _errorString = (delegate* unmanaged[Cdecl]<int, byte*, int*, int>)Export(handle, name, "MPI_Error_string");
    }

    /// <summary>First line of what the library says of itself, such as "Open MPI v4.1.4".</summary>
    public string Version { get; }

    /// <summary>MPI_COMM_WORLD.</summary>
    public nint World { get; }

    /// <summary>Loads the library that belongs to the launcher, else the first that is there.</summary>
    /// <param name="path">The library to take, or null.</param>
    /// <exception cref="DllNotFoundException">There is none.</exception>
    /// <exception cref="NotSupportedException">It is of a kind whose binary interface is not known.</exception>
    public static MpiLibrary Load(string? path)
    {
        string[] names = path is not null ? [path] : MpiLauncher.IsMpich ? [.. s_mpich, .. s_openMpi, .. s_any] : [.. s_openMpi, .. s_mpich, .. s_any];
        foreach (string name in names)
            if (NativeLibrary.TryLoad(name, out nint handle)) return new MpiLibrary(handle, name);
        string install = OperatingSystem.IsWindows() ? "Install MS-MPI, which brings msmpi.dll and mpiexec"
            : OperatingSystem.IsMacOS() ? "Install it with 'brew install open-mpi'"
            : "Install Open MPI ('apt-get install openmpi-bin', 'dnf install openmpi' with 'module load mpi')";
        throw new DllNotFoundException($"Training over several processes needs an MPI library, and none was found (looked for {string.Join(", ", names)}). "
            + $"{install} on every machine, or add its folder to the library path, or name the file to MpiGroup.Start.");
    }

    /// <summary>True where MPI_Init was called, by whomever.</summary>
    public bool IsInitialized()
    {
        int flag;
        Check(_initialized(&flag));
        return flag != 0;
    }

    /// <summary>MPI_Init_thread; returns the level of thread support that there is.</summary>
    public int Initialize(int threadLevel)
    {
        int provided;
        Check(_initThread(null, null, threadLevel, &provided));
        return provided;
    }

    /// <summary>MPI_Finalize, which waits for all processes.</summary>
    public void Complete() => Check(_finalize());

    /// <summary>A communicator of its own for the same processes, whose errors are returned and not fatal.</summary>
    public nint Duplicate(nint communicator)
    {
        nint copy = 0;
        Check(_commDup(communicator, &copy));
        ReturnErrors(copy);
        return copy;
    }

    /// <summary>Makes errors in a communicator exceptions; otherwise they end the process.</summary>
    public void ReturnErrors(nint communicator) => Check(_commSetErrhandler(communicator, _errorsReturn));

    /// <summary>MPI_Comm_rank.</summary>
    public int Rank(nint communicator)
    {
        int rank;
        Check(_commRank(communicator, &rank));
        return rank;
    }

    /// <summary>MPI_Comm_size.</summary>
    public int Size(nint communicator)
    {
        int size;
        Check(_commSize(communicator, &size));
        return size;
    }

    /// <summary>MPI_Isend of bytes.</summary>
    public nint Send(byte* data, int count, int to, nint communicator)
    {
        nint request = 0;
        Check(_isend(data, count, _byte, to, 0, communicator, &request));
        return request;
    }

    /// <summary>MPI_Irecv of bytes.</summary>
    public nint Receive(byte* data, int count, int from, nint communicator)
    {
        nint request = 0;
        Check(_irecv(data, count, _byte, from, 0, communicator, &request));
        return request;
    }

    /// <summary>MPI_Ibcast of bytes from process 0.</summary>
    public nint Broadcast(byte* data, int count, nint communicator)
    {
        nint request = 0;
        Check(_ibcast(data, count, _byte, 0, communicator, &request));
        return request;
    }

    /// <summary>MPI_Iallgather of bytes.</summary>
    public nint AllGather(byte* mine, int count, byte* all, nint communicator)
    {
        nint request = 0;
        Check(_iallgather(mine, count, _byte, all, count, _byte, communicator, &request));
        return request;
    }

    /// <summary>MPI_Test: true where it is complete, and the request is gone; lets all requests move on.</summary>
    public bool IsComplete(ref nint request)
    {
        int flag;
        nint handle = request;
        int code = _test(&handle, &flag, _statusIgnore);
        request = handle;
        Check(code);
        return flag != 0;
    }

    private void Check(int code)
    {
        if (code == 0) return;
        byte* text = stackalloc byte[MaxErrorString];
        int length;
        string message = _errorString(code, text, &length) == 0 ? Encoding.UTF8.GetString(text, Math.Clamp(length, 0, MaxErrorString)) : $"error {code}";
        throw new MpiException(message);
    }

    private static bool IsMpichKin(string version) =>
        new[] { "MPICH", "Intel(R) MPI", "MVAPICH", "Microsoft MPI", "MS-MPI" }.Any(name => version.Contains(name, StringComparison.OrdinalIgnoreCase));

    private static string ReadVersion(delegate* unmanaged[Cdecl]<byte*, int*, int> getLibraryVersion)
    {
        var text = new byte[MaxVersionString + 1];
        int length = 0;
        fixed (byte* pointer = text) getLibraryVersion(pointer, &length);
        string firstLine = Encoding.UTF8.GetString(text).TrimEnd('\0').Split('\n', ',')[0];
        return string.Join(' ', firstLine.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
    }

    private static nint Export(nint handle, string library, string function) => NativeLibrary.TryGetExport(handle, function, out nint address)
        ? address
        : throw new NotSupportedException($"'{library}' has no {function}: it is no MPI library, or one older than MPI 3.0. "
            + "Install Open MPI 4 or later, or MPICH 3 or later.");
}

/// <summary>An MPI function returned an error.</summary>
internal sealed class MpiException(string message) : Exception(message);
