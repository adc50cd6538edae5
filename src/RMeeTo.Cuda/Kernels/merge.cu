// Carrying a merge out, and what it is decided by. Nothing but moving rows: bytes are those of the operands, once each, and of the plan.
//   merge_rows           4 C (L + L') + 12 L + 4 L' bytes an image; with winners another 4 C L'
//   merge_gradient       4 C (L + L') + 8 L; with winners another 4 C L'
//   scatter_class_rows   4 C L'
//   add_metric           8 C L, or 12 C L where it is added
// A few lanes, a power of two, walk along one row, and each has UNROLL groups of WIDTH values on their way at once.

#define UNROLL 3 // channels are mostly 3 times a power of two
#define MERGE_MAX 2 // as MergeCombination

// The rows of a grid along x: so many lanes for each.
struct RowLanes {
    int64 row;
    int first, step; // value of this lane; from one of its values to the next

    __device__ __forceinline__ RowLanes(int lanes_per_row) {
        row = (int64)blockIdx.x * (blockDim.x / lanes_per_row) + threadIdx.x / lanes_per_row;
        first = threadIdx.x % lanes_per_row * WIDTH;
        step = lanes_per_row * WIDTH;
    }
};

__device__ __forceinline__ float& part(Values& v, int i) { return reinterpret_cast<float*>(&v)[i]; }

struct MergeArguments {
    MergePlan plan;
    Matrix source;      // [B·L, C]
    Matrix destination; // [B·L', C]
    Matrix winners;     // [B·L', C], or none
    int lanes, combination;
};

// destination row = sum of weight · source row
extern "C" __global__ void __launch_bounds__(256) merge_rows(const MergeArguments a) {
    RowLanes lanes(a.lanes);
    if (lanes.row >= a.destination.rows) return;
    int image = (int)lanes.row / a.plan.merged_tokens, columns = a.destination.columns;
    const int* offset = a.plan.offsets + (lanes.row + image); // an image has one more than rows
    const MergeSource* sources = a.plan.sources + (int64)image * a.plan.tokens;
    int begin = offset[0], end = offset[1];
    float* to = a.destination.row(lanes.row);
    for (int first = lanes.first; first < columns; first += UNROLL * lanes.step) {
        Values sum[UNROLL];
#pragma unroll
        for (int u = 0; u < UNROLL; u++) sum[u] = splat(0);
#pragma unroll 1 // mostly there is one
        for (int i = begin; i < end; i++) {
            MergeSource source = sources[i];
            const float* from = a.source.row((int64)image * a.plan.tokens + source.row);
#pragma unroll
            for (int u = 0; u < UNROLL; u++)
                if (int c = first + u * lanes.step; c < columns) sum[u] = multiply_add(load(from + c), splat(source.weight), sum[u]);
        }
#pragma unroll
        for (int u = 0; u < UNROLL; u++)
            if (int c = first + u * lanes.step; c < columns) store(to + c, sum[u]);
    }
}

// destination row = channel by channel the largest or smallest weight · source row; winners = the row that it came from, the lowest of equals.
extern "C" __global__ void __launch_bounds__(256) merge_extremes(const MergeArguments a) {
    RowLanes lanes(a.lanes);
    if (lanes.row >= a.destination.rows) return;
    int image = (int)lanes.row / a.plan.merged_tokens, columns = a.destination.columns;
    const int* offset = a.plan.offsets + (lanes.row + image);
    const MergeSource* sources = a.plan.sources + (int64)image * a.plan.tokens;
    int begin = offset[0], end = offset[1];
    for (int c = lanes.first; c < columns; c += lanes.step) {
        Values best = splat(0), winner = splat(0);
#pragma unroll 1
        for (int i = begin; i < end; i++) {
            MergeSource source = sources[i];
            Values value = multiply(load(a.source.row((int64)image * a.plan.tokens + source.row) + c), splat(source.weight));
#pragma unroll
            for (int k = 0; k < WIDTH; k++) {
                bool wins = a.combination == MERGE_MAX ? part(value, k) > part(best, k) : part(value, k) < part(best, k);
                if (i != begin && !wins) continue;
                part(best, k) = part(value, k);
                part(winner, k) = (float)source.row;
            }
        }
        store(a.destination.row(lanes.row) + c, best);
        if (a.winners.data != nullptr) store(a.winners.row(lanes.row) + c, winner);
    }
}

