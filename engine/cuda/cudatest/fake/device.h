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
#include <nvrtc.h>
#else
#include "declarations.h"
#endif

// What the stand-in can be told, by fakeConfigure.
struct Settings {
    long memory = 1L << 30;   // bytes of the device
    long lose = 0;            // the number of the call, from 1, that finds the device lost; 0: none
    long heals = 1;           // a reset of the context brings a lost device back
    long driver = 12080;      // version
    long blas = 120900;       // version
    long devices = 1;
    long capability = 80;     // major·10 + minor
    long order = 1;           // seed of the order in which threads, blocks and streams run
};

struct Region { // of memory, on the device or pinned on the host
    size_t size;
    char *pages;
    size_t mapped;
};

using Work = std::function<CUresult()>;

struct CUctx_st { int uses = 0; };
struct CUstream_st {
    std::deque<Work> queue;
    uint64_t queued = 0, done = 0;
    bool capturing = false;
    std::vector<Work> captured;
};
struct CUevent_st {
    bool timed = false, recorded = false;
    CUstream stream = nullptr;
    uint64_t at = 0;     // it has happened once so much of the stream is done
    double when = 0;
};
struct CUgraph_st { std::vector<Work> work; };
struct CUgraphExec_st { std::vector<Work> work; };
struct Kernel;
struct CUfunc_st { const Kernel *kernel; CUmodule module; int dynamic = 48 << 10; };
struct CUmod_st { std::map<std::string, CUfunc_st *> functions; };

struct State {
    std::recursive_mutex mutex;
    Settings settings;
    long calls = 0;
    bool begun = false;               // cuInit was called
    CUresult lost = CUDA_SUCCESS;
    std::vector<std::string> faults;
    std::map<uintptr_t, Region> device, host;
    long used = 0;                    // bytes of the device
    std::map<int, CUcontext> primary;
    std::set<CUstream> streams;
    std::set<CUevent> events;
    std::set<CUmodule> modules;
    std::set<CUgraph> graphs;
    std::set<CUgraphExec> execs;
    std::set<void *> blas;            // handles and descriptors
    uint64_t chance = 1;
};

State &state();
uint32_t draw(uint32_t below);

// fault writes down that the library was misused and returns an error.
CUresult fault(const char *format, ...) __attribute__((format(printf, 1, 2)));

// Call begins every call of the driver: it holds the lock, counts, and says whether the
// call may go on.
struct Call {
    std::lock_guard<std::recursive_mutex> lock;
    CUresult refused;
    Call(const char *name, bool needsContext = true);
};

// onDevice says whether so many bytes at p lie in one live allocation.
bool onDevice(uintptr_t p, size_t bytes);
bool onHost(uintptr_t p, size_t bytes);

CUresult enqueue(CUstream s, const char *what, Work work);
CUresult drain(CUstream s, uint64_t upTo);
CUresult drainAll();
void poison(void *p, size_t bytes);

// unlocked lets the device's memory be touched as long as it lives.
struct Unlocked {
    Unlocked();
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
