// The stand-in's state: memory, faults, and how tests ask for them.
#include "device.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

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
static int acting = -1;                // where work runs

int here() { return acting >= 0 ? acting : current ? current->device : -1; }
void makeCurrent(CUcontext c) { current = c; }
CUcontext primary(int device) {
    CUcontext c = state().primary[device];
    return c && c->uses > 0 ? c : nullptr;
}

Call::Call(const char *name, bool needsContext) : lock(state().mutex), refused(CUDA_SUCCESS) {
    State &s = state();
    s.calls++;
    if (s.settings.lose > 0 && s.calls >= s.settings.lose) {
        s.settings.lose = 0;
        s.lost[current ? current->device : 0] = CUDA_ERROR_ILLEGAL_ADDRESS;
    }
    if (!s.begun && strcmp(name, "cuInit") != 0) {
        fault("%s before cuInit", name);
        refused = CUDA_ERROR_NOT_INITIALIZED;
    } else if (needsContext) {
        if (!current || current->uses < 1) {
            fault("%s on a thread without a context", name);
            refused = CUDA_ERROR_INVALID_CONTEXT;
        } else {
            refused = s.lost[current->device];
        }
    }
}

// Device memory: addresses are never used twice, and the host may touch them only while
// the device works.
static char *span, *next;
constexpr size_t spanBytes = 1UL << 38, page = 4096;

static const Region *within(const std::map<uintptr_t, Region> &all, uintptr_t p, size_t bytes) {
    auto at = all.upper_bound(p);
    if (at == all.begin()) return nullptr;
    --at;
    uintptr_t off = p - at->first;
    return off <= at->second.size && bytes <= at->second.size - off ? &at->second : nullptr;
}
bool onDeviceOf(int device, uintptr_t p, size_t bytes) {
    const Region *r = within(state().device, p, bytes);
    return r && r->device == device;
}
bool onDevice(uintptr_t p, size_t bytes) { return onDeviceOf(here(), p, bytes); }
bool onHost(uintptr_t p, size_t bytes) { return within(state().host, p, bytes); }

// poison fills with a pattern that is NaN as float32, bf16 and float64.
void poison(void *p, size_t bytes) { memset(p, 0xff, bytes); }

static std::map<int, int> depth;
static void protect(int device, int how) {
    for (auto &r : state().device)
        if (r.second.device == device) mprotect(r.second.pages, r.second.mapped, how);
}
Unlocked::Unlocked(int device) : device(device), before(acting) {
    if (depth[device]++ == 0) protect(device, PROT_READ | PROT_WRITE);
    acting = device;
}
Unlocked::~Unlocked() {
    if (--depth[device] == 0) protect(device, PROT_NONE);
    acting = before;
}

// drop deletes those of a device, or all if that is below 0.
template <class T> static void drop(std::set<T *> &all, int device) {
    for (auto at = all.begin(); at != all.end();)
        if (device < 0 || (*at)->device == device) {
            delete *at;
            at = all.erase(at);
        } else {
            ++at;
        }
}
template <class T> static long count(const std::set<T *> &all, int device) {
    long n = 0;
    for (auto x : all) n += x->device == device;
    return n;
}
static long count(const std::map<uintptr_t, Region> &all, int device) {
    long n = 0;
    for (auto &r : all) n += r.second.device == device;
    return n;
}

// forget drops what is held of a device, or all if that is below 0.
static void forget(int device) {
    State &s = state();
    for (auto at = s.device.begin(); at != s.device.end();) {
        const Region &r = at->second;
        if (device >= 0 && r.device != device) { ++at; continue; }
        mprotect(r.pages, r.mapped, PROT_NONE);
        madvise(r.pages, r.mapped, MADV_DONTNEED);
        at = s.device.erase(at);
    }
    for (auto at = s.host.begin(); at != s.host.end();) {
        if (device >= 0 && at->second.device != device) { ++at; continue; }
        munmap(at->second.pages, at->second.mapped);
        at = s.host.erase(at);
    }
    for (auto x : s.modules)
        if (device < 0 || x->device == device)
            for (auto f : x->functions) delete f.second;
    drop(s.streams, device), drop(s.events, device), drop(s.modules, device), drop(s.graphs, device), drop(s.execs, device);
    for (auto &c : s.primary)
        if (c.second && (device < 0 || c.first == device)) c.second->peers.clear();
        else if (c.second)
            c.second->peers.erase(device);
    if (device < 0) s.used.clear(), s.nccl.clear();
    else
        s.used[device] = 0;
}