// source row = weight · destination row, both gradients; 0 for a dropped row, and where there are winners for the channels that it lost.
extern "C" __global__ void __launch_bounds__(256) merge_gradient(const MergeArguments a) {
    RowLanes lanes(a.lanes);
    if (lanes.row >= a.source.rows) return;
    int image = (int)lanes.row / a.plan.tokens, row = (int)lanes.row % a.plan.tokens, columns = a.source.columns;
    int target = a.plan.destinations[lanes.row];
    float weight = a.plan.weights[lanes.row];
    int64 from = (int64)image * a.plan.merged_tokens + target;
    float* to = a.source.row(lanes.row);
    for (int first = lanes.first; first < columns; first += UNROLL * lanes.step) {
        Values gradient[UNROLL];
#pragma unroll
        for (int u = 0; u < UNROLL; u++) {
            int c = first + u * lanes.step;
            gradient[u] = splat(0);
            if (target < 0 || c >= columns) continue;
            gradient[u] = multiply(load(a.destination.row(from) + c), splat(weight));
            if (a.winners.data == nullptr) continue;
            Values winner = load(a.winners.row(from) + c);
#pragma unroll
            for (int k = 0; k < WIDTH; k++)
                if (part(winner, k) != (float)row) part(gradient[u], k) = 0;
        }
#pragma unroll
        for (int u = 0; u < UNROLL; u++)
            if (int c = first + u * lanes.step; c < columns) store(to + c, gradient[u]);
    }
}

struct ClassRowArguments {
    MergePlan plan;
    Matrix all;  // [B·L', C]
    Matrix rows; // [B, C]
    int lanes, padding;
};

// rows[b] = the class row of image b
extern "C" __global__ void __launch_bounds__(256) gather_class_rows(const ClassRowArguments a) {
    RowLanes lanes(a.lanes);
    if (lanes.row >= a.rows.rows) return;
    const float* from = a.all.row(lanes.row * a.plan.merged_tokens + a.plan.class_rows[lanes.row]);
    for (int c = lanes.first; c < a.rows.columns; c += lanes.step) store(a.rows.row(lanes.row) + c, load(from + c));
}

// The class row of image b = rows[b], all else 0.
extern "C" __global__ void __launch_bounds__(256) scatter_class_rows(const ClassRowArguments a) {
    RowLanes lanes(a.lanes);
    if (lanes.row >= a.all.rows) return;
    int image = (int)lanes.row / a.plan.merged_tokens, row = (int)lanes.row % a.plan.merged_tokens;
    const float* from = row == a.plan.class_rows[image] ? a.rows.row(image) : nullptr;
#pragma unroll UNROLL
    for (int c = lanes.first; c < a.all.columns; c += lanes.step) store(a.all.row(lanes.row) + c, from == nullptr ? splat(0) : load(from + c));
}

struct MetricArguments {
    Matrix values, metric; // [B·L, C]
    float factor;
    int tokens, turned, accumulate, lanes, padding;
};

// metric (+)= factor · values; turned: to the place that mirrors the value's, both in the image's tokens and in the channels.
extern "C" __global__ void __launch_bounds__(256) add_metric(const MetricArguments a) {
    RowLanes lanes(a.lanes);
    if (lanes.row >= a.values.rows) return;
    int columns = a.values.columns, token = (int)lanes.row % a.tokens;
    int64 row = a.turned ? lanes.row + a.tokens - 1 - 2 * token : lanes.row;
    float* to = a.metric.row(row);
#pragma unroll UNROLL
    for (int c = lanes.first; c < columns; c += lanes.step) {
        Values value = load(a.values.row(lanes.row) + c), placed = value;
        int target = c;
        if (a.turned) {
            target = columns - WIDTH - c;
#pragma unroll
            for (int k = 0; k < WIDTH; k++) part(placed, k) = part(value, WIDTH - 1 - k);
        }
        store(to + target, a.accumulate ? multiply_add(placed, splat(a.factor), load(to + target)) : multiply(placed, splat(a.factor)));
    }
}
