// Depthwise causal convolution along the tokens of an image, and SiLU: a_t = bias + sum_k w_k x_{t-(TAPS-1)+k}; y_t = silu(a_t), or a_t. TAPS is given by who
// compiles this. A thread walks a chunk of the tokens for WIDTH neighbouring channels, the last inputs in registers; a direction is the sign of its step.

#define CONV_THREADS 256
#define CONV_UNROLL 4  // tokens that a thread has in flight
#define HISTORY (TAPS - 1)

// To within a few units of the last place of the result; silu(x) = 0 where exp(-x) is no longer finite.
__device__ __forceinline__ float conv_sigmoid(float x) { return __fdividef(1.0f, 1.0f + __expf(-x)); }

// How tokens are cut: chunk i holds steps i * chunk_length and following of the walk.
struct Walk {
    int length, chunk_length, chunks, reverse;
};

// Where a walk along an image begins, and the values from one step to the next.
__device__ __forceinline__ float* walk_start(const Matrix& m, const Walk& walk, int image, int channel, int64& step) {
    step = walk.reverse ? -(int64)m.stride : m.stride;
    return m.row((int64)image * walk.length + (walk.reverse ? walk.length - 1 : 0)) + channel;
}

// Weights of WIDTH channels by tap.
template <int WIDTH>
__device__ __forceinline__ void load_taps(const float* weight, const float* bias, int channel, float (&w)[TAPS][WIDTH], float (&b)[WIDTH]) {
#pragma unroll
    for (int i = 0; i < WIDTH; i++) {
#pragma unroll
        for (int k = 0; k < TAPS; k++) w[k][i] = weight[(channel + i) * (int64)TAPS + k];
        b[i] = bias ? bias[channel + i] : 0.0f;
    }
}

// The inputs before step t, zeros before the first one.
template <int WIDTH, int COUNT>
__device__ __forceinline__ void load_history(const float* x, int64 step, int t, float (&window)[COUNT][WIDTH]) {
#pragma unroll
    for (int k = 0; k < HISTORY; k++)
        if (t - HISTORY + k >= 0) {
            load<WIDTH>(x + (t - HISTORY + k) * step, window[k]);
        } else {
#pragma unroll
            for (int i = 0; i < WIDTH; i++) window[k][i] = 0;
        }
}

struct ConvArguments {
    Matrix x, y;
    const float *weight, *bias;  // bias may be null
    Walk walk;
    int silu, padding;
};

// blockIdx.x: chunk of an image; blockIdx.y: block of channels.
template <int WIDTH>
__device__ __forceinline__ void convolve(const ConvArguments& a) {
    const int channel = (blockIdx.y * blockDim.x + threadIdx.x) * WIDTH;
    if (channel >= a.x.columns) return;
    const int image = blockIdx.x / a.walk.chunks, first = blockIdx.x % a.walk.chunks * a.walk.chunk_length;
    const int last = first + a.walk.chunk_length < a.walk.length ? first + a.walk.chunk_length : a.walk.length;
    int64 x_step, y_step;
    const float* x = walk_start(a.x, a.walk, image, channel, x_step);
    float* y = walk_start(a.y, a.walk, image, channel, y_step);
    float w[TAPS][WIDTH], bias[WIDTH];
    load_taps<WIDTH>(a.weight, a.bias, channel, w, bias);

    float window[HISTORY + CONV_UNROLL][WIDTH];
    load_history<WIDTH>(x, x_step, first, window);
    for (int t = first; t < last; t += CONV_UNROLL) {
#pragma unroll
        for (int u = 0; u < CONV_UNROLL; u++)
            if (t + u < last) load<WIDTH>(x + (t + u) * x_step, window[HISTORY + u]);
#pragma unroll
        for (int u = 0; u < CONV_UNROLL; u++) {
            if (t + u >= last) break;
            float result[WIDTH];
#pragma unroll
            for (int i = 0; i < WIDTH; i++) {
                result[i] = bias[i];
#pragma unroll
                for (int k = 0; k < TAPS; k++) result[i] = fmaf(w[k][i], window[u + k][i], result[i]);
                if (a.silu) result[i] *= conv_sigmoid(result[i]);
            }
            store<WIDTH>(y + (t + u) * y_step, result);
        }
#pragma unroll
        for (int k = 0; k < HISTORY; k++)
#pragma unroll
            for (int i = 0; i < WIDTH; i++) window[k][i] = window[k + CONV_UNROLL][i];
    }
}

// Per element: 4 bytes read, 4 written; of x, TAPS - 1 tokens of every chunk are read by its neighbour too (from the cache).
extern "C" __global__ void __launch_bounds__(CONV_THREADS) causal_conv(const ConvArguments a) { convolve<1>(a); }

// The same where rows can be read by float4.
extern "C" __global__ void __launch_bounds__(CONV_THREADS) causal_conv4(const ConvArguments a) { convolve<4>(a); }

struct ConvGradientArguments {
    Matrix x, dy, dx;
    Matrix partials;             // [blocks, D * TAPS], or [blocks, D * TAPS + D] where there is a bias: what every block found for weight, and bias
    const float *weight, *bias;  // bias may be null
    Walk walk;
    int images, block_images, silu, accumulate;
};

