using System.Runtime.InteropServices;

namespace RMeeTo.Vim.Retraining.Distributed;

/// <summary>
/// Keeps the runtime's signal handlers over the loading and the start of MPI. The runtime makes NullReferenceException and DivideByZeroException of SIGSEGV and
/// SIGFPE; MPI libraries, and what they load, put handlers of their own there that print a stack trace and end the process.
/// </summary>
internal sealed unsafe partial class MpiSignals
{
    private const int ActionSize = 1024; // several times that of struct sigaction anywhere; what is in it does not matter here

    // SIGILL, SIGTRAP, SIGABRT, SIGFPE, SIGSEGV, and SIGBUS of Linux and of macOS (where 7 is not used).
    private static readonly int[] s_signals = [4, 5, 6, 8, 11, OperatingSystem.IsMacOS() ? 10 : 7];

    private readonly byte[][] _actions = [.. s_signals.Select(_ => new byte[ActionSize])];

    /// <summary>Notes the handlers that are there.</summary>
    public static MpiSignals Save()
    {
        var saved = new MpiSignals();
        if (OperatingSystem.IsWindows()) return saved;
        for (int i = 0; i < s_signals.Length; i++)
            fixed (byte* action = saved._actions[i]) Throw(SigAction(s_signals[i], null, action), s_signals[i]);
        return saved;
    }

    /// <summary>Puts them back.</summary>
    public void Restore()
    {
        if (OperatingSystem.IsWindows()) return;
        for (int i = 0; i < s_signals.Length; i++)
            fixed (byte* action = _actions[i]) Throw(SigAction(s_signals[i], action, null), s_signals[i]);
    }

    private static void Throw(int result, int signal)
    {
        if (result != 0)
            throw new InvalidOperationException($"The handler of signal {signal} cannot be kept when MPI starts: {Marshal.GetLastPInvokeErrorMessage()}.");
    }

    [LibraryImport("libc", EntryPoint = "sigaction", SetLastError = true)]
    private static partial int SigAction(int signal, byte* action, byte* oldAction);
}
