// Between cuda_blocks.cpp, which runs a launch, and cuda_checks.cpp, which watches it where it is linked.
#pragma once
#include <stdint.h>

// An allocation. C# passes them in order of address.
struct Region { uintptr_t start, end; };

void cuda_check_launch(Region* regions, int count) __attribute__((weak));
void cuda_check_block() __attribute__((weak));
void cuda_check_barrier() __attribute__((weak));
void cuda_check_warp_barrier(int warp) __attribute__((weak));

[[noreturn]] void cuda_fail(const char* format, ...);
int cuda_current_thread();
bool cuda_is_shared(uintptr_t address); // fails beyond dynamic shared memory
