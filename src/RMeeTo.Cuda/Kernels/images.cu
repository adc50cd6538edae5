// From bytes to the numbers that a network takes.

struct PixelArguments {
    const unsigned char* pixels; // [B, T, plane, 3]
    Matrix table;                // [3, 256]
    Matrix images;               // [B, 3·T·plane]
    int frames, plane;
    int frame_blocks, padding;   // blocks a frame, one after the other along x
};

// One pixel after another, WIDTH of them a thread: images[b, colour, frame, pixel] = table[colour, byte]
extern "C" __global__ void __launch_bounds__(256) normalize_images(const PixelArguments a) {
    __shared__ float table[3 * 256];
    for (int i = threadIdx.x; i < 3 * 256; i += blockDim.x) table[i] = a.table.row(i / 256)[i % 256];
    __syncthreads();
    int frame = blockIdx.x / a.frame_blocks, pixel = (blockIdx.x % a.frame_blocks * blockDim.x + threadIdx.x) * WIDTH;
    if (pixel >= a.plane) return;
    const unsigned char* from = a.pixels + ((int64)frame * a.plane + pixel) * 3;
    float* to = a.images.row(frame / a.frames) + (int64)(frame % a.frames) * a.plane + pixel;
    int64 colour = (int64)a.frames * a.plane;
#if WIDTH == 4
    const unsigned* words = reinterpret_cast<const unsigned*>(from);
    unsigned w0 = words[0], w1 = words[1], w2 = words[2]; // little-endian: r0 g0 b0 r1, g1 b1 r2 g2, b2 r3 g3 b3
    store(to, make_float4(table[w0 & 255], table[w0 >> 24], table[w1 >> 16 & 255], table[w2 >> 8 & 255]));
    const float* green = table + 256;
    store(to + colour, make_float4(green[w0 >> 8 & 255], green[w1 & 255], green[w1 >> 24], green[w2 >> 16 & 255]));
    const float* blue = table + 512;
    store(to + 2 * colour, make_float4(blue[w0 >> 16 & 255], blue[w1 >> 8 & 255], blue[w2 & 255], blue[w2 >> 24]));
#else
    for (int k = 0; k < 3; k++) to[k * colour] = table[k * 256 + from[k]];
#endif
}
