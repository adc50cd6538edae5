// Runs the blocks of a launch one after another, and of a block one thread at a time, in a chosen order; finds threads that wait for others in vain, writes
// beyond dynamic shared memory, and addresses that are not there. Compiled once and linked to every text.
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "cuda_checks.h"
#include "cuda_threads.h"

struct uint3 { unsigned x, y, z; };
struct alignas(16) float4 { float x, y, z, w; };
struct cuda_received { unsigned value, ballot; };

extern "C" {
uint3 cuda_thread_index, cuda_block_index, cuda_block_size, cuda_grid_size;
float4* cuda_dynamic_shared;

// All shared arrays of the text, where it has any.
extern char __start_cuda_shared[] __attribute__((weak, visibility("hidden")));
extern char __stop_cuda_shared[] __attribute__((weak, visibility("hidden")));
}

namespace {
using namespace cuda;

enum class Order : int { forward, reverse, shuffled };

constexpr int warp = 32, guard_bytes = 1024, largest_shared = 256 << 10;
constexpr unsigned char unset = 0xFF; // floats of these bytes are NaN

// What C# passes: EmulatedLaunch.
struct Launch {
    void (*run)(const void* argument);
    const void* argument;
    int grid_x, grid_y, grid_z, threads, shared_bytes;
    Order order;
    int region_count;
    uint64_t seed;
    Region* regions; // only where accesses are watched
};

Launch launch;
Thread threads[largest_block];
int current;
int at_exchange[largest_block / warp]; // lanes of each warp
alignas(64) char dynamic_memory[guard_bytes + largest_shared + guard_bytes];
char* report;
int report_room;
sigjmp_buf give_up;
uint64_t random_state;

unsigned draw(unsigned below) {
    uint64_t z = random_state += 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return static_cast<unsigned>(((z ^ (z >> 31)) >> 32) * below >> 32);
}

unsigned common_divisor(unsigned a, unsigned b) { return b == 0 ? a : common_divisor(b, a % b); }

// An order in which to visit 0 … count − 1.
struct Sequence {
    uint64_t step, start, count;

    explicit Sequence(unsigned of) : step(1), start(0), count(of) {
        if (launch.order == Order::reverse) step = count - 1, start = count - 1;
        if (launch.order != Order::shuffled || count < 2) return;
        start = draw(of);
        do step = 1 + draw(of); while (common_divisor(static_cast<unsigned>(step), of) != 1);
    }

    unsigned operator[](unsigned i) const { return static_cast<unsigned>((start + i * step) % count); }
};

} // namespace

// Ends the launch. Room for the text is C#'s.
[[noreturn]] void cuda_fail(const char* format, ...) {
    int used = snprintf(report, report_room, "block (%u, %u, %u): ", cuda_block_index.x, cuda_block_index.y, cuda_block_index.z);
    va_list arguments;
    va_start(arguments, format);
    if (used < report_room) vsnprintf(report + used, report_room - used, format, arguments);
    va_end(arguments);
    siglongjmp(give_up, 1);
}

int cuda_current_thread() { return current; }

bool cuda_is_shared(uintptr_t address) {
    auto fixed = reinterpret_cast<uintptr_t>(__start_cuda_shared), end = reinterpret_cast<uintptr_t>(__stop_cuda_shared);
    if (address >= fixed && address < end) return true;
    long byte = static_cast<long>(address - reinterpret_cast<uintptr_t>(dynamic_memory)) - guard_bytes;
    if (byte < -guard_bytes || byte >= largest_shared + guard_bytes) return false;
    if (byte < 0 || byte >= launch.shared_bytes)
        cuda_fail("thread %d uses byte %ld of dynamic shared memory; the launch asked for %d.", current, byte, launch.shared_bytes);
    return true;
}

