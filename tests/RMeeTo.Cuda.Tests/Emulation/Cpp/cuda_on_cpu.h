// CUDA C++ for the CPU: what a kernel text may use. Stands before the text; cuda_blocks.cpp runs what comes out. Includes nothing, so that a text that needs
// a header fails here as it fails in NVRTC.
//
// Functions that the GPU has in hardware are as inaccurate as there, where that is more than their last bit (CUDA C++ Programming Guide, "Intrinsic
// Functions"), so that a kernel which asks too much of them is found out.

#define __device__
#define __host__
#define __global__
#define __constant__ static const
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __restrict__ __restrict
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __grid_constant__
#define __launch_bounds__(...)

// All shared arrays of a text lie in one section, which is filled with NaN before each block. Blocks run one after another.
#define __shared__ static __attribute__((section("cuda_shared")))
#define DYNAMIC_SHARED(type, name) type* name = reinterpret_cast<type*>(cuda_dynamic_shared)

typedef decltype(sizeof(0)) size_t;

struct uint3 { unsigned x, y, z; };
typedef uint3 dim3;
struct int2 { int x, y; };
struct uint2 { unsigned x, y; } ;
struct alignas(16) int4 { int x, y, z, w; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
struct alignas(8) float2 { float x, y; };
struct float3 { float x, y, z; };
struct alignas(16) float4 { float x, y, z, w; };

inline int2 make_int2(int x, int y) { return {x, y}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float3 make_float3(float x, float y, float z) { return {x, y, z}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

// ---- Where a thread is, and waiting for others: cuda_blocks.cpp ----

extern "C" {
extern uint3 cuda_thread_index, cuda_block_index, cuda_block_size, cuda_grid_size;
extern float4* cuda_dynamic_shared;

void cuda_wait_for_block(const char* file, int line);

// What a lane receives from an exchange with its warp.
struct cuda_received { unsigned value, ballot; };

// Gives a value and waits for all lanes of the mask; receives the value of one of them, and which gave another value than 0. Only where it orders memory do
// lanes see what others wrote before.
cuda_received cuda_exchange(unsigned mask, unsigned value, int source_lane, bool orders_memory, const char* file, int line);
}

#define threadIdx (*(const uint3*)&cuda_thread_index)
#define blockIdx (*(const uint3*)&cuda_block_index)
#define blockDim (*(const dim3*)&cuda_block_size)
#define gridDim (*(const dim3*)&cuda_grid_size)
#define warpSize 32

#define CUDA_PLACE const char *file = __builtin_FILE(), int line = __builtin_LINE()

inline void __syncthreads(CUDA_PLACE) { cuda_wait_for_block(file, line); }
inline void __syncwarp(unsigned mask = 0xffffffffu, CUDA_PLACE) { cuda_exchange(mask, 0, cuda_thread_index.x & 31, true, file, line); }
inline void __threadfence() {}
inline void __threadfence_block() {}

inline unsigned __ballot_sync(unsigned mask, int predicate, CUDA_PLACE) {
    return cuda_exchange(mask, predicate != 0, cuda_thread_index.x & 31, false, file, line).ballot;
}
inline int __any_sync(unsigned mask, int predicate, CUDA_PLACE) {
    return cuda_exchange(mask, predicate != 0, cuda_thread_index.x & 31, false, file, line).ballot != 0;
}
inline int __all_sync(unsigned mask, int predicate, CUDA_PLACE) {
    return cuda_exchange(mask, predicate != 0, cuda_thread_index.x & 31, false, file, line).ballot == mask;
}

template <class T> inline T cuda_shuffle(unsigned mask, T value, int source_lane, const char* file, int line) {
    static_assert(sizeof(T) == 4, "the emulator shuffles float, int and unsigned");
    unsigned bits;
    __builtin_memcpy(&bits, &value, 4);
    bits = cuda_exchange(mask, bits, source_lane, false, file, line).value;
    __builtin_memcpy(&value, &bits, 4);
    return value;
}

// Lanes of a group of width lanes; a source outside of it means the lane's own value (PTX ISA, shfl.sync).
inline int cuda_lane() { return cuda_thread_index.x & 31; }
inline int cuda_last(int width) { return cuda_lane() | (width - 1); }
inline int cuda_first(int width) { return cuda_lane() & ~(width - 1); }

template <class T> inline T __shfl_sync(unsigned mask, T value, int lane, int width = 32, CUDA_PLACE) {
    return cuda_shuffle(mask, value, cuda_first(width) | (lane & (width - 1)), file, line);
}
template <class T> inline T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32, CUDA_PLACE) {
    int source = cuda_lane() ^ lanes;
    return cuda_shuffle(mask, value, source <= cuda_last(width) ? source : cuda_lane(), file, line);
}
template <class T> inline T __shfl_down_sync(unsigned mask, T value, unsigned lanes, int width = 32, CUDA_PLACE) {
    int source = cuda_lane() + (int)lanes;
    return cuda_shuffle(mask, value, source <= cuda_last(width) ? source : cuda_lane(), file, line);
}
template <class T> inline T __shfl_up_sync(unsigned mask, T value, unsigned lanes, int width = 32, CUDA_PLACE) {
    int source = cuda_lane() - (int)lanes;
    return cuda_shuffle(mask, value, source >= cuda_first(width) ? source : cuda_lane(), file, line);
}

// ---- Memory ----

template <class T> inline T __ldg(const T* address) { return *address; }
template <class T> inline T __ldcs(const T* address) { return *address; }
template <class T> inline T __ldcg(const T* address) { return *address; }
template <class T> inline void __stcs(T* address, T value) { *address = value; }
template <class T> inline void __stcg(T* address, T value) { *address = value; }

// One launch at a time touches a text's memory, so that these need not be atomic, and they race with nobody. Floats are left out: their sum would depend on
// the order.
#define CUDA_UNWATCHED __attribute__((no_sanitize("thread")))
#define CUDA_ATOMIC(name, type, result) \
    inline CUDA_UNWATCHED type name(type* address, type value) { type old = *address; *address = result; return old; }
#define CUDA_ATOMICS(name, result) CUDA_ATOMIC(name, int, result) CUDA_ATOMIC(name, unsigned, result) CUDA_ATOMIC(name, unsigned long long, result)
CUDA_ATOMICS(atomicAdd, old + value)
CUDA_ATOMICS(atomicMax, old > value ? old : value)
CUDA_ATOMICS(atomicMin, old < value ? old : value)
CUDA_ATOMICS(atomicExch, value)
CUDA_ATOMICS(atomicAnd, old & value)
CUDA_ATOMICS(atomicOr, old | value)
CUDA_ATOMICS(atomicXor, old ^ value)
CUDA_ATOMIC(atomicSub, int, old - value)
CUDA_ATOMIC(atomicSub, unsigned, old - value)
template <class T> inline CUDA_UNWATCHED T atomicCAS(T* address, T expected, T value) {
    T old = *address;
    if (old == expected) *address = value;
    return old;
}

// ---- Numbers ----

extern "C" {
float expf(float), exp2f(float), exp10f(float), expm1f(float), logf(float), log2f(float), log1pf(float), powf(float, float), tanhf(float), sinf(float),
    cosf(float), erff(float), cbrtf(float), ldexpf(float, int), fmodf(float, float);
double exp(double), log(double), log1p(double), pow(double, double);
}

inline float sqrtf(float x) { return __builtin_sqrtf(x); }
inline double sqrt(double x) { return __builtin_sqrt(x); }
inline float rsqrtf(float x) { return (float)(1.0 / __builtin_sqrt((double)x)); }
inline float fabsf(float x) { return __builtin_fabsf(x); }
inline double fabs(double x) { return __builtin_fabs(x); }
inline float fmaf(float x, float y, float z) { return __builtin_fmaf(x, y, z); }
inline double fma(double x, double y, double z) { return __builtin_fma(x, y, z); }
inline float fminf(float x, float y) { return __builtin_fminf(x, y); }
inline float fmaxf(float x, float y) { return __builtin_fmaxf(x, y); }
inline float floorf(float x) { return __builtin_floorf(x); }
inline float ceilf(float x) { return __builtin_ceilf(x); }
inline float truncf(float x) { return __builtin_truncf(x); }
inline float rintf(float x) { return __builtin_rintf(x); }
inline float copysignf(float x, float sign) { return __builtin_copysignf(x, sign); }
inline bool isnan(float x) { return __builtin_isnan(x); }
inline bool isinf(float x) { return __builtin_isinf(x); }
inline bool isfinite(float x) { return __builtin_isfinite(x); }
inline int abs(int x) { return x < 0 ? -x : x; }

#define CUDA_EXTREMES(type, left, right) \
    inline type min(left a, right b) { return (type)b < (type)a ? (type)b : (type)a; } \
    inline type max(left a, right b) { return (type)a < (type)b ? (type)b : (type)a; }
CUDA_EXTREMES(int, int, int)
CUDA_EXTREMES(unsigned, unsigned, unsigned)
CUDA_EXTREMES(unsigned, int, unsigned)
CUDA_EXTREMES(unsigned, unsigned, int)
CUDA_EXTREMES(long, long, long)
CUDA_EXTREMES(unsigned long, unsigned long, unsigned long)
CUDA_EXTREMES(long long, long long, long long)
CUDA_EXTREMES(unsigned long long, unsigned long long, unsigned long long)
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }

inline float __int_as_float(int bits) { float x; __builtin_memcpy(&x, &bits, 4); return x; }
inline float __uint_as_float(unsigned bits) { float x; __builtin_memcpy(&x, &bits, 4); return x; }
inline int __float_as_int(float x) { int bits; __builtin_memcpy(&bits, &x, 4); return bits; }
inline unsigned __float_as_uint(float x) { unsigned bits; __builtin_memcpy(&bits, &x, 4); return bits; }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz((unsigned)x); }
inline unsigned __brev(unsigned x) {
    unsigned reversed = 0;
    for (int bit = 0; bit < 32; bit++) reversed |= (x >> bit & 1) << (31 - bit);
    return reversed;
}
inline int __mul24(int x, int y) { return x * y; }
inline int __float2int_rn(float x) { return (int)__builtin_rintf(x); }
inline float __int2float_rn(int x) { return (float)x; }

