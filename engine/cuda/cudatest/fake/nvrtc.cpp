// NVRTC: it compiles nothing, but finds the kernels of a source and writes their heads as
// PTX. The stand-in's driver then takes the host's own compilation of them.
#include "device.h"

#include <cstring>
#include <regex>

struct _nvrtcProgram { std::string source, ptx, log; };

extern "C" {
nvrtcResult nvrtcVersion(int *major, int *minor) { return *major = 12, *minor = 0, NVRTC_SUCCESS; }
nvrtcResult nvrtcCreateProgram(nvrtcProgram *p, const char *source, const char *, int headers, const char *const *texts, const char *const *) {
    if (!p || !source || (headers && !texts)) return NVRTC_ERROR_INVALID_INPUT;
    *p = new _nvrtcProgram{source, "", ""};
    return NVRTC_SUCCESS;
}
nvrtcResult nvrtcDestroyProgram(nvrtcProgram *p) { return delete *p, *p = nullptr, NVRTC_SUCCESS; }
nvrtcResult nvrtcCompileProgram(nvrtcProgram p, int, const char *const *) {
    if (p->source.find("#error") != std::string::npos) return p->log = "error: #error", NVRTC_ERROR_COMPILATION;
    p->ptx = ".version 8.0\n.target sm_80\n.address_size 64\n";
    const std::regex head("__global__\\s+void\\s+(?:__launch_bounds__\\([^)]*\\)\\s*)?(\\w+)\\s*\\(([^)]*)\\)");
    for (std::sregex_iterator m(p->source.begin(), p->source.end(), head), end; m != end; ++m) {
        p->ptx += ".visible .entry " + (*m)[1].str() + "(\n";
        std::string rest = (*m)[2];
        for (int i = 0; !rest.empty(); i++) {
            size_t comma = rest.find(',');
            std::string one = rest.substr(0, comma);
            rest = comma == std::string::npos ? "" : rest.substr(comma + 1);
            const char *type = one.find('*') != std::string::npos || one.find("long long") != std::string::npos ? ".u64"
                               : one.find("double") != std::string::npos ? ".f64" : one.find("float") != std::string::npos ? ".f32" : ".u32";
            p->ptx += std::string(i ? ",\n" : "") + "\t.param " + type + " " + (*m)[1].str() + "_param_" + std::to_string(i);
        }
        p->ptx += "\n)\n{ ret; }\n";
    }
    return NVRTC_SUCCESS;
}
nvrtcResult nvrtcGetPTXSize(nvrtcProgram p, size_t *n) { return *n = p->ptx.size() + 1, NVRTC_SUCCESS; }
nvrtcResult nvrtcGetPTX(nvrtcProgram p, char *out) { return memcpy(out, p->ptx.c_str(), p->ptx.size() + 1), NVRTC_SUCCESS; }
nvrtcResult nvrtcGetProgramLogSize(nvrtcProgram p, size_t *n) { return *n = p->log.size() + 1, NVRTC_SUCCESS; }
nvrtcResult nvrtcGetProgramLog(nvrtcProgram p, char *out) { return memcpy(out, p->log.c_str(), p->log.size() + 1), NVRTC_SUCCESS; }
}
