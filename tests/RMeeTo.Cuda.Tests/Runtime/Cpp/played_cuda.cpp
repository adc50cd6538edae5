// The functions of the CUDA driver and of cuBLAS that the runtime calls, played by the CPU, as strict as the real ones: a context must be current, nothing
// that is queued is done before somebody waits for it, a stream that records runs nothing, and nothing may be allocated or waited for meanwhile. Kernels are
// libraries of the emulator. Written from cuda.h and cublas_api.h; what a GPU does beyond that it does not show.
#include <dlfcn.h>
#include <stdint.h>
#include <string.h>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {

enum { success = 0, invalid_value = 1, out_of_memory = 2, no_device = 100, invalid_device = 101, invalid_image = 200, invalid_context = 201, not_found = 500,
       illegal_address = 700, launch_failed = 719, capture_unsupported = 900, capture_invalidated = 901 };

using Work = std::function<void()>;
struct Stream { std::vector<Work> queue; size_t done = 0; bool recording = false, invalidated = false; std::vector<Work> recorded; };
struct Event { Stream* stream = nullptr; size_t after = 0; };
struct Graph { std::vector<Work> work; };
struct Kernel { const char* name; void (*run)(const void*); int argument_bytes, largest_block; };
struct Launch {
    void (*run)(const void*);
    const void* argument;
    int grid_x, grid_y, grid_z, threads, shared_bytes, order, region_count;
    uint64_t seed;
    void* regions;
};
struct Module { const Kernel* kernels; int (*launch)(const Launch*, char*, int); };
struct Function { Module* module; const Kernel* kernel; int shared_limit = 48 << 10; };

std::recursive_mutex one;
int version = 12080, start_result = success, devices = 2, failure = success, retained = 0;
std::string failing;
std::map<char*, size_t> memory, host_memory;
size_t total = 256u << 20;
thread_local std::vector<void*> contexts;
char context; // the only one; its address is the handle
Stream* captured;
int live; // streams, events, graphs, modules

bool inside(const std::map<char*, size_t>& blocks, const void* at, size_t bytes) {
    auto next = blocks.upper_bound((char*)at);
    if (next == blocks.begin()) return false;
    auto block = std::prev(next);
    return (char*)at + bytes <= block->first + block->second;
}

size_t in_use() {
    size_t sum = 0;
    for (auto& block : memory) sum += block.second;
    return sum;
}

void finish(Stream* stream, size_t until) {
    for (; stream->done < until; stream->done++) stream->queue[stream->done]();
}

int queue(Stream* stream, Work work) {
    (stream->recording ? stream->recorded : stream->queue).push_back(std::move(work));
    return failure;
}

// What a recording does not allow: it fails, and the recording with it.
bool spoils() {
    if (!captured) return false;
    captured->invalidated = true;
    return true;
}

int planned(const char* function) {
    if (failing != function) return success;
    failing.clear();
    return illegal_address;
}

#define CALL(name) \
    std::lock_guard<std::recursive_mutex> guard(one); \
    if (int result = planned(name)) return result; \
    if (contexts.empty()) return invalid_context

} // namespace

// ---- For the tests ----

EXPORT void played_reset(int driver, int start, int gpus) { version = driver; start_result = start; devices = gpus; }
EXPORT void played_fail(const char* function) { failing = function; }
EXPORT int played_live() { return live + (int)memory.size() + (int)host_memory.size() + retained; }
EXPORT int played_contexts() { return (int)contexts.size(); }

// ---- Driver ----

