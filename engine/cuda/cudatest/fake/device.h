// What the parts of the stand-in for NVIDIA's libraries share: its state, how it
// checks what it is told, and how work is queued.
#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#ifdef REAL_HEADERS // to hold our declarations to those of the toolkit
#include <cublasLt.h>
#include <cuda.h>
#include <nccl.h>
#include <nvrtc.h>
#else
#include "declarations.h"
#endif

// What the stand-in can be told, by fakeConfigure.
struct Settings {
    long memory = 1L << 30;   // bytes of each device
    long lose = 0;            // the number of the call, from 1, that finds its device lost; 0: none
    long heals = 1;           // a reset of the context brings a lost device back
    long driver = 12080;      // version
    long blas = 120900;       // version
    long devices = 1;
    long capability = 80;     // major·10 + minor
    long order = 1;           // seed of the order in which threads, blocks and streams run
    long unlike = 0;          // the last device has a processor more than the others
    long peers = 1;           // devices can reach each other's memory
    long nccl = 22105;        // version
    long nccl_init = 0;       // what ncclCommInitAll returns, if not 0
    long nccl_lose = 0;       // the number of the sum, from 1, in which the last device is lost; 0: none
    long nccl_fail = 0;       // the number of the sum, from 1, that is refused; 0: none
};

struct Region { // of memory, on a device or pinned on the host
    int device;
    size_t size;
    char *pages;
    size_t mapped;
};

using Work = std::function<CUresult()>;

struct CUctx_st {
    int device;
    int uses = 0;
    std::set<int> peers; // devices whose memory it may reach
};
struct CUstream_st {
    int device;
    std::deque<Work> queue;
    uint64_t queued = 0, done = 0;
    bool capturing = false;
    std::vector<Work> captured;
};
struct CUevent_st {
    int device;
    bool timed = false, recorded = false;
    CUstream stream = nullptr;
    uint64_t at = 0;     // it has happened once so much of the stream is done
    double when = 0;
};
struct CUgraph_st { int device; std::vector<Work> work; };
struct CUgraphExec_st { int device; std::vector<Work> work; };
struct Kernel;
struct CUfunc_st { const Kernel *kernel; CUmodule module; int dynamic = 48 << 10; };
struct CUmod_st { int device; std::map<std::string, CUfunc_st *> functions; };

struct State {
    std::recursive_mutex mutex;
    Settings settings;
    long calls = 0;
    bool begun = false;               // cuInit was called
    std::map<int, CUresult> lost;     // by device
    std::vector<std::string> faults;
    std::map<uintptr_t, Region> device, host;
    std::map<int, long> used;         // bytes of each device
    std::map<int, CUcontext> primary;
    std::set<CUstream> streams;
    std::set<CUevent> events;
    std::set<CUmodule> modules;
    std::set<CUgraph> graphs;
    std::set<CUgraphExec> execs;
    std::set<void *> blas;            // handles and descriptors
    std::set<void *> nccl;            // communicators
    long sums = 0;                    // of NCCL so far
    uint64_t chance = 1;
};

State &state();
uint32_t draw(uint32_t below);

// fault writes down that the library was misused and returns an error.
CUresult fault(const char *format, ...) __attribute__((format(printf, 1, 2)));

// Call begins every call of the driver: it holds the lock, counts, and says whether the
// call may go on.
struct Call {
    std::unique_lock<std::recursive_mutex> lock;
    CUresult refused;
    Call(const char *name, bool needsContext = true);
};

// here is the device of the work that runs, else of the thread's context; -1 for none.
int here();
void makeCurrent(CUcontext c);
CUcontext primary(int device); // null if nobody holds it

// onDevice says whether so many bytes at p lie in one live allocation of here(), or of a
// device.
bool onDevice(uintptr_t p, size_t bytes);
bool onDeviceOf(int device, uintptr_t p, size_t bytes);
bool onHost(uintptr_t p, size_t bytes);

// stuck is what work returns that waits for something, and is tried again.
constexpr CUresult stuck = CUDA_ERROR_NOT_READY;

CUresult enqueue(CUstream s, const char *what, Work work);
void put(CUstream s, Work work); // enqueue, by whatever thread
CUresult drain(CUstream s, uint64_t upTo);
CUresult drainAll();
void poison(void *p, size_t bytes);

// unlocked lets a device's memory be touched as long as it lives; work then runs there.
struct Unlocked {
    int device, before;
    Unlocked(int device);
    ~Unlocked();
};

// A kernel that was compiled for the host.
struct Kernel {
    const char *name;
    std::vector<size_t> sizes; // of its parameters
    std::vector<bool> pointers;
    std::function<void(const std::vector<const void *> &)> thread; // runs one thread
};
std::map<std::string, Kernel> &kernels();

struct Shape { unsigned x, y, z; };
CUresult launch(const Kernel &k, Shape grid, Shape block, size_t dynamic, const std::vector<char> &arguments);
// interpret says whether the kernel's PTX was run, and how that ended; see interpret.cpp.
bool interpret(const Kernel &k, Shape grid, Shape block, size_t dynamic, const std::vector<char> &arguments, CUresult *result);
std::vector<size_t> offsets(const Kernel &k, size_t *total);