namespace {

const char* what_of(State state) {
    return state == State::at_block_barrier ? "wait for the block" : state == State::at_exchange ? "wait for their warp" : "have returned";
}

// Nobody can go on: says who is where.
[[noreturn]] void fail_apart() {
    char where[1200];
    int used = 0;
    for (int first = 0, last; first < launch.threads && used < (int)sizeof where - 200; first = last + 1) {
        const Thread& t = threads[first];
        auto alike = [&](int i) {
            const Thread& other = threads[i];
            return other.state == t.state && (t.state == State::returned || (other.line == t.line && other.file == t.file && other.mask == t.mask));
        };
        for (last = first; last + 1 < launch.threads && alike(last + 1);) last++;
        used += snprintf(where + used, sizeof where - used, "\n  threads %d to %d %s", first, last, what_of(t.state));
        if (t.state != State::returned) used += snprintf(where + used, sizeof where - used, " at %s:%d", t.file, t.line);
        if (t.state == State::at_exchange) used += snprintf(where + used, sizeof where - used, " (mask %08x)", t.mask);
    }
    cuda_fail("threads wait for others in vain; every thread of a block must come to a __syncthreads, every lane of its mask to a warp operation.%s", where);
}

void thread_entry() {
    launch.run(launch.argument);
    threads[current].state = State::returned;
    leave(threads[current]);
    __builtin_unreachable();
}

void run_thread(int index) {
    current = index;
    cuda_thread_index.x = index;
    resume(threads[index]);
    if (overflowed(index)) cuda_fail("thread %d needs more than %ld bytes of stack for its arrays.", index, stack_bytes);
}

// Runs the threads of a warp until each has returned or waits for the block.
void run_warp(int first) {
    int lanes = launch.threads - first < warp ? launch.threads - first : warp;
    for (bool ran = true; ran;) {
        ran = false;
        Sequence order(lanes);
        for (int i = 0; i < lanes; i++) {
            int thread = first + order[i];
            if (threads[thread].state != State::ready) continue;
            run_thread(thread);
            ran = true;
        }
    }
}

// True once all threads wait at one barrier, and are let go; false where all have returned.
bool pass_barrier() {
    int waiting = 0, returned = 0;
    for (int i = 0; i < launch.threads; i++) {
        waiting += threads[i].state == State::at_block_barrier && threads[i].line == threads[0].line && threads[i].file == threads[0].file;
        returned += threads[i].state == State::returned;
    }
    if (returned == launch.threads) return false;
    if (waiting != launch.threads) fail_apart();
    for (int i = 0; i < launch.threads; i++) threads[i].state = State::ready;
    if (cuda_check_barrier) cuda_check_barrier();
    return true;
}

void run_block() {
    if (cuda_check_block) cuda_check_block();
    if (__start_cuda_shared) memset(__start_cuda_shared, unset, __stop_cuda_shared - __start_cuda_shared);
    memset(dynamic_memory, unset, guard_bytes + launch.shared_bytes + guard_bytes);
    for (int i = 0; i < launch.threads; i++) {
        threads[i].state = State::ready;
        prepare(threads[i], i, thread_entry);
    }
    memset(at_exchange, 0, sizeof at_exchange);
    do {
        int warps = (launch.threads + warp - 1) / warp;
        Sequence order(warps);
        for (int i = 0; i < warps; i++) run_warp(order[i] * warp);
    } while (pass_barrier());
    for (int i = 0; i < guard_bytes; i++) {
        if ((unsigned char)dynamic_memory[i] != unset) cuda_fail("byte %d of dynamic shared memory was written.", i - guard_bytes);
        if ((unsigned char)dynamic_memory[guard_bytes + launch.shared_bytes + i] != unset)
            cuda_fail("byte %d of dynamic shared memory was written; the launch asked for %d.", launch.shared_bytes + i, launch.shared_bytes);
    }
}

// ---- Addresses that are not there ----

struct sigaction before_segv, before_bus, before_fpe;
pthread_t launching;
volatile bool launched;

// On the thread of a launch: the launch fails. On any other, whoever was asked before is asked: .NET makes exceptions of these signals.
void on_signal(int signal, siginfo_t* info, void* context) {
    if (launched && pthread_equal(pthread_self(), launching)) {
        launched = false;
        if (signal == SIGFPE) cuda_fail("thread %d divides a whole number by zero.", current);
        cuda_fail("thread %d uses address %p, which is not there or not a multiple of the size of what it uses.", current, info->si_addr);
    }
    const struct sigaction& before = signal == SIGSEGV ? before_segv : signal == SIGBUS ? before_bus : before_fpe;
    if (before.sa_flags & SA_SIGINFO) before.sa_sigaction(signal, info, context);
    else if (before.sa_handler == SIG_DFL) sigaction(signal, &before, nullptr);
    else if (before.sa_handler != SIG_IGN) before.sa_handler(signal);
}

__attribute__((constructor)) void watch_signals() {
    struct sigaction action = {};
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(SIGSEGV, &action, &before_segv);
    sigaction(SIGBUS, &action, &before_bus);
    sigaction(SIGFPE, &action, &before_fpe);
}

// ---- What the compiler checks on its own (-fsanitize=bounds,alignment) ----

struct Place { const char* file; uint32_t line, column; };
struct Access { Place place; const void* type; unsigned char alignment_bits, kind; };

// Lets the lanes of a mask go once the last of them has come: each receives the value of its source.
bool complete_exchange(int first, unsigned mask, bool orders_memory, const char* file, int line) {
    if (at_exchange[first / warp] < __builtin_popcount(mask) && first + warp <= launch.threads) return false;
    for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
        int lane = __builtin_ctz(rest);
        if (first + lane >= launch.threads)
            cuda_fail("a warp operation at %s:%d names lane %d, which the block of %d threads does not have.", file, line, lane, launch.threads);
        const Thread& t = threads[first + lane];
        if (t.state != State::at_exchange || t.mask != mask || t.line != line || t.file != file) return false;
    }
    unsigned ballot = 0;
    for (unsigned rest = mask; rest != 0; rest &= rest - 1)
        if (threads[first + __builtin_ctz(rest)].value != 0) ballot |= rest & -rest;
    for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
        Thread& t = threads[first + __builtin_ctz(rest)];
        if (!(mask >> t.source & 1)) cuda_fail("a lane at %s:%d reads lane %d, which is not in the mask %08x.", file, line, t.source, mask);
        t.received = threads[first + t.source].value;
        t.ballot = ballot;
    }
    for (unsigned rest = mask; rest != 0; rest &= rest - 1) threads[first + __builtin_ctz(rest)].state = State::ready;
    at_exchange[first / warp] -= __builtin_popcount(mask);
    if (cuda_check_warp_barrier && orders_memory && mask == 0xffffffffu) cuda_check_warp_barrier(first / warp);
    return true;
}

} // namespace

