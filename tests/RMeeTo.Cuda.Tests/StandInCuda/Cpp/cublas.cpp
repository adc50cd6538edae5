// The stand-in for libcublas.so.12 or .13 (TOOLKIT): products by three loops, with the checks of cublasGemmEx's documentation.
#include <dlfcn.h>
#include <stdint.h>
#include <algorithm>
#include <set>
#include <vector>
#include "cuda_api.h"
#include "standin.h"

namespace {
struct Handle {
    CUstream stream;
    void* workspace;
    size_t workspace_bytes;
};

struct Product {
    int transpose_a, transpose_b, m, n, k, lda, ldb, ldc, type, tf32;
    const void *a, *b;
    float alpha, beta;
    float* c;
};

std::recursive_mutex lock;
std::set<Handle*> handles;

template <class F> F driver(const char* name) {
    static void* library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
    return library ? reinterpret_cast<F>(dlsym(library, name)) : nullptr;
}

bool has_context() {
    auto* has = driver<int (*)()>("standin_has_context");
    return has && has();
}

bool is_device(const void* memory, size_t bytes) { return driver<int (*)(const void*, size_t)>("standin_is_device")(memory, bytes); }

float rounded_to_tf32(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    if ((bits & 0x7f800000u) != 0x7f800000u) bits = (bits + 0x1000u) & ~0x1fffu;
    memcpy(&x, &bits, 4);
    return x;
}

float element(const Product& p, const void* values, size_t i) {
    if (p.type == CUDA_R_16BF) {
        uint32_t bits = static_cast<uint32_t>(static_cast<const uint16_t*>(values)[i]) << 16;
        float x;
        memcpy(&x, &bits, 4);
        return x;
    }
    float x = static_cast<const float*>(values)[i];
    return p.tf32 ? rounded_to_tf32(x) : x;
}

size_t bytes_of(int rows, int columns, int stride, int element_bytes) {
    return columns == 0 || rows == 0 ? 0 : (static_cast<size_t>(columns - 1) * stride + rows) * element_bytes;
}

CUresult multiply(const void* argument) {
    Product p;
    memcpy(&p, argument, sizeof p);
    int bytes = p.type == CUDA_R_16BF ? 2 : 4;
    if (!is_device(p.a, bytes_of(p.transpose_a ? p.k : p.m, p.transpose_a ? p.m : p.k, p.lda, bytes)) ||
        !is_device(p.b, bytes_of(p.transpose_b ? p.n : p.k, p.transpose_b ? p.k : p.n, p.ldb, bytes)) || !is_device(p.c, bytes_of(p.m, p.n, p.ldc, 4))) {
        fprintf(stderr, "stand-in for CUDA: a product of %d x %d x %d leaves its matrices\n", p.m, p.n, p.k);
        return CUDA_ERROR_ILLEGAL_ADDRESS;
    }
    std::vector<float> a(static_cast<size_t>(p.m) * p.k), b(static_cast<size_t>(p.n) * p.k);
    auto place = [](int row, int column, int stride) { return static_cast<size_t>(column) * stride + row; }; // column by column
    for (int l = 0; l < p.k; l++) {
        for (int i = 0; i < p.m; i++) a[static_cast<size_t>(i) * p.k + l] = element(p, p.a, p.transpose_a ? place(l, i, p.lda) : place(i, l, p.lda));
        for (int j = 0; j < p.n; j++) b[static_cast<size_t>(j) * p.k + l] = element(p, p.b, p.transpose_b ? place(j, l, p.ldb) : place(l, j, p.ldb));
    }
    for (int j = 0; j < p.n; j++)
        for (int i = 0; i < p.m; i++) {
            double sum = 0;
            for (int l = 0; l < p.k; l++) sum += static_cast<double>(a[static_cast<size_t>(i) * p.k + l]) * b[static_cast<size_t>(j) * p.k + l];
            float& c = p.c[static_cast<size_t>(j) * p.ldc + i];
            c = static_cast<float>(p.alpha * sum + (p.beta == 0 ? 0 : p.beta * static_cast<double>(c)));
        }
    return CUDA_SUCCESS;
}

Handle* of(cublasHandle_t handle) {
    auto* found = reinterpret_cast<Handle*>(handle);
    return handles.count(found) ? found : nullptr;
}
} // namespace

