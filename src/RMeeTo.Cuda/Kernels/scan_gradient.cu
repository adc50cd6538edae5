// The gradient of the selective scan. A thread owns a channel: it makes delta and the gradients of u, delta and z. The recurrence of four channels, lanes l ^ 0
// to l ^ 3 of a warp, is shared by their lanes: each takes a quarter of the states of all four, so that B and C serve four times and the sums over channels
// in their gradients begin inside a lane. Slot j of a lane is the channel of lane l ^ j. A chunk of tokens at a time, the last first: its states are computed
// again from the checkpoint before it, and then the adjoint of the states walks back through them. Nothing is added in an order that depends on timing.
//
// Per token and channel: 28 bytes, 4 more where the gate's gradient is added to, 8 of checkpoints, 1 of partial sums; with N = 16, 36 special functions (a
// decay is computed twice: kept, it would take the registers of another block) and some 414 instructions, which bound it.

#include "scan.cuh"

#define SLOTS 4                      // channels of a lane
#define LANE_STATES (GROUP / SLOTS)  // states of a lane in every group
#define PAST (LANE_STATES - KEPT)    // of these, those whose past in a chunk goes to shared memory; the first KEPT stay in registers
#define TOKEN_SUMS (2 * GROUP)       // a group's gradients of B and C at one token

struct ScanGradientArguments {
    ScanOperands scan;
    Matrix output_gradient;                               // [B·L, D]
    Matrix input_gradient, delta_gradient, gate_gradient; // [B·L, D]; no gate: none
    Matrix parameter_sums;                                // [B, D·N (+ D) (+ D)]: gradients of a_log, skip and delta_bias by one image
    float* token_sums;                                    // [channel blocks, B·L, TILE_ROW]: gradients of B and C by 128 channels
    int skip_column, bias_column;                         // of parameter_sums, or -1
    int accumulate_gate, padding;
};

struct GradientMemory {
    float4 rows[CHUNK][THREADS];       // of a channel at a token: delta, delta · u, gradient of y, u
    float4 past[PAST * CHUNK * THREADS + 1]; // [PAST][CHUNK][THREADS]: a state before every token, of a lane's four channels; + 1 since PAST may be 0
    float4 tile[CHUNK * TILE_ROW / 4];
    float slopes[CHUNK][THREADS];      // d delta / d delta_raw
    float sums[WARPS][CHUNK][TOKEN_SUMS];
};

// What a lane carries of one group of states: [its states][slots].
struct LaneGroup {
    float decay[LANE_STATES][SLOTS];    // to the base 2
    float adjoint[LANE_STATES][SLOTS];  // of the states after the token before, as far as it comes from later tokens
    float gradient[LANE_STATES][SLOTS]; // of the decay to the base e, over all tokens
};

// What a thread carries of its own channel.
struct OwnChannel {
    float bias, skip, bias_gradient, skip_gradient;
    Column input, raw, gate, output_gradient, input_gradient, delta_gradient, gate_gradient;

    __device__ __forceinline__ void move(int steps) {
        input.move(steps), raw.move(steps), gate.move(steps), output_gradient.move(steps);
        input_gradient.move(steps), delta_gradient.move(steps), gate_gradient.move(steps);
    }
};

// What is left to do at the tokens of a chunk once sums over the states are known. Only with several groups do the sums wait here.
struct OwnTokens {
    float gate_factor[CHUNK], gate_rest[CHUNK];
    float y[CHUNK], by_b[CHUNK], by_decay[CHUNK];
};

// The sum over all lanes that share a thread's own channel.
__device__ __forceinline__ float sum_of_own(const float (&values)[SLOTS]) {
    float sum = values[0];
#pragma unroll
    for (int j = 1; j < SLOTS; j++) sum += __shfl_xor_sync(FULL_MASK, values[j], j);
    return sum;
}

