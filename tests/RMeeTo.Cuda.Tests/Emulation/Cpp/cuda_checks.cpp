// Watches every access of a kernel to memory, as compute-sanitizer does on a GPU: it must lie inside an allocation or a shared array, read only shared memory
// that its block wrote, and be ordered by a barrier against every access of another thread to the same bytes, if one of the two writes. Shuffles and votes
// order nothing (CUDA C++ Programming Guide, "Warp Shuffle Functions"), and between blocks nothing does. The compiler calls these functions
// (-fsanitize=thread).
#include <dlfcn.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include "cuda_checks.h"
#include "cuda_threads.h"

namespace {
using namespace cuda;

constexpr int warp = 32;

struct Access {
    uint32_t block, thread, block_epoch, warp_epoch; // block counts from 1; 0: none
    uint32_t bytes; // a bit for each of the four
    const char* at;
};

// What was done to four bytes: by the last to write, and by the last two to read, of different blocks where there are any.
struct Cell {
    uintptr_t word;
    uint32_t generation, written; // bytes that were written in this generation
    Access write, read[2];
};

Region* regions;
int region_count, last_region;
Cell* cells;
size_t cell_count, used;
uint32_t launch_generation, block_generation; // cells of global memory live for a launch, those of shared memory for a block
uint32_t block, block_epoch, warp_epoch[largest_block / warp];
uintptr_t module_start, module_end;

Cell* slot(Cell* table, size_t count, uintptr_t word) {
    size_t i = (word * 0x9E3779B97F4A7C15ull >> 20) & (count - 1);
    while (table[i].generation != 0 && table[i].word != word) i = (i + 1) & (count - 1);
    return &table[i];
}

Cell& cell_of(uintptr_t word, uint32_t generation) {
    if (2 * used >= cell_count) {
        size_t count = cell_count == 0 ? 1 << 12 : 2 * cell_count;
        Cell* larger = static_cast<Cell*>(calloc(count, sizeof(Cell)));
        for (size_t i = 0; i < cell_count; i++)
            if (cells[i].generation != 0) *slot(larger, count, cells[i].word) = cells[i];
        free(cells);
        cells = larger;
        cell_count = count;
    }
    Cell* cell = slot(cells, cell_count, word);
    if (cell->generation == 0) used++;
    if (cell->generation != generation) {
        *cell = {};
        cell->word = word;
        cell->generation = generation;
    }
    return *cell;
}

bool ordered(const Access& before, const Access& now) {
    if (before.block == 0 || !(before.bytes & now.bytes)) return true;
    if (before.block != now.block) return false;
    return before.thread == now.thread || before.block_epoch != now.block_epoch ||
        (before.thread / warp == now.thread / warp && before.warp_epoch != now.warp_epoch);
}

[[noreturn]] void fail_race(const Access& now, bool writes, const Access& before, bool wrote, bool shared) {
    cuda_fail("thread %u %s %s memory at [pc %#lx] that thread %u of %s %s at [pc %#lx], with nothing between that orders the two.", now.thread,
        writes ? "writes" : "reads", shared ? "shared" : "global", now.at - (const char*)module_start, before.thread,
        before.block == now.block ? "its block" : "another block", wrote ? "wrote" : "read", before.at - (const char*)module_start);
}

void remember_read(Cell& cell, const Access& now) {
    for (Access& read : cell.read)
        if (read.block == 0 || (read.block == now.block && read.thread == now.thread)) {
            read = now;
            return;
        }
    // The one that stays is of another thread; of another block, if there is one.
    int replaced = cell.read[0].block == now.block && cell.read[1].block != now.block ? 0 : 1;
    if (cell.read[0].block == now.block && cell.read[1].block == now.block) replaced = cell.read[0].block_epoch <= cell.read[1].block_epoch ? 0 : 1;
    cell.read[replaced] = now;
}

// True for memory of kernels; shared says of which kind. Fails for memory of nobody.
bool find(uintptr_t address, size_t bytes, bool writes, const char* at, bool& shared) {
    shared = cuda_is_shared(address);
    if (shared) return true;
    for (int tried = 0; tried < 2; tried++) {
        const Region& r = regions[last_region];
        if (region_count > 0 && address >= r.start && address + bytes <= r.end) return true;
        int low = 0, high = region_count;
        while (low < high) {
            int middle = (low + high) / 2;
            if (regions[middle].start <= address) low = middle + 1;
            else high = middle;
        }
        last_region = low > 0 ? low - 1 : 0;
    }
    uintptr_t stacks = reinterpret_cast<uintptr_t>(stack_of(0));
    if (address >= stacks - stack_bytes && address < stacks + largest_block * stack_bytes) return false;
    if (address >= module_start && address < module_end) return false; // constants, and shared arrays in templates
    const Region& below = regions[last_region];
    if (region_count > 0 && address >= below.start)
        cuda_fail("thread %d %s %zu bytes at [pc %#lx], from byte %ld of an allocation of %ld.", cuda_current_thread(), writes ? "writes" : "reads", bytes,
            at - (const char*)module_start, (long)(address - below.start), (long)(below.end - below.start));
    cuda_fail("thread %d %s %zu bytes at [pc %#lx], at address %#lx, which is not allocated.", cuda_current_thread(), writes ? "writes" : "reads", bytes,
        at - (const char*)module_start, (long)address);
}

__attribute__((noinline)) void check(const void* pointer, size_t bytes, bool writes, const void* from) {
    auto address = reinterpret_cast<uintptr_t>(pointer);
    const char* at = static_cast<const char*>(from) - 1; // inside the call
    bool shared;
    if (!find(address, bytes, writes, at, shared)) return;
    uint32_t thread = cuda_current_thread();
    for (uintptr_t word = address & ~uintptr_t(3); word < address + bytes; word += 4) {
        uintptr_t first = word > address ? word : address, end = word + 4 < address + bytes ? word + 4 : address + bytes;
        uint32_t mask = ((1u << (end - first)) - 1) << (first - word);
        Access now = {block, thread, block_epoch, warp_epoch[thread / warp], mask, at};
        Cell& cell = cell_of(word, shared ? block_generation : launch_generation);
        if (!ordered(cell.write, now)) fail_race(now, writes, cell.write, true, shared);
        if (!writes) {
            if (shared && (cell.written & mask) != mask)
                cuda_fail("thread %u reads shared memory at [pc %#lx] that its block did not write.", thread, at - (const char*)module_start);
            remember_read(cell, now);
            continue;
        }
        for (const Access& read : cell.read)
            if (!ordered(read, now)) fail_race(now, true, read, false, shared);
        cell.write = now;
        cell.written |= mask;
    }
}

int find_module(dl_phdr_info* info, size_t, void*) {
    auto here = reinterpret_cast<uintptr_t>(&find_module);
    uintptr_t start = ~uintptr_t(0), end = 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type != PT_LOAD) continue;
        uintptr_t from = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr, to = from + info->dlpi_phdr[i].p_memsz;
        if (from < start) start = from;
        if (to > end) end = to;
    }
    if (here < start || here >= end) return 0;
    module_start = start;
    module_end = end;
    return 1;
}

} // namespace

