using System.Numerics;

namespace RMeeTo.Vim.Retraining;

/// <summary>
/// Python's <c>random</c> as far as <c>random.seed(n)</c> and <c>random.sample(range(N), k)</c> go: what the published program chooses its parts of a data set
/// with.
/// </summary>
/// <remarks>
/// Source: Matsumoto and Nishimura, "Mersenne Twister: a 623-dimensionally equidistributed uniform pseudorandom number generator", 1998 (MT19937, with
/// initialisation by an array), and the documented behaviour of CPython 3.
/// </remarks>
internal sealed class PythonRandom
{
    private const int Size = 624;
    private const int Middle = 397;

    private readonly uint[] _state = new uint[Size];
    private int _next = Size;

    /// <summary>As after <c>random.seed(seed)</c>.</summary>
    public PythonRandom(uint seed)
    {
        Fill(19650218);
        uint i = 1;
        // The array has one number, so its place, which is added as well, is always 0.
        for (int k = 0; k < Size; k++) Mix(1664525, seed);
        for (int k = 1; k < Size; k++) Mix(1566083941, 0 - i);
        _state[0] = 0x80000000;

        void Mix(uint factor, uint added)
        {
            _state[i] = (_state[i] ^ ((_state[i - 1] ^ (_state[i - 1] >> 30)) * factor)) + added;
            if (++i < Size) return;
            _state[0] = _state[Size - 1];
            i = 1;
        }
    }

    /// <summary>As <c>random.sample(range(count), sample)</c>: distinct numbers below <paramref name="count"/>, in the order in which they are drawn.</summary>
    public int[] Sample(int count, int sample)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sample);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(sample, count);
        var result = new int[sample];
        // Python draws from a list where that takes less memory than a set of what was drawn.
        double setSize = 21 + (sample > 5 ? Math.Pow(4, Math.Ceiling(Math.Log(3.0 * sample, 4))) : 0);
        if (count <= setSize)
        {
            int[] pool = [.. Enumerable.Range(0, count)];
            for (int i = 0; i < sample; i++)
            {
                int j = Below(count - i);
                result[i] = pool[j];
                pool[j] = pool[count - i - 1];
            }
            return result;
        }
        var drawn = new HashSet<int>();
        for (int i = 0; i < sample; i++)
        {
            int j;
            do j = Below(count);
            while (!drawn.Add(j));
            result[i] = j;
        }
        return result;
    }

    private int Below(int bound)
    {
        int bits = 32 - BitOperations.LeadingZeroCount((uint)bound);
        uint value;
        do value = NextUInt32() >> (32 - bits);
        while (value >= bound);
        return (int)value;
    }

    private void Fill(uint seed)
    {
        _state[0] = seed;
        for (uint i = 1; i < Size; i++) _state[i] = 1812433253 * (_state[i - 1] ^ (_state[i - 1] >> 30)) + i;
    }

    private uint NextUInt32()
    {
        if (_next == Size) Twist();
        uint y = _state[_next++];
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c5680;
        y ^= (y << 15) & 0xefc60000;
        return y ^ (y >> 18);
    }

    private void Twist()
    {
        for (int i = 0; i < Size; i++)
        {
            uint y = (_state[i] & 0x80000000) | (_state[(i + 1) % Size] & 0x7fffffff);
            _state[i] = _state[(i + Middle) % Size] ^ (y >> 1) ^ ((y & 1) * 0x9908b0df);
        }
        _next = 0;
    }
}
