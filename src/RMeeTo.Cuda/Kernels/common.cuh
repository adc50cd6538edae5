// What all kernels share. Compiled before each of them by NVRTC, so nothing can be included; the tests compile the same text for the CPU.

typedef long long int64;

#ifdef CUDA_EMULATED
// The header that defines CUDA for the CPU defines DYNAMIC_SHARED too.
#else
// Dynamic shared memory of a block, as an array of any type.
#define DYNAMIC_SHARED(type, name) \
    extern __shared__ float4 dynamic_shared[]; \
    type* name = reinterpret_cast<type*>(dynamic_shared)
#endif

#define WARP 32
#define FULL_MASK 0xffffffffu

// A matrix, or a block of columns of one: row r begins at data + r * stride. data is null for an operand that is not there.
struct Matrix {
    float* data;
    int rows, columns, stride, padding;

    __device__ __forceinline__ float* row(int64 r) const { return data + r * stride; }
};

__device__ __forceinline__ int lane_index() { return threadIdx.x & (WARP - 1); }

__device__ __forceinline__ int warp_index() { return threadIdx.x / WARP; }

// Sum over a warp; every lane receives it.
__device__ __forceinline__ float warp_sum(float value) {
#pragma unroll
    for (int step = WARP / 2; step > 0; step /= 2) value += __shfl_xor_sync(FULL_MASK, value, step);
    return value;
}

__device__ __forceinline__ float warp_max(float value) {
#pragma unroll
    for (int step = WARP / 2; step > 0; step /= 2) value = fmaxf(value, __shfl_xor_sync(FULL_MASK, value, step));
    return value;
}

// Sum over a block of whole warps, at most 1024 threads; every thread receives it. shared: one float a warp. May be called again at once.
__device__ __forceinline__ float block_sum(float value, float* shared) {
    value = warp_sum(value);
    __syncthreads();
    if (lane_index() == 0) shared[warp_index()] = value;
    __syncthreads();
    float sum = 0;
    for (int w = 0; w < (int)(blockDim.x / WARP); w++) sum += shared[w];
    return sum;
}

__device__ __forceinline__ float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

__device__ __forceinline__ float silu(float x) { return x * sigmoid(x); }

// d silu(x) / dx
__device__ __forceinline__ float silu_slope(float x) {
    float s = sigmoid(x);
    return s * (1.0f + x * (1.0f - s));
}