void cuda_check_launch(Region* all, int count) {
    if (module_end == 0) dl_iterate_phdr(find_module, nullptr);
    regions = all;
    region_count = count;
    last_region = 0;
    block = 0;
    if (used > 0) memset(cells, 0, cell_count * sizeof(Cell));
    used = 0;
    launch_generation = block_generation = 1;
}

void cuda_check_block() {
    block++;
    block_generation++;
    block_epoch = 0;
    memset(warp_epoch, 0, sizeof warp_epoch);
}

void cuda_check_barrier() { block_epoch++; }

void cuda_check_warp_barrier(int of) { warp_epoch[of]++; }

extern "C" {
#define CUDA_ACCESS(name, bytes, writes) void name(void* at) { check(at, bytes, writes, __builtin_return_address(0)); }
#define CUDA_ACCESSES(bytes) \
    CUDA_ACCESS(__tsan_read##bytes, bytes, false) CUDA_ACCESS(__tsan_write##bytes, bytes, true) \
    CUDA_ACCESS(__tsan_unaligned_read##bytes, bytes, false) CUDA_ACCESS(__tsan_unaligned_write##bytes, bytes, true) \
    CUDA_ACCESS(__tsan_volatile_read##bytes, bytes, false) CUDA_ACCESS(__tsan_volatile_write##bytes, bytes, true)
CUDA_ACCESSES(1)
CUDA_ACCESSES(2)
CUDA_ACCESSES(4)
CUDA_ACCESSES(8)
CUDA_ACCESSES(16)
void __tsan_read_range(void* at, size_t bytes) { check(at, bytes, false, __builtin_return_address(0)); }
void __tsan_write_range(void* at, size_t bytes) { check(at, bytes, true, __builtin_return_address(0)); }
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
}
