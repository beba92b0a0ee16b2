// Convolutions as products: windows laid out as rows, and results turned into planes.
#include "window.cuh"

// cols[example, window] = the taps that the window sees of x, zeros outside: a thread each.
template <class T> __device__ __forceinline__ void unrollAt(T *cols, const T *x, Planes p, long long n) {
    int64_t i = index();
    if (i >= n) return;
    int tap = (int)(i % p.taps()), plane = tap / (p.size * p.size);
    int64_t row = i / p.taps(), example = row / p.windows();
    int window = (int)(row % p.windows());
    int down = window / p.wide * p.stride + tap / p.size % p.size - p.pad, across = window % p.wide * p.stride + tap % p.size - p.pad;
    bool inside = down >= 0 && down < p.height && across >= 0 && across < p.width;
    put(cols + i, inside ? get(x[(example * p.num + plane) * p.area() + down * p.width + across]) : 0.0f);
}
extern "C" __global__ void unroll(float *cols, const float *x, int num, int height, int width, int size, int stride, int pad, int tall, int wide, long long n) { unrollAt(cols, x, {num, height, width, size, stride, pad, tall, wide}, n); }
extern "C" __global__ void unroll_half(bf16 *cols, const bf16 *x, int num, int height, int width, int size, int stride, int pad, int tall, int wide, long long n) { unrollAt(cols, x, {num, height, width, size, stride, pad, tall, wide}, n); }

// dx = the sum of all cols that unroll took from there, or that is added to it: a thread each.
template <class T> __device__ __forceinline__ void rollAt(T *dx, const T *cols, Planes p, int add, long long n) {
    int64_t i = index();
    if (i >= n) return;
    int across = (int)(i % p.width), down = (int)(i / p.width % p.height), plane = (int)(i / p.area() % p.num);
    int64_t example = i / p.area() / p.num;
    float s = add ? get(dx[i]) : 0.0f;
    for (int u = p.first(down); u < p.end(down, p.tall); u++)
        for (int v = p.first(across); v < p.end(across, p.wide); v++) {
            int y = down + p.pad - u * p.stride, z = across + p.pad - v * p.stride;
            s += get(cols[(example * p.windows() + u * p.wide + v) * p.taps() + (plane * p.size + y) * p.size + z]);
        }
    put(dx + i, s);
}
extern "C" __global__ void roll(float *dx, const float *cols, int num, int height, int width, int size, int stride, int pad, int tall, int wide, int add, long long n) { rollAt(dx, cols, {num, height, width, size, stride, pad, tall, wide}, add, n); }
extern "C" __global__ void roll_half(bf16 *dx, const bf16 *cols, int num, int height, int width, int size, int stride, int pad, int tall, int wide, int add, long long n) { rollAt(dx, cols, {num, height, width, size, stride, pad, tall, wide}, add, n); }

// y[example, column, row] = x[example, row, column]: a thread each, n in all.
template <class T> __device__ __forceinline__ void turnAt(T *y, const T *x, int rows, int cols, long long n) {
    int64_t i = index();
    if (i >= n) return;
    int row = (int)(i % rows), col = (int)(i / rows % cols);
    int64_t example = i / rows / cols;
    y[i] = x[(example * rows + row) * cols + col];
}
extern "C" __global__ void turn(float *y, const float *x, int rows, int cols, long long n) { turnAt(y, x, rows, cols, n); }
extern "C" __global__ void turn_half(bf16 *y, const bf16 *x, int rows, int cols, long long n) { turnAt(y, x, rows, cols, n); }
