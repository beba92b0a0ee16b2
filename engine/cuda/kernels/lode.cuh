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
    uint32_t u = __float_as_uint(f);
    return f != f ? (bf16)0x7fff : (bf16)((u + 0x7fffu + ((u >> 16) & 1)) >> 16);
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
