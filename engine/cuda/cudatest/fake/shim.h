// What CUDA C has and C++ has not, for kernels that are compiled for the host. Threads
// of a block are coroutines: __syncthreads and shuffles really wait for the others.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

#define LODE_HOST 1
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(n) alignas(n)
#define __constant__ static const

// Shared memory lies in a section of its own, which is poisoned before each block. A
// template cannot have it: the compiler would merge sections of different kinds.
#define __shared__ static __attribute__((section("shared_memory")))

struct uint3 { unsigned x, y, z; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(8) float2 { float x, y; };
struct alignas(8) uint2 { unsigned x, y; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

extern uint3 threadIdx, blockIdx, blockDim, gridDim;
constexpr int warpSize = 32;

// In the stand-in:
void shimBarrier(const char *file, int line);
// shimShare gives a value to the warp and returns those of all its threads; they are good
// until the thread's next call but one.
const uint64_t *shimShare(uint64_t value, unsigned mask, const char *file, int line);
unsigned shimLane();
void *shimDynamic();
// shimCopyLater copies to shared memory, zeros where from is null, at the thread's shimAwaitCopies
// that lets at most that many groups stay open.
void shimCopyLater(void *to, const void *from, int bytes);
void shimCloseCopies();
void shimAwaitCopies(int open);
[[noreturn]] void shimFail(const char *what, const char *file, int line);

#define __syncthreads() shimBarrier(__FILE__, __LINE__)
#define __syncwarp(...) ((void)shimShare(0, 0xffffffffu, __FILE__, __LINE__))
#define __shfl_xor_sync(mask, v, other, ...) shimPick(v, shimShare(shimBits(v), mask, __FILE__, __LINE__), shimLane() ^ (other))
#define __shfl_down_sync(mask, v, by, ...) shimPick(v, shimShare(shimBits(v), mask, __FILE__, __LINE__), shimLane() + (by) < 32 ? shimLane() + (by) : shimLane())
#define __shfl_up_sync(mask, v, by, ...) shimPick(v, shimShare(shimBits(v), mask, __FILE__, __LINE__), shimLane() >= unsigned(by) ? shimLane() - (by) : shimLane())
#define __shfl_sync(mask, v, lane, ...) shimPick(v, shimShare(shimBits(v), mask, __FILE__, __LINE__), unsigned(lane) & 31)
#define __ballot_sync(mask, p) shimBallot(shimShare((p) != 0, mask, __FILE__, __LINE__))
#define __any_sync(mask, p) (__ballot_sync(mask, p) != 0)
#define __all_sync(mask, p) (__ballot_sync(mask, p) == 0xffffffffu)
#define __threadfence() ((void)0)
#define __threadfence_block() ((void)0)
// DYNAMIC_SHARED is the block's dynamic shared memory.
#define DYNAMIC_SHARED(type, name) type *name = (type *)shimDynamic()

template <class T> uint64_t shimBits(T v) {
    static_assert(sizeof(T) <= 8, "a shuffle moves at most 8 bytes");
    uint64_t bits = 0;
    memcpy(&bits, &v, sizeof v);
    return bits;
}
template <class T> T shimPick(T like, const uint64_t *all, unsigned lane) {
    memcpy(&like, &all[lane], sizeof like);
    return like;
}
inline unsigned shimBallot(const uint64_t *all) {
    unsigned bits = 0;
    for (int i = 0; i < 32; i++) bits |= unsigned(all[i] != 0) << i;
    return bits;
}

// One thread runs at a time, so these are atomic.
template <class T> T atomicAdd(T *p, T v) { T old = *p; *p += v; return old; }
template <class T> T atomicMax(T *p, T v) { T old = *p; if (v > old) *p = v; return old; }
template <class T> T atomicMin(T *p, T v) { T old = *p; if (v < old) *p = v; return old; }
template <class T> T atomicExch(T *p, T v) { T old = *p; *p = v; return old; }
template <class T> T atomicCAS(T *p, T want, T v) { T old = *p; if (old == want) *p = v; return old; }
template <class T> T atomicOr(T *p, T v) { T old = *p; *p |= v; return old; }

inline int min(int a, int b) { return a < b ? a : b; }
inline int max(int a, int b) { return a > b ? a : b; }
inline unsigned min(unsigned a, unsigned b) { return a < b ? a : b; }
inline unsigned max(unsigned a, unsigned b) { return a > b ? a : b; }
inline long long min(long long a, long long b) { return a < b ? a : b; }
inline long long max(long long a, long long b) { return a > b ? a : b; }
inline float rsqrtf(float x) { return 1 / sqrtf(x); }
inline float __expf(float x) { return expf(x); }
inline float __logf(float x) { return logf(x); }
inline float __fdividef(float a, float b) { return a / b; }
inline void __sincosf(float x, float *s, float *c) { *s = sinf(x), *c = cosf(x); }
inline float __uint_as_float(unsigned u) { float f; memcpy(&f, &u, 4); return f; }
inline unsigned __float_as_uint(float f) { unsigned u; memcpy(&u, &f, 4); return u; }
inline float __int_as_float(int u) { float f; memcpy(&f, &u, 4); return f; }
inline int __float_as_int(float f) { int u; memcpy(&u, &f, 4); return u; }
// Rounded once each, never fused, as their namesakes.
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fsqrt_rn(float a) { return sqrtf(a); }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __dadd_rn(double a, double b) { return a + b; }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __clz(int x) { return x ? __builtin_clz(unsigned(x)) : 32; }
inline int __ffs(int x) { return __builtin_ffs(x); }
