// Deciding a merge, first half: the partner of every even patch of every image, and how similar the two are. DISTANCE is one of the following.
//
// A place is one in the sequence that matching sees, a row one in the sequence as it lies; they differ only where tokens are shuffled. Patches count the places
// without the class token's: even ones (E) may go, odd ones (O) receive. With B = 128, L = 197, C = 384:
//   match_lengths   reads B L C floats (39 MB), mostly still in the second-level cache;
//   match_partners  B E O C multiply-adds (0.47 G: 16 us of an H200's 30 T/s; 112 rows and columns are computed for each 98); every block of EVEN_TILE rows
//                   reads these once, and all odd ones for each ODD_TILE of them (64 MB in all, from the second-level cache).

#define COSINE 0
#define L1 1
#define L2 2

#define EVEN_TILE 64 // even patches a block
#define ODD_TILE 128 // odd patches that it compares them with at a time
#define ROWS (EVEN_TILE + ODD_TILE)
#define QUADS 8              // channels at a time, in groups of four
#define QUAD_STRIDE (QUADS + 1) // of a row in shared memory: neighbouring rows begin in different banks
#define PAIR_THREADS 256
#define STAGED (ROWS * QUADS / PAIR_THREADS)
#define NOBODY 0x7fffffff

#define INFINITE __int_as_float(0x7f800000)
#define NOT_A_NUMBER __int_as_float(0x7fffffff)

struct PairArguments {
    Matrix metric;           // [B·L, C]
    const int* row_at_place; // [B, L]; null: the row itself
    const int* class_rows;   // [B], or null: class_row for all
    float* inverse_lengths;  // [B·L]: 1 / length of a row; no number where it has no direction
    float* similarity;       // [B, E]: to the partner
    int* partner;            // [B, E]: odd patch
    float* similarities;     // [images, E, O]; null: the best partner is asked for
    int tokens, class_row, evens, odds;
    int first_image, images; // of a launch
    int partner_rank, vectorizable;
};

__device__ __forceinline__ int place_of(int patch, int class_place) { return class_place < 0 || patch < class_place ? patch : patch + 1; }

// Four channels from c on; zeros beyond the last.
__device__ __forceinline__ float4 load_quad(const PairArguments& a, int64 row, int c) {
    const float* p = a.metric.row(row) + c;
    if (a.vectorizable) return *reinterpret_cast<const float4*>(p);
    int left = a.metric.columns - c;
    return make_float4(p[0], left > 1 ? p[1] : 0.0f, left > 2 ? p[2] : 0.0f, left > 3 ? p[3] : 0.0f);
}

// A warp a row.
extern "C" __global__ void __launch_bounds__(256) match_lengths(const PairArguments a) {
    int64 row = warp_row();
    if (row >= a.metric.rows) return;
    float sum = 0;
#pragma unroll 4
    for (int c = 4 * lane_index(); c < a.metric.columns; c += 4 * WARP) {
        float4 v = load_quad(a, row, c);
        sum = fmaf(v.x, v.x, fmaf(v.y, v.y, fmaf(v.z, v.z, fmaf(v.w, v.w, sum))));
    }
    float length = sqrtf(warp_sum(sum));
    if (lane_index() == 0) a.inverse_lengths[row] = length > 0 && length < INFINITE ? 1.0f / length : NOT_A_NUMBER;
}

// What one channel adds to the similarity of two rows.
__device__ __forceinline__ float compare(float a, float b, float sum) {
#if DISTANCE == COSINE
    return fmaf(a, b, sum);
#elif DISTANCE == L1
    return sum - fabsf(a - b);
#else
    float difference = a - b; // its square ranks pairs as its root does
    return fmaf(-difference, difference, sum);
#endif
}

// Adds QUADS groups of channels to the similarities of 4 even patches, 4 rows apart, and COLUMNS odd ones, 16 apart. Every pair adds its channels in the same
// order, so that equal pairs are exactly equal.
template <int COLUMNS>
__device__ __forceinline__ void compare_rows(const float4* evens, const float4* odds, int quads, float (&sums)[4][8]) {
#pragma unroll 1
    for (int q = 0; q < quads; q++) {
        float4 even[4];
#pragma unroll
        for (int i = 0; i < 4; i++) even[i] = evens[4 * i * QUAD_STRIDE + q];
#pragma unroll
        for (int j = 0; j < COLUMNS; j++) {
            float4 odd = odds[16 * j * QUAD_STRIDE + q];
#pragma unroll
            for (int i = 0; i < 4; i++)
                sums[i][j] = compare(even[i].w, odd.w, compare(even[i].z, odd.z, compare(even[i].y, odd.y, compare(even[i].x, odd.x, sums[i][j]))));
        }
    }
}

