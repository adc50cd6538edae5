// What the selective scan and its gradient share. STATE_GROUPS: sixteens of states, the last one filled up with states that stay zero.

#define THREADS 128        // and as many channels a block
#define WARPS (THREADS / WARP)
#define CHUNK 8            // tokens from one checkpoint to the next
#define GROUP 16           // states of a group
#define TILE_ROW (2 * GROUP * STATE_GROUPS) // B and C of one token: of each group sixteen of B, sixteen of C
#define STAGED (CHUNK / WARPS * STATE_GROUPS) // of a chunk's B and C, those that one thread fetches
#define LOG2_E 1.44269504f
#define LN_2 0.693147181f

struct ScanOperands {
    Matrix input, delta_raw, gate; // [B·L, D]; no gate: none
    Matrix b, c;                   // [B·L, N]
    Matrix a_log;                  // [D, N]
    const float* delta_bias;       // [D] or none
    const float* skip;             // [D] or none
    float* checkpoints;            // [B, chunks - 1, groups, D, 16]: the states before every chunk but the first; or none
    int length, reverse, softplus;
    float output_scale;
};

// 2^x, and 0 where that would be denormal; error 2 ulp
__device__ __forceinline__ float exp2_approximate(float x) {
#ifdef CUDA_EMULATED
    return exp2f(x);
#else
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
#endif
}

// 1 / x, and 0 of infinity; error 1 ulp
__device__ __forceinline__ float reciprocal_approximate(float x) {
#ifdef CUDA_EMULATED
    return 1.0f / x;
#else
    float y;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
#endif
}

// log(1 + e) for e from 0 to 1, by a polynomial for log(1 + e) / e: relative error 1e-7 however small e is
__device__ __forceinline__ float log1p_polynomial(float e) {
    float p = 5.126102141e-3f;
    p = fmaf(p, e, -2.907406468e-2f);
    p = fmaf(p, e, 7.751608674e-2f);
    p = fmaf(p, e, -1.360224762e-1f);
    p = fmaf(p, e, 1.907688074e-1f);
    p = fmaf(p, e, -2.483539899e-1f);
    p = fmaf(p, e, 3.331812171e-1f);
    p = fmaf(p, e, -4.999944498e-1f);
    p = fmaf(p, e, 9.999999659e-1f);
    return p * e;
}

// exp(-|x|); softplus(x) = max(x, 0) + log(1 + exp(-|x|)) is x from 17 on in float, so that the threshold of 20 needs no branch
__device__ __forceinline__ float exp_of_minus_magnitude(float x) { return exp2_approximate(-LOG2_E * fabsf(x)); }

__device__ __forceinline__ float softplus(float x) { return fmaxf(x, 0.0f) + log1p_polynomial(exp_of_minus_magnitude(x)); }

__device__ __forceinline__ float fast_sigmoid(float x) { return reciprocal_approximate(1.0f + exp2_approximate(-LOG2_E * x)); }

// One column of a matrix of an image, by steps of the scan, from a step that moves on: step 0 is the last token where the scan is reversed.
struct Column {
    float* here;
    int64 pitch; // from a step to the next

    __device__ __forceinline__ float* at(int step) const { return here + step * pitch; }

    __device__ __forceinline__ void move(int steps) { here += steps * pitch; }

    // The place of this step; moves on to the next. An addition, where the compiler would rather multiply for every step.
    __device__ __forceinline__ float* next() {
        float* place = here;
#ifdef CUDA_EMULATED
        here += pitch;
#else
        asm("add.s64 %0, %0, %1;" : "+l"(here) : "l"(pitch * (int64)sizeof(float)));
#endif
        return place;
    }
};

// Where a block is: 128 channels of one image.
struct ScanPlace {
    int image, channel_block, channel, sign;
    int64 first_row; // row of step 0

    __device__ __forceinline__ explicit ScanPlace(const ScanOperands& a) {
        int blocks = (a.a_log.rows + THREADS - 1) / THREADS;
        image = blockIdx.x / blocks;
        channel_block = blockIdx.x % blocks;
        channel = channel_block * THREADS + threadIdx.x;
        sign = a.reverse ? -1 : 1;
        first_row = (int64)image * a.length + (a.reverse ? a.length - 1 : 0);
    }

    // The thread's channel, or the last one: what lies there may be read.
    __device__ __forceinline__ int readable_channel(const ScanOperands& a) const { return min(channel, a.a_log.rows - 1); }

    __device__ __forceinline__ Column column(const Matrix& m, int column) const { return {m.row(first_row) + column, sign * m.stride}; }

    // Sixteen states of every channel before a chunk.
    __device__ __forceinline__ float* checkpoint(const ScanOperands& a, int chunk, int group) const {
        int64 chunks = (a.length + CHUNK - 1) / CHUNK - 1;
        return a.checkpoints + ((image * chunks + chunk - 1) * STATE_GROUPS + group) * a.a_log.rows * GROUP;
    }
};

// -exp(a_log) · log2(e): 2 to the power of its product with delta is the decay of a state. 0 for what is not there.
__device__ __forceinline__ float decay_of(const ScanOperands& a, int channel, int state) {
    return channel < a.a_log.rows && state < a.a_log.columns ? -LOG2_E * expf(a.a_log.row(channel)[state]) : 0.0f;
}

// A lane's column of B and C of a chunk: each warp fetches two tokens, of every group sixteen states of B and sixteen of C.
struct TileSource {
    Column column;
    int states; // from the lane's state of the first group on

    __device__ __forceinline__ TileSource(const ScanOperands& a, const ScanPlace& place) {
        const Matrix& m = lane_index() < GROUP ? a.b : a.c;
        int state = lane_index() % GROUP;
        column = {m.row(place.first_row + (int64)place.sign * warp_index()) + state, place.sign * m.stride};
        states = a.a_log.columns - state;
    }

    // The chunk from a step on, tokens of it that are there; the column is at its first token. Zero is what is not there.
    __device__ __forceinline__ void fetch(int tokens, float (&values)[STAGED]) const {
#pragma unroll
        for (int i = 0; i < CHUNK / WARPS; i++)
#pragma unroll
            for (int g = 0; g < STATE_GROUPS; g++) {
                bool there = warp_index() + i * WARPS < tokens && g * GROUP < states;
                values[i * STATE_GROUPS + g] = there ? __ldg(column.at(i * WARPS) + g * GROUP) : 0.0f;
            }
    }

    __device__ __forceinline__ void store(const float (&values)[STAGED], float* tile) const {
#pragma unroll
        for (int i = 0; i < CHUNK / WARPS; i++)
#pragma unroll
            for (int g = 0; g < STATE_GROUPS; g++)
                tile[(warp_index() + i * WARPS) * TILE_ROW + g * 2 * GROUP + lane_index()] = values[i * STATE_GROUPS + g];
    }
};
