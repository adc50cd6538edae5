// Modules, functions and launches. An image is a shared object that the stand-in for NVRTC made, or that object in hexadecimal digits behind "//": PTX.
#include <dlfcn.h>
#include <elf.h>
#include <unistd.h>
#include <filesystem>
#include <map>
#include "driver.h"

namespace standin {
namespace {
constexpr int without_asking = 48 << 10, trailer_bytes = 16;

struct Launch { // of cuda_blocks.cpp
    void (*run)(const void*);
    const void* argument;
    int grid_x, grid_y, grid_z, threads, shared_bytes, order, region_count;
    uint64_t seed;
    void* regions;
};

struct Kernel { // of cuda_on_cpu.h
    const char* name;
    void (*run)(const void*);
    int argument_bytes, largest_block;
};

struct Module;

struct Function {
    Module* module;
    const Kernel* kernel;
    int dynamic_bytes;
};

struct Module {
    const Kernel* kernels;
    int (*launch)(const Launch*, char*, int);
    int shared_bytes;
    bool loaded;
    std::map<std::string, Function> functions;
};

std::set<Module*> modules; // never deleted
std::set<Function*> functions;

int capability() { return static_cast<int>(setting("STANDIN_CUDA_CAPABILITY", 90)); }

int limit() { return (capability() >= 90 ? 227 : 96) << 10; }

std::string object_of(const void* image, bool& ptx) {
    auto* bytes = static_cast<const char*>(image);
    ptx = memcmp(bytes, "//", 2) == 0;
    if (!ptx) {
        if (memcmp(bytes, ELFMAG, SELFMAG) != 0) return "";
        auto* header = reinterpret_cast<const Elf64_Ehdr*>(bytes);
        return std::string(bytes, header->e_shoff + header->e_shnum * header->e_shentsize + trailer_bytes);
    }
    std::string object;
    auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
    for (bytes += 2; bytes[0] && bytes[0] != '\n'; bytes += 2) object += static_cast<char>(digit(bytes[0]) << 4 | digit(bytes[1]));
    return object;
}

void* open(const std::string& object) {
    std::string path = (std::filesystem::temp_directory_path() / "standin-cuda-XXXXXX").string();
    int file = mkstemp(path.data());
    if (file < 0) return nullptr;
    bool written = write(file, object.data(), object.size()) == static_cast<ssize_t>(object.size());
    void* library = written ? dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL) : nullptr;
    close(file);
    unlink(path.c_str());
    return library;
}

// Behind the object stand the compute capability that it is for and the toolkit that it is from.
CUresult check_target(const std::string& object, bool ptx) {
    int target, toolkit;
    if (object.size() < trailer_bytes) return CUDA_ERROR_INVALID_IMAGE;
    if (sscanf(object.c_str() + object.size() - trailer_bytes, "stand-in %d %d", &target, &toolkit) != 2) return CUDA_ERROR_INVALID_IMAGE;
    if (toolkit > setting("STANDIN_CUDA_DRIVER", 12080) / 1000) return CUDA_ERROR_UNSUPPORTED_PTX_VERSION;
    bool runs = target <= capability() && (ptx || target / 10 == capability() / 10);
    return runs ? CUDA_SUCCESS : CUDA_ERROR_NO_BINARY_FOR_GPU;
}

CUresult launch(Function* function, Launch what, const std::string& argument) {
    Module* module = function->module;
    if (!module->loaded) return break_with(CUDA_ERROR_ILLEGAL_ADDRESS, std::string(function->kernel->name) + " runs after its module was unloaded");
    char message[4096] = "";
    what.run = function->kernel->run;
    what.argument = argument.data();
    if (module->launch(&what, message, sizeof message) == 0) return CUDA_SUCCESS;
    bool address = strstr(message, "uses address") != nullptr;
    return break_with(address ? CUDA_ERROR_ILLEGAL_ADDRESS : CUDA_ERROR_LAUNCH_FAILED, std::string(function->kernel->name) + ", " + message);
}
} // namespace
} // namespace standin

using namespace standin;

