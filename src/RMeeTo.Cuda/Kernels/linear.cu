// What surrounds a matrix product: the bias that it is added to, and operands in bfloat16.

#define LINEAR_THREADS 256
#define LINEAR_ROWS (LINEAR_THREADS / WARP)  // of a block: one a warp

struct AddBiasArguments {
    Matrix y;
    const float* bias;
    int accumulate, padding;
};

template <int WIDTH>
__device__ __forceinline__ void bias_row(const AddBiasArguments& a) {
    int64 row = (int64)blockIdx.x * LINEAR_ROWS + warp_index();
    if (row >= a.y.rows) return;
    float* y = a.y.row(row);
    for (int column = lane_index() * WIDTH; column < a.y.columns; column += WARP * WIDTH) {
        float values[WIDTH];
        load<WIDTH>(a.bias + column, values);
        if (a.accumulate) {
            float before[WIDTH];
            load<WIDTH>(y + column, before);
#pragma unroll
            for (int i = 0; i < WIDTH; i++) values[i] += before[i];
        }
        store<WIDTH>(y + column, values);
    }
}

// y = bias in every row, or y += bias. Per element: 4 bytes written; accumulating, 4 read besides.
extern "C" __global__ void __launch_bounds__(LINEAR_THREADS) write_bias(const AddBiasArguments a) { bias_row<1>(a); }

// The same where y and bias can be read by float4.
extern "C" __global__ void __launch_bounds__(LINEAR_THREADS) write_bias4(const AddBiasArguments a) { bias_row<4>(a); }

// The upper half of a float, rounded to nearest, ties to even. NaN stays NaN (its low bits alone might round away to infinity); infinity stays.
__device__ __forceinline__ unsigned to_bfloat16(float value) {
    unsigned bits = __float_as_uint(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return bits >> 16 | 0x40u;
    return (bits + 0x7fffu + (bits >> 16 & 1)) >> 16;
}

struct ConvertArguments {
    Matrix source;
    unsigned short* destination;  // [rows, stride], beginning at a multiple of 16 bytes
    int stride, padding;          // a multiple of 4, at least the columns
};

template <int WIDTH>
__device__ __forceinline__ void convert_row(const ConvertArguments& a) {
    int64 row = (int64)blockIdx.x * LINEAR_ROWS + warp_index();
    if (row >= a.source.rows) return;
    const float* source = a.source.row(row);
    unsigned short* destination = a.destination + row * a.stride;
    for (int column = lane_index() * 4; column < a.stride; column += WARP * 4) {
        float values[4] = {};
        if (WIDTH == 4) {
            if (column < a.source.columns) load<4>(source + column, values);
        } else {
#pragma unroll
            for (int i = 0; i < 4; i++)
                if (column + i < a.source.columns) values[i] = source[column + i];
        }
        uint2 packed = make_uint2(to_bfloat16(values[0]) | to_bfloat16(values[1]) << 16, to_bfloat16(values[2]) | to_bfloat16(values[3]) << 16);
        *reinterpret_cast<uint2*>(destination + column) = packed;
    }
}

// A dense copy in bfloat16, its rows filled up with zeros to the stride. Per element: 4 bytes read, 2 written.
extern "C" __global__ void __launch_bounds__(LINEAR_THREADS) convert_to_bfloat16(const ConvertArguments a) { convert_row<1>(a); }

// The same where the source can be read by float4.
extern "C" __global__ void __launch_bounds__(LINEAR_THREADS) convert_to_bfloat16_4(const ConvertArguments a) { convert_row<4>(a); }
