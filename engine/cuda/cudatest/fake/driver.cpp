// The driver's calls, but for memory and contexts.
#include "device.h"

#include <cstdlib>
#include <cstring>
#include <ctime>
#include <unistd.h>

CUresult drain(CUstream s, uint64_t upTo) {
    CUresult &lost = state().lost[s->device];
    if (s->done >= upTo || s->queue.empty()) return lost;
    Unlocked open(s->device); // which costs more than many a kernel
    while (s->done < upTo && !s->queue.empty()) {
        Work w = s->queue.front();
        CUresult r = lost ? lost : w();
        if (r == stuck && !lost) return stuck;
        s->queue.pop_front();
        s->done++;
        if (r && !lost) lost = r; // as on a device, what comes later fails too
    }
    return lost;
}

// drainAll is about the devices' streams that are not lost.
CUresult drainAll() {
    int device = here();
    for (auto s : state().streams) drain(s, s->queued);
    return state().lost[device];
}

// some lets a few things happen that could happen by now, so that whoever forgets to wait
// sees it, one way or the other.
static void some() {
    for (auto s : state().streams)
        if (draw(16) == 0) drain(s, s->done + draw(32));
}

static CUresult known(CUstream s, const char *what) {
    if (!state().streams.count(s)) return fault("%s on a stream that there is not", what), CUDA_ERROR_INVALID_HANDLE;
    if (s->device != here()) return fault("%s on a stream of device %d, the context is of %d", what, s->device, here()), CUDA_ERROR_INVALID_HANDLE;
    return CUDA_SUCCESS;
}

void put(CUstream s, Work work) {
    s->queue.push_back(work);
    s->queued++;
}

CUresult enqueue(CUstream s, const char *what, Work work) {
    if (CUresult r = known(s, what)) return r;
    if (s->capturing) {
        s->captured.push_back(work);
        return CUDA_SUCCESS;
    }
    put(s, work);
    some();
    return CUDA_SUCCESS;
}

// finish lets others call while the stream is stuck, as a device would.
static CUresult finish(Call &call, CUstream s, uint64_t upTo) {
    CUresult r;
    while ((r = drain(s, upTo)) == stuck) {
        call.lock.unlock();
        usleep(200);
        call.lock.lock();
        if (!state().streams.count(s)) return CUDA_ERROR_INVALID_HANDLE;
    }
    return r;
}

// text copies at most room bytes with the 0 at the end.
static void text(char *to, int room, const char *from) {
    if (room > 0) strncpy(to, from, room - 1), to[room - 1] = 0;
}

extern "C" {
CUresult cuInit(unsigned flags) {
    Call call("cuInit", false);
    if (flags) return fault("cuInit with flags %u", flags);
    if (state().settings.devices == 0) return CUDA_ERROR_NO_DEVICE;
    state().begun = true;
    return CUDA_SUCCESS;
}
CUresult cuDriverGetVersion(int *v) { return *v = int(state().settings.driver), CUDA_SUCCESS; }
CUresult cuDeviceGetCount(int *n) {
    Call call("cuDeviceGetCount", false);
    return *n = int(state().settings.devices), call.refused;
}
CUresult cuDeviceGet(CUdevice *d, int ordinal) {
    Call call("cuDeviceGet", false);
    if (ordinal < 0 || ordinal >= state().settings.devices) return CUDA_ERROR_INVALID_DEVICE;
    return *d = ordinal, call.refused;
}
CUresult cuDeviceGetName(char *name, int room, CUdevice d) {
    Call call("cuDeviceGetName", false);
    return text(name, room, ("Stand-in " + std::to_string(d)).c_str()), call.refused;
}
CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice) {
    Call call("cuDeviceTotalMem", false);
    return *bytes = size_t(state().settings.memory), call.refused;
}
CUresult cuDeviceGetAttribute(int *v, CUdevice_attribute a, CUdevice d) {
    Call call("cuDeviceGetAttribute", false);
    const long capability = state().settings.capability;
    switch (int(a)) {
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: *v = 4 + (state().settings.unlike && d + 1 == state().settings.devices); break;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: *v = int(capability / 10); break;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: *v = int(capability % 10); break;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN: *v = 99 << 10; break;
    default: return fault("cuDeviceGetAttribute %d is not known to the stand-in", int(a));
    }
    return call.refused;
}
CUresult cuGetErrorName(CUresult r, const char **s) {
    switch (int(r)) {
    case 1: *s = "CUDA_ERROR_INVALID_VALUE"; break;
    case 2: *s = "CUDA_ERROR_OUT_OF_MEMORY"; break;
    case 700: *s = "CUDA_ERROR_ILLEGAL_ADDRESS"; break;
    default: *s = "CUDA_ERROR"; break;
    }
    return CUDA_SUCCESS;
}