#define ENTER(function) \
    std::lock_guard<std::recursive_mutex> hold(lock); \
    if (int fault = standin::planted(#function)) return static_cast<cublasStatus_t>(fault);

EXPORTED const char* cublasGetStatusName(cublasStatus_t status) {
#define TEXT(name, value) if (status == name) return #name;
    CUBLAS_RESULTS(TEXT)
    return "<unknown>";
}

EXPORTED cublasStatus_t cublasCreate_v2(cublasHandle_t* handle) {
    ENTER(cublasCreate_v2)
    if (!has_context() || TOOLKIT > standin::setting("STANDIN_CUDA_DRIVER", 12080) / 1000) return CUBLAS_STATUS_NOT_INITIALIZED;
    // The real one holds the primary context from then on until the process ends.
    static CUcontext held = nullptr;
    if (!held && driver<CUresult (*)(CUcontext*, CUdevice)>("cuDevicePrimaryCtxRetain")(&held, 0) != CUDA_SUCCESS) return CUBLAS_STATUS_NOT_INITIALIZED;
    auto* created = new Handle{nullptr, nullptr, 0};
    handles.insert(created);
    *handle = reinterpret_cast<cublasHandle_t>(created);
    return CUBLAS_STATUS_SUCCESS;
}

EXPORTED cublasStatus_t cublasDestroy_v2(cublasHandle_t handle) {
    ENTER(cublasDestroy_v2)
    return handles.erase(reinterpret_cast<Handle*>(handle)) ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_INITIALIZED;
}

EXPORTED cublasStatus_t cublasGetVersion_v2(cublasHandle_t handle, int* version) {
    ENTER(cublasGetVersion_v2)
    if (!of(handle)) return CUBLAS_STATUS_NOT_INITIALIZED;
    *version = TOOLKIT * 10000 + (TOOLKIT == 12 ? 804 : 2);
    return CUBLAS_STATUS_SUCCESS;
}

EXPORTED cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, STREAM stream) {
    ENTER(cublasSetStream_v2)
    if (!of(handle)) return CUBLAS_STATUS_NOT_INITIALIZED;
    *of(handle) = {reinterpret_cast<CUstream>(stream), nullptr, 0}; // and the workspace is the default one again
    return CUBLAS_STATUS_SUCCESS;
}

EXPORTED cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t handle, void* workspace, size_t bytes) {
    ENTER(cublasSetWorkspace_v2)
    if (!of(handle)) return CUBLAS_STATUS_NOT_INITIALIZED;
    if (reinterpret_cast<uintptr_t>(workspace) % 256 != 0 || !is_device(workspace, bytes)) return CUBLAS_STATUS_INVALID_VALUE;
    of(handle)->workspace = workspace;
    of(handle)->workspace_bytes = bytes;
    return CUBLAS_STATUS_SUCCESS;
}

EXPORTED cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t transpose_a, cublasOperation_t transpose_b, int m, int n, int k,
    const void* alpha, const void* a, cudaDataType a_type, int lda, const void* b, cudaDataType b_type, int ldb, const void* beta,
    void* c, cudaDataType c_type, int ldc, cublasComputeType_t compute, cublasGemmAlgo_t algorithm) {
    ENTER(cublasGemmEx)
    if (!of(handle) || !has_context()) return CUBLAS_STATUS_NOT_INITIALIZED;
    bool known = (transpose_a == CUBLAS_OP_N || transpose_a == CUBLAS_OP_T) && (transpose_b == CUBLAS_OP_N || transpose_b == CUBLAS_OP_T);
    if (!known || m < 0 || n < 0 || k < 0 || !alpha || !beta) return CUBLAS_STATUS_INVALID_VALUE;
    int rows_a = transpose_a == CUBLAS_OP_T ? k : m, rows_b = transpose_b == CUBLAS_OP_T ? n : k;
    if (lda < std::max(1, rows_a) || ldb < std::max(1, rows_b) || ldc < std::max(1, m)) return CUBLAS_STATUS_INVALID_VALUE;
    bool single = a_type == CUDA_R_32F, bfloat16 = a_type == CUDA_R_16BF;
    bool supported = a_type == b_type && (single || bfloat16) && c_type == CUDA_R_32F &&
        (compute == CUBLAS_COMPUTE_32F || (compute == CUBLAS_COMPUTE_32F_FAST_TF32 && single)) && algorithm == CUBLAS_GEMM_DEFAULT;
    if (!supported) return CUBLAS_STATUS_NOT_SUPPORTED;
    // Stricter than the real one, which has a workspace of its own: that one is not the same for every stream, and results with it need not be either.
    if (!of(handle)->workspace) return CUBLAS_STATUS_ALLOC_FAILED;
    if (m == 0 || n == 0) return CUBLAS_STATUS_SUCCESS;
    Product product = {transpose_a == CUBLAS_OP_T, transpose_b == CUBLAS_OP_T, m, n, k, lda, ldb, ldc, a_type, compute == CUBLAS_COMPUTE_32F_FAST_TF32, a, b,
        *static_cast<const float*>(alpha), *static_cast<const float*>(beta), static_cast<float*>(c)};
    auto* enqueue = driver<CUresult (*)(CUstream, CUresult (*)(const void*), const void*, size_t)>("standin_enqueue");
    return enqueue(of(handle)->stream, multiply, &product, sizeof product) == CUDA_SUCCESS ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}