// Adds values[COUNT..] of lane l to values[..COUNT] of lane l ^ STEP, or the other way round: half of them remain.
template <int COUNT, int STEP>
__device__ __forceinline__ void halve(float* values) {
    bool second = (lane_index() & STEP) != 0;
#pragma unroll
    for (int i = 0; i < COUNT; i++) {
        float mine = second ? values[COUNT + i] : values[i], other = second ? values[i] : values[COUNT + i];
        values[i] = mine + __shfl_xor_sync(FULL_MASK, other, STEP);
    }
}

// Sums gradients of B (four) and C (four) over the eight lanes that share their states; each lane stores one of the sums.
__device__ __forceinline__ void store_token_sum(float (&values)[2 * LANE_STATES], float* sums) {
    int lane = lane_index();
    halve<4, 16>(values);
    halve<2, 8>(values);
    halve<1, 4>(values);
    sums[lane / 16 * GROUP + lane % SLOTS * LANE_STATES + lane / 8 % 2 * 2 + lane / 4 % 2] = values[0];
}

// Fills the rows of the chunk. Tokens and channels that are not there change no state: their delta, u and gradient are zero.
__device__ __forceinline__ void prepare(const ScanGradientArguments& a, GradientMemory& shared, int tokens, OwnChannel& own, OwnTokens& left) {
    const int tid = threadIdx.x;
    const bool gated = a.scan.gate.data != nullptr, accumulate = gated && a.accumulate_gate;
    const float absent = a.scan.softplus ? -1e30f : -own.bias; // where delta is zero
    float u[CHUNK], x[CHUNK], z[CHUNK], dout[CHUNK], dz[CHUNK];
    Column u_i = own.input, x_i = own.raw, z_i = own.gate, dout_i = own.output_gradient, dz_i = own.gate_gradient;
    auto fetch = [&](int i) {
        const float *next_u = u_i.next(), *next_x = x_i.next(), *next_z = z_i.next(), *next_dout = dout_i.next(), *next_dz = dz_i.next();
        u[i] = __ldg(next_u);
        x[i] = __ldg(next_x);
        z[i] = __ldg(next_z);
        dout[i] = __ldg(next_dout);
        dz[i] = 0;
        if (accumulate) dz[i] = *next_dz;
    };
    if (tokens >= CHUNK) {
#pragma unroll
        for (int i = 0; i < CHUNK; i++) fetch(i);
    } else {
#pragma unroll
        for (int i = 0; i < CHUNK; i++) {
            u[i] = z[i] = dout[i] = dz[i] = 0;
            x[i] = absent;
            if (i < tokens) fetch(i);
        }
    }
#pragma unroll
    for (int i = 0; i < CHUNK; i++) {
        float argument = x[i] + own.bias, e = exp_of_minus_magnitude(argument), inverse = reciprocal_approximate(1.0f + e);
        float delta = a.scan.softplus ? fmaxf(argument, 0.0f) + log1p_polynomial(e) : argument;
        float slope = !a.scan.softplus ? 1.0f : argument < 0 ? e * inverse : inverse;
        float s = fast_sigmoid(z[i]), silu = z[i] * s, dy = dout[i] * a.scan.output_scale;
        left.gate_factor[i] = dy * fmaf(silu, 1.0f - s, s);
        left.gate_rest[i] = fmaf(left.gate_factor[i] * own.skip, u[i], dz[i]);
        if (gated) dy *= silu;
        shared.rows[i][tid] = make_float4(delta, delta * u[i], dy, u[i]);
        shared.slopes[i][tid] = slope;
        own.skip_gradient = fmaf(dy, u[i], own.skip_gradient);
    }
}