extern "C" void cuda_wait_for_block(const char* file, int line) {
    Thread& me = threads[current];
    me.state = State::at_block_barrier;
    me.file = file;
    me.line = line;
    leave(me);
}

extern "C" cuda_received cuda_exchange(unsigned mask, unsigned value, int source, bool orders_memory, const char* file, int line) {
    Thread& me = threads[current];
    int lane = current % warp;
    if (!(mask >> lane & 1)) cuda_fail("lane %d is at %s:%d with a mask %08x that it is not in.", lane, file, line, mask);
    me.state = State::at_exchange;
    at_exchange[current / warp]++;
    me.file = file;
    me.line = line;
    me.mask = mask;
    me.value = value;
    me.source = source & (warp - 1);
    // The last to come goes on at once, unless the order says that another is first.
    if (!complete_exchange(current - lane, mask, orders_memory, file, line) || launch.order != Order::forward) leave(me);
    return {me.received, me.ballot};
}

extern "C" void __ubsan_handle_out_of_bounds(const Place* at, uintptr_t index) {
    cuda_fail("thread %d: index %ld at %s:%u lies outside its array.", current, (long)index, at->file, at->line);
}

extern "C" void __ubsan_handle_type_mismatch_v1(const Access* at, uintptr_t address) {
    cuda_fail("thread %d uses address %#lx at %s:%u, which is not a multiple of %d.", current, (long)address, at->place.file, at->place.line,
        1 << at->alignment_bits);
}

// Runs a launch. Returns 0, or 1 with the reason in message.
extern "C" __attribute__((visibility("default"))) int cuda_launch(const Launch* what, char* message, int room) {
    launch = *what;
    report = message;
    report_room = room;
    random_state = launch.seed;
    cuda_block_size = {(unsigned)launch.threads, 1, 1};
    cuda_grid_size = {(unsigned)launch.grid_x, (unsigned)launch.grid_y, (unsigned)launch.grid_z};
    cuda_dynamic_shared = reinterpret_cast<float4*>(dynamic_memory + guard_bytes);
    cuda_thread_index = {0, 0, 0};
    cuda_block_index = {0, 0, 0};
    if (sigsetjmp(give_up, 1) != 0) {
        launched = false;
        return 1;
    }
    if (stack_of(0) == nullptr) cuda_fail("no memory for the stacks of a block.");
    launching = pthread_self();
    launched = true;
    if (cuda_check_launch) cuda_check_launch(launch.regions, launch.region_count);
    Sequence order((unsigned)launch.grid_x * launch.grid_y * launch.grid_z);
    for (unsigned i = 0; i < order.count; i++) {
        unsigned block = order[i];
        cuda_block_index = {block % launch.grid_x, block / launch.grid_x % launch.grid_y, block / launch.grid_x / launch.grid_y};
        run_block();
    }
    launched = false;
    return 0;
}
