// Deciding a merge, second half: which even patches go, where every row stands afterwards, what it weighs there, and the rows that make each merged row.
//
// One block an image. Places, rows and patches: see match.cu. E² comparisons of keys and L times (rows that go) of destinations; some 60 bytes a row are read
// and written several times, within the caches: latency, a few microseconds whatever B is.

#define TILE 1024 // at most so many threads a block
#define MERGE_MEAN 1 // as MergeCombination
#define MERGE_MAX 2
#define MERGE_MIN 3

typedef unsigned long long Key;

struct PlaceArguments {
    MergePlan plan;
    Matrix sizes, merged_sizes; // [B·L, 1], or none: all 1; [B·L', 1]
    const float* similarity;    // [B, E]
    const int* partner;         // [B, E]: odd patch
    const int* row_at_place;    // [B, L]; null: the row itself
    const int* class_rows;      // [B], of the plan before; null: class_row for all
    int* ranks;                 // [B, E]: scratch
    int* positions;             // [B, L]: scratch
    int2* leavers;              // [B, removed]: scratch; row, and the row that it goes to
    int class_row, class_row_out, evens, removed;
    int exact_class_row, odd_even, prune, protected_neighbours, combination, padding;
};

// What the steps need of one image.
struct Image {
    int class_place;
    const float* similarity;
    const int *partner, *row_at_place;
    int *ranks, *positions, *destinations, *offsets;
    int2* leavers;
    float* weights;
    MergeSource* sources;
    int64 index;

    __device__ Image(const PlaceArguments& a, int64 i) {
        int tokens = a.plan.tokens;
        class_place = a.class_rows == nullptr ? a.class_row : a.class_rows[i];
        similarity = a.similarity + i * a.evens;
        partner = a.partner + i * a.evens;
        row_at_place = a.row_at_place == nullptr ? nullptr : a.row_at_place + i * tokens;
        ranks = a.ranks + i * a.evens;
        positions = a.positions + i * tokens;
        leavers = a.leavers + i * a.removed;
        destinations = a.plan.destinations + i * tokens;
        weights = a.plan.weights + i * tokens;
        sources = a.plan.sources + i * tokens;
        offsets = a.plan.offsets + i * (a.plan.merged_tokens + 1);
        index = i;
    }

    __device__ int place_of(int patch) const { return class_place < 0 || patch < class_place ? patch : patch + 1; }

    __device__ int patch_at(int place) const { return class_place < 0 || place < class_place ? place : place - 1; }

    __device__ int row_at(int place) const { return row_at_place == nullptr ? place : row_at_place[place]; }

    // The odd row that an even patch would go to.
    __device__ int partner_row(int even) const { return row_at(place_of(2 * partner[even] + 1)); }

    // The number of an even patch that goes, counted from the first to go; -1 for every other place.
    __device__ int leaving(int place, int removed) const {
        int patch = patch_at(place);
        if (place == class_place || patch % 2 != 0) return -1;
        int rank = ranks[patch / 2];
        return rank < removed ? rank : -1;
    }
};

// Sum of the values of all threads before this one; total receives that of all. shared: one int a warp. May be called again at once.
__device__ __forceinline__ int sum_before(int value, int* shared, int& total) {
    int sum = value;
#pragma unroll
    for (int step = 1; step < WARP; step *= 2) {
        int before = __shfl_up_sync(FULL_MASK, sum, step);
        if (lane_index() >= step) sum += before;
    }
    __syncthreads();
    if (lane_index() == WARP - 1) shared[warp_index()] = sum;
    __syncthreads();
    int before = 0;
    total = 0;
    for (int w = 0; w < (int)(blockDim.x / WARP); w++) {
        if (w < warp_index()) before += shared[w];
        total += shared[w];
    }
    return before + sum - value;
}

// Sorts patches that may go before those that stay, then by descending similarity, then by place. Adding 0 makes -0 the same as 0.
__device__ __forceinline__ Key key_of(const PlaceArguments& a, const Image& image, int even) {
    unsigned bits = __float_as_uint(image.similarity[even] + 0.0f);
    unsigned ascending = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
    int distance = abs(image.place_of(2 * even) - image.class_place);
    bool stays = a.protected_neighbours > 0 && distance <= a.protected_neighbours;
    return (Key)(stays ? 1 : 0) << 63 | (Key)~ascending << 31 | (Key)even;
}

// The rank of every even patch: how many keys are lower.
__device__ void rank(const PlaceArguments& a, const Image& image) {
    __shared__ Key keys[TILE];
    for (int first = 0; first < a.evens; first += blockDim.x) {
        int even = first + threadIdx.x, lower = 0;
        Key own = even < a.evens ? key_of(a, image, even) : 0;
        for (int other = 0; other < a.evens; other += blockDim.x) {
            int count = min((int)blockDim.x, a.evens - other);
            __syncthreads();
            if ((int)threadIdx.x < count) keys[threadIdx.x] = key_of(a, image, other + threadIdx.x);
            __syncthreads();
#pragma unroll 8
            for (int k = 0; k < count; k++) lower += keys[k] < own;
        }
        if (even < a.evens) image.ranks[even] = lower;
    }
}

