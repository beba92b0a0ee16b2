// The stand-in's state: memory, faults, and how tests ask for them.
#include "device.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>

State &state() {
    static State *s = new State; // never destroyed: threads may outlive the end of main
    return *s;
}

// draw is a xorshift; the same seed gives the same order.
uint32_t draw(uint32_t below) {
    uint64_t &x = state().chance;
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    return uint32_t((x >> 32) % below);
}

CUresult fault(const char *format, ...) {
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    state().faults.push_back(text);
    return CUDA_ERROR_INVALID_VALUE;
}

static thread_local CUcontext current; // as the driver has one for each thread

Call::Call(const char *name, bool needsContext) : lock(state().mutex), refused(CUDA_SUCCESS) {
    State &s = state();
    s.calls++;
    if (s.settings.lose > 0 && s.calls >= s.settings.lose) {
        s.settings.lose = 0;
        s.lost = CUDA_ERROR_ILLEGAL_ADDRESS;
    }
    if (!s.begun && strcmp(name, "cuInit") != 0) {
        fault("%s before cuInit", name);
        refused = CUDA_ERROR_NOT_INITIALIZED;
    } else if (needsContext) {
        if (!current || current->uses < 1) {
            fault("%s on a thread without a context", name);
            refused = CUDA_ERROR_INVALID_CONTEXT;
        } else {
            refused = s.lost;
        }
    }
}

// Device memory: addresses are never used twice, and the host may touch them only while
// the device works.
static char *span, *next;
constexpr size_t spanBytes = 1UL << 38, page = 4096;

static bool within(const std::map<uintptr_t, Region> &all, uintptr_t p, size_t bytes) {
    auto at = all.upper_bound(p);
    if (at == all.begin()) return false;
    --at;
    uintptr_t off = p - at->first;
    return off <= at->second.size && bytes <= at->second.size - off;
}
bool onDevice(uintptr_t p, size_t bytes) { return within(state().device, p, bytes); }
bool onHost(uintptr_t p, size_t bytes) { return within(state().host, p, bytes); }

// poison fills with a pattern that is NaN as float32, bf16 and float64.
void poison(void *p, size_t bytes) { memset(p, 0xff, bytes); }

static int depth;
static void protect(int how) {
    for (auto &r : state().device) mprotect(r.second.pages, r.second.mapped, how);
}
Unlocked::Unlocked() { if (depth++ == 0) protect(PROT_READ | PROT_WRITE); }
Unlocked::~Unlocked() { if (--depth == 0) protect(PROT_NONE); }

static void forget() {
    State &s = state();
    for (auto &r : s.device) {
        mprotect(r.second.pages, r.second.mapped, PROT_NONE);
        madvise(r.second.pages, r.second.mapped, MADV_DONTNEED);
    }
    for (auto &r : s.host) munmap(r.second.pages, r.second.mapped);
    for (auto x : s.streams) delete x;
    for (auto x : s.events) delete x;
    for (auto x : s.modules) { for (auto f : x->functions) delete f.second; delete x; }
    for (auto x : s.graphs) delete x;
    for (auto x : s.execs) delete x;
    s.device.clear(), s.host.clear(), s.streams.clear(), s.events.clear(), s.modules.clear(), s.graphs.clear(), s.execs.clear();
    s.used = 0;
}

