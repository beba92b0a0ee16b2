// SwiGLU (Shazeer, arXiv:2002.05202, section 2): y = silu(gate)·up of rows [gate | up]. One
// block has one row.
#include "lode.cuh"

__device__ __forceinline__ float sigmoid(float x) { return 1 / (1 + expf(-x)); }

template <int V, class T> __device__ __forceinline__ void swigluRow(T *y, const T *x, int wide) {
    y += (int64_t)blockIdx.x * wide, x += (int64_t)blockIdx.x * 2 * wide;
    for (int j = threadIdx.x * V; j < wide; j += blockDim.x * V) {
        Pack<V> gate = load<V>(x + j), up = load<V>(x + wide + j);
        for (int k = 0; k < V; k++) up.v[k] *= gate.v[k] * sigmoid(gate.v[k]);
        store<V>(y + j, up);
    }
}
template <class T> __device__ __forceinline__ void swigluAny(T *y, const T *x, int wide) {
    if (wide % 4)
        swigluRow<1>(y, x, wide);
    else
        swigluRow<4>(y, x, wide);
}
extern "C" __global__ void swiglu(float *y, const float *x, int wide) { swigluAny(y, x, wide); }
extern "C" __global__ void swiglu_half(bf16 *y, const bf16 *x, int wide) { swigluAny(y, x, wide); }

// dx is set, or added to.
template <int V, class T> __device__ __forceinline__ void swigluRowBack(T *dx, const T *dy, const T *x, int add, int wide) {
    dx += (int64_t)blockIdx.x * 2 * wide, dy += (int64_t)blockIdx.x * wide, x += (int64_t)blockIdx.x * 2 * wide;
    for (int j = threadIdx.x * V; j < wide; j += blockDim.x * V) {
        Pack<V> gate = load<V>(x + j), up = load<V>(x + wide + j), d = load<V>(dy + j), dgate, dup;
        for (int k = 0; k < V; k++) {
            float a = gate.v[k], s = sigmoid(a);
            dgate.v[k] = d.v[k] * up.v[k] * s * (1 + a * (1 - s)), dup.v[k] = d.v[k] * a * s;
        }
        if (add) {
            Pack<V> old = load<V>(dx + j), old2 = load<V>(dx + wide + j);
            for (int k = 0; k < V; k++) dgate.v[k] += old.v[k], dup.v[k] += old2.v[k];
        }
        store<V>(dx + j, dgate), store<V>(dx + wide + j, dup);
    }
}
template <class T> __device__ __forceinline__ void swigluAnyBack(T *dx, const T *dy, const T *x, int add, int wide) {
    if (wide % 4)
        swigluRowBack<1>(dx, dy, x, add, wide);
    else
        swigluRowBack<4>(dx, dy, x, add, wide);
}
extern "C" __global__ void swiglu_back(float *dx, const float *dy, const float *x, int add, int wide) { swigluAnyBack(dx, dy, x, add, wide); }
extern "C" __global__ void swiglu_back_half(bf16 *dx, const bf16 *dy, const bf16 *x, int add, int wide) { swigluAnyBack(dx, dy, x, add, wide); }
