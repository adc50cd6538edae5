// The insides of the stand-in for libcuda.so.1. It is no CUDA: it runs kernels on the CPU by the emulator of the tests, and is as strict as the documentation.
//
// What is queued runs as late as it may: when somebody waits for it, or frees what it may use. So a caller that changes memory too early, or reads it before it
// has waited, gets wrong results here every time, and not once in a thousand runs.
#pragma once
#include <stdint.h>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>
#include <pthread.h>
#include "cuda_api.h"
#include "standin.h"

namespace standin {

using Work = std::function<CUresult()>;

struct Context {
    int device;
    int retained;
};

struct Capture {
    pthread_t thread;
    CUstreamCaptureMode mode;
    bool invalid;
    std::vector<Work> nodes;
};

struct Stream {
    Context* context;
    bool blocking;
    std::deque<Work> queue;
    uint64_t queued, done;
    std::unique_ptr<Capture> capture;
};

struct Event {
    Stream* stream;
    uint64_t place; // what of the stream comes before it
    bool captured;
};

struct Graph { std::vector<Work> nodes; };

// Everything below is used under this lock.
extern std::recursive_mutex lock;
extern std::set<Stream*> streams;
extern CUresult broken; // an error of a kernel: every later call returns it

// The context of this thread, if it is alive.
CUresult current(Context*& context);

// The stream of a handle, or the legacy default stream of the current context for none.
CUresult find(CUstream handle, Stream*& stream);

// Queues or records.
CUresult enqueue(Stream& stream, Work work);

// Runs what a stream holds, up to a place.
CUresult run(Stream& stream, uint64_t place = UINT64_MAX);

// Runs everything: what frees memory waits for it.
CUresult run_all();

// An error where a capture of this thread (or a global one of any) forbids calls that could depend on other threads or on what is queued.
CUresult refuse_while_capturing();

// True where a range lies in one allocation of the GPU, or in memory locked in place.
bool is_device(uintptr_t address, size_t bytes);
bool is_locked(uintptr_t address, size_t bytes);

CUresult break_with(CUresult result, const std::string& why);

void free_all_memory();

} // namespace standin

// The beginning of every function of the driver.
#define ENTER(function) \
    std::lock_guard<std::recursive_mutex> hold(standin::lock); \
    if (int fault = standin::planted(#function)) return static_cast<CUresult>(fault); \
    if (standin::broken != CUDA_SUCCESS) return standin::broken;

#define TRY(call) \
    do { CUresult tried = call; if (tried != CUDA_SUCCESS) return tried; } while (false)

#define NEED_CONTEXT \
    standin::Context* context; \
    TRY(standin::current(context));
