// NCCL, for the devices of one process: sums of float32 and float64. Of a sum each device's
// part is work in its stream, which ends when those of all have come together. If one never
// comes, the others wait until they are aborted.
#include "device.h"

#include <cstring>
#include <memory>

namespace {
struct Part {
    bool there = false;
    CUstream stream;
    uint64_t at; // in the stream
    uintptr_t from, to;
    size_t count;
    int type;
};
struct Sum {
    bool done = false;
    std::vector<Part> parts;
};
struct Clique {
    std::vector<int> devices;
    std::map<uint64_t, Sum> sums;
    bool aborted = false;
};
} // namespace
struct ncclComm {
    std::shared_ptr<Clique> clique;
    size_t rank;
    uint64_t sums = 0;
};

namespace {
struct Held { // NCCL makes the contexts of its devices current by itself
    std::lock_guard<std::recursive_mutex> lock{state().mutex};
};

struct Posted { ncclComm_t comm; Part part; };
thread_local int depth; // of groups
thread_local std::vector<Posted> group;
thread_local ncclResult_t groupError;

ncclResult_t bad(const char *what) { return fault("%s", what), ncclInvalidArgument; }

// add adds up by blocks, each beginning with another rank, as a ring does.
template <class T> void add(const Clique &c, Sum &s) {
    const size_t n = s.parts[0].count, num = s.parts.size(), block = 64;
    std::vector<T> sum(n);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < num; j++) sum[i] += ((const T *)s.parts[(i / block + j) % num].from)[i];
    for (auto &p : s.parts) memcpy((void *)p.to, sum.data(), n * sizeof(T));
}

// meet runs a sum if the parts of all devices have come as far.
CUresult meet(Clique &c, Sum &s) {
    if (s.done || c.aborted) return CUDA_SUCCESS;
    for (auto &p : s.parts) {
        if (!p.there || !state().streams.count(p.stream)) return stuck;
        if (p.stream->done + 1 < p.at && drain(p.stream, p.at - 1)) return stuck;
        if (state().lost[p.stream->device]) return stuck;
        if (p.count != s.parts[0].count || p.type != s.parts[0].type) return fault("ncclAllReduce: devices do not agree on what is added"), CUDA_ERROR_LAUNCH_FAILED;
    }
    if (state().settings.nccl_lose && ++state().sums == state().settings.nccl_lose) {
        state().lost[c.devices.back()] = CUDA_ERROR_ILLEGAL_ADDRESS;
        return stuck;
    }
    std::vector<std::unique_ptr<Unlocked>> open;
    for (auto &p : s.parts) {
        const size_t bytes = p.count * (p.type == ncclFloat64 ? 8 : 4);
        if (!onDeviceOf(p.stream->device, p.from, bytes) || !onDeviceOf(p.stream->device, p.to, bytes))
            return fault("ncclAllReduce: memory was freed before it ran"), CUDA_ERROR_ILLEGAL_ADDRESS;
        open.emplace_back(new Unlocked(p.stream->device));
    }
    if (s.parts[0].type == ncclFloat64) add<double>(c, s);
    else
        add<float>(c, s);
    s.done = true;
    while (!open.empty()) open.pop_back();
    return CUDA_SUCCESS;
}

ncclResult_t launch(std::vector<Posted> all) {
    for (auto &x : all) {
        std::shared_ptr<Clique> c = x.comm->clique;
        const uint64_t number = ++x.comm->sums;
        Sum &s = c->sums[number];
        s.parts.resize(c->devices.size());
        x.part.there = true, x.part.at = x.part.stream->queued + 1;
        s.parts[x.comm->rank] = x.part;
        put(x.part.stream, [c, number] { return meet(*c, c->sums[number]); });
    }
    return ncclSuccess;
}
} // namespace