// copy checks at both ends, now and when it runs.
static CUresult copy(const char *what, uintptr_t to, bool (*toIn)(uintptr_t, size_t), uintptr_t from, bool (*fromIn)(uintptr_t, size_t), size_t n, CUstream s) {
    if (!toIn(to, n) || !fromIn(from, n) || n == 0) return fault("%s of %zu bytes: not in one live allocation (the host's must be pinned)", what, n);
    return enqueue(s, what, [=]() -> CUresult {
        if (!toIn(to, n) || !fromIn(from, n)) return fault("%s: memory was freed before it ran", what), CUDA_ERROR_ILLEGAL_ADDRESS;
        memmove((void *)to, (void *)from, n);
        return CUDA_SUCCESS;
    });
}
CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t n, CUstream s) {
    Call call("cuMemcpyHtoDAsync");
    return call.refused ? call.refused : copy("cuMemcpyHtoDAsync", to, onDevice, uintptr_t(from), onHost, n, s);
}
CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t n, CUstream s) {
    Call call("cuMemcpyDtoHAsync");
    return call.refused ? call.refused : copy("cuMemcpyDtoHAsync", uintptr_t(to), onHost, from, onDevice, n, s);
}
CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t n, CUstream s) {
    Call call("cuMemcpyDtoDAsync");
    return call.refused ? call.refused : copy("cuMemcpyDtoDAsync", to, onDevice, from, onDevice, n, s);
}
CUresult cuMemsetD32Async(CUdeviceptr to, unsigned v, size_t n, CUstream s) {
    Call call("cuMemsetD32Async");
    if (call.refused) return call.refused;
    if (!onDevice(to, 4 * n) || to % 4 || n == 0) return fault("cuMemsetD32Async of %zu values", n);
    return enqueue(s, "cuMemsetD32Async", [=]() -> CUresult {
        if (!onDevice(to, 4 * n)) return fault("cuMemsetD32Async: memory was freed before it ran"), CUDA_ERROR_ILLEGAL_ADDRESS;
        for (size_t i = 0; i < n; i++) ((unsigned *)to)[i] = v;
        return CUDA_SUCCESS;
    });
}

