// Streams, events, capture and graphs.
#include "driver.h"

namespace standin {
std::set<Stream*> streams;
namespace {
Stream legacy{nullptr, true, {}, 0, 0, nullptr};
std::set<Event*> events;
std::set<Graph*> graphs, executables;

template <class T, class H> T* known(const std::set<T*>& all, H handle) {
    auto* object = reinterpret_cast<T*>(handle);
    return all.count(object) ? object : nullptr;
}

// A blocking stream and the legacy one wait for each other.
CUresult run_others(Stream& stream) {
    if (&stream != &legacy) return stream.blocking ? run(legacy) : CUDA_SUCCESS;
    for (Stream* other : streams) {
        if (!other->blocking) continue;
        if (other->capture) {
            other->capture->invalid = true;
            return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
        }
        TRY(run(*other));
    }
    return CUDA_SUCCESS;
}
} // namespace

CUresult find(CUstream handle, Stream*& stream) {
    Context* context;
    TRY(current(context));
    stream = handle == nullptr ? &legacy : known(streams, handle);
    if (stream == nullptr || (stream != &legacy && stream->context != context)) return CUDA_ERROR_INVALID_HANDLE;
    return CUDA_SUCCESS;
}

CUresult enqueue(Stream& stream, Work work) {
    if (stream.capture) {
        if (stream.capture->invalid) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
        stream.capture->nodes.push_back(std::move(work));
        return CUDA_SUCCESS;
    }
    TRY(run_others(stream));
    stream.queue.push_back(std::move(work));
    stream.queued++;
    return CUDA_SUCCESS;
}

CUresult run(Stream& stream, uint64_t place) {
    while (!stream.queue.empty() && stream.done < place) {
        Work work = std::move(stream.queue.front());
        stream.queue.pop_front();
        stream.done++;
        TRY(work());
    }
    return CUDA_SUCCESS;
}

CUresult run_all() {
    TRY(run(legacy));
    for (Stream* stream : streams) TRY(run(*stream));
    return CUDA_SUCCESS;
}

CUresult refuse_while_capturing() {
    for (Stream* stream : streams) {
        Capture* capture = stream->capture.get();
        if (!capture || capture->mode == CU_STREAM_CAPTURE_MODE_RELAXED) continue;
        if (capture->mode != CU_STREAM_CAPTURE_MODE_GLOBAL && !pthread_equal(capture->thread, pthread_self())) continue;
        capture->invalid = true;
        return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    }
    return CUDA_SUCCESS;
}
} // namespace standin

using namespace standin;

EXPORTED CUresult cuStreamCreate(CUstream* handle, unsigned int flags) {
    ENTER(cuStreamCreate)
    NEED_CONTEXT
    if (flags > CU_STREAM_NON_BLOCKING) return CUDA_ERROR_INVALID_VALUE;
    auto* stream = new Stream{context, flags != CU_STREAM_NON_BLOCKING, {}, 0, 0, nullptr};
    streams.insert(stream);
    *handle = reinterpret_cast<CUstream>(stream);
    return CUDA_SUCCESS;
}

EXPORTED CUresult cuStreamDestroy_v2(CUstream handle) {
    ENTER(cuStreamDestroy_v2)
    NEED_CONTEXT
    Stream* stream = known(streams, handle);
    if (!stream) return CUDA_ERROR_INVALID_HANDLE;
    TRY(run(*stream));
    streams.erase(stream); // never deleted: its address stays a handle of nothing
    return CUDA_SUCCESS;
}

EXPORTED CUresult cuStreamSynchronize(CUstream handle) {
    ENTER(cuStreamSynchronize)
    NEED_CONTEXT
    Stream* stream;
    TRY(find(handle, stream));
    if (stream->capture) {
        stream->capture->invalid = true;
        return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    }
    TRY(refuse_while_capturing());
    TRY(run_others(*stream));
    return run(*stream);
}

EXPORTED CUresult cuEventCreate(CUevent* handle, unsigned int flags) {
    ENTER(cuEventCreate)
    NEED_CONTEXT
    if (flags > 7) return CUDA_ERROR_INVALID_VALUE;
    auto* event = new Event{nullptr, 0, false};
    events.insert(event);
    *handle = reinterpret_cast<CUevent>(event);
    return CUDA_SUCCESS;
}