// The higher similarity, or the lower patch of equal ones.
__device__ __forceinline__ bool is_closer(float similarity, int odd, float best, int best_odd) {
    return similarity > best || (similarity == best && odd < best_odd);
}

__device__ __forceinline__ void take_closer(float similarity, int odd, float& best, int& best_odd) {
    if (!is_closer(similarity, odd, best, best_odd)) return;
    best = similarity;
    best_odd = odd;
}

// The channels from c on of all rows of a tile, STAGED groups of four a thread; zeros for rows and channels that are not there.
__device__ __forceinline__ void load_step(const PairArguments& a, const int* rows, int c, float4 (&staged)[STAGED]) {
#pragma unroll
    for (int u = 0; u < STAGED; u++) {
        int slot = threadIdx.x + u * PAIR_THREADS, row = rows[slot / QUADS], channel = c + slot % QUADS * 4;
        staged[u] = row >= 0 && channel < a.metric.columns ? load_quad(a, row, channel) : make_float4(0, 0, 0, 0);
    }
}

// Brings rows to length 1 on their way to shared memory.
__device__ __forceinline__ void keep_step(const float4 (&staged)[STAGED], const float* inverses, float4* tile) {
#pragma unroll
    for (int u = 0; u < STAGED; u++) {
        int slot = threadIdx.x + u * PAIR_THREADS, row = slot / QUADS;
        float4 v = staged[u];
        float scale = inverses[row];
        tile[row * QUAD_STRIDE + slot % QUADS] = make_float4(v.x * scale, v.y * scale, v.z * scale, v.w * scale);
    }
}

__device__ __forceinline__ int image_of_launch(const PairArguments& a) { return blockIdx.x % a.images; }

// Keeps the similarities of a tile, or of each even patch the best with what was best before. The lanes of a warp hold 4 even patches, 4 apart, and 8 odd ones,
// 16 apart, from these on; best: of the even patches of the block, of this half of the warps.
__device__ __forceinline__ void take_tile(
    const PairArguments& a, const float (&sums)[4][8], int first_even, int even_of_lane, int first_odd, float* best, int* partner) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
        int local = even_of_lane + 4 * i, even = first_even + local, closest_odd = NOBODY;
        float closest = -INFINITE;
#pragma unroll
        for (int j = 0; j < 8; j++) {
            int odd = first_odd + 16 * j;
            if (odd >= a.odds || even >= a.evens) continue;
            float similarity = fabsf(sums[i][j]) < INFINITE ? sums[i][j] : -INFINITE;
            if (a.similarities == nullptr) take_closer(similarity, odd, closest, closest_odd);
            else a.similarities[((int64)image_of_launch(a) * a.evens + even) * a.odds + odd] = similarity;
        }
#pragma unroll
        for (int step = 1; step < 8; step *= 2) {
            float other = __shfl_xor_sync(FULL_MASK, closest, step);
            int other_odd = __shfl_xor_sync(FULL_MASK, closest_odd, step);
            take_closer(other, other_odd, closest, closest_odd);
        }
        if (lane_index() % 8 == 0) take_closer(closest, closest_odd, best[local], partner[local]);
    }
}

