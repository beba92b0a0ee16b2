// What a product of matrices leaves of a linear layer: biases.
#include "lode.cuh"

// y[i, j] = bias[j] + skip[i, j] for rows of cols values; skip may be null. A product is
// then added to it.
template <class T> __device__ __forceinline__ void beginRows(T *y, const float *bias, const T *skip, long long n, int cols) {
    int64_t i = index();
    if (i < n) put(y + i, bias[i % cols] + (skip ? get(skip[i]) : 0.0f));
}
extern "C" __global__ void begin_rows(float *y, const float *bias, const float *skip, long long n, int cols) { beginRows(y, bias, skip, n, cols); }
extern "C" __global__ void begin_rows_half(bf16 *y, const float *bias, const bf16 *skip, long long n, int cols) { beginRows(y, bias, skip, n, cols); }

// sum[j] = the sum over rows of x[i·step + j], or that is added to it. A block has 32
// columns, 32 × 8 threads go down the rows; the order is fixed.
template <class T> __device__ __forceinline__ void sumRows(float *sum, const T *x, int rows, int cols, long long step, int add, float (*part)[33]) {
    int lane = threadIdx.x % 32, down = threadIdx.x / 32, j = blockIdx.x * 32 + lane;
    float s = 0;
    if (j < cols)
        for (int i = down; i < rows; i += 8) s += get(x[i * step + j]);
    part[down][lane] = s;
    __syncthreads();
    if (down || j >= cols) return;
    for (int k = 1; k < 8; k++) s += part[k][lane];
    sum[j] = add ? sum[j] + s : s;
}
extern "C" __global__ void sum_rows(float *sum, const float *x, int rows, int cols, long long step, int add) {
    __shared__ float part[8][33];
    sumRows(sum, x, rows, cols, step, add, part);
}
extern "C" __global__ void sum_rows_half(float *sum, const bf16 *x, int rows, int cols, long long step, int add) {
    __shared__ float part[8][33];
    sumRows(sum, x, rows, cols, step, add, part);
}