// Modules are PTX; what its entries do is in the host's own compilation of them.
CUresult cuModuleLoadDataEx(CUmodule *m, const void *image, unsigned, CUjit_option *, void **) {
    Call call("cuModuleLoadDataEx");
    if (call.refused) return call.refused;
    std::string ptx = (const char *)image;
    if (ptx.compare(0, 4, "\x7f" "ELF") == 0) return CUDA_ERROR_NO_BINARY_FOR_GPU;
    int major = 0, minor = 0, target = 0;
    size_t v = ptx.find(".version "), t = ptx.find(".target sm_");
    if (v == std::string::npos || t == std::string::npos || sscanf(ptx.c_str() + v, ".version %d.%d", &major, &minor) != 2 || sscanf(ptx.c_str() + t, ".target sm_%d", &target) != 1)
        return CUDA_ERROR_INVALID_PTX;
    if (10 * major + minor > 80 + (state().settings.driver - 12000) / 10) return CUDA_ERROR_UNSUPPORTED_PTX_VERSION;
    if (target > state().settings.capability) return CUDA_ERROR_INVALID_PTX;
    CUmodule made = new CUmod_st{here(), {}};
    for (size_t at = 0; (at = ptx.find(".entry ", at)) != std::string::npos;) {
        at += 7;
        std::string name = ptx.substr(at, ptx.find_first_of("( \n", at) - at);
        auto k = kernels().find(name);
        if (k == kernels().end()) return fault("PTX has %s, which was not compiled for the host", name.c_str()), CUDA_ERROR_INVALID_PTX;
        made->functions[name] = new CUfunc_st{&k->second, made};
    }
    state().modules.insert(made);
    return *m = made, CUDA_SUCCESS;
}
CUresult cuModuleUnload(CUmodule m) {
    Call call("cuModuleUnload");
    if (call.refused) return call.refused;
    if (!state().modules.erase(m)) return fault("cuModuleUnload of a module that there is not");
    for (auto s : state().streams)
        if (s->device == m->device && !s->queue.empty()) fault("cuModuleUnload while work is queued");
    for (auto f : m->functions) delete f.second;
    delete m;
    return CUDA_SUCCESS;
}
static bool knownFunction(CUfunction f) {
    for (auto m : state().modules)
        for (auto &x : m->functions)
            if (x.second == f) return true;
    return false;
}
CUresult cuModuleGetFunction(CUfunction *f, CUmodule m, const char *name) {
    Call call("cuModuleGetFunction");
    if (call.refused) return call.refused;
    if (!state().modules.count(m)) return fault("cuModuleGetFunction of a module that there is not"), CUDA_ERROR_INVALID_HANDLE;
    auto at = m->functions.find(name);
    if (at == m->functions.end()) return CUDA_ERROR_NOT_FOUND;
    return *f = at->second, CUDA_SUCCESS;
}
CUresult cuFuncSetAttribute(CUfunction f, CUfunction_attribute a, int v) {
    Call call("cuFuncSetAttribute");
    if (call.refused) return call.refused;
    if (!knownFunction(f) || a != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES) return fault("cuFuncSetAttribute %d", int(a));
    if (v < 0 || v > 99 << 10) return CUDA_ERROR_INVALID_VALUE;
    return f->dynamic = v, CUDA_SUCCESS;
}
CUresult cuLaunchKernel(CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned dynamic, CUstream s, void **params, void **extra) {
    Call call("cuLaunchKernel");
    if (call.refused) return call.refused;
    if (!knownFunction(f) || f->module->device != here()) return fault("cuLaunchKernel of a function that there is not"), CUDA_ERROR_INVALID_HANDLE;
    const Kernel &k = *f->kernel;
    if (params || !extra || extra[0] != CU_LAUNCH_PARAM_BUFFER_POINTER || extra[2] != CU_LAUNCH_PARAM_BUFFER_SIZE || extra[4] != CU_LAUNCH_PARAM_END)
        return fault("%s: arguments are not given as one buffer", k.name);
    if (!gx || !gy || !gz || gx > 0x7fffffffu || gy > 65535 || gz > 65535 || !bx || !by || !bz || bz > 64 || uint64_t(bx) * by * bz > 1024)
        return fault("%s: grid %u×%u×%u, block %u×%u×%u", k.name, gx, gy, gz, bx, by, bz);
    if (int(dynamic) > f->dynamic) return fault("%s: %u bytes of dynamic shared memory, allowed are %d", k.name, dynamic, f->dynamic);
    std::vector<char> arguments((char *)extra[1], (char *)extra[1] + *(size_t *)extra[3]);
    size_t total = 0;
    std::vector<size_t> at = offsets(k, &total);
    if (arguments.size() != total) return fault("%s: %zu bytes of arguments, it takes %zu", k.name, arguments.size(), total);
    return enqueue(s, k.name, [=, &k]() -> CUresult {
        for (size_t i = 0; i < at.size(); i++) {
            uintptr_t p;
            memcpy(&p, &arguments[at[i]], k.pointers[i] ? sizeof p : 0);
            if (k.pointers[i] && p && !onDevice(p, 0)) return fault("%s: argument %zu points nowhere on the device", k.name, i), CUDA_ERROR_ILLEGAL_ADDRESS;
        }
        return launch(k, {gx, gy, gz}, {bx, by, bz}, dynamic, arguments);
    });
}

CUresult cuStreamCreate(CUstream *s, unsigned flags) {
    Call call("cuStreamCreate");
    if (call.refused) return call.refused;
    if (flags != CU_STREAM_NON_BLOCKING) return fault("cuStreamCreate with flags %u: it would wait for the null stream", flags);
    state().streams.insert(*s = new CUstream_st{here()});
    return CUDA_SUCCESS;
}
CUresult cuStreamDestroy_v2(CUstream s) {
    Call call("cuStreamDestroy");
    if (call.refused) return call.refused;
    if (CUresult r = known(s, "cuStreamDestroy")) return r;
    if (!s->queue.empty()) fault("cuStreamDestroy with %zu things queued", s->queue.size());
    state().streams.erase(s);
    delete s;
    return CUDA_SUCCESS;
}
CUresult cuStreamSynchronize(CUstream s) {
    Call call("cuStreamSynchronize");
    if (call.refused) return call.refused;
    if (CUresult r = known(s, "cuStreamSynchronize")) return r;
    if (s->capturing) return fault("cuStreamSynchronize while capturing"), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    some();
    return finish(call, s, s->queued);
}
CUresult cuStreamBeginCapture_v2(CUstream s, CUstreamCaptureMode) {
    Call call("cuStreamBeginCapture");
    if (call.refused) return call.refused;
    if (CUresult r = known(s, "cuStreamBeginCapture")) return r;
    if (s->capturing) return fault("a stream captures twice at once");
    return s->capturing = true, s->captured.clear(), CUDA_SUCCESS;
}
CUresult cuStreamEndCapture(CUstream s, CUgraph *g) {
    Call call("cuStreamEndCapture");
    if (call.refused) return call.refused;
    if (CUresult r = known(s, "cuStreamEndCapture")) return r;
    if (!s->capturing) return fault("cuStreamEndCapture of a stream that does not capture");
    s->capturing = false;
    state().graphs.insert(*g = new CUgraph_st{s->device, s->captured});
    return CUDA_SUCCESS;
}
CUresult cuGraphInstantiateWithFlags(CUgraphExec *e, CUgraph g, unsigned long long) {
    Call call("cuGraphInstantiate");
    if (call.refused) return call.refused;
    if (!state().graphs.count(g)) return fault("cuGraphInstantiate of a graph that there is not");
    state().execs.insert(*e = new CUgraphExec_st{g->device, g->work});
    return CUDA_SUCCESS;
}
CUresult cuGraphLaunch(CUgraphExec e, CUstream s) {
    Call call("cuGraphLaunch");
    if (call.refused) return call.refused;
    if (!state().execs.count(e)) return fault("cuGraphLaunch of a graph that there is not");
    for (auto &w : e->work)
        if (CUresult r = enqueue(s, "cuGraphLaunch", w)) return r;
    return CUDA_SUCCESS;
}
CUresult cuGraphDestroy(CUgraph g) {
    Call call("cuGraphDestroy");
    if (call.refused) return call.refused;
    if (!state().graphs.erase(g)) return fault("cuGraphDestroy of a graph that there is not");
    return delete g, CUDA_SUCCESS;
}
CUresult cuGraphExecDestroy(CUgraphExec e) {
    Call call("cuGraphExecDestroy");
    if (call.refused) return call.refused;
    if (!state().execs.erase(e)) return fault("cuGraphExecDestroy of a graph that there is not");
    return delete e, CUDA_SUCCESS;
}