extern "C" {
CUresult cuMemAlloc_v2(CUdeviceptr *p, size_t bytes) {
    Call call("cuMemAlloc");
    if (call.refused) return call.refused;
    State &s = state();
    if (!p || bytes == 0) return fault("cuMemAlloc of %zu bytes to %p", bytes, (void *)p);
    size_t rounded = (bytes + 255) / 256 * 256;
    if (s.used[here()] + long(rounded) > s.settings.memory) return CUDA_ERROR_OUT_OF_MEMORY;
    if (!span) {
        span = next = (char *)mmap(nullptr, spanBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (span == MAP_FAILED) abort();
    }
    Region r{here(), bytes, next, (rounded + page - 1) / page * page};
    if (next + r.mapped + page > span + spanBytes) return fault("the stand-in has no addresses left"), CUDA_ERROR_OUT_OF_MEMORY;
    next += r.mapped + page; // the page between is never mapped
    mprotect(r.pages, r.mapped, PROT_READ | PROT_WRITE);
    poison(r.pages, r.mapped);
    mprotect(r.pages, r.mapped, PROT_NONE);
    *p = CUdeviceptr(uintptr_t(r.pages + r.mapped - rounded)); // ends where the page between begins
    s.device[uintptr_t(*p)] = r;
    s.used[here()] += rounded;
    return CUDA_SUCCESS;
}

CUresult cuMemFree_v2(CUdeviceptr p) {
    Call call("cuMemFree");
    if (call.refused) return call.refused;
    CUresult r = drainAll();
    State &s = state();
    auto at = s.device.find(uintptr_t(p));
    if (at == s.device.end()) return fault("cuMemFree of %#llx, which is not allocated", (unsigned long long)p);
    s.used[at->second.device] -= (at->second.size + 255) / 256 * 256;
    mprotect(at->second.pages, at->second.mapped, PROT_NONE);
    madvise(at->second.pages, at->second.mapped, MADV_DONTNEED);
    s.device.erase(at);
    return r;
}

CUresult cuMemGetInfo_v2(size_t *free, size_t *total) {
    Call call("cuMemGetInfo");
    if (call.refused) return call.refused;
    *total = size_t(state().settings.memory);
    *free = *total - size_t(state().used[here()]);
    return CUDA_SUCCESS;
}

CUresult cuMemAllocHost_v2(void **p, size_t bytes) {
    Call call("cuMemAllocHost");
    if (call.refused) return call.refused;
    if (!p || bytes == 0) return fault("cuMemAllocHost of %zu bytes", bytes);
    Region r{here(), bytes, nullptr, (bytes + page - 1) / page * page};
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
    if (s.lost[d]) return s.lost[d];
    if (!s.primary[d]) s.primary[d] = new CUctx_st{d, 0, {}};
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
        long left = count(s.device, d) + count(s.host, d) + count(s.streams, d) + count(s.events, d) + count(s.modules, d) + count(s.graphs, d) + count(s.execs, d);
        if (left && !s.lost[d]) fault("%ld things of device %d are left when its context ends", left, d);
        forget(d);
    }
    return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxReset_v2(CUdevice d) {
    Call call("cuDevicePrimaryCtxReset", false);
    if (call.refused) return call.refused;
    State &s = state();
    if (s.settings.heals) s.lost[d] = CUDA_SUCCESS;
    forget(d);
    return s.lost[d];
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
        {"devices", &to.devices}, {"capability", &to.capability}, {"order", &to.order}, {"peers", &to.peers}, {"unlike", &to.unlike},
        {"nccl", &to.nccl}, {"nccl_init", &to.nccl_init}, {"nccl_lose", &to.nccl_lose}, {"nccl_fail", &to.nccl_fail},
    };
    for (std::string rest = text; !rest.empty();) {
        size_t end = rest.find(' ');
        std::string word = rest.substr(0, end);
        rest = end == std::string::npos ? "" : rest.substr(end + 1);
        size_t eq = word.find('=');
        if (word.empty()) continue;
        if (eq == std::string::npos || !names.count(word.substr(0, eq))) return 1;
        char *after;
        *names.at(word.substr(0, eq)) = strtol(word.c_str() + eq + 1, &after, 10);
        if (*after || after == word.c_str() + eq + 1) return 1;
    }
    s.settings = to;
    s.calls = 0, s.sums = 0, s.lost.clear();
    s.chance = uint64_t(to.order) * 0x9e3779b97f4a7c15u | 1;
    return 0;
}

// fakeForget drops all that is held and was done wrong.
void fakeForget(void) {
    State &s = state();
    std::lock_guard<std::recursive_mutex> lock(s.mutex);
    forget(-1);
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
        {"communicators of NCCL", s.nccl.size()},
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
    if (!fakeConfigure(text ? text : "")) return;
    fprintf(stderr, "LODE_FAKE_CUDA is \"%s\": it is NAME=NUMBER, several with spaces between them\n", text);
    _exit(2);
}