// States of a lane before the chunk.
__device__ __forceinline__ void load_states(const ScanOperands& a, const ScanPlace& place, int chunk, int group, float (&h)[LANE_STATES][SLOTS]) {
    const float* checkpoint = place.checkpoint(a, chunk, group);
#pragma unroll
    for (int j = 0; j < SLOTS; j++) {
        int channel = place.channel ^ j;
        float values[LANE_STATES] = {};
        if (chunk > 0 && channel < a.a_log.rows) load<LANE_STATES>(checkpoint + channel * GROUP + lane_index() % SLOTS * LANE_STATES, values);
#pragma unroll
        for (int n = 0; n < LANE_STATES; n++) h[n][j] = values[n];
    }
}

// The states after every token of the chunk, from those before it: h becomes the last, past what was before each token. With the sums over the states of C · H
// the gate's gradient is complete.
__device__ __forceinline__ void recompute(
    const ScanGradientArguments& a, GradientMemory& shared, int group, int tokens, const LaneGroup& lane, const OwnChannel& own, OwnTokens& left,
    float (&h)[LANE_STATES][SLOTS], float (&kept)[CHUNK][KEPT][SLOTS]) {
    const int tid = threadIdx.x, gate_tokens = a.scan.gate.data != nullptr ? tokens : 0;
    const float* tile = reinterpret_cast<const float*>(shared.tile) + group * TOKEN_SUMS + tid % SLOTS * LANE_STATES;
#pragma unroll
    for (int i = 0; i < CHUNK; i++) {
        float delta[SLOTS], delta_u[SLOTS], b[LANE_STATES], c[LANE_STATES], y[SLOTS] = {};
#pragma unroll
        for (int j = 0; j < SLOTS; j++) {
            float2 row = *reinterpret_cast<const float2*>(&shared.rows[i][tid ^ j]);
            delta[j] = row.x, delta_u[j] = row.y;
        }
        load<LANE_STATES>(tile + i * TILE_ROW, b);
        load<LANE_STATES>(tile + i * TILE_ROW + GROUP, c);
#pragma unroll
        for (int n = 0; n < LANE_STATES; n++) {
            if (n >= KEPT) shared.past[((n - KEPT) * CHUNK + i) * THREADS + tid] = make_float4(h[n][0], h[n][1], h[n][2], h[n][3]);
#pragma unroll
            for (int j = 0; j < SLOTS; j++) {
                if (n < KEPT) kept[i][n][j] = h[n][j];
                h[n][j] = fmaf(exp2_approximate(delta[j] * lane.decay[n][j]), h[n][j], delta_u[j] * b[n]);
                y[j] = fmaf(h[n][j], c[n], y[j]);
            }
        }
        float sum = sum_of_own(y);
        if (group > 0) sum += left.y[i];
        if (group < STATE_GROUPS - 1) left.y[i] = sum;
        else if (i < gate_tokens) *own.gate_gradient.at(i) = fmaf(left.gate_factor[i], sum, left.gate_rest[i]);
    }
}

// One token of the adjoint's way back: g is the adjoint of H after the token, h becomes H before it.
// by_b = sum of g · B, by_decay = sum of g · dH/d(delta · decay) · decay, over the states of the lane.
__device__ __forceinline__ void step_back(
    LaneGroup& lane, float (&h)[LANE_STATES][SLOTS], const float (&before)[LANE_STATES][SLOTS], const float (&delta)[SLOTS], const float (&delta_u)[SLOTS],
    const float (&dy)[SLOTS], const float (&b)[LANE_STATES], const float (&c)[LANE_STATES],
    float (&by_b)[SLOTS], float (&by_decay)[SLOTS], float (&token)[2 * LANE_STATES]) {
#pragma unroll
    for (int n = 0; n < LANE_STATES; n++)
#pragma unroll
        for (int j = 0; j < SLOTS; j++) {
            float g = fmaf(dy[j], c[n], lane.adjoint[n][j]);
            token[n] = fmaf(g, delta_u[j], token[n]);
            token[LANE_STATES + n] = fmaf(dy[j], h[n][j], token[LANE_STATES + n]);
            by_b[j] = fmaf(g, b[n], by_b[j]);
            lane.adjoint[n][j] = g * exp2_approximate(delta[j] * lane.decay[n][j]);
            float by_exponent = lane.adjoint[n][j] * before[n][j];
            by_decay[j] = fmaf(by_exponent, lane.decay[n][j], by_decay[j]);
            lane.gradient[n][j] = fmaf(by_exponent, delta[j], lane.gradient[n][j]);
            h[n][j] = before[n][j];
        }
}