static CUresult knownEvent(CUevent e, const char *what) {
    if (!state().events.count(e)) return fault("%s of an event that there is not", what), CUDA_ERROR_INVALID_HANDLE;
    return CUDA_SUCCESS;
}
CUresult cuEventCreate(CUevent *e, unsigned flags) {
    Call call("cuEventCreate");
    if (call.refused) return call.refused;
    state().events.insert(*e = new CUevent_st{here()});
    return (*e)->timed = !(flags & CU_EVENT_DISABLE_TIMING), CUDA_SUCCESS;
}
CUresult cuEventDestroy_v2(CUevent e) {
    Call call("cuEventDestroy");
    if (call.refused) return call.refused;
    if (CUresult r = knownEvent(e, "cuEventDestroy")) return r;
    if (e->recorded && state().streams.count(e->stream)) drain(e->stream, e->at);
    return state().events.erase(e), delete e, CUDA_SUCCESS;
}
CUresult cuEventRecord(CUevent e, CUstream s) {
    Call call("cuEventRecord");
    if (call.refused) return call.refused;
    if (CUresult r = knownEvent(e, "cuEventRecord")) return r;
    if (CUresult r = known(s, "cuEventRecord")) return r;
    if (s->capturing) return fault("the stand-in captures no events"), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    if (e->device != s->device) return fault("cuEventRecord of an event of another device"), CUDA_ERROR_INVALID_HANDLE;
    e->recorded = true, e->stream = s, e->at = s->queued + 1;
    return enqueue(s, "cuEventRecord", [e]() -> CUresult {
        timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return e->when = t.tv_sec * 1e3 + t.tv_nsec / 1e6, CUDA_SUCCESS;
    });
}
CUresult cuEventSynchronize(CUevent e) {
    Call call("cuEventSynchronize");
    if (call.refused) return call.refused;
    if (CUresult r = knownEvent(e, "cuEventSynchronize")) return r;
    return e->recorded && state().streams.count(e->stream) ? finish(call, e->stream, e->at) : CUDA_SUCCESS;
}
CUresult cuStreamWaitEvent(CUstream s, CUevent e, unsigned flags) {
    Call call("cuStreamWaitEvent");
    if (call.refused) return call.refused;
    if (CUresult r = knownEvent(e, "cuStreamWaitEvent")) return r;
    CUstream on = e->stream;
    uint64_t at = e->at;
    if (flags || !e->recorded) return fault("cuStreamWaitEvent for an event that was not recorded");
    return enqueue(s, "cuStreamWaitEvent", [=] { return state().streams.count(on) ? drain(on, at) : CUDA_SUCCESS; });
}
CUresult cuEventElapsedTime(float *ms, CUevent a, CUevent b) {
    Call call("cuEventElapsedTime");
    if (call.refused) return call.refused;
    if (CUresult r = knownEvent(a, "cuEventElapsedTime")) return r;
    if (CUresult r = knownEvent(b, "cuEventElapsedTime")) return r;
    for (CUevent e : {a, b}) {
        if (!e->recorded || !e->timed) return fault("cuEventElapsedTime of an event that is not timed or not recorded"), CUDA_ERROR_INVALID_HANDLE;
        if (state().streams.count(e->stream) && e->stream->done < e->at) return CUDA_ERROR_NOT_READY;
    }
    return *ms = float(b->when - a->when), CUDA_SUCCESS;
}
}