// A block compares EVEN_TILE even patches of an image with all odd ones; tile by tile of even patches along x, and in each all images, so that the last tiles,
// which have few rows, come last. Warp w has 16 even patches (w % 4) and every other group of 8 odd ones (w / 4); a lane has 4 of the former and 8 of the
// latter: 12 loads of 16 bytes for 128 multiply-adds.
extern "C" __global__ void __launch_bounds__(PAIR_THREADS, 2) match_partners(const PairArguments a) {
    __shared__ float4 tile[ROWS * QUAD_STRIDE];
    __shared__ int rows[ROWS];
    __shared__ float inverses[ROWS];
    __shared__ float best_similarity[2][EVEN_TILE];
    __shared__ int best_partner[2][EVEN_TILE];

    int thread = threadIdx.x, first_even = blockIdx.x / a.images * EVEN_TILE;
    int even_of_lane = warp_index() % 4 * 16 + lane_index() / 8, half = warp_index() / 4, odd_of_lane = half * 8 + lane_index() % 8;
    bool has_evens = first_even + warp_index() % 4 * 16 < a.evens;
    const float4 *evens = tile + even_of_lane * QUAD_STRIDE, *odds = tile + (EVEN_TILE + odd_of_lane) * QUAD_STRIDE;

    // Both halves of the warps keep the best that they have seen of every even patch.
    if (thread < 2 * EVEN_TILE) {
        best_similarity[thread / EVEN_TILE][thread % EVEN_TILE] = -INFINITE;
        best_partner[thread / EVEN_TILE][thread % EVEN_TILE] = NOBODY;
    }

    for (int first_odd = 0; first_odd < a.odds; first_odd += ODD_TILE) {
        __syncthreads();
        if (thread < ROWS) {
            int image = a.first_image + image_of_launch(a), class_place = a.class_rows == nullptr ? a.class_row : a.class_rows[image];
            int k = thread < EVEN_TILE ? first_even + thread : first_odd + thread - EVEN_TILE;
            bool exists = k < (thread < EVEN_TILE ? a.evens : a.odds);
            int first_row = image * a.tokens, place = place_of(2 * k + (thread < EVEN_TILE ? 0 : 1), class_place), row = -1;
            if (exists) row = first_row + (a.row_at_place == nullptr ? place : a.row_at_place[first_row + place]);
            rows[thread] = row;
            inverses[thread] = exists ? a.inverse_lengths[row] : 0.0f;
        }
        __syncthreads();

        float sums[4][8];
#pragma unroll
        for (int i = 0; i < 4; i++)
#pragma unroll
            for (int j = 0; j < 8; j++) sums[i][j] = 0;
        int groups = min(ODD_TILE / 8, (a.odds - first_odd + 7) / 8), columns = has_evens ? (groups - half + 1) / 2 : 0;

        // The values of a step are on their way while those of the step before are compared.
        float4 staged[STAGED];
        load_step(a, rows, 0, staged);
        for (int c = 0; c < a.metric.columns; c += 4 * QUADS) {
            __syncthreads();
            keep_step(staged, inverses, tile);
            __syncthreads();
            if (c + 4 * QUADS < a.metric.columns) load_step(a, rows, c + 4 * QUADS, staged);
            int quads = min(QUADS, (a.metric.columns - c + 3) / 4);
            if (columns > 6) compare_rows<8>(evens, odds, quads, sums);
            else if (columns > 4) compare_rows<6>(evens, odds, quads, sums);
            else if (columns > 2) compare_rows<4>(evens, odds, quads, sums);
            else if (columns > 0) compare_rows<2>(evens, odds, quads, sums);
        }

        take_tile(a, sums, first_even, even_of_lane, first_odd + odd_of_lane, best_similarity[half], best_partner[half]);
    }
    __syncthreads();
    if (a.similarities != nullptr || thread >= EVEN_TILE || first_even + thread >= a.evens) return;
    float similarity = best_similarity[0][thread];
    int found = best_partner[0][thread];
    take_closer(best_similarity[1][thread], best_partner[1][thread], similarity, found);
    int64 to = (int64)(a.first_image + image_of_launch(a)) * a.evens + first_even + thread;
    a.similarity[to] = similarity;
    a.partner[to] = found;
}

// The partner_rank-th closest patch of every even one, a warp each: the closest, then the closest of those behind it, and so on. Reads the similarities once
// for every rank, from the caches.
extern "C" __global__ void __launch_bounds__(256) match_rank(const PairArguments a) {
    int64 number = warp_row();
    if (number >= (int64)a.images * a.evens) return;
    const float* similarities = a.similarities + number * a.odds;
    float last = INFINITE;
    int last_odd = -1;
    for (int rank = 0; rank < a.partner_rank; rank++) {
        float best = -INFINITE;
        int best_odd = NOBODY;
        for (int odd = lane_index(); odd < a.odds; odd += WARP)
            if (is_closer(last, last_odd, similarities[odd], odd)) take_closer(similarities[odd], odd, best, best_odd);
#pragma unroll
        for (int step = 1; step < WARP; step *= 2) {
            float other = __shfl_xor_sync(FULL_MASK, best, step);
            int other_odd = __shfl_xor_sync(FULL_MASK, best_odd, step);
            take_closer(other, other_odd, best, best_odd);
        }
        last = best;
        last_odd = best_odd;
    }
    if (lane_index() != 0) return;
    int64 to = (int64)a.first_image * a.evens + number;
    a.similarity[to] = last;
    a.partner[to] = last_odd;
}
