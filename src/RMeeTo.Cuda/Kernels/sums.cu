// Sums over the rows of a matrix, column by column, in an order that depends on the shape alone.

#define SUM_THREADS 256       // of a block of the first stage
#define SUM_ADD_THREADS 1024  // of a block of the second
#define SUM_ADD_COLUMNS 8     // of a block of the second: what a sector of memory holds, so that few columns still make many blocks
#define SUM_UNROLL 4          // rows that a thread has in flight

// Sums columns over rows [first, last). LANES neighbouring threads take WIDTH columns each, the other threads of the block other rows; what they found is added
// up in a fixed order. Thread j below LANES * WIDTH receives the sum of column first_column + j. Every thread of the block must come here.
// shared: THREADS / WARP * LANES * WIDTH values, aligned for WIDTH.
template <int WIDTH, int LANES, int THREADS>
__device__ __forceinline__ float sum_rows(const Matrix& rows, int first_column, int64 first, int64 last, float* shared) {
    const int warps = THREADS / WARP, row_step = THREADS / LANES, tid = threadIdx.x;
    int column = first_column + tid % LANES * WIDTH;
    float sum[WIDTH] = {};
    if (column < rows.columns) {
        int64 r = first + tid / LANES;
        const float* from = rows.row(r) + column;
        const int64 step = (int64)row_step * rows.stride;
        for (; r + (SUM_UNROLL - 1) * row_step < last; r += SUM_UNROLL * row_step, from += SUM_UNROLL * step) {
            float values[SUM_UNROLL][WIDTH];
#pragma unroll
            for (int u = 0; u < SUM_UNROLL; u++) load<WIDTH>(from + u * step, values[u]);
#pragma unroll
            for (int i = 0; i < WIDTH; i++) sum[i] += (values[0][i] + values[1][i]) + (values[2][i] + values[3][i]);
        }
        for (; r < last; r += row_step, from += step) {
            float values[WIDTH];
            load<WIDTH>(from, values);
#pragma unroll
            for (int i = 0; i < WIDTH; i++) sum[i] += values[i];
        }
    }
#pragma unroll
    for (int step = LANES; step < WARP; step *= 2)
#pragma unroll
        for (int i = 0; i < WIDTH; i++) sum[i] += __shfl_xor_sync(FULL_MASK, sum[i], step);
    if (lane_index() < LANES) store<WIDTH>(shared + (warp_index() * LANES + lane_index()) * WIDTH, sum);
    __syncthreads();
    float total = 0;
    if (tid < LANES * WIDTH) {
#pragma unroll
        for (int w = 0; w < warps; w++) total += shared[w * LANES * WIDTH + tid];
    }
    return total;
}

struct PartialSumArguments {
    Matrix rows;
    float* partials;  // [chunks, columns]
    int chunk_rows, padding;
};

// The sums of every chunk of rows. blockIdx.x: group of columns; blockIdx.y: chunk.
template <int WIDTH>
__device__ __forceinline__ void sum_chunk(const PartialSumArguments& a, float* shared) {
    int first_column = blockIdx.x * (WARP * WIDTH), column = first_column + threadIdx.x;
    int64 first = (int64)blockIdx.y * a.chunk_rows;
    int64 last = first + a.chunk_rows < a.rows.rows ? first + a.chunk_rows : a.rows.rows;
    float sum = sum_rows<WIDTH, WARP, SUM_THREADS>(a.rows, first_column, first, last, shared);
    if (threadIdx.x < WARP * WIDTH && column < a.rows.columns) a.partials[(int64)blockIdx.y * a.rows.columns + column] = sum;
}

// First stage. Per element: 4 bytes read.
extern "C" __global__ void __launch_bounds__(SUM_THREADS) partial_sums(const PartialSumArguments a) {
    __shared__ float shared[SUM_THREADS];
    sum_chunk<1>(a, shared);
}

// The same where rows can be read by float4.
extern "C" __global__ void __launch_bounds__(SUM_THREADS) partial_sums4(const PartialSumArguments a) {
    __shared__ float4 shared[SUM_THREADS];
    sum_chunk<4>(a, reinterpret_cast<float*>(shared));
}

#define SUM_TARGETS 4

// Vectors that the columns of a matrix belong to, one after the other; one that is not there has 0 columns.
struct SumTargets {
    float* values[SUM_TARGETS];
    int columns[SUM_TARGETS];
};

struct AddSumArguments {
    Matrix rows;
    SumTargets targets;
};

// Second stage: adds the sums of all rows to the targets. Per element: 4 bytes read; per column: 4 read and 4 written besides.
extern "C" __global__ void __launch_bounds__(SUM_ADD_THREADS) add_sums(const AddSumArguments a) {
    __shared__ float shared[SUM_ADD_THREADS / WARP * SUM_ADD_COLUMNS];
    float sum = sum_rows<1, SUM_ADD_COLUMNS, SUM_ADD_THREADS>(a.rows, blockIdx.x * SUM_ADD_COLUMNS, 0, a.rows.rows, shared);
    int column = blockIdx.x * SUM_ADD_COLUMNS + threadIdx.x;
    if (threadIdx.x >= SUM_ADD_COLUMNS || column >= a.rows.columns) return;
#pragma unroll
    for (int i = 0; i < SUM_TARGETS; i++) {
        if (column >= 0 && column < a.targets.columns[i]) a.targets.values[i][column] += sum;
        column -= a.targets.columns[i];
    }
}
