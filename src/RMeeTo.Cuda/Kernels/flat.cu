// Steps on flat buffers, value by value: the optimizer. A thread has WIDTH values; where WIDTH is 4, the last one to three values have a thread each.
// Every product that is added is an fmaf, so that a value's result does not depend on which of the two it went through.

__device__ __forceinline__ int64 thread_number() { return (int64)blockIdx.x * blockDim.x + threadIdx.x; }

// Where a thread begins, and with how many values.
struct Share {
    int64 first;
    int count; // WIDTH, 1 or 0
};

__device__ __forceinline__ Share share_of(int64 count) {
    int64 thread = thread_number(), whole = count / WIDTH, rest = count - whole * WIDTH;
    Share s;
    s.count = thread < whole ? WIDTH : thread < whole + rest ? 1 : 0;
    s.first = thread < whole ? thread * WIDTH : whole * WIDTH + (thread - whole);
    return s;
}

// The first of a thread's values in float form, the others 0.
__device__ __forceinline__ Values load_share(const float* p, Share s) {
#if WIDTH == 4
    return s.count == 4 ? load(p + s.first) : make_float4(p[s.first], 0, 0, 0);
#else
    return p[s.first];
#endif
}

__device__ __forceinline__ void store_share(float* p, Share s, Values v) {
#if WIDTH == 4
    if (s.count == 4) store(p + s.first, v);
    else p[s.first] = v.x;
#else
    p[s.first] = v;
#endif
}

#define SOURCES 64

struct SumArguments {
    float* destination;
    const float* sources[SOURCES];
    int64 count;
    int source_count, padding;
};

// destination = the sum of the sources in their order; each value is read from all of them before it is written, so the destination may be one of them.
extern "C" __global__ void __launch_bounds__(256) sum_buffers(const SumArguments a) {
    Share share = share_of(a.count);
    if (share.count == 0) return;
    Values sum = load_share(a.sources[0], share);
    for (int k = 1; k < a.source_count; k++) sum = add(sum, load_share(a.sources[k], share));
    store_share(a.destination, share, sum);
}

struct AdamWArguments {
    float *values, *gradient, *first_moment, *second_moment;
    int64 count;
    float gradient_scale, beta1, beta2, new1, new2; // new: 1 - beta, worked out in double
    float keep;             // 1 - rate · decay
    float size;             // -rate / (1 - beta1^step)
    float root;             // 1 / sqrt(1 - beta2^step)
    float epsilon, padding;
};

__device__ __forceinline__ float adamw_step(float gradient, float value, float& m, float& v, const AdamWArguments& a) {
    float g = gradient * a.gradient_scale;
    m = fmaf(m, a.beta1, g * a.new1);
    v = fmaf(v, a.beta2, g * g * a.new2);
    return fmaf(m / fmaf(sqrtf(v), a.root, a.epsilon), a.size, value * a.keep);
}

// As PyTorch: p *= keep; m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2; p += size · m / (sqrt(v) · root + epsilon)
extern "C" __global__ void __launch_bounds__(256) adamw(const AdamWArguments a) {
    Share share = share_of(a.count);
    if (share.count == 0) return;
    Values g = load_share(a.gradient, share), p = load_share(a.values, share);
    Values m = load_share(a.first_moment, share), v = load_share(a.second_moment, share);
#if WIDTH == 4
    p.x = adamw_step(g.x, p.x, m.x, v.x, a);
    p.y = adamw_step(g.y, p.y, m.y, v.y, a);
    p.z = adamw_step(g.z, p.z, m.z, v.z, a);
    p.w = adamw_step(g.w, p.w, m.w, v.w, a);
#else
    p = adamw_step(g, p, m, v, a);
#endif
    store_share(a.values, share, p);
    store_share(a.first_moment, share, m);
    store_share(a.second_moment, share, v);
}

struct AverageArguments {
    float *average, *values;
    int64 count;
    float share; // 1 - decay
    float padding;
};

// average += share · (values - average)
extern "C" __global__ void __launch_bounds__(256) moving_average(const AverageArguments a) {
    Share share = share_of(a.count);
    if (share.count == 0) return;
    Values mean = load_share(a.average, share), next = load_share(a.values, share);
    store_share(a.average, share, multiply_add(add(next, multiply(mean, splat(-1))), splat(a.share), mean));
}
