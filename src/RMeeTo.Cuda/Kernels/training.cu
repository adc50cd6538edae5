// Probabilities and losses. One block an image, whatever the number of classes; a block's size depends on that number alone, so that a result does not
// depend on the batch.

__device__ __forceinline__ float block_max(float value, float* shared) {
    value = warp_max(value);
    __syncthreads();
    if (lane_index() == 0) shared[warp_index()] = value;
    __syncthreads();
    float max = shared[0];
    for (int w = 1; w < (int)(blockDim.x / WARP); w++) max = fmaxf(max, shared[w]);
    return max;
}

// Largest logit of a row, and the sum of exp(logit - largest).
struct Softmax {
    float max, sum;

    // log p of a logit
    __device__ __forceinline__ float log_of(float logit) const { return (logit - max) - logf(sum); }

    __device__ __forceinline__ float of(float logit) const { return expf(logit - max) / sum; }
};

__device__ __forceinline__ Softmax softmax_of(const float* logits, int classes, float* shared) {
    Softmax s;
    float max = -__int_as_float(0x7f800000), sum = 0;
    for (int k = threadIdx.x; k < classes; k += blockDim.x) max = fmaxf(max, logits[k]);
    s.max = block_max(max, shared);
    for (int k = threadIdx.x; k < classes; k += blockDim.x) sum += expf(logits[k] - s.max);
    s.sum = block_sum(sum, shared);
    return s;
}

struct SoftmaxArguments {
    Matrix logits, probabilities; // [B, classes]
};

extern "C" __global__ void __launch_bounds__(256) softmax(const SoftmaxArguments a) {
    __shared__ float shared[WARP];
    const float* logits = a.logits.row(blockIdx.x);
    float* probabilities = a.probabilities.row(blockIdx.x);
    Softmax p = softmax_of(logits, a.logits.columns, shared);
    for (int k = threadIdx.x; k < a.logits.columns; k += blockDim.x) probabilities[k] = p.of(logits[k]);
}

struct LossArguments {
    Matrix logits, targets; // [B, classes]
    Matrix teacher;         // [B, classes], or none
    Matrix losses;          // [B, 1]
    Matrix gradient;        // [B, classes]
    float target_weight, teacher_weight, gradient_scale;
};

// losses = target_weight · Σ -t log p + teacher_weight · Σ q (log q - log p), and gradient_scale times its gradient with regard to the logits
extern "C" __global__ void __launch_bounds__(256) loss(const LossArguments a) {
    __shared__ float shared[WARP];
    int image = blockIdx.x, classes = a.logits.columns;
    const float* logits = a.logits.row(image);
    const float* targets = a.targets.row(image);
    const float* teacher = a.teacher.data == nullptr ? nullptr : a.teacher.row(image);
    float* gradient = a.gradient.row(image);
    Softmax student = softmax_of(logits, classes, shared), taught = student;
    if (teacher != nullptr) taught = softmax_of(teacher, classes, shared);
    float mass = 0;
    for (int k = threadIdx.x; k < classes; k += blockDim.x) mass += targets[k];
    mass = block_sum(mass, shared);
    float total = 0;
    for (int k = threadIdx.x; k < classes; k += blockDim.x) {
        float p = student.of(logits[k]), log_p = student.log_of(logits[k]), target = targets[k];
        float slope = a.target_weight * (mass * p - target);
        total -= a.target_weight * (target * log_p);
        if (teacher != nullptr) {
            float q = taught.of(teacher[k]);
            if (q > 0) total += a.teacher_weight * (q * (taught.log_of(teacher[k]) - log_p)); // where q is 0, log q may be -infinity
            slope += a.teacher_weight * (p - q);
        }
        gradient[k] = a.gradient_scale * slope;
    }
    total = block_sum(total, shared);
    if (threadIdx.x == 0) *a.losses.row(image) = total;
}
