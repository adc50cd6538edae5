// s = residual + hidden and y = norm(s), and the gradient. GROUPS is given by who compiles this: a warp holds rows that can be read by float4, of up to
// GROUPS * 128 channels, in its registers; GROUPS 0 is for all other rows, which are read again for every pass over them.

#define NORM_THREADS 256
#define NORM_WARPS (NORM_THREADS / WARP)

struct AddNormArguments {
    Matrix residual, hidden, sum, y, statistics;
    const float *weight, *bias;  // bias may be null
    float epsilon;
    int layer;  // 1: LayerNorm, 0: RMS
};

struct AddNormGradientArguments {
    Matrix sum, statistics, dy, sum_gradient;
    Matrix partials;  // [blocks, C], or [blocks, 2 C] where there is a bias: what every block found for the gradient of weight, and bias
    const float* weight;
    int block_rows, layer;
};

#if GROUPS > 0

#define NORM_VALUES (GROUPS * 4)  // of a lane: channels 4i to 4i + 3 of every 128, for lane i

// First channel of a group of four.
__device__ __forceinline__ int channel_of(int group) { return (group * WARP + lane_index()) * 4; }

// A row by registers; zeros beyond its end.
__device__ __forceinline__ void load_row(const float* row, int channels, float (&values)[NORM_VALUES]) {
#pragma unroll
    for (int g = 0; g < GROUPS; g++) {
        float group[4] = {};
        if (channel_of(g) < channels) load<4>(row + channel_of(g), group);
#pragma unroll
        for (int i = 0; i < 4; i++) values[g * 4 + i] = group[i];
    }
}

__device__ __forceinline__ void store_row(float* row, int channels, const float (&values)[NORM_VALUES]) {
#pragma unroll
    for (int g = 0; g < GROUPS; g++) {
        float group[4] = {values[g * 4], values[g * 4 + 1], values[g * 4 + 2], values[g * 4 + 3]};
        if (channel_of(g) < channels) store<4>(row + channel_of(g), group);
    }
}

// A warp a row. Per element: 8 bytes read (4 where there is no hidden), 8 written.
extern "C" __global__ void __launch_bounds__(NORM_THREADS) add_norm(const AddNormArguments a) {
    int64 row = (int64)blockIdx.x * NORM_WARPS + warp_index();
    if (row >= a.sum.rows) return;
    const int channels = a.sum.columns;
    float s[NORM_VALUES];
    load_row(a.residual.row(row), channels, s);
    if (a.hidden.data) {
        float h[NORM_VALUES];
        load_row(a.hidden.row(row), channels, h);
#pragma unroll
        for (int i = 0; i < NORM_VALUES; i++) s[i] += h[i];
    }
    store_row(a.sum.row(row), channels, s);

    float mean = 0, square = 0;
    if (a.layer) {
#pragma unroll
        for (int i = 0; i < NORM_VALUES; i++) mean += s[i];
        mean = warp_sum(mean) / channels;
    }
#pragma unroll
    for (int g = 0; g < GROUPS; g++)
#pragma unroll
        for (int i = g * 4; i < g * 4 + 4; i++) {
            float difference = channel_of(g) < channels ? s[i] - mean : 0.0f;
            square = fmaf(difference, difference, square);
        }
    float inverse = 1.0f / sqrtf(warp_sum(square) / channels + a.epsilon);

    float w[NORM_VALUES];
    load_row(a.weight, channels, w);
#pragma unroll
    for (int i = 0; i < NORM_VALUES; i++) s[i] = (s[i] - mean) * inverse * w[i];
    if (a.bias) {
        load_row(a.bias, channels, w);
#pragma unroll
        for (int i = 0; i < NORM_VALUES; i++) s[i] += w[i];
    }
    store_row(a.y.row(row), channels, s);
    if (lane_index() < 2) a.statistics.row(row)[lane_index()] = lane_index() == 0 ? mean : inverse;
}

