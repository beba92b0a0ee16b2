// What kernels share. It compiles with NVRTC, and for the host with cudatest's shim.
#pragma once

#ifndef LODE_HOST
typedef unsigned long long uint64_t;
typedef long long int64_t;
typedef unsigned uint32_t;
typedef unsigned short uint16_t;
#define INFINITY __int_as_float(0x7f800000)
#define NAN __int_as_float(0x7fffffff)
#define DYNAMIC_SHARED(type, name) extern __shared__ __align__(16) unsigned char name##_bytes[]; type *name = (type *)name##_bytes
#endif

typedef uint16_t bf16; // the upper half of a float32

__device__ __forceinline__ float fromHalf(bf16 h) { return __uint_as_float((uint32_t)h << 16); }

// toHalf rounds to the nearest, ties to even; NaN stays NaN.
__device__ __forceinline__ bf16 toHalf(float f) {
#ifdef LODE_HOST
    uint32_t u = __float_as_uint(f);
    return f != f ? (bf16)0x7fff : (bf16)((u + 0x7fffu + ((u >> 16) & 1)) >> 16);
#else
    bf16 h;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(h) : "f"(f));
    return h;
#endif
}

// Values are float32 or bf16 where they lie, and float32 where they are worked on.
__device__ __forceinline__ float get(float x) { return x; }
__device__ __forceinline__ float get(bf16 x) { return fromHalf(x); }
__device__ __forceinline__ void put(float *p, float x) { *p = x; }
__device__ __forceinline__ void put(bf16 *p, float x) { *p = toHalf(x); }

// Pack is V values that follow each other, which are read and written at once: 1 or 4.
// Their address is a multiple of their size.
template <int V> struct Pack { float v[V]; };
template <int V> __device__ __forceinline__ Pack<V> load(const float *p) {
    Pack<V> x;
    if (V == 4) {
        float4 f = *(const float4 *)p;
        x.v[0] = f.x, x.v[V > 1 ? 1 : 0] = f.y, x.v[V > 2 ? 2 : 0] = f.z, x.v[V > 3 ? 3 : 0] = f.w;
    } else
        x.v[0] = *p;
    return x;
}
template <int V> __device__ __forceinline__ Pack<V> load(const bf16 *p) {
    Pack<V> x;
    if (V == 4) {
        uint2 u = *(const uint2 *)p;
        x.v[0] = fromHalf((bf16)u.x), x.v[V > 1 ? 1 : 0] = fromHalf((bf16)(u.x >> 16));
        x.v[V > 2 ? 2 : 0] = fromHalf((bf16)u.y), x.v[V > 3 ? 3 : 0] = fromHalf((bf16)(u.y >> 16));
    } else
        x.v[0] = fromHalf(*p);
    return x;
}
template <int V> __device__ __forceinline__ void store(float *p, Pack<V> x) {
    if (V == 4) {
        float4 f = {x.v[0], x.v[V > 1 ? 1 : 0], x.v[V > 2 ? 2 : 0], x.v[V > 3 ? 3 : 0]};
        *(float4 *)p = f;
    } else
        *p = x.v[0];
}
// twoHalves packs two values, the first one low.
__device__ __forceinline__ uint32_t twoHalves(float a, float b) {
#ifdef LODE_HOST
    return toHalf(a) | (uint32_t)toHalf(b) << 16;
#else
    uint32_t u;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(u) : "f"(b), "f"(a));
    return u;
#endif
}
template <int V> __device__ __forceinline__ void store(bf16 *p, Pack<V> x) {
    if (V == 4) {
        uint2 u = {twoHalves(x.v[0], x.v[V > 1 ? 1 : 0]), twoHalves(x.v[V > 2 ? 2 : 0], x.v[V > 3 ? 3 : 0])};
        *(uint2 *)p = u;
    } else
        *p = toHalf(x.v[0]);
}

// index is that of a thread in a grid of one dimension.
__device__ __forceinline__ int64_t index() { return (int64_t)blockIdx.x * blockDim.x + threadIdx.x; }

// warpSum returns the sum of x over the threads of a warp, to all of them.
__device__ __forceinline__ float warpSum(float x) {
    for (int i = 16; i > 0; i /= 2) x += __shfl_xor_sync(0xffffffffu, x, i);
    return x;
}
__device__ __forceinline__ double warpSumDouble(double x) {
    for (int i = 16; i > 0; i /= 2) x += __shfl_xor_sync(0xffffffffu, x, i);
    return x;
}
__device__ __forceinline__ float warpMax(float x) {
    for (int i = 16; i > 0; i /= 2) x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, i));
    return x;
}

// blockSum returns the sum of x over a block of whole warps, to all of its threads; scratch
// is shared memory for 32 values. The order of the sum is fixed.
__device__ __forceinline__ float blockSum(float x, float *scratch) {
    x = warpSum(x);
    __syncthreads(); // scratch may still be read
    if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = x;
    __syncthreads();
    x = threadIdx.x % 32 < blockDim.x / 32 ? scratch[threadIdx.x % 32] : 0;
    return warpSum(x);
}
__device__ __forceinline__ double blockSumDouble(double x, double *scratch) {
    x = warpSumDouble(x);
    __syncthreads();
    if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = x;
    __syncthreads();
    x = threadIdx.x % 32 < blockDim.x / 32 ? scratch[threadIdx.x % 32] : 0;
    return warpSumDouble(x);
}
__device__ __forceinline__ float blockMax(float x, float *scratch) {
    x = warpMax(x);
    __syncthreads();
    if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = x;
    __syncthreads();
    x = threadIdx.x % 32 < blockDim.x / 32 ? scratch[threadIdx.x % 32] : -INFINITY;
    return warpMax(x);
}