EXPORT int cuInit(unsigned) { return start_result; }
EXPORT int cuDriverGetVersion(int* value) { *value = version; return success; }
EXPORT int cuDeviceGetCount(int* count) { *count = devices; return success; }
EXPORT int cuDeviceGet(int* device, int ordinal) { *device = ordinal + 40; return ordinal < devices ? success : invalid_device; }
EXPORT int cuDeviceGetName(char* name, int length, int device) { strncpy(name, device == 40 ? "Played GPU" : "Played old GPU", length); return success; }
EXPORT int cuDeviceGetAttribute(int* value, int attribute, int device) {
    switch (attribute) {
        case 16: *value = 5; return success;
        case 75: *value = device == 40 ? 9 : 6; return success;
        case 76: *value = device == 40 ? 0 : 1; return success;
        case 97: *value = 227 << 10; return success;
        default: return invalid_value;
    }
}
EXPORT int cuDevicePrimaryCtxRetain(void** handle, int) { *handle = &context; retained++; return success; }
EXPORT int cuDevicePrimaryCtxRelease_v2(int) { retained--; return success; }
EXPORT int cuCtxGetCurrent(void** handle) { *handle = contexts.empty() ? nullptr : contexts.back(); return success; }
EXPORT int cuCtxPushCurrent_v2(void* handle) { contexts.push_back(handle); return success; }
EXPORT int cuCtxPopCurrent_v2(void** handle) {
    if (contexts.empty()) return invalid_context;
    *handle = contexts.back();
    contexts.pop_back();
    return success;
}
EXPORT int cuGetErrorName(int error, const char** text) {
    static const std::map<int, const char*> names = {{2, "CUDA_ERROR_OUT_OF_MEMORY"}, {201, "CUDA_ERROR_INVALID_CONTEXT"},
        {700, "CUDA_ERROR_ILLEGAL_ADDRESS"}, {719, "CUDA_ERROR_LAUNCH_FAILED"}, {900, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"},
        {901, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED"}, {999, "CUDA_ERROR_UNKNOWN"}};
    auto found = names.find(error);
    *text = found == names.end() ? nullptr : found->second;
    return found == names.end() ? invalid_value : success;
}
EXPORT int cuGetErrorString(int, const char** text) { *text = "played"; return success; }

EXPORT int cuMemGetInfo_v2(size_t* free, size_t* all) { CALL("cuMemGetInfo"); *free = total - in_use(); *all = total; return success; }
EXPORT int cuMemAlloc_v2(void** address, size_t bytes) {
    CALL("cuMemAlloc");
    if (spoils()) return capture_unsupported;
    if (bytes == 0) return invalid_value;
    if (in_use() + bytes > total) return out_of_memory;
    char* block = (char*)aligned_alloc(256, (bytes + 255) / 256 * 256);
    memset(block, 0xFF, bytes);
    memory[block] = bytes;
    *address = block;
    return success;
}
EXPORT int cuStreamSynchronize(Stream* stream) {
    CALL("cuStreamSynchronize");
    if (stream->recording) { spoils(); return capture_unsupported; }
    finish(stream, stream->queue.size());
    return failure;
}
static std::vector<Stream*> streams;
EXPORT int cuMemFree_v2(char* address) {
    CALL("cuMemFree");
    if (spoils()) return capture_unsupported;
    if (!memory.count(address)) return invalid_value;
    for (Stream* stream : streams) finish(stream, stream->queue.size());
    memory.erase(address);
    free(address);
    return success;
}
EXPORT int cuMemHostAlloc(void** address, size_t bytes, unsigned) {
    CALL("cuMemHostAlloc");
    if (spoils()) return capture_unsupported;
    char* block = (char*)aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
    host_memory[block] = bytes;
    *address = block;
    return success;
}
EXPORT int cuMemFreeHost(char* address) {
    CALL("cuMemFreeHost");
    if (spoils()) return capture_unsupported;
    if (!host_memory.count(address)) return invalid_value;
    for (Stream* stream : streams) finish(stream, stream->queue.size());
    host_memory.erase(address);
    free(address);
    return success;
}
EXPORT int cuMemcpyHtoDAsync_v2(char* to, const char* from, size_t bytes, Stream* stream) {
    CALL("cuMemcpyHtoDAsync");
    if (!inside(memory, to, bytes)) return invalid_value;
    if (inside(host_memory, from, bytes)) return queue(stream, [=] { memcpy(to, from, bytes); });
    std::string copy(from, bytes); // memory that is not locked in place is copied before the call returns
    return queue(stream, [=] { memcpy(to, copy.data(), bytes); });
}
EXPORT int cuMemcpyDtoHAsync_v2(char* to, const char* from, size_t bytes, Stream* stream) {
    CALL("cuMemcpyDtoHAsync");
    return inside(memory, from, bytes) ? queue(stream, [=] { memcpy(to, from, bytes); }) : invalid_value;
}
EXPORT int cuMemcpyDtoDAsync_v2(char* to, const char* from, size_t bytes, Stream* stream) {
    CALL("cuMemcpyDtoDAsync");
    return inside(memory, from, bytes) && inside(memory, to, bytes) ? queue(stream, [=] { memcpy(to, from, bytes); }) : invalid_value;
}
EXPORT int cuMemsetD8Async(char* at, unsigned char value, size_t bytes, Stream* stream) {
    CALL("cuMemsetD8Async");
    return inside(memory, at, bytes) ? queue(stream, [=] { memset(at, value, bytes); }) : invalid_value;
}
EXPORT int cuStreamCreate(Stream** stream, unsigned flags) {
    CALL("cuStreamCreate");
    streams.push_back(*stream = new Stream());
    live++;
    return flags <= 1 ? success : invalid_value;
}
EXPORT int cuStreamDestroy_v2(Stream* stream) { CALL("cuStreamDestroy"); finish(stream, stream->queue.size()); live--; return success; }
EXPORT int cuEventCreate(Event** event, unsigned) { CALL("cuEventCreate"); *event = new Event(); live++; return success; }
EXPORT int cuEventDestroy_v2(Event* event) { CALL("cuEventDestroy"); delete event; live--; return success; }
EXPORT int cuEventRecord(Event* event, Stream* stream) { CALL("cuEventRecord"); event->stream = stream; event->after = stream->queue.size(); return success; }
EXPORT int cuEventSynchronize(Event* event) {
    CALL("cuEventSynchronize");
    if (event->stream) finish(event->stream, event->after);
    return success;
}

// An image is "PLAYED" and the path of a library of the emulator.
EXPORT int cuModuleLoadData(Module** module, const char* image) {
    CALL("cuModuleLoadData");
    if (strncmp(image, "PLAYED", 6) != 0) return invalid_image;
    void* library = dlopen(image + 6, RTLD_NOW);
    if (!library) return invalid_image;
    *module = new Module{(const Kernel*)dlsym(library, "cuda_kernels"), (int (*)(const Launch*, char*, int))dlsym(library, "cuda_launch")};
    live++;
    return success;
}
EXPORT int cuModuleUnload(Module*) { CALL("cuModuleUnload"); live--; return success; }
EXPORT int cuModuleGetFunction(Function** function, Module* module, const char* name) {
    CALL("cuModuleGetFunction");
    for (const Kernel* kernel = module->kernels; kernel->name; kernel++)
        if (!strcmp(kernel->name, name)) {
            *function = new Function{module, kernel};
            return success;
        }
    return not_found;
}
EXPORT int cuFuncGetAttribute(int* value, int attribute, Function*) {
    CALL("cuFuncGetAttribute");
    *value = 1024;
    return attribute == 1 ? success : invalid_value;
}
EXPORT int cuFuncSetAttribute(Function* function, int attribute, int value) {
    CALL("cuFuncSetAttribute");
    if (attribute != 8 || value > (227 << 10) - 1024) return invalid_value;
    function->shared_limit = value;
    return success;
}
EXPORT int cuLaunchKernel(Function* f, unsigned gx, unsigned gy, unsigned gz, unsigned x, unsigned y, unsigned z, unsigned shared, Stream* stream,
    void** arguments, void** extra) {
    CALL("cuLaunchKernel");
    if (gx == 0 || gy - 1 > 65534 || gz - 1 > 65534 || x == 0 || x > (unsigned)f->kernel->largest_block || y != 1 || z != 1) return invalid_value;
    if ((int)shared > f->shared_limit || extra) return invalid_value;
    std::string argument((const char*)arguments[0], f->kernel->argument_bytes);
    return queue(stream, [=] {
        char message[4096];
        Launch launch = {f->kernel->run, argument.data(), (int)gx, (int)gy, (int)gz, (int)x, (int)shared, 0, 0, 0, nullptr};
        if (f->module->launch(&launch, message, sizeof message)) failure = launch_failed;
    });
}

EXPORT int cuStreamBeginCapture_v2(Stream* stream, int mode) {
    CALL("cuStreamBeginCapture");
    if (captured || mode != 1) return capture_unsupported;
    captured = stream;
    stream->recording = true;
    stream->invalidated = false;
    stream->recorded.clear();
    return success;
}
EXPORT int cuStreamEndCapture(Stream* stream, Graph** graph) {
    bool recorded = stream->recording;
    captured = nullptr;
    stream->recording = false; // whatever comes of it
    CALL("cuStreamEndCapture");
    *graph = nullptr;
    if (!recorded) return capture_unsupported;
    if (stream->invalidated) return capture_invalidated;
    *graph = new Graph{stream->recorded};
    live++;
    return success;
}
EXPORT int cuGraphInstantiateWithFlags(Graph** executable, Graph* graph, unsigned long long flags) {
    CALL("cuGraphInstantiate");
    *executable = new Graph(*graph);
    live++;
    return flags <= 1 ? success : invalid_value;
}
EXPORT int cuGraphLaunch(Graph* graph, Stream* stream) {
    CALL("cuGraphLaunch");
    for (auto& work : graph->work) queue(stream, work);
    return failure;
}
EXPORT int cuGraphDestroy(Graph* graph) { CALL("cuGraphDestroy"); delete graph; live--; return success; }
EXPORT int cuGraphExecDestroy(Graph* graph) { CALL("cuGraphExecDestroy"); delete graph; live--; return success; }

// ---- cuBLAS ----

struct Blas { Stream* stream = nullptr; void* workspace = nullptr; };

EXPORT int cublasCreate_v2(Blas** handle) { CALL("cublasCreate"); *handle = new Blas(); live++; return success; }
EXPORT int cublasDestroy_v2(Blas* handle) { CALL("cublasDestroy"); delete handle; live--; return success; }
EXPORT int cublasGetVersion_v2(Blas*, int* value) { *value = 120804; return success; }
EXPORT const char* cublasGetStatusName(int status) { return status == 7 ? "CUBLAS_STATUS_INVALID_VALUE" : "CUBLAS_STATUS_EXECUTION_FAILED"; }
EXPORT int cublasSetStream_v2(Blas* handle, Stream* stream) { handle->stream = stream; handle->workspace = nullptr; return success; }
EXPORT int cublasSetWorkspace_v2(Blas* handle, void* workspace, size_t bytes) {
    handle->workspace = workspace;
    return inside(memory, workspace, bytes) && (uintptr_t)workspace % 256 == 0 ? success : 7;
}
static float element(const void* matrix, int type, long index) {
    if (type == 0) return ((const float*)matrix)[index];
    uint32_t bits = (uint32_t)((const uint16_t*)matrix)[index] << 16;
    float value;
    memcpy(&value, &bits, 4);
    return value;
}
EXPORT int cublasGemmEx(Blas* blas, int ta, int tb, int m, int n, int k, const float* alpha, const void* a, int a_type, int lda, const void* b, int b_type,
    int ldb, const float* beta, void* c, int c_type, int ldc, int compute, int algorithm) {
    CALL("cublasGemmEx");
    if (!blas->workspace && blas->stream->recording) { spoils(); return 14; }
    bool types = c_type == 0 && a_type == b_type && (a_type == 0 || a_type == 14) && (compute == 68 || (compute == 77 && a_type == 0));
    if (!types || algorithm != -1 || m < 0 || n < 0 || k < 0 || lda < (ta ? k : m) || ldb < (tb ? n : k) || ldc < m) return 7;
    float scale = *alpha, keep = *beta;
    return queue(blas->stream, [=] {
        float* out = (float*)c;
        for (long j = 0; j < n; j++)
            for (long i = 0; i < m; i++) {
                float sum = 0;
                for (long p = 0; p < k; p++) sum += element(a, a_type, ta ? i * lda + p : p * lda + i) * element(b, b_type, tb ? p * ldb + j : j * ldb + p);
                out[j * ldc + i] = scale * sum + (keep == 0 ? 0 : keep * out[j * ldc + i]);
            }
    });
}