// Sums a row of registers over the warps of a block, in their order. Every thread must come here. shared: NORM_THREADS * 4 values.
__device__ __forceinline__ void store_block_sum(float* sums, int channels, const float (&values)[NORM_VALUES], float* shared) {
    const int tid = threadIdx.x;
#pragma unroll
    for (int g = 0; g < GROUPS; g++) {
        float group[4] = {values[g * 4], values[g * 4 + 1], values[g * 4 + 2], values[g * 4 + 3]};
        __syncthreads();
        store<4>(shared + tid * 4, group);
        __syncthreads();
        int channel = g * WARP * 4 + tid;
        if (tid < WARP * 4 && channel < channels) {
            float sum = 0;
#pragma unroll
            for (int w = 0; w < NORM_WARPS; w++) sum += shared[w * WARP * 4 + tid];
            sums[channel] = sum;
        }
    }
}

// With x = (s - mean) * inverse and g = dy * weight: ds += inverse * (g - mean(g) - x * mean(g x)), where RMS leaves mean(g) out; a block also sums dy x and dy
// over its rows. A warp takes every eighth row of a block.
template <bool BIAS>
__device__ __forceinline__ void norm_gradient(const AddNormGradientArguments& a, float* shared) {
    const int channels = a.sum.columns;
    int64 first = (int64)blockIdx.x * a.block_rows;
    int64 last = first + a.block_rows < a.sum.rows ? first + a.block_rows : a.sum.rows;
    float weight_sum[NORM_VALUES] = {}, bias_sum[BIAS ? NORM_VALUES : 1] = {};
    for (int64 row = first + warp_index(); row < last; row += NORM_WARPS) {
        float x[NORM_VALUES], g[NORM_VALUES], ds[NORM_VALUES];
        load_row(a.sum.row(row), channels, x);
        load_row(a.dy.row(row), channels, g);
        load_row(a.sum_gradient.row(row), channels, ds);
        const float mean = a.statistics.row(row)[0], inverse = a.statistics.row(row)[1];
        float w[NORM_VALUES], mean_g = 0, mean_gx = 0;
        load_row(a.weight, channels, w);
#pragma unroll
        for (int i = 0; i < NORM_VALUES; i++) {
            x[i] = (x[i] - mean) * inverse;
            weight_sum[i] = fmaf(g[i], x[i], weight_sum[i]);
            if constexpr (BIAS) bias_sum[i] += g[i];
            g[i] *= w[i];
            mean_g += g[i];
            mean_gx = fmaf(g[i], x[i], mean_gx);
        }
        mean_gx = warp_sum(mean_gx) / channels;
        mean_g = a.layer ? warp_sum(mean_g) / channels : 0.0f;
#pragma unroll
        for (int i = 0; i < NORM_VALUES; i++) ds[i] = fmaf(inverse, g[i] - mean_g - x[i] * mean_gx, ds[i]);
        store_row(a.sum_gradient.row(row), channels, ds);
    }
    float* sums = a.partials.row(blockIdx.x);
    store_block_sum(sums, channels, weight_sum, shared);
    if constexpr (BIAS) store_block_sum(sums + channels, channels, bias_sum, shared);
}

// Per element: 12 bytes read, 4 written.
extern "C" __global__ void __launch_bounds__(NORM_THREADS) add_norm_gradient(const AddNormGradientArguments a) {
    __shared__ float4 shared[NORM_THREADS];
    norm_gradient<false>(a, reinterpret_cast<float*>(shared));
}

// The same where there is a bias.
extern "C" __global__ void __launch_bounds__(NORM_THREADS) add_norm_gradient_bias(const AddNormGradientArguments a) {
    __shared__ float4 shared[NORM_THREADS];
    norm_gradient<true>(a, reinterpret_cast<float*>(shared));
}

#else

