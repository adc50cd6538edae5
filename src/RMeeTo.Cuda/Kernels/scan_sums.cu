// What is left of the gradient of the selective scan.

struct ScanTokenSumArguments {
    Matrix b, c;             // [B·L, N], written
    const float* token_sums; // [channel blocks, B·L, sum_columns]: of every sixteen states, sixteen gradients of B, then sixteen of C
    int blocks, sum_columns;
};

#define GROUP 16 // as in scan.cuh

// The gradients of B and C: sums over the blocks of channels, in their order. Per value: 4 bytes read a block, 4 written.
extern "C" __global__ void __launch_bounds__(256) scan_token_sums(const ScanTokenSumArguments a) {
    const int states = a.b.columns;
    int64 index = (int64)blockIdx.x * blockDim.x + threadIdx.x, row = index / (2 * states);
    if (row >= a.b.rows) return;
    int column = (int)(index % (2 * states)), state = column % states;
    const float* from = a.token_sums + row * a.sum_columns + state / GROUP * (2 * GROUP) + (column < states ? 0 : GROUP) + state % GROUP;
    float sum = 0;
    for (int block = 0; block < a.blocks; block++) sum += from[(int64)block * a.b.rows * a.sum_columns];
    (column < states ? a.b : a.c).row(row)[state] = sum;
}