extern "C" {
CUresult cuMemAlloc_v2(CUdeviceptr *p, size_t bytes) {
    Call call("cuMemAlloc");
    if (call.refused) return call.refused;
    State &s = state();
    if (!p || bytes == 0) return fault("cuMemAlloc of %zu bytes to %p", bytes, (void *)p);
    size_t rounded = (bytes + 255) / 256 * 256;
    if (s.used + long(rounded) > s.settings.memory) return CUDA_ERROR_OUT_OF_MEMORY;
    if (!span) {
        span = next = (char *)mmap(nullptr, spanBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (span == MAP_FAILED) abort();
    }
    Region r{bytes, next, (rounded + page - 1) / page * page};
    if (next + r.mapped + page > span + spanBytes) return fault("the stand-in has no addresses left"), CUDA_ERROR_OUT_OF_MEMORY;
    next += r.mapped + page; // the page between is never mapped
    mprotect(r.pages, r.mapped, PROT_READ | PROT_WRITE);
    poison(r.pages, r.mapped);
    mprotect(r.pages, r.mapped, PROT_NONE);
    *p = CUdeviceptr(uintptr_t(r.pages + r.mapped - rounded)); // ends where the page between begins
    s.device[uintptr_t(*p)] = r;
    s.used += rounded;
    return CUDA_SUCCESS;
}

CUresult cuMemFree_v2(CUdeviceptr p) {
    Call call("cuMemFree");
    if (call.refused) return call.refused;
    CUresult r = drainAll();
    State &s = state();
    auto at = s.device.find(uintptr_t(p));
    if (at == s.device.end()) return fault("cuMemFree of %#llx, which is not allocated", (unsigned long long)p);
    s.used -= (at->second.size + 255) / 256 * 256;
    mprotect(at->second.pages, at->second.mapped, PROT_NONE);
    madvise(at->second.pages, at->second.mapped, MADV_DONTNEED);
    s.device.erase(at);
    return r;
}

CUresult cuMemGetInfo_v2(size_t *free, size_t *total) {
    Call call("cuMemGetInfo");
    if (call.refused) return call.refused;
    *total = size_t(state().settings.memory);
    *free = *total - size_t(state().used);
    return CUDA_SUCCESS;
}

CUresult cuMemAllocHost_v2(void **p, size_t bytes) {
    Call call("cuMemAllocHost");
    if (call.refused) return call.refused;
    if (!p || bytes == 0) return fault("cuMemAllocHost of %zu bytes", bytes);
    Region r{bytes, nullptr, (bytes + page - 1) / page * page};
    r.pages = (char *)mmap(nullptr, r.mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (r.pages == MAP_FAILED) return CUDA_ERROR_OUT_OF_MEMORY;
    poison(r.pages, r.mapped);
    *p = r.pages;
    state().host[uintptr_t(r.pages)] = r;
    return CUDA_SUCCESS;
}

CUresult cuMemFreeHost(void *p) {
    Call call("cuMemFreeHost");
    if (call.refused) return call.refused;
    CUresult r = drainAll();
    State &s = state();
    auto at = s.host.find(uintptr_t(p));
    if (at == s.host.end()) return fault("cuMemFreeHost of %p, which is not allocated", p);
    munmap(at->second.pages, at->second.mapped);
    s.host.erase(at);
    return r;
}

CUresult cuDevicePrimaryCtxRetain(CUcontext *c, CUdevice d) {
    Call call("cuDevicePrimaryCtxRetain", false);
    if (call.refused) return call.refused;
    State &s = state();
    if (d < 0 || d >= s.settings.devices) return CUDA_ERROR_INVALID_DEVICE;
    if (s.lost) return s.lost;
    if (!s.primary[d]) s.primary[d] = new CUctx_st;
    s.primary[d]->uses++;
    *c = s.primary[d];
    return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRelease_v2(CUdevice d) {
    Call call("cuDevicePrimaryCtxRelease", false);
    if (call.refused) return call.refused;
    State &s = state();
    CUcontext c = s.primary[d];
    if (!c || c->uses < 1) return fault("the context of device %d is released more often than it was retained", d);
    if (--c->uses == 0) {
        long left = s.device.size() + s.host.size() + s.streams.size() + s.events.size() + s.modules.size() + s.graphs.size() + s.execs.size();
        if (left && !s.lost) fault("%ld things of device %d are left when its context ends", left, d);
        forget();
    }
    return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxReset_v2(CUdevice) {
    Call call("cuDevicePrimaryCtxReset", false);
    if (call.refused) return call.refused;
    State &s = state();
    if (s.settings.heals) s.lost = CUDA_SUCCESS;
    forget();
    return s.lost;
}

CUresult cuCtxSetCurrent(CUcontext c) {
    Call call("cuCtxSetCurrent", false);
    if (call.refused) return call.refused;
    if (c && c->uses < 1) return fault("a context that has ended is made current"), CUDA_ERROR_INVALID_CONTEXT;
    current = c;
    return CUDA_SUCCESS;
}

CUresult cuCtxSynchronize(void) {
    Call call("cuCtxSynchronize");
    return call.refused ? call.refused : drainAll();
}

// What tests ask.

// fakeConfigure takes NAME=NUMBER pairs, separated by spaces; counting begins anew and
// what is not named is as at the beginning. It returns 0, or 1 for a word it does not know.
int fakeConfigure(const char *text) {
    State &s = state();
    std::lock_guard<std::recursive_mutex> lock(s.mutex);
    Settings to;
    const std::map<std::string, long *> names = {
        {"memory", &to.memory}, {"lose", &to.lose}, {"heals", &to.heals}, {"driver", &to.driver}, {"blas", &to.blas},
        {"devices", &to.devices}, {"capability", &to.capability}, {"order", &to.order},
    };
    for (std::string rest = text; !rest.empty();) {
        size_t end = rest.find(' ');
        std::string word = rest.substr(0, end);
        rest = end == std::string::npos ? "" : rest.substr(end + 1);
        size_t eq = word.find('=');
        if (word.empty()) continue;
        if (eq == std::string::npos || !names.count(word.substr(0, eq))) return 1;
        *names.at(word.substr(0, eq)) = atol(word.c_str() + eq + 1);
    }
    s.settings = to;
    s.calls = 0, s.lost = CUDA_SUCCESS;
    s.chance = uint64_t(to.order) * 0x9e3779b97f4a7c15u | 1;
    return 0;
}

// fakeForget drops all that is held and was done wrong.
void fakeForget(void) {
    State &s = state();
    std::lock_guard<std::recursive_mutex> lock(s.mutex);
    forget();
    for (auto &c : s.primary)
        if (c.second) c.second->uses = 0;
    s.blas.clear(), s.faults.clear();
}

long fakeCalls(void) { return state().calls; }

// fakeFaults writes what was done wrong since it was last asked, and what is still held,
// as lines; it returns the length, without writing more than room.
long fakeFaults(char *out, long room) {
    State &s = state();
    std::lock_guard<std::recursive_mutex> lock(s.mutex);
    std::string all;
    for (auto &f : s.faults) all += f + "\n";
    s.faults.clear();
    const std::pair<const char *, size_t> held[] = {
        {"allocations on the device", s.device.size()}, {"pinned allocations", s.host.size()}, {"streams", s.streams.size()},
        {"events", s.events.size()}, {"modules", s.modules.size()}, {"graphs", s.graphs.size() + s.execs.size()}, {"handles of cuBLASLt", s.blas.size()},
    };
    for (auto &h : held)
        if (h.second) all += std::to_string(h.second) + " " + h.first + " were not given back\n";
    for (auto &c : s.primary)
        if (c.second && c.second->uses) all += "the context was not released\n";
    long n = std::min<long>(room, all.size());
    memcpy(out, all.data(), n);
    return n;
}
}

// The environment may configure as well, for programs that tests start.
__attribute__((constructor)) static void begin() {
    const char *text = getenv("LODE_FAKE_CUDA");
    fakeConfigure(text ? text : "");
}