EXPORTED CUresult cuModuleLoadData(CUmodule* handle, const void* image) {
    ENTER(cuModuleLoadData)
    NEED_CONTEXT
    TRY(refuse_while_capturing());
    bool ptx;
    std::string object = object_of(image, ptx);
    TRY(check_target(object, ptx));
    void* library = open(object);
    if (!library) return CUDA_ERROR_INVALID_IMAGE;
    auto* module = new Module{};
    module->kernels = static_cast<const Kernel*>(dlsym(library, "cuda_kernels"));
    module->launch = reinterpret_cast<int (*)(const Launch*, char*, int)>(dlsym(library, "cuda_launch"));
    auto* shared = reinterpret_cast<int (*)()>(dlsym(library, "standin_shared_bytes"));
    if (!module->kernels || !module->launch || !shared) return CUDA_ERROR_INVALID_IMAGE;
    module->shared_bytes = shared();
    module->loaded = true;
    modules.insert(module);
    *handle = reinterpret_cast<CUmodule>(module);
    log(ptx ? "cuModuleLoadData PTX" : "cuModuleLoadData CUBIN");
    return CUDA_SUCCESS;
}

EXPORTED CUresult cuModuleUnload(CUmodule handle) {
    ENTER(cuModuleUnload)
    NEED_CONTEXT
    auto* module = reinterpret_cast<Module*>(handle);
    if (!modules.erase(module)) return CUDA_ERROR_INVALID_HANDLE;
    TRY(run_all());
    module->loaded = false;
    return CUDA_SUCCESS;
}

EXPORTED CUresult cuModuleGetFunction(CUfunction* handle, CUmodule module_handle, const char* name) {
    ENTER(cuModuleGetFunction)
    NEED_CONTEXT
    auto* module = reinterpret_cast<Module*>(module_handle);
    if (!modules.count(module)) return CUDA_ERROR_INVALID_HANDLE;
    for (const Kernel* kernel = module->kernels; kernel->name; kernel++) {
        if (strcmp(kernel->name, name) != 0) continue;
        auto added = module->functions.insert({name, Function{module, kernel, without_asking - module->shared_bytes}});
        functions.insert(&added.first->second);
        *handle = reinterpret_cast<CUfunction>(&added.first->second);
        return CUDA_SUCCESS;
    }
    return CUDA_ERROR_NOT_FOUND;
}

EXPORTED CUresult cuFuncGetAttribute(int* value, CUfunction_attribute attribute, CUfunction handle) {
    ENTER(cuFuncGetAttribute)
    auto* function = reinterpret_cast<Function*>(handle);
    if (!functions.count(function)) return CUDA_ERROR_INVALID_HANDLE;
    if (attribute == CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES) *value = function->module->shared_bytes;
    else if (attribute == CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES) *value = function->dynamic_bytes;
    else return CUDA_ERROR_INVALID_VALUE;
    return CUDA_SUCCESS;
}

EXPORTED CUresult cuFuncSetAttribute(CUfunction handle, CUfunction_attribute attribute, int value) {
    ENTER(cuFuncSetAttribute)
    auto* function = reinterpret_cast<Function*>(handle);
    if (!functions.count(function)) return CUDA_ERROR_INVALID_HANDLE;
    if (attribute != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES) return CUDA_ERROR_INVALID_VALUE;
    if (value < 0 || value > limit() - function->module->shared_bytes) return CUDA_ERROR_INVALID_VALUE;
    function->dynamic_bytes = value;
    return CUDA_SUCCESS;
}

EXPORTED CUresult cuLaunchKernel(CUfunction handle, unsigned int grid_x, unsigned int grid_y, unsigned int grid_z, unsigned int block_x, unsigned int block_y,
    unsigned int block_z, unsigned int shared_bytes, CUstream stream_handle, void** parameters, void** extra) {
    ENTER(cuLaunchKernel)
    NEED_CONTEXT
    auto* function = reinterpret_cast<Function*>(handle);
    Stream* stream;
    if (!functions.count(function)) return CUDA_ERROR_INVALID_HANDLE;
    TRY(find(stream_handle, stream));
    if (grid_x - 1 >= 0x7fffffffu || grid_y - 1 >= 65535 || grid_z - 1 >= 65535) return CUDA_ERROR_INVALID_VALUE;
    if (block_x - 1 >= 1024 || block_y != 1 || block_z != 1 || extra || !parameters || !parameters[0]) return CUDA_ERROR_INVALID_VALUE;
    if (static_cast<int>(block_x) > function->kernel->largest_block) return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
    if (static_cast<int>(shared_bytes) > function->dynamic_bytes) return CUDA_ERROR_INVALID_VALUE;
    Launch what = {};
    what.grid_x = static_cast<int>(grid_x);
    what.grid_y = static_cast<int>(grid_y);
    what.grid_z = static_cast<int>(grid_z);
    what.threads = static_cast<int>(block_x);
    what.shared_bytes = static_cast<int>(shared_bytes);
    std::string argument(static_cast<const char*>(parameters[0]), function->kernel->argument_bytes);
    return enqueue(*stream, [=] { return launch(function, what, argument); });
}
