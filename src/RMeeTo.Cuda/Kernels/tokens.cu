// From images to tokens: patches, class tokens, positions. A warp walks along one row, WIDTH values a lane.

struct PatchArguments {
    Matrix images;   // [B, 3·T·H·W]
    Matrix patches;  // [B·patches, 3·tubelet·P·P]
    int height, width, frames, edge, stride, tubelet;
    int grid_width, frame_patches, image_patches, padding;
};

// patches[b · image_patches + p] = the values under patch p of image b, in the order (colour, time, y, x)
extern "C" __global__ void __launch_bounds__(256) extract_patches(const PatchArguments a) {
    int64 row = warp_row();
    if (row >= a.patches.rows) return;
    int image = (int)(row / a.image_patches), patch = (int)(row % a.image_patches), place = patch % a.frame_patches;
    int first = patch / a.frame_patches * a.tubelet;
    int top = place / a.grid_width * a.stride, left = place % a.grid_width * a.stride;
    const float* from = a.images.row(image);
    float* to = a.patches.row(row);
    for (int i = lane_index() * WIDTH; i < a.patches.columns; i += WARP * WIDTH) {
        int x = i % a.edge, y = i / a.edge % a.edge, plane = i / (a.edge * a.edge);
        int frame = plane / a.tubelet * a.frames + first + plane % a.tubelet; // of the planes of one colour after another
        store(to + i, load(from + ((int64)frame * a.height + top + y) * a.width + left + x));
    }
}

// Tokens are frame-major; class_row is that of the class token in an image's tokens and among the positions, or -1.
struct EmbedArguments {
    Matrix patches;    // [B·patches, C]
    Matrix tokens;     // [B·L, C]
    Matrix class_token, tail_token; // [1, C] or none
    Matrix positions;  // [frame_patches + class tokens, C]
    Matrix times;      // [T', C] or none
    int batch, length, frame_patches, frames, class_row, padding;
};

// How many rows before this one are the class token's.
__device__ __forceinline__ int class_rows_before(int class_row, int row) { return class_row >= 0 && row > class_row ? 1 : 0; }

// The row among tokens or positions of the patch of this number.
__device__ __forceinline__ int row_of_patch(int class_row, int patch) { return class_row >= 0 && patch >= class_row ? patch + 1 : patch; }

// token = (class token or patch) + position (+ time, for patches)
extern "C" __global__ void __launch_bounds__(256) embed(const EmbedArguments a) {
    int64 row = warp_row();
    if (row >= a.tokens.rows) return;
    int image = (int)(row / a.length), token = (int)(row % a.length);
    bool is_class = token == a.class_row, is_tail = a.tail_token.data != nullptr && token == a.length - 1;
    int patch = token - class_rows_before(a.class_row, token), place = patch % a.frame_patches;
    const float* content = is_class ? a.class_token.data
        : is_tail ? a.tail_token.data : a.patches.row((int64)image * a.frames * a.frame_patches + patch);
    const float* position = a.positions.row(is_class ? a.class_row : is_tail ? a.positions.rows - 1 : row_of_patch(a.class_row, place));
    const float* time = a.times.data == nullptr || is_class || is_tail ? nullptr : a.times.row(patch / a.frame_patches);
    float* to = a.tokens.row(row);
    for (int c = lane_index() * WIDTH; c < a.tokens.columns; c += WARP * WIDTH) {
        Values sum = add(load(content + c), load(position + c));
        store(to + c, time == nullptr ? sum : add(sum, load(time + c)));
    }
}

// All matrices hold gradients. One thread owns WIDTH channels of one position: it visits them in all images and frames, copies them to the patches and
// adds their sum to the tables. Rows of positions along x, channels along y.
extern "C" __global__ void __launch_bounds__(256) embed_gradient(const EmbedArguments a) {
    int row = (int)warp_row(), c = (blockIdx.y * WARP + lane_index()) * WIDTH;
    if (row >= a.positions.rows || c >= a.tokens.columns) return;
    bool is_class = row == a.class_row, is_tail = a.tail_token.data != nullptr && row == a.positions.rows - 1;
    int64 image = (int64)a.length * a.tokens.stride, patch_image = (int64)a.frames * a.frame_patches * a.patches.stride;
    Values sum = splat(0);
    if (is_class || is_tail) {
        const float* from = a.tokens.row(is_class ? a.class_row : a.length - 1) + c;
#pragma unroll 4
        for (int b = 0; b < a.batch; b++) sum = add(sum, load(from + b * image));
        float* table = (is_class ? a.class_token.data : a.tail_token.data) + c;
        store(table, add(load(table), sum));
    } else {
        int place = row - class_rows_before(a.class_row, row);
        for (int t = 0; t < a.frames; t++) {
            int patch = t * a.frame_patches + place;
            const float* __restrict__ from = a.tokens.row(row_of_patch(a.class_row, patch)) + c;
            float* __restrict__ to = a.patches.row(patch) + c;
#pragma unroll 4
            for (int b = 0; b < a.batch; b++) {
                Values g = load(from + b * image);
                store(to + b * patch_image, g);
                sum = add(sum, g);
            }
        }
    }
    float* position = a.positions.row(row) + c;
    store(position, add(load(position), sum));
}

struct FrameSumArguments {
    Matrix tokens;   // [B·L, C]
    Matrix partials; // [B·T', C]
    int length, frame_patches, frames, class_row;
};

// partials[b · T' + t] = sum over the patches of frame t of image b. A block for each, along x; channels along y.
extern "C" __global__ void __launch_bounds__(256) sum_frames(const FrameSumArguments a) {
    __shared__ Values sums[256];
    int image = blockIdx.x / a.frames, frame = blockIdx.x % a.frames, c = (blockIdx.y * WARP + lane_index()) * WIDTH;
    Values sum = splat(0);
    if (c < a.tokens.columns) {
        for (int place = warp_index(); place < a.frame_patches; place += blockDim.x / WARP) {
            int token = row_of_patch(a.class_row, frame * a.frame_patches + place);
            sum = add(sum, load(a.tokens.row((int64)image * a.length + token) + c));
        }
    }
    sum = sum_over_warps(sum, sums);
    if (warp_index() == 0 && c < a.tokens.columns) store(a.partials.row(blockIdx.x) + c, sum);
}
