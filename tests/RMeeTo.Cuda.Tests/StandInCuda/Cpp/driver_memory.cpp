// Memory of the GPU and memory locked in place, and copies. An allocation has pages of its own that end where it ends, and its addresses are never used again:
// a kernel that leaves it, or comes too late, hits a page that is not there.
#include <map>
#include <sys/mman.h>
#include "driver.h"

namespace standin {
namespace {
constexpr size_t page = 4096, alignment = 256, reserved = size_t(1) << 40;
constexpr unsigned char unset = 0xFF; // floats of these bytes are NaN

struct Range { size_t bytes, mapped; };

std::map<uintptr_t, Range> device_memory, locked_memory;
char* next;
char* end;
size_t used;

size_t rounded(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

bool inside(const std::map<uintptr_t, Range>& all, uintptr_t address, size_t bytes) {
    auto after = all.upper_bound(address);
    if (after == all.begin()) return false;
    auto range = std::prev(after);
    return address - range->first <= range->second.bytes && bytes <= range->second.bytes - (address - range->first);
}

size_t total() { return static_cast<size_t>(setting("STANDIN_CUDA_MEMORY_MIB", 4096)) << 20; }

CUresult allocate(std::map<uintptr_t, Range>& all, size_t bytes, uintptr_t& address) {
    if (next == nullptr) {
        void* place = mmap(nullptr, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (place == MAP_FAILED) return CUDA_ERROR_OUT_OF_MEMORY;
        next = static_cast<char*>(place);
        end = next + reserved;
    }
    size_t mapped = rounded(bytes, page);
    if (mapped + page > static_cast<size_t>(end - next) || mprotect(next, mapped, PROT_READ | PROT_WRITE) != 0) return CUDA_ERROR_OUT_OF_MEMORY;
    memset(next, unset, mapped);
    address = reinterpret_cast<uintptr_t>(next) + mapped - rounded(bytes, alignment);
    all[address] = {bytes, mapped};
    next += mapped + page;
    return CUDA_SUCCESS;
}

// Gives the pages back; what was written between the end and the next multiple of the alignment is told.
CUresult release(std::map<uintptr_t, Range>& all, uintptr_t address) {
    auto range = all.find(address);
    if (range == all.end()) return CUDA_ERROR_INVALID_VALUE;
    size_t bytes = range->second.bytes, written = bytes;
    while (written < rounded(bytes, alignment) && reinterpret_cast<unsigned char*>(address)[written] == unset) written++;
    bool whole = written == rounded(bytes, alignment);
    char* first = reinterpret_cast<char*>(address + rounded(bytes, alignment) - range->second.mapped);
    madvise(first, range->second.mapped, MADV_DONTNEED);
    mprotect(first, range->second.mapped, PROT_NONE);
    all.erase(range);
    if (whole) return CUDA_SUCCESS;
    return break_with(CUDA_ERROR_ILLEGAL_ADDRESS, "byte " + std::to_string(written) + " of an allocation of " + std::to_string(bytes) + " was written");
}

CUresult illegal(const char* what) { return break_with(CUDA_ERROR_ILLEGAL_ADDRESS, std::string(what) + " uses memory that was freed"); }
} // namespace

bool is_device(uintptr_t address, size_t bytes) { return inside(device_memory, address, bytes); }

bool is_locked(uintptr_t address, size_t bytes) { return inside(locked_memory, address, bytes); }

void free_all_memory() {
    while (!device_memory.empty()) release(device_memory, device_memory.begin()->first);
    used = 0;
}
} // namespace standin

using namespace standin;

EXPORTED CUresult cuMemGetInfo_v2(size_t* free, size_t* all) {
    ENTER(cuMemGetInfo_v2)
    NEED_CONTEXT
    *free = total() - used;
    *all = total();
    return CUDA_SUCCESS;
}

EXPORTED CUresult cuMemAlloc_v2(CUdeviceptr* memory, size_t bytes) {
    ENTER(cuMemAlloc_v2)
    NEED_CONTEXT
    TRY(refuse_while_capturing());
    if (bytes == 0) return CUDA_ERROR_INVALID_VALUE;
    if (bytes > total() - used) return CUDA_ERROR_OUT_OF_MEMORY;
    uintptr_t address;
    TRY(allocate(device_memory, bytes, address));
    used += bytes;
    *memory = address;
    log("cuMemAlloc " + std::to_string(bytes));
    return CUDA_SUCCESS;
}

EXPORTED CUresult cuMemFree_v2(CUdeviceptr memory) {
    ENTER(cuMemFree_v2)
    NEED_CONTEXT
    TRY(refuse_while_capturing());
    TRY(run_all());
    auto range = device_memory.find(memory);
    if (range == device_memory.end()) return CUDA_ERROR_INVALID_VALUE;
    used -= range->second.bytes;
    return release(device_memory, memory);
}

EXPORTED CUresult cuMemHostAlloc(void** memory, size_t bytes, unsigned int flags) {
    ENTER(cuMemHostAlloc)
    NEED_CONTEXT
    TRY(refuse_while_capturing());
    if (bytes == 0 || flags > 7) return CUDA_ERROR_INVALID_VALUE;
    uintptr_t address;
    TRY(allocate(locked_memory, bytes, address));
    *memory = reinterpret_cast<void*>(address);
    return CUDA_SUCCESS;
}

EXPORTED CUresult cuMemFreeHost(void* memory) {
    ENTER(cuMemFreeHost)
    NEED_CONTEXT
    TRY(refuse_while_capturing());
    TRY(run_all());
    return release(locked_memory, reinterpret_cast<uintptr_t>(memory));
}

EXPORTED CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void* from, size_t bytes, CUstream handle) {
    ENTER(cuMemcpyHtoDAsync_v2)
    NEED_CONTEXT
    Stream* stream;
    TRY(find(handle, stream));
    if (!is_device(to, bytes)) return CUDA_ERROR_INVALID_VALUE;
    auto source = reinterpret_cast<uintptr_t>(from);
    Work copy = [=] {
        if (!is_device(to, bytes) || !is_locked(source, bytes)) return illegal("a copy to the GPU");
        memcpy(reinterpret_cast<void*>(to), from, bytes);
        return CUDA_SUCCESS;
    };
    if (is_locked(source, bytes)) return enqueue(*stream, copy);
    // Ordinary memory has been read when the call returns (CUDA Driver API, "API synchronization behavior").
    TRY(refuse_while_capturing());
    TRY(run(*stream));
    memcpy(reinterpret_cast<void*>(to), from, bytes);
    return CUDA_SUCCESS;
}

EXPORTED CUresult cuMemcpyDtoHAsync_v2(void* to, CUdeviceptr from, size_t bytes, CUstream handle) {
    ENTER(cuMemcpyDtoHAsync_v2)
    NEED_CONTEXT
    Stream* stream;
    TRY(find(handle, stream));
    if (!is_device(from, bytes)) return CUDA_ERROR_INVALID_VALUE;
    return enqueue(*stream, [=] {
        if (!is_device(from, bytes)) return illegal("a copy from the GPU");
        memcpy(to, reinterpret_cast<void*>(from), bytes);
        return CUDA_SUCCESS;
    });
}

EXPORTED CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream handle) {
    ENTER(cuMemcpyDtoDAsync_v2)
    NEED_CONTEXT
    Stream* stream;
    TRY(find(handle, stream));
    if (!is_device(from, bytes) || !is_device(to, bytes)) return CUDA_ERROR_INVALID_VALUE;
    if (from < to + bytes && to < from + bytes) return CUDA_ERROR_INVALID_VALUE;
    return enqueue(*stream, [=] {
        if (!is_device(from, bytes) || !is_device(to, bytes)) return illegal("a copy on the GPU");
        memcpy(reinterpret_cast<void*>(to), reinterpret_cast<void*>(from), bytes);
        return CUDA_SUCCESS;
    });
}

EXPORTED CUresult cuMemsetD8Async(CUdeviceptr memory, unsigned char value, size_t bytes, CUstream handle) {
    ENTER(cuMemsetD8Async)
    NEED_CONTEXT
    Stream* stream;
    TRY(find(handle, stream));
    if (!is_device(memory, bytes)) return CUDA_ERROR_INVALID_VALUE;
    return enqueue(*stream, [=] {
        if (!is_device(memory, bytes)) return illegal("setting bytes");
        memset(reinterpret_cast<void*>(memory), value, bytes);
        return CUDA_SUCCESS;
    });
}
