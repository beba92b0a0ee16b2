// Activations: y = f(x), one value a thread; and what they do to gradients.
#include "lode.cuh"

// max(x, 0); NaN is handed on.
template <class T> __device__ __forceinline__ void reluAt(T *y, const T *x, long long n) {
    int64_t i = index();
    if (i < n) put(y + i, get(x[i]) <= 0 ? 0.0f : get(x[i]));
}
extern "C" __global__ void relu(float *y, const float *x, long long n) { reluAt(y, x, n); }
extern "C" __global__ void relu_half(bf16 *y, const bf16 *x, long long n) { reluAt(y, x, n); }

// dx = dy where x is above 0, else 0; or that is added to dx.
template <class T> __device__ __forceinline__ void reluBack(T *dx, const T *dy, const T *x, int add, long long n) {
    int64_t i = index();
    if (i >= n) return;
    float d = get(x[i]) <= 0 ? 0.0f : get(dy[i]);
    put(dx + i, add ? get(dx[i]) + d : d);
}
extern "C" __global__ void relu_back(float *dx, const float *dy, const float *x, int add, long long n) { reluBack(dx, dy, x, add, n); }
extern "C" __global__ void relu_back_half(bf16 *dx, const bf16 *dy, const bf16 *x, int add, long long n) { reluBack(dx, dy, x, add, n); }

__device__ __forceinline__ float normal(float x) { return 0.5f * erfcf(x * -0.70710678f); }

// x·Φ(x), Φ being the distribution function of the normal distribution.
template <class T> __device__ __forceinline__ void geluAt(T *y, const T *x, long long n) {
    int64_t i = index();
    if (i < n) put(y + i, get(x[i]) * normal(get(x[i])));
}
extern "C" __global__ void gelu(float *y, const float *x, long long n) { geluAt(y, x, n); }
extern "C" __global__ void gelu_half(bf16 *y, const bf16 *x, long long n) { geluAt(y, x, n); }

// dx = dy·(Φ(x) + x·Φ′(x)); or that is added to dx.
template <class T> __device__ __forceinline__ void geluBack(T *dx, const T *dy, const T *x, int add, long long n) {
    int64_t i = index();
    if (i >= n) return;
    float a = get(x[i]), d = get(dy[i]) * (normal(a) + a * 0.39894228f * expf(-0.5f * a * a));
    put(dx + i, add ? get(dx[i]) + d : d);
}
extern "C" __global__ void gelu_back(float *dx, const float *dy, const float *x, int add, long long n) { geluBack(dx, dy, x, add, n); }
extern "C" __global__ void gelu_back_half(bf16 *dx, const bf16 *dy, const bf16 *x, int add, long long n) { geluBack(dx, dy, x, add, n); }

// y = x in bf16.
extern "C" __global__ void halve(bf16 *y, const float *x, long long n) {
    int64_t i = index() * 4;
    if (i + 4 <= n)
        store<4>(y + i, load<4>(x + i));
    else
        for (; i < n; i++) y[i] = toHalf(x[i]);
}
