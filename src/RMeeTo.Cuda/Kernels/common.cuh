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

// One source row of a merged row: its row in its image, and its factor.
struct __align__(8) MergeSource {
    int row;
    float weight;
};

// What a merge does to each image of a batch. Rows count within their image.
struct MergePlan {
    int* destinations;    // [B, L]: row afterwards, or -1
    float* weights;       // [B, L]: factor in that row; 0 for a dropped row
    int* offsets;         // [B, L' + 1]: sources of row d of an image are numbers offsets[d] to offsets[d + 1] - 1 of the image's
    MergeSource* sources; // [B, L]: in order of the rows that they make, then of their own
    int* class_rows;      // [B]: class row afterwards, or -1
    int tokens, merged_tokens; // L, L'
};

__device__ __forceinline__ int lane_index() { return threadIdx.x & (WARP - 1); }

__device__ __forceinline__ int warp_index() { return threadIdx.x / WARP; }

// The row of this warp where each warp of a grid along x has one.
__device__ __forceinline__ int64 warp_row() { return (int64)blockIdx.x * (blockDim.x / WARP) + warp_index(); }

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

// COUNT neighbouring values (1, 2 or 4) in one access; they begin at a multiple of their size.
template <int COUNT>
__device__ __forceinline__ void load(const float* from, float (&values)[COUNT]) {
    if constexpr (COUNT == 4) {
        float4 v = *reinterpret_cast<const float4*>(from);
        values[0] = v.x, values[1] = v.y, values[2] = v.z, values[3] = v.w;
    } else if constexpr (COUNT == 2) {
        float2 v = *reinterpret_cast<const float2*>(from);
        values[0] = v.x, values[1] = v.y;
    } else {
        static_assert(COUNT == 1, "values are read by 1, 2 or 4");
        values[0] = *from;
    }
}

template <int COUNT>
__device__ __forceinline__ void store(float* to, const float (&values)[COUNT]) {
    if constexpr (COUNT == 4) {
        *reinterpret_cast<float4*>(to) = make_float4(values[0], values[1], values[2], values[3]);
    } else if constexpr (COUNT == 2) {
        *reinterpret_cast<float2*>(to) = make_float2(values[0], values[1]);
    } else {
        static_assert(COUNT == 1, "values are written by 1, 2 or 4");
        *to = values[0];
    }
}

#ifdef WIDTH
// What a thread moves at once: WIDTH neighbouring values of a row. 4 where every row of every operand can be read so (MatrixArgument.IsVectorizable), else 1.
#if WIDTH == 4
typedef float4 Values;

__device__ __forceinline__ Values splat(float v) { return make_float4(v, v, v, v); }

__device__ __forceinline__ Values add(Values a, Values b) { return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w); }

__device__ __forceinline__ Values multiply(Values a, Values b) { return make_float4(a.x * b.x, a.y * b.y, a.z * b.z, a.w * b.w); }

// a * b + c, rounded once
__device__ __forceinline__ Values multiply_add(Values a, Values b, Values c) {
    return make_float4(fmaf(a.x, b.x, c.x), fmaf(a.y, b.y, c.y), fmaf(a.z, b.z, c.z), fmaf(a.w, b.w, c.w));
}
#else
typedef float Values;

__device__ __forceinline__ Values splat(float v) { return v; }

__device__ __forceinline__ Values add(Values a, Values b) { return a + b; }

__device__ __forceinline__ Values multiply(Values a, Values b) { return a * b; }

// a * b + c, rounded once
__device__ __forceinline__ Values multiply_add(Values a, Values b, Values c) { return fmaf(a, b, c); }
#endif

__device__ __forceinline__ Values load(const float* p) { return *reinterpret_cast<const Values*>(p); }

__device__ __forceinline__ void store(float* p, Values v) { *reinterpret_cast<Values*>(p) = v; }

// Sum over the warps of a block, lane by lane and in their order; warp 0 receives it. shared: one a thread. Once a kernel.
__device__ __forceinline__ Values sum_over_warps(Values value, Values* shared) {
    shared[threadIdx.x] = value;
    __syncthreads();
    if (warp_index() != 0) return value;
    for (int w = 1; w < (int)(blockDim.x / WARP); w++) value = add(value, shared[w * WARP + lane_index()]);
    return value;
}
#endif
