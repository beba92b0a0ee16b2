// How kernels run on the host: block after block, the threads of each as coroutines, in
// an order that changes.
#include "device.h"
#include "shim.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <sys/mman.h>
#ifndef __x86_64__
#include <ucontext.h>
#endif

uint3 threadIdx, blockIdx, blockDim, gridDim;

std::map<std::string, Kernel> &kernels() {
    static auto *all = new std::map<std::string, Kernel>;
    return *all;
}

std::vector<size_t> offsets(const Kernel &k, size_t *total) {
    std::vector<size_t> at;
    *total = 0;
    for (size_t n : k.sizes) {
        *total = (*total + n - 1) / n * n;
        at.push_back(*total);
        *total += n;
    }
    return at;
}

extern "C" char __start_shared_memory[] __attribute__((weak)), __stop_shared_memory[] __attribute__((weak));

namespace {
enum Where { ready, atBarrier, inWarp, done };
struct Copy {
    void *to;
    const void *from;
    int bytes, group;
};
struct Fiber {
    uint3 id;
    unsigned number;
    Where where;
    const char *file; // of what it waits at
    int line;
    unsigned shares;  // that it took part in
    char *stack;
    std::vector<Copy> copies;
    int groups;       // of copies that were closed
#ifdef __x86_64__
    void *at;
#else
    ucontext_t at;
#endif
};
struct Warp {
    uint64_t values[2][32];
    unsigned arrived;
};
constexpr size_t stackBytes = 128 << 10;

std::vector<Fiber> fibers(1024);
std::vector<Warp> warps(32);
Fiber *running;
const Kernel *kernel;
std::vector<const void *> arguments;
std::vector<char> dynamicMemory;
unsigned threads;
bool failed;
#ifdef __x86_64__
void *scheduler;
// swap saves what a function must keep, and the stack, and takes those of another.
extern "C" void shimSwap(void **save, void *to);
asm(R"(
.text
.type shimSwap, @function
shimSwap:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size shimSwap, .-shimSwap
)");
void leave() { shimSwap(&running->at, scheduler); }
void enter(Fiber &f) { shimSwap(&scheduler, f.at); }
#else
ucontext_t scheduler;
void leave() { swapcontext(&running->at, &scheduler); }
void enter(Fiber &f) { swapcontext(&scheduler, &f.at); }
#endif

void body() {
    kernel->thread(arguments);
    running->where = done;
    for (;;) leave();
}

void prepare(Fiber &f, unsigned number) {
    f.number = number, f.where = ready, f.shares = 0, f.groups = 0, f.copies.clear();
    f.id = {number % blockDim.x, number / blockDim.x % blockDim.y, number / (blockDim.x * blockDim.y)};
    if (!f.stack) {
        f.stack = (char *)mmap(nullptr, stackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        mprotect(f.stack, 4096, PROT_NONE); // one that grows too far ends here
    }
#ifdef __x86_64__
    void **top = (void **)(f.stack + stackBytes - 64);
    *--top = nullptr; // where body would return to; it keeps the stack aligned
    *--top = (void *)body;
    for (int i = 0; i < 6; i++) *--top = nullptr;
    f.at = top;
#else
    getcontext(&f.at);
    f.at.uc_stack.ss_sp = f.stack, f.at.uc_stack.ss_size = stackBytes, f.at.uc_link = nullptr;
    makecontext(&f.at, body, 0);
#endif
}

// fail ends the block that runs.
void fail(const char *what, const char *file, int line) {
    fault("%s, block %u,%u,%u, thread %u: %s (%s:%d)", kernel->name, blockIdx.x, blockIdx.y, blockIdx.z, running->number, what, file, line);
    failed = true;
}

void wait(Where where, const char *file, int line) {
    running->where = where, running->file = file, running->line = line;
    leave();
}

template <class T> void shuffle(std::vector<T> &v) {
    for (size_t i = v.size(); i > 1; i--) std::swap(v[i - 1], v[draw(uint32_t(i))]);
}

// release lets threads go on that have met. It says whether there are any.
bool release() {
    Fiber *first = nullptr;
    unsigned at = 0, ended = 0;
    for (unsigned i = 0; i < threads; i++) {
        Fiber &f = fibers[i];
        ended += f.where == done;
        if (f.where != atBarrier) continue;
        if (!first) first = &f;
        running = &f;
        if (f.line != first->line || f.file != first->file) return fail("threads wait at different barriers", f.file, f.line), false;
        at++;
    }
    if (ended == threads) return false;
    if (at == threads) {
        for (unsigned i = 0; i < threads; i++) fibers[i].where = ready;
        return true;
    }
    for (unsigned i = 0; i < threads; i++)
        if (fibers[i].where == inWarp || fibers[i].where == atBarrier) {
            running = &fibers[i];
            return fail("waits for threads that never come", fibers[i].file, fibers[i].line), false;
        }
    return false;
}

void runBlock() {
    if (__start_shared_memory) poison(__start_shared_memory, __stop_shared_memory - __start_shared_memory);
    poison(dynamicMemory.data(), dynamicMemory.size());
    for (unsigned i = 0; i < threads; i++) prepare(fibers[i], i);
    for (auto &w : warps) w.arrived = 0;
    std::vector<unsigned> order(threads);
    for (unsigned i = 0; i < threads; i++) order[i] = i;
    do {
        shuffle(order);
        unsigned slow = draw(threads / 32 + 1); // a warp that goes on when all others wait, or none
        for (bool ran = true; ran && !failed;) {
            ran = false;
            for (unsigned i : order) {
                if (fibers[i].where != ready || i / 32 == slow) continue;
                running = &fibers[i];
                threadIdx = running->id;
                enter(*running);
                if (failed) return;
                ran = true;
            }
            if (!ran && slow < threads / 32) slow = threads, ran = true;
        }
    } while (!failed && release());
}
} // namespace

void shimCopyLater(void *to, const void *from, int bytes) {
    poison(to, bytes);
    running->copies.push_back({to, from, bytes, running->groups});
}
void shimCloseCopies() { running->groups++; }
void shimAwaitCopies(int open) {
    auto &all = running->copies;
    size_t n = 0;
    for (; n < all.size() && all[n].group < running->groups - open; n++)
        if (all[n].from) memcpy(all[n].to, all[n].from, all[n].bytes);
        else
            memset(all[n].to, 0, all[n].bytes);
    all.erase(all.begin(), all.begin() + n);
}

void shimBarrier(const char *file, int line) { wait(atBarrier, file, line); }
unsigned shimLane() { return running->number % 32; }
void *shimDynamic() { return dynamicMemory.data(); }

const uint64_t *shimShare(uint64_t value, unsigned mask, const char *file, int line) {
    Fiber &me = *running;
    Warp &w = warps[me.number / 32];
    unsigned first = me.number / 32 * 32;
    if (mask != 0xffffffffu || first + 32 > threads) {
        fail("a warp works together, but not all of its 32 threads", file, line);
        for (;;) leave();
    }
    uint64_t *values = w.values[me.shares++ % 2];
    values[me.number % 32] = value;
    me.file = file, me.line = line;
    if (++w.arrived < 32) {
        wait(inWarp, file, line);
        threadIdx = me.id;
        return values;
    }
    w.arrived = 0;
    for (unsigned i = first; i < first + 32; i++) {
        if (fibers[i].line != line || fibers[i].file != file) {
            fail("threads of a warp work together at different places", file, line);
            for (;;) leave();
        }
        if (&fibers[i] != &me) fibers[i].where = ready;
    }
    return values;
}

CUresult launch(const Kernel &k, Shape grid, Shape block, size_t dynamic, const std::vector<char> &buffer) {
    CUresult interpreted;
    if (interpret(k, grid, block, dynamic, buffer, &interpreted)) return interpreted;
    kernel = &k, failed = false;
    blockDim = {block.x, block.y, block.z}, gridDim = {grid.x, grid.y, grid.z};
    threads = block.x * block.y * block.z;
    dynamicMemory.resize(dynamic);
    size_t total;
    arguments.clear();
    for (size_t at : offsets(k, &total)) arguments.push_back(buffer.data() + at);
    size_t num = size_t(grid.x) * grid.y * grid.z;
    std::vector<uint32_t> order(num);
    for (size_t i = 0; i < num; i++) order[i] = uint32_t(i);
    shuffle(order);
    for (uint32_t i : order) {
        blockIdx = {i % grid.x, i / grid.x % grid.y, i / (grid.x * grid.y)};
        runBlock();
        if (failed) return CUDA_ERROR_LAUNCH_FAILED;
    }
    return CUDA_SUCCESS;
}
