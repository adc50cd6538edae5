// Start, versions, devices, primary contexts, and errors in words.
#include <algorithm>
#include "driver.h"

namespace standin {
std::recursive_mutex lock;
CUresult broken = CUDA_SUCCESS;
namespace {
bool started;
std::vector<Context*> contexts; // a primary context for every device
thread_local std::vector<CUcontext> stack;

long device_count() { return setting("STANDIN_CUDA_GPUS", 1); }

Context* of(CUcontext handle) { return reinterpret_cast<Context*>(handle); }
} // namespace

CUresult current(Context*& context) {
    if (!started) return CUDA_ERROR_NOT_INITIALIZED;
    if (stack.empty() || stack.back() == nullptr) return CUDA_ERROR_INVALID_CONTEXT;
    context = of(stack.back());
    return context->retained > 0 ? CUDA_SUCCESS : CUDA_ERROR_CONTEXT_IS_DESTROYED;
}

CUresult break_with(CUresult result, const std::string& why) {
    fprintf(stderr, "stand-in for CUDA: %s\n", why.c_str());
    return broken = result;
}
} // namespace standin

using namespace standin;

EXPORTED CUresult cuInit(unsigned int flags) {
    ENTER(cuInit)
    if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
    if (device_count() == 0) return CUDA_ERROR_NO_DEVICE;
    started = true;
    while (static_cast<long>(contexts.size()) < device_count()) contexts.push_back(new Context{static_cast<int>(contexts.size()), 0});
    return CUDA_SUCCESS;
}

EXPORTED CUresult cuDriverGetVersion(int* version) {
    ENTER(cuDriverGetVersion)
    *version = static_cast<int>(setting("STANDIN_CUDA_DRIVER", 12080));
    return CUDA_SUCCESS;
}

EXPORTED CUresult cuGetErrorName(CUresult error, const char** name) {
#define NAME(code, value, text) if (error == code) { *name = #code; return CUDA_SUCCESS; }
    CUDA_RESULTS(NAME)
    *name = nullptr;
    return CUDA_ERROR_INVALID_VALUE;
}

EXPORTED CUresult cuGetErrorString(CUresult error, const char** string) {
#define TEXT(code, value, text) if (error == code) { *string = text; return CUDA_SUCCESS; }
    CUDA_RESULTS(TEXT)
    *string = nullptr;
    return CUDA_ERROR_INVALID_VALUE;
}

EXPORTED CUresult cuDeviceGetCount(int* count) {
    ENTER(cuDeviceGetCount)
    if (!started) return CUDA_ERROR_NOT_INITIALIZED;
    *count = static_cast<int>(device_count());
    return CUDA_SUCCESS;
}

EXPORTED CUresult cuDeviceGet(CUdevice* device, int ordinal) {
    ENTER(cuDeviceGet)
    if (!started) return CUDA_ERROR_NOT_INITIALIZED;
    if (ordinal < 0 || ordinal >= device_count()) return CUDA_ERROR_INVALID_DEVICE;
    *device = ordinal;
    return CUDA_SUCCESS;
}

EXPORTED CUresult cuDeviceGetName(char* name, int length, CUdevice device) {
    ENTER(cuDeviceGetName)
    if (device < 0 || device >= device_count()) return CUDA_ERROR_INVALID_DEVICE;
    snprintf(name, length, "Stand-in GPU");
    return CUDA_SUCCESS;
}

EXPORTED CUresult cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice device) {
    ENTER(cuDeviceGetAttribute)
    if (device < 0 || device >= device_count()) return CUDA_ERROR_INVALID_DEVICE;
    int capability = static_cast<int>(setting("STANDIN_CUDA_CAPABILITY", 90));
    switch (attribute) {
        case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: *value = 4; return CUDA_SUCCESS;
        case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: *value = capability / 10; return CUDA_SUCCESS;
        case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: *value = capability % 10; return CUDA_SUCCESS;
        case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN: *value = (capability >= 90 ? 227 : 96) << 10; return CUDA_SUCCESS;
        default: return CUDA_ERROR_INVALID_VALUE;
    }
}

EXPORTED CUresult cuDevicePrimaryCtxRetain(CUcontext* handle, CUdevice device) {
    ENTER(cuDevicePrimaryCtxRetain)
    if (!started) return CUDA_ERROR_NOT_INITIALIZED;
    if (device < 0 || device >= device_count()) return CUDA_ERROR_INVALID_DEVICE;
    contexts[device]->retained++;
    *handle = reinterpret_cast<CUcontext>(contexts[device]);
    return CUDA_SUCCESS;
}

EXPORTED CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
    ENTER(cuDevicePrimaryCtxRelease_v2)
    if (device < 0 || device >= device_count()) return CUDA_ERROR_INVALID_DEVICE;
    if (contexts[device]->retained == 0) return CUDA_ERROR_INVALID_CONTEXT;
    if (--contexts[device]->retained > 0) return CUDA_SUCCESS;
    TRY(run_all());
    for (Stream* stream : std::vector<Stream*>(streams.begin(), streams.end()))
        if (stream->context == contexts[device]) streams.erase(stream); // handles of what is gone stay wrong for ever
    free_all_memory();
    return CUDA_SUCCESS;
}

EXPORTED CUresult cuCtxGetCurrent(CUcontext* handle) {
    ENTER(cuCtxGetCurrent)
    if (!started) return CUDA_ERROR_NOT_INITIALIZED;
    *handle = stack.empty() ? nullptr : stack.back();
    return CUDA_SUCCESS;
}

EXPORTED CUresult cuCtxPushCurrent_v2(CUcontext handle) {
    ENTER(cuCtxPushCurrent_v2)
    if (std::find(contexts.begin(), contexts.end(), of(handle)) == contexts.end()) return CUDA_ERROR_INVALID_CONTEXT;
    if (of(handle)->retained == 0) return CUDA_ERROR_CONTEXT_IS_DESTROYED;
    stack.push_back(handle);
    return CUDA_SUCCESS;
}

EXPORTED CUresult cuCtxPopCurrent_v2(CUcontext* handle) {
    std::lock_guard<std::recursive_mutex> hold(standin::lock);
    if (stack.empty()) return CUDA_ERROR_INVALID_CONTEXT;
    if (handle) *handle = stack.back();
    stack.pop_back();
    return CUDA_SUCCESS;
}
