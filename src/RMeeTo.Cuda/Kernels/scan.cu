// The selective scan, forward. A thread owns a channel: it makes delta and writes the output. The recurrence of two channels, lane l and lane l ^ 16 of a warp,
// is shared by their lanes: each carries half of the states of both in registers, so that B and C, read from shared memory, serve twice. The operands of the
// next eight tokens are on their way while eight are computed.
//
// Per token and channel: 16 bytes, 4 more where the output is added to, 8 more for checkpoints; with N = 16, 19 special functions, which bound it (16 a clock
// and multiprocessor; a warp's token takes 152 clocks of a quarter of one), and 139 instructions (one a clock of a quarter).

#include "scan.cuh"

#define HALF (GROUP / 2)                       // states of a lane in every group
#define PARTNER 16                             // lane ^ 16
#define BLOCKS (STATE_GROUPS == 1 ? 4 : 2)     // that a multiprocessor is to hold: this bounds the registers of a thread

struct ScanForwardArguments {
    ScanOperands scan;
    Matrix output; // [B·L, D]
    int accumulate, padding;
};

// What a lane carries: [own channel or the partner's][its half of the states of every group].
struct ScanState {
    float decay[2][STATE_GROUPS][HALF], h[2][STATE_GROUPS][HALF];
};

__device__ __forceinline__ void start_states(const ScanOperands& a, int channel, int half, ScanState& s) {
#pragma unroll
    for (int c = 0; c < 2; c++)
#pragma unroll
        for (int g = 0; g < STATE_GROUPS; g++)
#pragma unroll
            for (int n = 0; n < HALF; n++) {
                s.decay[c][g][n] = decay_of(a, channel ^ (c * PARTNER), g * GROUP + half * HALF + n);
                s.h[c][g][n] = 0;
            }
}

__device__ __forceinline__ void store_checkpoint(const ScanOperands& a, const ScanPlace& place, int chunk, int half, const ScanState& s) {
#pragma unroll
    for (int c = 0; c < 2; c++) {
        int channel = place.channel ^ (c * PARTNER);
        if (channel >= a.a_log.rows) continue;
#pragma unroll
        for (int g = 0; g < STATE_GROUPS; g++) {
            float4* to = reinterpret_cast<float4*>(place.checkpoint(a, chunk, g) + channel * GROUP + half * HALF);
            const float* h = s.h[c][g];
            to[0] = make_float4(h[0], h[1], h[2], h[3]);
            to[1] = make_float4(h[4], h[5], h[6], h[7]);
        }
    }
}

// One token: H = 2^(delta · decay) · H + delta · u · B. Returns the sum of C · H over the states of the thread's own channel.
__device__ __forceinline__ float advance(ScanState& s, const float* row, int half, float delta, float u) {
    float deltas[2] = {delta, __shfl_xor_sync(FULL_MASK, delta, PARTNER)};
    float delta_us[2] = {delta * u, __shfl_xor_sync(FULL_MASK, delta * u, PARTNER)};
    float y[2] = {0, 0};
#pragma unroll
    for (int g = 0; g < STATE_GROUPS; g++) {
        const float* of_group = row + g * 2 * GROUP + half * HALF;
        float b[HALF / 4][4], c[HALF / 4][4];
#pragma unroll
        for (int q = 0; q < HALF / 4; q++) {
            load<4>(of_group + 4 * q, b[q]);
            load<4>(of_group + GROUP + 4 * q, c[q]);
        }
#pragma unroll
        for (int n = 0; n < HALF; n++)
#pragma unroll
            for (int k = 0; k < 2; k++) {
                s.h[k][g][n] = fmaf(exp2_approximate(deltas[k] * s.decay[k][g][n]), s.h[k][g][n], delta_us[k] * b[n / 4][n % 4]);
                y[k] = fmaf(s.h[k][g][n], c[n / 4][n % 4], y[k]);
            }
    }
    return y[0] + __shfl_xor_sync(FULL_MASK, y[1], PARTNER);
}

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) scan_forward(const ScanForwardArguments a) {
    __shared__ float4 tiles[2][CHUNK * TILE_ROW / 4];
    const ScanOperands& o = a.scan;
    const ScanPlace place(o);
    const int readable = place.readable_channel(o), half = lane_index() / PARTNER;
    const int steps = place.channel < o.a_log.rows ? o.length : 0; // those whose output this thread writes
    const bool gated = o.gate.data != nullptr;
    Column input = place.column(o.input, readable), raw = place.column(o.delta_raw, readable), gate = place.column(gated ? o.gate : o.input, readable);
    Column output = place.column(a.output, readable);
    const float bias = o.delta_bias == nullptr ? 0 : o.delta_bias[readable], skip = o.skip == nullptr ? 0 : o.skip[readable];

    // In flight: one token of each of the next eight, all read one chunk before they are used.
    float u[CHUNK] = {}, x[CHUNK] = {}, z[CHUNK] = {}, before[CHUNK] = {}, staged[STAGED];
    auto fetch = [&](int i, int ahead, int step) {
        bool there = step < o.length;
        if (there) u[i] = __ldg(input.at(ahead));
        if (there) x[i] = __ldg(raw.at(ahead));
        if (there && gated) z[i] = __ldg(gate.at(ahead));
        if (there && a.accumulate) before[i] = *output.at(ahead);
    };
#pragma unroll
    for (int i = 0; i < CHUNK; i++) fetch(i, i, i);
    TileSource source(o, place);
    source.fetch(o.length, staged);
    source.store(staged, reinterpret_cast<float*>(tiles[0]));
    ScanState states;
    start_states(o, place.channel, half, states);
    __syncthreads();

    for (int start = 0, parity = 0; start < o.length; start += CHUNK, parity ^= 1) {
        source.column.move(CHUNK);
        source.fetch(o.length - start - CHUNK, staged);
        if (o.checkpoints != nullptr && start > 0) store_checkpoint(o, place, start / CHUNK, half, states);
        const float* tile = reinterpret_cast<const float*>(tiles[parity]);
#pragma unroll
        for (int i = 0; i < CHUNK; i++) {
            float argument = x[i] + bias, in = u[i], other = before[i];
            float factor = o.output_scale * (gated ? z[i] * fast_sigmoid(z[i]) : 1.0f);
            fetch(i, i + CHUNK, start + i + CHUNK);
            float y = advance(states, tile + i * TILE_ROW, half, o.softplus ? softplus(argument) : argument, in);
            if (start + i < steps) *output.at(i) = fmaf(fmaf(skip, in, y), factor, other);
        }
        input.move(CHUNK);
        raw.move(CHUNK);
        gate.move(CHUNK);
        output.move(CHUNK);
        source.store(staged, reinterpret_cast<float*>(tiles[parity ^ 1]));
        __syncthreads();
    }
}
