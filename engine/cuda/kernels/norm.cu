// RMSNorm (Zhang and Sennrich, arXiv:1910.07467): y = w·x·r with r = 1/√(mean of x² + eps).
// One warp has one row.
#include "lode.cuh"

// packed tells whether rows and weights can be read four values at a time.
__device__ __forceinline__ bool packed(const float *w, int dim) { return dim % 4 == 0 && (uint64_t)w % 16 == 0; }

// rowOf returns the row of a thread's warp.
__device__ __forceinline__ int rowOf() { return (int)(index() / 32); }

template <int V, class T> __device__ __forceinline__ void normRow(T *y, float *roots, const T *x, const float *w, float eps, int row, int dim) {
    int lane = threadIdx.x % 32 * V;
    x += (int64_t)row * dim, y += (int64_t)row * dim;
    float s = 0;
    for (int j = lane; j < dim; j += 32 * V) {
        Pack<V> a = load<V>(x + j);
        for (int k = 0; k < V; k++) s += a.v[k] * a.v[k];
    }
    float r = 1 / sqrtf(warpSum(s) / dim + eps);
    if (lane == 0) roots[row] = r;
    for (int j = lane; j < dim; j += 32 * V) {
        Pack<V> a = load<V>(x + j), by = load<V>(w + j);
        for (int k = 0; k < V; k++) a.v[k] *= r * by.v[k];
        store<V>(y + j, a);
    }
}
template <class T> __device__ __forceinline__ void normAny(T *y, float *roots, const T *x, const float *w, float eps, int rows, int dim) {
    int row = rowOf();
    if (row >= rows) return;
    if (!packed(w, dim))
        normRow<1>(y, roots, x, w, eps, row, dim);
    else
        normRow<4>(y, roots, x, w, eps, row, dim);
}
extern "C" __global__ void norm_rows(float *y, float *roots, const float *x, const float *w, float eps, int rows, int dim) { normAny(y, roots, x, w, eps, rows, dim); }
extern "C" __global__ void norm_rows_half(bf16 *y, float *roots, const bf16 *x, const float *w, float eps, int rows, int dim) { normAny(y, roots, x, w, eps, rows, dim); }

// dx = r·w·dy − x·r³·mean(w·dy·x), or that is added to it.
template <int V, class T> __device__ __forceinline__ void normRowBack(T *dx, const T *dy, const T *x, const float *w, float r, int add, int row, int dim) {
    int lane = threadIdx.x % 32 * V;
    dx += (int64_t)row * dim, dy += (int64_t)row * dim, x += (int64_t)row * dim;
    float s = 0;
    for (int j = lane; j < dim; j += 32 * V) {
        Pack<V> a = load<V>(x + j), d = load<V>(dy + j), by = load<V>(w + j);
        for (int k = 0; k < V; k++) s += by.v[k] * d.v[k] * a.v[k];
    }
    float back = r * r * r * warpSum(s) / dim;
    for (int j = lane; j < dim; j += 32 * V) {
        Pack<V> a = load<V>(x + j), d = load<V>(dy + j), by = load<V>(w + j), old;
        if (add) old = load<V>(dx + j);
        for (int k = 0; k < V; k++) d.v[k] = (add ? old.v[k] : 0.0f) + r * by.v[k] * d.v[k] - back * a.v[k];
        store<V>(dx + j, d);
    }
}
template <class T> __device__ __forceinline__ void normAnyBack(T *dx, const T *dy, const T *x, const float *w, const float *roots, int add, int rows, int dim) {
    int row = rowOf();
    if (row >= rows) return;
    if (!packed(w, dim))
        normRowBack<1>(dx, dy, x, w, roots[row], add, row, dim);
    else
        normRowBack<4>(dx, dy, x, w, roots[row], add, row, dim);
}
extern "C" __global__ void norm_back(float *dx, const float *dy, const float *x, const float *w, const float *roots, int add, int rows, int dim) { normAnyBack(dx, dy, x, w, roots, add, rows, dim); }
extern "C" __global__ void norm_back_half(bf16 *dx, const bf16 *dy, const bf16 *x, const float *w, const float *roots, int add, int rows, int dim) { normAnyBack(dx, dy, x, w, roots, add, rows, dim); }

// part[g, j] = the sum of dy·x·r over the 256 rows of group g. A block has 32·V columns of one
// group, V a thread, 32 × 8 threads go down its rows; the order is fixed.
template <int V, class T> __device__ __forceinline__ void normWeight(float *to, const T *dy, const T *x, const float *roots, int rows, int dim, float *part) {
    int lane = threadIdx.x % 32 * V, down = threadIdx.x / 32, j = blockIdx.x * 32 * V + lane;
    int lo = blockIdx.y * 256, hi = min(rows, lo + 256);
    Pack<V> s = {};
    if (j < dim) {
#pragma unroll 4
        for (int i = lo + down; i < hi; i += 8) {
            Pack<V> d = load<V>(dy + (int64_t)i * dim + j), a = load<V>(x + (int64_t)i * dim + j);
            for (int k = 0; k < V; k++) s.v[k] += d.v[k] * a.v[k] * roots[i];
        }
    }
    store<V>(part + down * 32 * V + lane, s);
    __syncthreads();
    if (down || j >= dim) return;
    for (int i = 1; i < 8; i++) {
        Pack<V> more = load<V>(part + i * 32 * V + lane);
        for (int k = 0; k < V; k++) s.v[k] += more.v[k];
    }
    store<V>(to + (int64_t)blockIdx.y * dim + j, s);
}
template <class T> __device__ __forceinline__ void normAnyWeight(float *to, const T *dy, const T *x, const float *roots, int rows, int dim, float *part) {
    if (dim % 4)
        normWeight<1>(to, dy, x, roots, rows, dim, part);
    else
        normWeight<4>(to, dy, x, roots, rows, dim, part);
}
extern "C" __global__ void norm_weight(float *to, const float *dy, const float *x, const float *roots, int rows, int dim) {
    __align__(16) __shared__ float part[8 * 128];
    normAnyWeight(to, dy, x, roots, rows, dim, part);
}
extern "C" __global__ void norm_weight_half(float *to, const bf16 *dy, const bf16 *x, const float *roots, int rows, int dim) {
    __align__(16) __shared__ float part[8 * 128];
    normAnyWeight(to, dy, x, roots, rows, dim, part);
}
