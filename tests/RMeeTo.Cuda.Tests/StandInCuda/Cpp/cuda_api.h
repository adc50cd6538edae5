// The part of CUDA's C interfaces that RMeeTo.Cuda calls, declared anew from their documentation: names, values and types are those of cuda.h, nvrtc.h and
// cublas_api.h. With STANDIN_OFFICIAL_HEADERS NVIDIA's own headers stand in its place, and the compiler compares every function and value with them.
#pragma once
#include <stddef.h>

#define CUDA_RESULTS(X) \
    X(CUDA_SUCCESS, 0, "no error") \
    X(CUDA_ERROR_INVALID_VALUE, 1, "invalid argument") \
    X(CUDA_ERROR_OUT_OF_MEMORY, 2, "out of memory") \
    X(CUDA_ERROR_NOT_INITIALIZED, 3, "initialization error") \
    X(CUDA_ERROR_NO_DEVICE, 100, "no CUDA-capable device is detected") \
    X(CUDA_ERROR_INVALID_DEVICE, 101, "invalid device ordinal") \
    X(CUDA_ERROR_INVALID_IMAGE, 200, "device kernel image is invalid") \
    X(CUDA_ERROR_INVALID_CONTEXT, 201, "invalid device context") \
    X(CUDA_ERROR_NO_BINARY_FOR_GPU, 209, "no kernel image is available for execution on the device") \
    X(CUDA_ERROR_UNSUPPORTED_PTX_VERSION, 222, "the provided PTX was compiled with an unsupported toolchain.") \
    X(CUDA_ERROR_INVALID_HANDLE, 400, "invalid resource handle") \
    X(CUDA_ERROR_NOT_FOUND, 500, "named symbol not found") \
    X(CUDA_ERROR_ILLEGAL_ADDRESS, 700, "an illegal memory access was encountered") \
    X(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, 701, "too many resources requested for launch") \
    X(CUDA_ERROR_CONTEXT_IS_DESTROYED, 709, "context is destroyed") \
    X(CUDA_ERROR_LAUNCH_FAILED, 719, "unspecified launch failure") \
    X(CUDA_ERROR_SYSTEM_DRIVER_MISMATCH, 803, "system has unsupported display driver / cuda driver combination") \
    X(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, 900, "operation not permitted when stream is capturing") \
    X(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, 901, "operation failed due to a previous error during capture") \
    X(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, 906, "operation would make the legacy stream depend on a capturing blocking stream") \
    X(CUDA_ERROR_CAPTURED_EVENT, 907, "operation not permitted on an event last recorded in a capturing stream") \
    X(CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD, 908, "attempt to terminate a thread-local capture sequence from another thread")

#define CUDA_VALUES(X) \
    X(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, 16) \
    X(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 75) \
    X(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, 76) \
    X(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, 97) \
    X(CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES, 1) \
    X(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 8) \
    X(CU_STREAM_CAPTURE_MODE_GLOBAL, 0) \
    X(CU_STREAM_CAPTURE_MODE_THREAD_LOCAL, 1) \
    X(CU_STREAM_CAPTURE_MODE_RELAXED, 2) \
    X(CU_STREAM_NON_BLOCKING, 1) \
    X(CU_EVENT_DISABLE_TIMING, 2)

#define NVRTC_RESULTS(X) \
    X(NVRTC_SUCCESS, 0) \
    X(NVRTC_ERROR_INVALID_INPUT, 3) \
    X(NVRTC_ERROR_INVALID_PROGRAM, 4) \
    X(NVRTC_ERROR_INVALID_OPTION, 5) \
    X(NVRTC_ERROR_COMPILATION, 6) \
    X(NVRTC_ERROR_BUILTIN_OPERATION_FAILURE, 7)

#define CUBLAS_RESULTS(X) \
    X(CUBLAS_STATUS_SUCCESS, 0) \
    X(CUBLAS_STATUS_NOT_INITIALIZED, 1) \
    X(CUBLAS_STATUS_ALLOC_FAILED, 3) \
    X(CUBLAS_STATUS_INVALID_VALUE, 7) \
    X(CUBLAS_STATUS_EXECUTION_FAILED, 13) \
    X(CUBLAS_STATUS_INTERNAL_ERROR, 14) \
    X(CUBLAS_STATUS_NOT_SUPPORTED, 15)

#define CUBLAS_VALUES(X) \
    X(CUBLAS_OP_N, 0) \
    X(CUBLAS_OP_T, 1) \
    X(CUDA_R_32F, 0) \
    X(CUDA_R_16BF, 14) \
    X(CUBLAS_COMPUTE_32F, 68) \
    X(CUBLAS_COMPUTE_32F_FAST_TF32, 77) \
    X(CUBLAS_GEMM_DEFAULT, -1)

#ifdef STANDIN_OFFICIAL_HEADERS

#include <cublas_v2.h>
#include <cuda.h>
#include <nvrtc.h>
#define SAME(name, value, ...) static_assert(static_cast<int>(name) == value, #name);
CUDA_RESULTS(SAME) CUDA_VALUES(SAME) NVRTC_RESULTS(SAME) CUBLAS_RESULTS(SAME) CUBLAS_VALUES(SAME)
#undef SAME
typedef cudaStream_t STREAM; // the same type by another name
static_assert(sizeof(CUdeviceptr) == 8 && sizeof(CUdevice) == 4, "what the functions pass");

#else

#define VALUE(name, value, ...) name = value,
enum CUresult { CUDA_RESULTS(VALUE) };
enum { CUDA_VALUES(VALUE) };
enum nvrtcResult { NVRTC_RESULTS(VALUE) };
enum cublasStatus_t { CUBLAS_RESULTS(VALUE) };
enum { CUBLAS_VALUES(VALUE) };
#undef VALUE

typedef int CUdevice;
typedef unsigned long long CUdeviceptr;
typedef struct CUctx_st* CUcontext;
typedef struct CUmod_st* CUmodule;
typedef struct CUfunc_st* CUfunction;
typedef struct CUstream_st* CUstream;
typedef struct CUevent_st* CUevent;
typedef struct CUgraph_st* CUgraph;
typedef struct CUgraphExec_st* CUgraphExec;
typedef int CUdevice_attribute, CUfunction_attribute, CUstreamCaptureMode; // enumerations, which are passed as int
typedef struct _nvrtcProgram* nvrtcProgram;
typedef struct cublasContext* cublasHandle_t;
typedef CUstream STREAM;
typedef int cublasOperation_t, cudaDataType, cublasComputeType_t, cublasGemmAlgo_t;

#endif

#define EXPORTED extern "C" __attribute__((visibility("default")))