// The adjoint's way back through the chunk, and the gradients of u, delta and, summed over the channels of a warp, of B and C.
__device__ __forceinline__ void walk_back(
    GradientMemory& shared, int group, int tokens, LaneGroup& lane, OwnChannel& own, OwnTokens& left,
    float (&h)[LANE_STATES][SLOTS], const float (&kept)[CHUNK][KEPT][SLOTS]) {
    const int tid = threadIdx.x;
    const float* tile = reinterpret_cast<const float*>(shared.tile) + group * TOKEN_SUMS + tid % SLOTS * LANE_STATES;
#pragma unroll
    for (int i = CHUNK - 1; i >= 0; i--) {
        float delta[SLOTS], delta_u[SLOTS], dy[SLOTS], u, b[LANE_STATES], c[LANE_STATES], before[LANE_STATES][SLOTS];
#pragma unroll
        for (int j = 0; j < SLOTS; j++) {
            float4 row = shared.rows[i][tid ^ j];
            delta[j] = row.x, delta_u[j] = row.y, dy[j] = row.z;
            if (j == 0) u = row.w;
#pragma unroll
            for (int n = 0; n < KEPT; n++) before[n][j] = kept[i][n][j];
        }
#pragma unroll
        for (int n = KEPT; n < LANE_STATES; n++) load<SLOTS>(&shared.past[((n - KEPT) * CHUNK + i) * THREADS + tid].x, before[n]);
        load<LANE_STATES>(tile + i * TILE_ROW, b);
        load<LANE_STATES>(tile + i * TILE_ROW + GROUP, c);
        float by_b[SLOTS] = {}, by_decay[SLOTS] = {}, token[2 * LANE_STATES] = {};
        step_back(lane, h, before, delta, delta_u, dy, b, c, by_b, by_decay, token);
        store_token_sum(token, shared.sums[warp_index()][i]);

        float own_by_b = sum_of_own(by_b), own_by_decay = sum_of_own(by_decay);
        if (group > 0) own_by_b += left.by_b[i], own_by_decay += left.by_decay[i];
        if (group < STATE_GROUPS - 1) {
            left.by_b[i] = own_by_b, left.by_decay[i] = own_by_decay;
        } else {
            float gradient = shared.slopes[i][tid] * fmaf(u, own_by_b, LN_2 * own_by_decay);
            own.bias_gradient += gradient;
            if (i < tokens) *own.input_gradient.at(i) = fmaf(delta[0], own_by_b, own.skip * dy[0]);
            if (i < tokens) *own.delta_gradient.at(i) = gradient;
        }
    }
}

// Adds up what the warps found for B and C.
__device__ __forceinline__ void write_token_sums(const ScanGradientArguments& a, const GradientMemory& shared, const ScanPlace& place, int start, int group) {
    const int column = lane_index(); // of TOKEN_SUMS, as many as lanes
    const int64 row = (int64)place.channel_block * a.scan.input.rows + place.first_row + (int64)place.sign * start;
    float* to = a.token_sums + row * TILE_ROW + group * TOKEN_SUMS + column;
#pragma unroll
    for (int first = 0; first < CHUNK; first += WARPS) {
        int i = first + warp_index();
        float sum = 0;
#pragma unroll
        for (int w = 0; w < WARPS; w++) sum += shared.sums[w][i][column];
        if (start + i < a.scan.length) to[(int64)(place.sign * i) * TILE_ROW] = sum;
    }
}

