// Activations: y = f(x), one value a thread; and what they do to gradients.
#include "lode.cuh"

// max(x, 0); NaN is handed on.
extern "C" __global__ void relu(float *y, const float *x, long long n) {
    int64_t i = index();
    if (i < n) y[i] = x[i] <= 0 ? 0 : x[i];
}

// dx = dy where x is above 0, else 0; or that is added to dx.
extern "C" __global__ void relu_back(float *dx, const float *dy, const float *x, int add, long long n) {
    int64_t i = index();
    if (i >= n) return;
    float d = x[i] <= 0 ? 0 : dy[i];
    dx[i] = add ? dx[i] + d : d;
}

__device__ __forceinline__ float normal(float x) { return 0.5f * erfcf(x * -0.70710678f); }

// x·Φ(x), Φ being the distribution function of the normal distribution.
extern "C" __global__ void gelu(float *y, const float *x, long long n) {
    int64_t i = index();
    if (i < n) y[i] = x[i] * normal(x[i]);
}

// dx = dy·(Φ(x) + x·Φ′(x)); or that is added to dx.
extern "C" __global__ void gelu_back(float *dx, const float *dy, const float *x, int add, long long n) {
    int64_t i = index();
    if (i >= n) return;
    float a = x[i], d = dy[i] * (normal(a) + a * 0.39894228f * expf(-0.5f * a * a));
    dx[i] = add ? dx[i] + d : d;
}