// A warp a row. A lane reads again only what it wrote itself, so that sum may be the same matrix as residual.
extern "C" __global__ void __launch_bounds__(NORM_THREADS) add_norm_any(const AddNormArguments a) {
    int64 row = (int64)blockIdx.x * NORM_WARPS + warp_index();
    if (row >= a.sum.rows) return;
    const int channels = a.sum.columns;
    const float* residual = a.residual.row(row);
    const float* hidden = a.hidden.data ? a.hidden.row(row) : nullptr;
    float *s = a.sum.row(row), *y = a.y.row(row);
    float mean = 0, square = 0;
    for (int c = lane_index(); c < channels; c += WARP) {
        float value = hidden ? residual[c] + hidden[c] : residual[c];
        s[c] = value;
        mean += value;
    }
    mean = a.layer ? warp_sum(mean) / channels : 0.0f;
    for (int c = lane_index(); c < channels; c += WARP) square = fmaf(s[c] - mean, s[c] - mean, square);
    float inverse = 1.0f / sqrtf(warp_sum(square) / channels + a.epsilon);
    for (int c = lane_index(); c < channels; c += WARP) {
        float value = (s[c] - mean) * inverse * a.weight[c];
        y[c] = a.bias ? value + a.bias[c] : value;
    }
    if (lane_index() < 2) a.statistics.row(row)[lane_index()] = lane_index() == 0 ? mean : inverse;
}

// The gradient of the rows, a warp a row.
extern "C" __global__ void __launch_bounds__(NORM_THREADS) add_norm_gradient_any(const AddNormGradientArguments a) {
    int64 row = (int64)blockIdx.x * NORM_WARPS + warp_index();
    if (row >= a.sum.rows) return;
    const int channels = a.sum.columns;
    const float *s = a.sum.row(row), *dy = a.dy.row(row);
    const float mean = a.statistics.row(row)[0], inverse = a.statistics.row(row)[1];
    float* ds = a.sum_gradient.row(row);
    float mean_g = 0, mean_gx = 0;
    for (int c = lane_index(); c < channels; c += WARP) {
        float g = dy[c] * a.weight[c];
        mean_g += g;
        mean_gx = fmaf(g, (s[c] - mean) * inverse, mean_gx);
    }
    mean_gx = warp_sum(mean_gx) / channels;
    mean_g = a.layer ? warp_sum(mean_g) / channels : 0.0f;
    for (int c = lane_index(); c < channels; c += WARP)
        ds[c] = fmaf(inverse, dy[c] * a.weight[c] - mean_g - (s[c] - mean) * inverse * mean_gx, ds[c]);
}

// What a block of rows gives to the gradients of weight and bias. blockIdx.x: group of 32 channels, one a lane; blockIdx.y: block of rows, shared by warps.
extern "C" __global__ void __launch_bounds__(NORM_THREADS) norm_parameter_sums(const AddNormGradientArguments a) {
    __shared__ float weight_sums[NORM_THREADS], bias_sums[NORM_THREADS];
    const int channels = a.sum.columns, channel = blockIdx.x * WARP + lane_index();
    int64 first = (int64)blockIdx.y * a.block_rows;
    int64 last = first + a.block_rows < a.sum.rows ? first + a.block_rows : a.sum.rows;
    float weight_sum = 0, bias_sum = 0;
    if (channel < channels)
        for (int64 row = first + warp_index(); row < last; row += NORM_WARPS) {
            float g = a.dy.row(row)[channel];
            weight_sum = fmaf(g, (a.sum.row(row)[channel] - a.statistics.row(row)[0]) * a.statistics.row(row)[1], weight_sum);
            bias_sum += g;
        }
    weight_sums[threadIdx.x] = weight_sum;
    bias_sums[threadIdx.x] = bias_sum;
    __syncthreads();
    if (threadIdx.x >= WARP || channel >= channels) return;
    for (int w = 1; w < NORM_WARPS; w++) {
        weight_sum += weight_sums[w * WARP + threadIdx.x];
        bias_sum += bias_sums[w * WARP + threadIdx.x];
    }
    float* sums = a.partials.row(blockIdx.y);
    sums[channel] = weight_sum;
    if (a.partials.columns > channels) sums[channels + channel] = bias_sum;
}

#endif
