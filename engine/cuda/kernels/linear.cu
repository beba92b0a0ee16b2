// What a product of matrices leaves of a linear layer: biases.
#include "lode.cuh"

// y[i, j] = bias[j] + skip[i, j] for rows of cols values; skip may be null. A product is
// then added to it.
extern "C" __global__ void begin_rows(float *y, const float *bias, const float *skip, long long n, int cols) {
    int64_t i = index();
    if (i < n) y[i] = bias[i % cols] + (skip ? skip[i] : 0.0f);
}

// sum[j] = the sum over rows of x[i·step + j], or that is added to it. A block has 32
// columns, 32 × 8 threads go down the rows; the order is fixed.
extern "C" __global__ void sum_rows(float *sum, const float *x, int rows, int cols, long long step, int add) {
    __shared__ float part[8][33];
    int lane = threadIdx.x % 32, down = threadIdx.x / 32, j = blockIdx.x * 32 + lane;
    float s = 0;
    if (j < cols)
        for (int i = down; i < rows; i += 8) s += x[i * step + j];
    part[down][lane] = s;
    __syncthreads();
    if (down || j >= cols) return;
    for (int k = 1; k < 8; k++) s += part[k][lane];
    sum[j] = add ? sum[j] + s : s;
}
