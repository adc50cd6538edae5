// What the libraries of the stand-in share: settings and faults that the tests plant with environment variables, and a log.
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <map>
#include <mutex>
#include <string>

namespace standin {

inline long setting(const char* name, long otherwise) {
    const char* value = getenv(name);
    return value && *value ? atol(value) : otherwise;
}

inline std::string text_setting(const char* name, const char* otherwise) {
    const char* value = getenv(name);
    return value && *value ? value : otherwise;
}

// One line a call, where STANDIN_CUDA_LOG names a file.
inline void log(const std::string& line) {
    const char* path = getenv("STANDIN_CUDA_LOG");
    if (!path || !*path) return;
    if (FILE* file = fopen(path, "a")) {
        fprintf(file, "%s\n", line.c_str());
        fclose(file);
    }
}

// STANDIN_CUDA_FAULTS holds items function:n:result: the n-th call returns that result and does nothing; n = 0: every call.
inline int planted(const char* function) {
    static std::mutex lock;
    static std::map<std::string, long> calls;
    std::lock_guard<std::mutex> hold(lock);
    long call = ++calls[function];
    std::string faults = text_setting("STANDIN_CUDA_FAULTS", ""), name = std::string(function) + ":";
    for (size_t at = 0; (at = faults.find(name, at)) != std::string::npos; at++) {
        if (at > 0 && faults[at - 1] != ';') continue;
        long which;
        int result;
        if (sscanf(faults.c_str() + at + name.size(), "%ld:%d", &which, &result) == 2 && (which == 0 || which == call)) return result;
    }
    return 0;
}

} // namespace standin
