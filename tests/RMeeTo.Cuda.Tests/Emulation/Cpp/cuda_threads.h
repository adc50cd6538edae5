// The threads of a block as fibers: each has a stack, and one runs until it waits. Hand-written switch on x86-64 Linux (a few nanoseconds), ucontext elsewhere.
#pragma once
#include <stdint.h>
#include <sys/mman.h>
#if !(defined(__x86_64__) && defined(__linux__))
#include <ucontext.h>
#endif

namespace cuda {

constexpr int largest_block = 1024;

// Not a power of two, so that the tops of the stacks do not all fall into the same sets of the caches.
constexpr long stack_bytes = (128 << 10) + 9 * 64;
constexpr uint64_t stack_mark = 0xC0DAC0DAC0DAC0DAull;

enum class State : uint8_t { ready, at_block_barrier, at_exchange, returned };

struct Thread {
    State state;
    const char* file;
    int line;
    unsigned mask, value;
    int source;
    unsigned received, ballot;
#if defined(__x86_64__) && defined(__linux__)
    void* stack_pointer;
#else
    ucontext_t context;
#endif
};

inline char* stack_of(int thread) {
    static char* all = nullptr;
    if (all == nullptr) {
        void* memory = mmap(nullptr, (1 + largest_block) * stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) return nullptr;
        all = static_cast<char*>(memory) + stack_bytes; // the first of them for what overflows from the second
    }
    return all + thread * stack_bytes;
}

#if defined(__x86_64__) && defined(__linux__)

// Saves the registers that a call must keep on this stack, and takes them from the other one.
extern "C" void cuda_switch(void** from, void* to);
asm(R"(
    .text
    .hidden cuda_switch
    .type cuda_switch, @function
cuda_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size cuda_switch, .-cuda_switch
)");

inline void* scheduler_stack_pointer;

inline void prepare(Thread& thread, int index, void (*entry)()) {
    char* stack = stack_of(index);
    *reinterpret_cast<uint64_t*>(stack) = stack_mark;
    auto end = reinterpret_cast<uintptr_t>(stack + stack_bytes) & ~uintptr_t(15);
    auto* top = reinterpret_cast<uintptr_t*>(end) - 2; // where entry returns from: 8 below a multiple of 16, as after a call
    *top = reinterpret_cast<uintptr_t>(entry);
    thread.stack_pointer = top - 6; // six saved registers of any content
}

inline void resume(Thread& thread) { cuda_switch(&scheduler_stack_pointer, thread.stack_pointer); }

inline void leave(Thread& thread) { cuda_switch(&thread.stack_pointer, scheduler_stack_pointer); }

#else

inline ucontext_t scheduler_context;

inline void prepare(Thread& thread, int index, void (*entry)()) {
    char* stack = stack_of(index);
    *reinterpret_cast<uint64_t*>(stack) = stack_mark;
    getcontext(&thread.context);
    thread.context.uc_stack.ss_sp = stack + 64;
    thread.context.uc_stack.ss_size = stack_bytes - 64;
    thread.context.uc_link = nullptr;
    makecontext(&thread.context, entry, 0);
}

inline void resume(Thread& thread) { swapcontext(&scheduler_context, &thread.context); }

inline void leave(Thread& thread) { swapcontext(&thread.context, &scheduler_context); }

#endif

inline bool overflowed(int thread) { return *reinterpret_cast<uint64_t*>(stack_of(thread)) != stack_mark; }

} // namespace cuda