EXPORTED CUresult cuEventDestroy_v2(CUevent handle) {
    ENTER(cuEventDestroy_v2)
    NEED_CONTEXT
    return events.erase(reinterpret_cast<Event*>(handle)) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

EXPORTED CUresult cuEventRecord(CUevent handle, CUstream stream_handle) {
    ENTER(cuEventRecord)
    NEED_CONTEXT
    Event* event = known(events, handle);
    Stream* stream;
    TRY(find(stream_handle, stream));
    if (!event) return CUDA_ERROR_INVALID_HANDLE;
    *event = {stream, stream->queued, stream->capture != nullptr};
    return CUDA_SUCCESS;
}

EXPORTED CUresult cuEventSynchronize(CUevent handle) {
    ENTER(cuEventSynchronize)
    NEED_CONTEXT
    Event* event = known(events, handle);
    if (!event) return CUDA_ERROR_INVALID_HANDLE;
    if (event->captured) return CUDA_ERROR_CAPTURED_EVENT;
    TRY(refuse_while_capturing());
    return event->stream ? run(*event->stream, event->place) : CUDA_SUCCESS;
}

EXPORTED CUresult cuStreamBeginCapture_v2(CUstream handle, CUstreamCaptureMode mode) {
    ENTER(cuStreamBeginCapture_v2)
    NEED_CONTEXT
    Stream* stream;
    TRY(find(handle, stream));
    if (stream == &legacy || stream->capture) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    stream->capture.reset(new Capture{pthread_self(), mode, false, {}});
    return CUDA_SUCCESS;
}

EXPORTED CUresult cuStreamEndCapture(CUstream handle, CUgraph* result) {
    ENTER(cuStreamEndCapture)
    NEED_CONTEXT
    Stream* stream;
    *result = nullptr;
    TRY(find(handle, stream));
    if (!stream->capture) return CUDA_ERROR_INVALID_VALUE;
    if (stream->capture->mode != CU_STREAM_CAPTURE_MODE_RELAXED && !pthread_equal(stream->capture->thread, pthread_self()))
        return CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD;
    std::unique_ptr<Capture> capture = std::move(stream->capture);
    if (capture->invalid) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    auto* graph = new Graph{std::move(capture->nodes)};
    graphs.insert(graph);
    *result = reinterpret_cast<CUgraph>(graph);
    return CUDA_SUCCESS;
}

EXPORTED CUresult cuGraphInstantiateWithFlags(CUgraphExec* executable, CUgraph handle, unsigned long long flags) {
    ENTER(cuGraphInstantiateWithFlags)
    NEED_CONTEXT
    Graph* graph = known(graphs, handle);
    if (!graph || flags != 0) return CUDA_ERROR_INVALID_VALUE;
    TRY(refuse_while_capturing());
    auto* copy = new Graph(*graph);
    executables.insert(copy);
    *executable = reinterpret_cast<CUgraphExec>(copy);
    log("cuGraphInstantiate " + std::to_string(copy->nodes.size()));
    return CUDA_SUCCESS;
}

EXPORTED CUresult cuGraphDestroy(CUgraph handle) {
    ENTER(cuGraphDestroy)
    Graph* graph = known(graphs, handle);
    if (!graph) return CUDA_ERROR_INVALID_VALUE;
    graphs.erase(graph);
    delete graph;
    return CUDA_SUCCESS;
}

EXPORTED CUresult cuGraphExecDestroy(CUgraphExec handle) {
    ENTER(cuGraphExecDestroy)
    Graph* graph = known(executables, handle);
    if (!graph) return CUDA_ERROR_INVALID_VALUE;
    executables.erase(graph); // what is queued of it holds copies
    delete graph;
    return CUDA_SUCCESS;
}

EXPORTED CUresult cuGraphLaunch(CUgraphExec handle, CUstream stream_handle) {
    ENTER(cuGraphLaunch)
    NEED_CONTEXT
    Graph* graph = known(executables, handle);
    Stream* stream;
    TRY(find(stream_handle, stream));
    if (!graph) return CUDA_ERROR_INVALID_VALUE;
    if (stream->capture) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    log("cuGraphLaunch");
    return enqueue(*stream, [nodes = graph->nodes] {
        for (const Work& node : nodes) TRY(node());
        return CUDA_SUCCESS;
    });
}

// For the stand-in for cuBLAS, which has no kernels of its own.
EXPORTED CUresult standin_enqueue(CUstream handle, CUresult (*work)(const void*), const void* argument, size_t bytes) {
    ENTER(standin_enqueue)
    NEED_CONTEXT
    Stream* stream;
    TRY(find(handle, stream));
    std::string copy(static_cast<const char*>(argument), bytes);
    return enqueue(*stream, [=] { return work(copy.data()); });
}

EXPORTED int standin_has_context() {
    std::lock_guard<std::recursive_mutex> hold(standin::lock);
    Context* context;
    return current(context) == CUDA_SUCCESS;
}

EXPORTED int standin_is_device(const void* memory, size_t bytes) {
    std::lock_guard<std::recursive_mutex> hold(standin::lock);
    return is_device(reinterpret_cast<uintptr_t>(memory), bytes);
}