extern "C" {
ncclResult_t ncclGetVersion(int *v) { return *v = int(state().settings.nccl), ncclSuccess; }
const char *ncclGetErrorString(ncclResult_t r) {
    switch (int(r)) {
    case ncclSuccess: return "no error";
    case ncclUnhandledCudaError: return "unhandled cuda error (run with NCCL_DEBUG=INFO for details)";
    case ncclSystemError: return "unhandled system error (run with NCCL_DEBUG=INFO for details)";
    case ncclInternalError: return "internal error - please report this issue to the NCCL developers";
    case ncclInvalidArgument: return "invalid argument (run with NCCL_DEBUG=WARN for details)";
    }
    return "unknown result code";
}
ncclResult_t ncclCommInitAll(ncclComm_t *comms, int n, const int *devices) {
    Held held;
    if (!comms || n < 1 || !devices) return bad("ncclCommInitAll without devices");
    if (state().settings.nccl_init) return ncclResult_t(state().settings.nccl_init);
    auto clique = std::make_shared<Clique>();
    for (int i = 0; i < n; i++) {
        for (int d : clique->devices)
            if (d == devices[i]) return bad("ncclCommInitAll with a device twice");
        if (devices[i] < 0 || devices[i] >= state().settings.devices) return ncclInvalidArgument;
        if (state().lost[devices[i]]) return ncclUnhandledCudaError;
        clique->devices.push_back(devices[i]);
    }
    for (int i = 0; i < n; i++) state().nccl.insert(comms[i] = new ncclComm{clique, size_t(i)});
    makeCurrent(primary(devices[n - 1])); // whoever has a context of his own sets it again
    return ncclSuccess;
}
static ncclResult_t end(ncclComm_t c, bool abort) {
    Held held;
    if (!state().nccl.erase(c)) return bad("a communicator of NCCL ends that there is not");
    if (abort) c->clique->aborted = true;
    for (auto &s : c->clique->sums)
        if (!s.second.done && !c->clique->aborted) fault("ncclCommDestroy while a sum is under way");
    delete c;
    return ncclSuccess;
}
ncclResult_t ncclCommDestroy(ncclComm_t c) { return end(c, false); }
ncclResult_t ncclCommAbort(ncclComm_t c) { return end(c, true); }
ncclResult_t ncclGroupStart() { return depth++, ncclSuccess; }
ncclResult_t ncclGroupEnd() {
    Held held;
    if (depth < 1) return fault("ncclGroupEnd without a start"), ncclInvalidUsage;
    if (--depth > 0) return ncclSuccess;
    std::vector<Posted> all;
    all.swap(group);
    ncclResult_t r = ncclSuccess;
    std::swap(r, groupError);
    return r ? r : launch(all); // after an error nothing of the group runs
}
static ncclResult_t post(const void *from, void *to, size_t count, ncclDataType_t type, ncclRedOp_t op, ncclComm_t c, cudaStream_t stream) {
    State &s = state();
    CUstream on = (CUstream)stream;
    if (!s.nccl.count(c) || !s.streams.count(on)) return bad("ncclAllReduce of what there is not");
    const int device = c->clique->devices[c->rank];
    if (on->device != device) return bad("ncclAllReduce on a stream of another device");
    if (op != ncclSum || (type != ncclFloat32 && type != ncclFloat64) || !count) return bad("ncclAllReduce: only sums of float32 and float64 are known here");
    const size_t bytes = count * (type == ncclFloat64 ? 8 : 4);
    if (!onDeviceOf(device, uintptr_t(from), bytes) || !onDeviceOf(device, uintptr_t(to), bytes)) return bad("ncclAllReduce: not in one live allocation of the device");
    if (s.lost[device]) return ncclUnhandledCudaError;
    if (s.settings.nccl_fail && ++s.sums == s.settings.nccl_fail) return ncclInternalError;
    Posted p{c, Part{false, on, 0, uintptr_t(from), uintptr_t(to), count, int(type)}};
    if (depth > 0) return group.push_back(p), ncclSuccess;
    return launch({p});
}
ncclResult_t ncclAllReduce(const void *from, void *to, size_t count, ncclDataType_t type, ncclRedOp_t op, ncclComm_t c, cudaStream_t stream) {
    Held held;
    ncclResult_t r = post(from, to, count, type, op, c, stream);
    if (r && depth > 0) groupError = r;
    return r;
}
}