__device__ __forceinline__ void write_parameter_sums(
    const ScanGradientArguments& a, const ScanPlace& place, const LaneGroup (&lane)[STATE_GROUPS], const OwnChannel& own) {
    const int channels = a.scan.a_log.rows, states = a.scan.a_log.columns;
    float* sums = a.parameter_sums.row(place.image);
#pragma unroll
    for (int group = 0; group < STATE_GROUPS; group++)
#pragma unroll
        for (int n = 0; n < LANE_STATES; n++)
#pragma unroll
            for (int j = 0; j < SLOTS; j++) {
                int channel = place.channel ^ j, state = group * GROUP + threadIdx.x % SLOTS * LANE_STATES + n;
                if (channel < channels && state < states) // d decay / d a_log = decay
                    sums[(int64)channel * states + state] = lane[group].gradient[n][j] * (LN_2 * lane[group].decay[n][j]);
            }
    if (place.channel >= channels) return;
    if (a.skip_column >= 0) sums[a.skip_column + place.channel] = own.skip_gradient;
    if (a.bias_column >= 0) sums[a.bias_column + place.channel] = own.bias_gradient;
}

__device__ __forceinline__ OwnChannel own_channel(const ScanGradientArguments& a, const ScanPlace& place) {
    const ScanOperands& o = a.scan;
    const int channel = place.readable_channel(o);
    const bool gated = o.gate.data != nullptr;
    return {
        o.delta_bias == nullptr ? 0 : o.delta_bias[channel], o.skip == nullptr ? 0 : o.skip[channel], 0, 0,
        place.column(o.input, channel), place.column(o.delta_raw, channel), place.column(gated ? o.gate : o.input, channel),
        place.column(a.output_gradient, channel), place.column(a.input_gradient, channel), place.column(a.delta_gradient, channel),
        place.column(gated ? a.gate_gradient : a.input_gradient, channel)};
}

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) scan_gradient(const ScanGradientArguments a) {
    DYNAMIC_SHARED(GradientMemory, memory);
    GradientMemory& shared = *memory;
    const ScanOperands& o = a.scan;
    const ScanPlace place(o);
    OwnChannel own = own_channel(a, place);
    OwnTokens left;
    LaneGroup lane[STATE_GROUPS];
    for (int group = 0; group < STATE_GROUPS; group++)
#pragma unroll
        for (int n = 0; n < LANE_STATES; n++)
#pragma unroll
            for (int j = 0; j < SLOTS; j++) {
                lane[group].decay[n][j] = decay_of(o, place.channel ^ j, group * GROUP + threadIdx.x % SLOTS * LANE_STATES + n);
                lane[group].adjoint[n][j] = lane[group].gradient[n][j] = 0;
            }

    int start = (o.length - 1) / CHUNK * CHUNK;
    TileSource source(o, place);
    own.move(start);
    source.column.move(start);
    for (; start >= 0; start -= CHUNK, own.move(-CHUNK), source.column.move(-CHUNK)) {
        float staged[STAGED];
        source.fetch(o.length - start, staged);
        int tokens = place.channel < o.a_log.rows ? o.length - start : 0; // those that the thread's channel has in this chunk, or more
        prepare(a, shared, tokens, own, left);
        source.store(staged, reinterpret_cast<float*>(shared.tile));
        for (int group = 0; group < STATE_GROUPS; group++) {
            float h[LANE_STATES][SLOTS], kept[CHUNK][KEPT][SLOTS];
            load_states(o, place, start / CHUNK, group, h);
            __syncthreads();
            recompute(a, shared, group, tokens, lane[group], own, left, h, kept);
            walk_back(shared, group, tokens, lane[group], own, left, h, kept);
            __syncthreads();
            write_token_sums(a, shared, place, start, group);
        }
    }
    write_parameter_sums(a, place, lane, own);
}
