// The stand-in for libnvrtc.so.12 or .13 (TOOLKIT). It is no compiler of CUDA: it makes of a text, by the C++ compiler of this machine and the emulator's
// headers, a shared object, which the stand-in for the driver loads. What it made of a text it keeps in STANDIN_CUDA_HOME, for all tests.
#include <dlfcn.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <sstream>
#include <vector>
#include "cuda_api.h"
#include "standin.h"

namespace {
using std::string;

struct Program {
    string source, name, log, image;
    bool is_ptx;
};

std::recursive_mutex lock;
std::set<Program*> programs;

string read(const string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

void write(const string& path, const string& text) { std::ofstream(path, std::ios::binary) << text; }

std::vector<int> architectures() {
    std::vector<int> known;
    std::istringstream list(TOOLKIT == 12 ? "50 60 70 75 80 86 87 89 90" : "75 80 86 87 88 89 90 100 103 110 120");
    for (int architecture; list >> architecture;) known.push_back(architecture);
    return known;
}

string hash(const string& text) {
    uint64_t a = 14695981039346656037ull, b = 88172645463325252ull;
    for (unsigned char c : text) {
        a = (a ^ c) * 1099511628211ull;
        b = (b + c) * 6364136223846793005ull + 1442695040888963407ull;
    }
    char digits[33];
    snprintf(digits, sizeof digits, "%016llx%016llx", (unsigned long long)a, (unsigned long long)b);
    return digits;
}

// A preprocessed text with what the emulator needs around it.
string registered(const string& text) {
    static const std::regex kernel(R"re(extern\s+"C"\s+__global__\s+(?:void\s+)?(?:__launch_bounds__\s*\(([^;{}]*?)\)\s*)?(?:void\s+)?(\w+)\s*\()re");
    string code = "#include \"cuda_on_cpu.h\"\nnamespace {\n" + text + "\n}\n"
        "extern \"C\" __attribute__((visibility(\"default\"))) const cuda_kernel cuda_kernels[] = {\n";
    for (std::sregex_iterator found(text.begin(), text.end(), kernel), end; found != end; ++found) {
        string name = (*found)[2];
        code += "    {\"" + name + "\", cuda_entry<" + name + ">::run, cuda_entry<" + name + ">::bytes, cuda_largest_block(" + (*found)[1].str() + ")},\n";
    }
    return code + "    {}\n};\nextern \"C\" char __start_cuda_shared[] __attribute__((weak, visibility(\"hidden\"))), "
        "__stop_cuda_shared[] __attribute__((weak, visibility(\"hidden\")));\n"
        "extern \"C\" __attribute__((visibility(\"default\"))) int standin_shared_bytes() { return (int)(__stop_cuda_shared - __start_cuda_shared); }\n";
}

// Runs the C++ compiler; what it says goes to the log.
bool run(const string& arguments, const string& folder, string& log) {
    string command = "cd '" + folder + "' && " + standin::text_setting("STANDIN_CUDA_CXX", "g++") + " " + arguments + " > said 2>&1";
    bool succeeded = system(command.c_str()) == 0;
    log += read(folder + "/said");
    return succeeded;
}

bool build(const string& source, string& log, string& object) {
    string home = standin::text_setting("STANDIN_CUDA_HOME", "."), kept = home + "/" + hash(source) + ".so";
    object = read(kept);
    if (!object.empty()) return true;
    string folder = kept + "." + std::to_string(getpid());
    mkdir(folder.c_str(), 0777);
    write(folder + "/kernels.cu", source);
    string flags = standin::text_setting("STANDIN_CUDA_CXXFLAGS", "-std=c++17 -O2 -fPIC") + " -fsanitize=bounds,alignment -I'" + home + "'";
    bool built = run("-E -std=c++17 -x c++ -DCUDA_EMULATED=1 -D__CUDA_ARCH__=700 -D__CUDACC__=1 -D__CUDACC_RTC__=1 kernels.cu -o kernels.ii", folder, log);
    if (built) {
        write(folder + "/kernels.cpp", registered(read(folder + "/kernels.ii")));
        built = run(flags + " -c kernels.cpp -o kernels.o", folder, log) &&
            run("-shared kernels.o '" + home + "/cuda_blocks.o' -o kernels.so -lm", folder, log);
    }
    if (built) {
        object = read(folder + "/kernels.so");
        rename((folder + "/kernels.so").c_str(), kept.c_str());
    }
    string remove = "rm -r '" + folder + "'";
    return system(remove.c_str()) == 0 && built;
}

string in_hexadecimal(const string& bytes) {
    string text = "//";
    for (unsigned char c : bytes) {
        text += "0123456789abcdef"[c >> 4];
        text += "0123456789abcdef"[c & 15];
    }
    return text + "\n";
}

Program* of(nvrtcProgram handle) {
    auto* program = reinterpret_cast<Program*>(handle);
    return programs.count(program) ? program : nullptr;
}

nvrtcResult give(const string& text, char* to) {
    memcpy(to, text.data(), text.size());
    return NVRTC_SUCCESS;
}
} // namespace

#define ENTER(function) \
    std::lock_guard<std::recursive_mutex> hold(lock); \
    if (int fault = standin::planted(#function)) return static_cast<nvrtcResult>(fault);

EXPORTED const char* nvrtcGetErrorString(nvrtcResult result) {
#define TEXT(name, value) if (result == name) return #name;
    NVRTC_RESULTS(TEXT)
    return "NVRTC_ERROR unknown";
}

EXPORTED nvrtcResult nvrtcVersion(int* major, int* minor) {
    ENTER(nvrtcVersion)
    *major = TOOLKIT;
    *minor = TOOLKIT == 12 ? 8 : 0;
    return NVRTC_SUCCESS;
}

EXPORTED nvrtcResult nvrtcGetNumSupportedArchs(int* count) {
    ENTER(nvrtcGetNumSupportedArchs)
    *count = static_cast<int>(architectures().size());
    return NVRTC_SUCCESS;
}

EXPORTED nvrtcResult nvrtcGetSupportedArchs(int* all) {
    ENTER(nvrtcGetSupportedArchs)
    for (int architecture : architectures()) *all++ = architecture;
    return NVRTC_SUCCESS;
}

EXPORTED nvrtcResult nvrtcCreateProgram(nvrtcProgram* handle, const char* source, const char* name, int headers, const char* const* header_texts,
    const char* const* header_names) {
    ENTER(nvrtcCreateProgram)
    if (!handle || !source || headers < 0 || (headers > 0 && (!header_texts || !header_names))) return NVRTC_ERROR_INVALID_INPUT;
    auto* program = new Program{source, name ? name : "default_program", "", "", false};
    programs.insert(program);
    *handle = reinterpret_cast<nvrtcProgram>(program);
    return NVRTC_SUCCESS;
}

EXPORTED nvrtcResult nvrtcDestroyProgram(nvrtcProgram* handle) {
    ENTER(nvrtcDestroyProgram)
    if (!handle || !programs.erase(reinterpret_cast<Program*>(*handle))) return NVRTC_ERROR_INVALID_PROGRAM;
    delete reinterpret_cast<Program*>(*handle);
    *handle = nullptr;
    return NVRTC_SUCCESS;
}

EXPORTED nvrtcResult nvrtcCompileProgram(nvrtcProgram handle, int count, const char* const* options) {
    ENTER(nvrtcCompileProgram)
    Program* program = of(handle);
    if (!program) return NVRTC_ERROR_INVALID_PROGRAM;
    // As the real one does: its name alone, so that it must be where the system looks, or loaded before.
    if (!dlopen(TOOLKIT == 12 ? "libnvrtc-builtins.so.12.8" : "libnvrtc-builtins.so.13.0", RTLD_NOW)) return NVRTC_ERROR_BUILTIN_OPERATION_FAILURE;
    int target = 0;
    for (int i = 0; i < count; i++) {
        bool real = sscanf(options[i], "--gpu-architecture=sm_%d", &target) == 1;
        bool is_virtual = sscanf(options[i], "--gpu-architecture=compute_%d", &target) == 1;
        bool known = false;
        for (int architecture : architectures()) known |= architecture == target;
        if ((real || is_virtual) && known) program->is_ptx = is_virtual;
        else if (strcmp(options[i], "--std=c++17") != 0 && strcmp(options[i], "--generate-line-info") != 0) {
            program->log = "nvrtc: error: invalid value for option " + string(options[i]) + "\n";
            return NVRTC_ERROR_INVALID_OPTION;
        }
    }
    standin::log("nvrtcCompileProgram " + program->name + " for " + std::to_string(target));
    if (!build("#line 1 \"" + program->name + "\"\n" + program->source, program->log, program->image)) return NVRTC_ERROR_COMPILATION;
    char trailer[17];
    snprintf(trailer, sizeof trailer, "stand-in %3d %3d", target, TOOLKIT);
    program->image += string(trailer, 16);
    return NVRTC_SUCCESS;
}

EXPORTED nvrtcResult nvrtcGetProgramLogSize(nvrtcProgram handle, size_t* size) {
    ENTER(nvrtcGetProgramLogSize)
    if (!of(handle)) return NVRTC_ERROR_INVALID_PROGRAM;
    *size = of(handle)->log.size() + 1;
    return NVRTC_SUCCESS;
}

EXPORTED nvrtcResult nvrtcGetProgramLog(nvrtcProgram handle, char* log) {
    ENTER(nvrtcGetProgramLog)
    return of(handle) ? give(of(handle)->log + '\0', log) : NVRTC_ERROR_INVALID_PROGRAM;
}

EXPORTED nvrtcResult nvrtcGetCUBINSize(nvrtcProgram handle, size_t* size) {
    ENTER(nvrtcGetCUBINSize)
    if (!of(handle)) return NVRTC_ERROR_INVALID_PROGRAM;
    *size = of(handle)->is_ptx ? 0 : of(handle)->image.size();
    return NVRTC_SUCCESS;
}

EXPORTED nvrtcResult nvrtcGetCUBIN(nvrtcProgram handle, char* image) {
    ENTER(nvrtcGetCUBIN)
    if (!of(handle) || of(handle)->is_ptx) return NVRTC_ERROR_INVALID_PROGRAM;
    return give(of(handle)->image, image);
}

EXPORTED nvrtcResult nvrtcGetPTXSize(nvrtcProgram handle, size_t* size) {
    ENTER(nvrtcGetPTXSize)
    if (!of(handle)) return NVRTC_ERROR_INVALID_PROGRAM;
    *size = in_hexadecimal(of(handle)->image).size() + 1;
    return NVRTC_SUCCESS;
}

EXPORTED nvrtcResult nvrtcGetPTX(nvrtcProgram handle, char* text) {
    ENTER(nvrtcGetPTX)
    return of(handle) ? give(in_hexadecimal(of(handle)->image) + '\0', text) : NVRTC_ERROR_INVALID_PROGRAM;
}
