// Rows of tokens as a whole: taken out, put back, scaled, averaged. A warp walks along one row, WIDTH values a lane.

struct RowArguments {
    Matrix all;   // [B·L, C]
    Matrix taken; // [B, C]
    int length, row, keep_others, padding;
};

// taken[b] = all[b · L + row]
extern "C" __global__ void __launch_bounds__(256) gather_rows(const RowArguments a) {
    int64 image = warp_row();
    if (image >= a.taken.rows) return;
    const float* from = a.all.row(image * a.length + a.row);
    float* to = a.taken.row(image);
    for (int c = lane_index() * WIDTH; c < a.taken.columns; c += WARP * WIDTH) store(to + c, load(from + c));
}

// all[b · L + row] = taken[b], all else 0. With keep_others a warp for every image, else one for every row of all.
extern "C" __global__ void __launch_bounds__(256) scatter_rows(const RowArguments a) {
    int64 number = warp_row(), row = a.keep_others ? number * a.length + a.row : number;
    if (row >= a.all.rows) return;
    const float* from = row % a.length == a.row ? a.taken.row(row / a.length) : nullptr;
    float* to = a.all.row(row);
    for (int c = lane_index() * WIDTH; c < a.all.columns; c += WARP * WIDTH) store(to + c, from == nullptr ? splat(0) : load(from + c));
}

struct ScaleArguments {
    Matrix x, factor, y;
    int length, accumulate; // of scale_images: rows an image; adds to y
};

// y = x · factor, channel by channel; factor [1, C]
extern "C" __global__ void __launch_bounds__(256) scale_channels(const ScaleArguments a) {
    int64 row = warp_row();
    if (row >= a.x.rows) return;
    const float* from = a.x.row(row);
    float* to = a.y.row(row);
    for (int c = lane_index() * WIDTH; c < a.x.columns; c += WARP * WIDTH) store(to + c, multiply(load(from + c), load(a.factor.data + c)));
}

// y (+)= factor · x, image by image; factor [B, 1]. A factor of 0 never looks at x, which may hold anything.
extern "C" __global__ void __launch_bounds__(256) scale_images(const ScaleArguments a) {
    int64 row = warp_row();
    if (row >= a.x.rows) return;
    float factor = *a.factor.row(row / a.length);
    if (factor == 0 && a.accumulate) return;
    const float* from = a.x.row(row);
    float* to = a.y.row(row);
    for (int c = lane_index() * WIDTH; c < a.x.columns; c += WARP * WIDTH) {
        if (factor == 0) store(to + c, splat(0));
        else if (a.accumulate) store(to + c, multiply_add(load(from + c), splat(factor), load(to + c)));
        else store(to + c, multiply(load(from + c), splat(factor)));
    }
}

struct ScaleGradientArguments {
    Matrix x, factor, dy, dx;
    Matrix partials; // [blocks along x, C]
    int block_rows, padding;
};

// dx = dy · factor, and of dy · x the column sums over the rows of each block. Runs of rows along x, channels along y. dx may be dy.
extern "C" __global__ void __launch_bounds__(256) scale_channels_gradient(const ScaleGradientArguments a) {
    __shared__ Values sums[256];
    int c = (blockIdx.y * WARP + lane_index()) * WIDTH;
    Values sum = splat(0);
    if (c < a.x.columns) {
        Values factor = load(a.factor.data + c);
        for (int i = warp_index(); i < a.block_rows; i += blockDim.x / WARP) {
            int64 row = (int64)blockIdx.x * a.block_rows + i;
            if (row >= a.x.rows) break;
            Values g = load(a.dy.row(row) + c);
            sum = multiply_add(g, load(a.x.row(row) + c), sum);
            store(a.dx.row(row) + c, multiply(g, factor));
        }
    }
    sum = sum_over_warps(sum, sums);
    if (warp_index() == 0 && c < a.x.columns) store(a.partials.row(blockIdx.x) + c, sum);
}

struct MeanArguments {
    Matrix rows;    // [B·L, C]
    Matrix weights; // [B·L, 1], or none: all 1
    Matrix means;   // [B, C]
    int length, block_rows;
};

// means[b] = sum of weight · row / sum of weight over the rows of image b. Images along x, channels along y.
extern "C" __global__ void __launch_bounds__(256) mean_rows(const MeanArguments a) {
    __shared__ Values sums[256];
    __shared__ float weights[256 / WARP];
    int c = (blockIdx.y * WARP + lane_index()) * WIDTH, warps = blockDim.x / WARP;
    Values sum = splat(0);
    float weight_sum = 0;
#pragma unroll 4
    for (int i = warp_index(); i < a.length; i += warps) {
        int64 row = (int64)blockIdx.x * a.length + i;
        float weight = a.weights.data == nullptr ? 1.0f : *a.weights.row(row);
        weight_sum += weight;
        if (c < a.rows.columns) sum = multiply_add(load(a.rows.row(row) + c), splat(weight), sum);
    }
    if (lane_index() == 0) weights[warp_index()] = weight_sum;
    sum = sum_over_warps(sum, sums);
    if (warp_index() != 0 || c >= a.rows.columns) return;
    weight_sum = 0;
    for (int w = 0; w < warps; w++) weight_sum += weights[w];
    store(a.means.row(blockIdx.x) + c, multiply(sum, splat(1.0f / weight_sum)));
}

// Gradients: rows[b · L + l] = weight / (sum of weight) · means[b]. A block for block_rows rows of one image.
extern "C" __global__ void __launch_bounds__(256) mean_rows_gradient(const MeanArguments a) {
    __shared__ float shared[WARP];
    int parts = (a.length + a.block_rows - 1) / a.block_rows, image = blockIdx.x / parts, first = blockIdx.x % parts * a.block_rows;
    int64 image_row = (int64)image * a.length;
    float weight_sum = (float)a.length;
    if (a.weights.data != nullptr) {
        float sum = 0;
        for (int i = threadIdx.x; i < a.length; i += blockDim.x) sum += *a.weights.row(image_row + i);
        weight_sum = block_sum(sum, shared);
    }
    const float* mean = a.means.row(image);
    for (int i = warp_index(); i < a.block_rows && first + i < a.length; i += blockDim.x / WARP) {
        int64 row = image_row + first + i;
        float share = (a.weights.data == nullptr ? 1.0f : *a.weights.row(row)) / weight_sum;
        for (int c = lane_index() * WIDTH; c < a.rows.columns; c += WARP * WIDTH) store(a.rows.row(row) + c, multiply(load(mean + c), splat(share)));
    }
}
