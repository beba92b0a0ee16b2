// Pools: the largest or the mean of each window of planes. A thread has one value.
#include "window.cuh"

// y is the mean of each window; or, if there is from, its largest value, the first of equals
// or a NaN, and from is where in its plane that stood.
template <class T> __device__ __forceinline__ void poolAt(T *y, int *from, const T *x, Planes p, long long n) {
    int64_t i = index();
    if (i >= n) return;
    int window = (int)(i % p.windows()), first = window / p.wide * p.stride * p.width + window % p.wide * p.stride, best = first;
    x += i / p.windows() * p.area();
    float sum = 0;
    for (int d = 0; d < p.size; d++)
        for (int at = first + d * p.width; at < first + d * p.width + p.size; at++) {
            float v = get(x[at]);
            sum += v;
            if (v > get(x[best]) || v != v) best = at;
        }
    if (from) from[i] = best;
    put(y + i, from ? get(x[best]) : sum / (p.size * p.size));
}
extern "C" __global__ void pool(float *y, int *from, const float *x, int num, int height, int width, int size, int stride, int pad, int tall, int wide, long long n) { poolAt(y, from, x, {num, height, width, size, stride, pad, tall, wide}, n); }
extern "C" __global__ void pool_half(bf16 *y, int *from, const bf16 *x, int num, int height, int width, int size, int stride, int pad, int tall, int wide, long long n) { poolAt(y, from, x, {num, height, width, size, stride, pad, tall, wide}, n); }

// dx is the sum over all windows that took the value, or that is added to it.
template <class T> __device__ __forceinline__ void poolBack(T *dx, const T *dy, const int *from, Planes p, int add, long long n) {
    int64_t i = index();
    if (i >= n) return;
    int place = (int)(i % p.area()), down = place / p.width, across = place % p.width;
    int64_t plane = i / p.area() * p.windows();
    float s = 0;
    for (int u = p.first(down); u < p.end(down, p.tall); u++)
        for (int v = p.first(across); v < p.end(across, p.wide); v++) {
            int64_t w = plane + u * p.wide + v;
            if (!from || from[w] == place) s += get(dy[w]);
        }
    if (!from) s /= p.size * p.size;
    put(dx + i, add ? get(dx[i]) + s : s);
}
extern "C" __global__ void pool_back(float *dx, const float *dy, const int *from, int num, int height, int width, int size, int stride, int pad, int tall, int wide, int add, long long n) { poolBack(dx, dy, from, {num, height, width, size, stride, pad, tall, wide}, add, n); }
extern "C" __global__ void pool_back_half(bf16 *dx, const bf16 *dy, const int *from, int num, int height, int width, int size, int stride, int pad, int tall, int wide, int add, long long n) { poolBack(dx, dy, from, {num, height, width, size, stride, pad, tall, wide}, add, n); }