// One chunk of one image: with g_t = dy_t act'(a_t), dx_t (+)= sum_k w_k g_{t+(TAPS-1)-k}, and adds sum_t g_t x_{t-(TAPS-1)+k} and sum_t g_t. For its last
// dx, a chunk computes the first TAPS - 1 gradients of its neighbour too.
template <int WIDTH>
__device__ __forceinline__ void convolve_gradient(const ConvGradientArguments& a, int image, int first, int channel, const float (&w)[TAPS][WIDTH],
                                                  const float (&bias)[WIDTH], float (&weight_sum)[TAPS][WIDTH], float (&bias_sum)[WIDTH]) {
    const int length = a.walk.length, last = first + a.walk.chunk_length < length ? first + a.walk.chunk_length : length;
    const int loaded = last + HISTORY < length ? last + HISTORY : length;
    int64 x_step, dy_step, dx_step;
    const float* x = walk_start(a.x, a.walk, image, channel, x_step);
    const float* dy = walk_start(a.dy, a.walk, image, channel, dy_step);
    float* dx = walk_start(a.dx, a.walk, image, channel, dx_step);

    float window[HISTORY + CONV_UNROLL][WIDTH];         // x from step t - HISTORY on
    float g[HISTORY + CONV_UNROLL][WIDTH] = {};         // likewise; those before the first step of the chunk are not used
    load_history<WIDTH>(x, x_step, first, window);
    for (int t = first; t < last + HISTORY; t += CONV_UNROLL) {
        float before[CONV_UNROLL][WIDTH];  // of dx
#pragma unroll
        for (int u = 0; u < CONV_UNROLL; u++) {
#pragma unroll
            for (int i = 0; i < WIDTH; i++) window[HISTORY + u][i] = g[HISTORY + u][i] = before[u][i] = 0;
            if (t + u < loaded) {
                load<WIDTH>(x + (t + u) * x_step, window[HISTORY + u]);
                load<WIDTH>(dy + (t + u) * dy_step, g[HISTORY + u]);
            }
            int s = t + u - HISTORY;
            if (a.accumulate && s >= first && s < last) load<WIDTH>(dx + s * dx_step, before[u]);
        }
#pragma unroll
        for (int u = 0; u < CONV_UNROLL; u++) {
            if (a.silu) {
#pragma unroll
                for (int i = 0; i < WIDTH; i++) {
                    float sum = bias[i];
#pragma unroll
                    for (int k = 0; k < TAPS; k++) sum = fmaf(w[k][i], window[u + k][i], sum);
                    float s = conv_sigmoid(sum);
                    g[HISTORY + u][i] *= s * fmaf(sum, 1.0f - s, 1.0f);
                }
            }
            if (t + u < last) {
#pragma unroll
                for (int i = 0; i < WIDTH; i++) {
                    bias_sum[i] += g[HISTORY + u][i];
#pragma unroll
                    for (int k = 0; k < TAPS; k++) weight_sum[k][i] = fmaf(g[HISTORY + u][i], window[u + k][i], weight_sum[k][i]);
                }
            }
            int s = t + u - HISTORY;
            if (s >= first && s < last) {
                float result[WIDTH];
#pragma unroll
                for (int i = 0; i < WIDTH; i++) {
                    result[i] = before[u][i];
#pragma unroll
                    for (int k = 0; k < TAPS; k++) result[i] = fmaf(w[k][i], g[u + HISTORY - k][i], result[i]);
                }
                store<WIDTH>(dx + s * dx_step, result);
            }
        }
#pragma unroll
        for (int k = 0; k < HISTORY; k++)
#pragma unroll
            for (int i = 0; i < WIDTH; i++) window[k][i] = window[k + CONV_UNROLL][i], g[k][i] = g[k + CONV_UNROLL][i];
    }
}

// blockIdx.x: chunk of some images; blockIdx.y: block of channels.
template <int WIDTH>
__device__ __forceinline__ void convolve_gradients(const ConvGradientArguments& a) {
    const int channel = (blockIdx.y * blockDim.x + threadIdx.x) * WIDTH;
    if (channel >= a.x.columns) return;
    const int first_image = blockIdx.x / a.walk.chunks * a.block_images, first = blockIdx.x % a.walk.chunks * a.walk.chunk_length;
    const int last_image = first_image + a.block_images < a.images ? first_image + a.block_images : a.images;
    float w[TAPS][WIDTH], bias[WIDTH], weight_sum[TAPS][WIDTH] = {}, bias_sum[WIDTH] = {};
    load_taps<WIDTH>(a.weight, a.bias, channel, w, bias);
    for (int image = first_image; image < last_image; image++) convolve_gradient<WIDTH>(a, image, first, channel, w, bias, weight_sum, bias_sum);

    float* sums = a.partials.row(blockIdx.x);
    const int weights = a.x.columns * TAPS;
#pragma unroll
    for (int i = 0; i < WIDTH; i++) {
#pragma unroll
        for (int k = 0; k < TAPS; k++) sums[(channel + i) * TAPS + k] = weight_sum[k][i];
    }
    // Behind the weights: a multiple of WIDTH, as the channels are.
    if (a.partials.columns > weights) store<WIDTH>(sums + weights + channel, bias_sum);
}

// Per element: 8 bytes read (12 accumulating), 4 written; of every chunk, 2 (TAPS - 1) tokens of x and TAPS - 1 of dy are read by its neighbours too.
extern "C" __global__ void __launch_bounds__(CONV_THREADS) causal_conv_gradient(const ConvGradientArguments a) { convolve_gradients<1>(a); }

// The same where rows can be read by float2: with float4 the registers would leave fewer bytes in flight.
extern "C" __global__ void __launch_bounds__(CONV_THREADS, 3) causal_conv_gradient2(const ConvGradientArguments a) { convolve_gradients<2>(a); }