// Where every row stands afterwards that does not go, in the order of the image; -1 for the others.
__device__ void place_in_order(const PlaceArguments& a, const Image& image, int* shared) {
    int next = 0;
    for (int first = 0; first < a.plan.tokens; first += blockDim.x) {
        int place = first + threadIdx.x, total;
        bool exists = place < a.plan.tokens, is_class = place == image.class_place;
        int leaving = exists ? image.leaving(place, a.removed) : -1;
        bool stays = exists && !is_class && leaving < 0;
        int row = next + sum_before(stays ? 1 : 0, shared, total);
        next += total;
        if (!exists) continue;
        if (is_class) {
            if (!a.exact_class_row) row = a.class_row_out;
            a.plan.class_rows[image.index] = row;
        } else if (a.exact_class_row ? place > image.class_place : a.class_row_out >= 0 && row >= a.class_row_out) row++;
        image.destinations[image.row_at(place)] = leaving < 0 ? row : -1;
    }
}

// The same in odd-even order: the even patches that stay by rank, then the odd ones.
__device__ void place_by_rank(const PlaceArguments& a, const Image& image) {
    for (int place = threadIdx.x; place < a.plan.tokens; place += blockDim.x) {
        int patch = image.patch_at(place), row = a.class_row_out;
        if (place == image.class_place) a.plan.class_rows[image.index] = row;
        else {
            row = patch % 2 == 0 ? image.ranks[patch / 2] - a.removed : a.evens - a.removed + patch / 2;
            if (row >= 0 && a.class_row_out >= 0 && row >= a.class_row_out) row++;
        }
        image.destinations[image.row_at(place)] = image.leaving(place, a.removed) < 0 ? row : -1;
    }
}

// Sends the patches that go to where their partners are, and notes them by rank.
__device__ void send(const PlaceArguments& a, const Image& image) {
    for (int even = threadIdx.x; even < a.evens; even += blockDim.x) {
        int number = image.ranks[even], row = image.row_at(image.place_of(2 * even));
        if (number >= a.removed) continue;
        int target = a.prune ? -1 : image.destinations[image.partner_row(even)];
        image.destinations[row] = target;
        image.leavers[number] = make_int2(row, target);
    }
}

// For every row its position among those that go to the same row, and for every merged row how many these are.
__device__ void count(const PlaceArguments& a, const Image& image) {
    __shared__ int2 leavers[TILE];
    int removed = a.prune ? 0 : a.removed;
    for (int first = 0; first < a.plan.tokens; first += blockDim.x) {
        int place = first + threadIdx.x;
        bool exists = place < a.plan.tokens;
        int row = exists ? image.row_at(place) : 0, target = exists ? image.destinations[row] : -1, lower = 0, same = 0;
        for (int other = 0; other < removed; other += blockDim.x) {
            int together = min((int)blockDim.x, removed - other);
            __syncthreads();
            if ((int)threadIdx.x < together) leavers[threadIdx.x] = image.leavers[other + threadIdx.x];
            __syncthreads();
#pragma unroll 4
            for (int k = 0; k < together; k++) {
                int2 leaver = leavers[k];
                same += leaver.y == target;
                lower += leaver.y == target && leaver.x < row;
            }
        }
        if (target < 0) continue;
        if (image.leaving(place, a.removed) < 0) image.offsets[target] = 1 + same;
        else if (image.partner_row(image.patch_at(place) / 2) < row) lower++;
        image.positions[row] = lower;
    }
}

// Makes offsets of the counts.
__device__ void sum_counts(const PlaceArguments& a, const Image& image, int* shared) {
    int next = 0, rows = a.plan.merged_tokens;
    for (int first = 0; first < rows; first += blockDim.x) {
        int row = first + threadIdx.x, total;
        int offset = next + sum_before(row < rows ? image.offsets[row] : 0, shared, total);
        if (row < rows) image.offsets[row] = offset;
        next += total;
    }
    if (threadIdx.x == 0) image.offsets[rows] = next;
}

// Lists the source rows of every merged row.
__device__ void list_sources(const PlaceArguments& a, const Image& image) {
    for (int row = threadIdx.x; row < a.plan.tokens; row += blockDim.x) {
        int target = image.destinations[row];
        if (target >= 0) image.sources[image.offsets[target] + image.positions[row]].row = row;
        else image.weights[row] = 0;
    }
}

// Sizes afterwards, and each row's factor in the row that it goes to.
__device__ void weigh(const PlaceArguments& a, const Image& image) {
    for (int target = threadIdx.x; target < a.plan.merged_tokens; target += blockDim.x) {
        int begin = image.offsets[target], end = image.offsets[target + 1];
        float together = 0;
        for (int i = begin; i < end; i++) {
            float size = a.sizes.data == nullptr ? 1.0f : *a.sizes.row(image.index * a.plan.tokens + image.sources[i].row);
            if (i == begin) together = size;
            else if (a.combination == MERGE_MAX) together = fmaxf(together, size);
            else if (a.combination == MERGE_MIN) together = fminf(together, size);
            else together += size;
            image.sources[i].weight = size;
        }
        for (int i = begin; i < end; i++) {
            MergeSource source = image.sources[i];
            image.weights[source.row] = image.sources[i].weight = source.weight / together;
        }
        *a.merged_sizes.row(image.index * a.plan.merged_tokens + target) = a.combination == MERGE_MEAN ? together / (end - begin) : together;
    }
}

extern "C" __global__ void __launch_bounds__(TILE) match_places(const PlaceArguments a) {
    __shared__ int shared[WARP];
    const Image image(a, blockIdx.x);
    if (threadIdx.x == 0 && image.class_place < 0) a.plan.class_rows[image.index] = -1;
    rank(a, image);
    __syncthreads();
    if (a.odd_even) place_by_rank(a, image);
    else place_in_order(a, image, shared);
    __syncthreads();
    send(a, image);
    __syncthreads();
    count(a, image);
    __syncthreads();
    sum_counts(a, image, shared);
    __syncthreads();
    list_sources(a, image);
    __syncthreads();
    weigh(a, image);
}