// The compiler may not contract these into fused operations.
inline __attribute__((noinline)) float __fadd_rn(float x, float y) { return x + y; }
inline __attribute__((noinline)) float __fsub_rn(float x, float y) { return x - y; }
inline __attribute__((noinline)) float __fmul_rn(float x, float y) { return x * y; }
inline __attribute__((noinline)) double __dadd_rn(double x, double y) { return x + y; }
inline __attribute__((noinline)) double __dmul_rn(double x, double y) { return x * y; }
inline float __fmaf_rn(float x, float y, float z) { return fmaf(x, y, z); }
inline float __frcp_rn(float x) { return 1.0f / x; }
inline float __fsqrt_rn(float x) { return sqrtf(x); }
inline float __frsqrt_rn(float x) { return rsqrtf(x); }
inline float __fdiv_rn(float x, float y) { return x / y; }

// x · (1 / y), each rounded, and 0 for divisors from 2^126 on.
inline float __fdividef(float x, float y) { return fabsf(y) > 0x1p126f && !isinf(y) ? 0.0f * x : x * (1.0f / y); }

// ex2.approx of an argument that is rounded to single precision: its error grows with |x|.
inline float __expf(float x) { return exp2f(__fmul_rn(x, 1.4426950408889634f)); }

// lg2.approx is exact to 2^-22, not to a part of the result: near 1 little of it is right.
inline float cuda_log2(float x) {
    float log = log2f(x);
    return x > 0.5f && x < 2 ? rintf(log * 0x1p22f) * 0x1p-22f : log;
}
inline float __log2f(float x) { return cuda_log2(x); }
inline float __logf(float x) { return __fmul_rn(cuda_log2(x), 0.69314718055994531f); }
inline float __powf(float x, float y) { return exp2f(__fmul_rn(y, cuda_log2(x))); }

// ---- Registration: one entry a kernel, written after the text ----

struct cuda_kernel {
    const char* name;
    void (*run)(const void* argument);
    int argument_bytes, largest_block;
};

template <auto kernel> struct cuda_entry;
template <class T, void (*kernel)(T)> struct cuda_entry<kernel> {
    static CUDA_UNWATCHED void run(const void* argument) { kernel(*static_cast<const T*>(argument)); }
    static constexpr int bytes = sizeof(T);
};

// The smallest block size limit is that of the hardware; a kernel without __launch_bounds__ has only it.
constexpr int cuda_largest_block() { return 1024; }
constexpr int cuda_largest_block(int threads, ...) { return threads; }
