// The end of a model: losses of predictions, and the predictions' gradients. One block of
// 256 threads has one row.
#include "lode.cuh"

// y is a block of predictions, [rows, wide]; of row i the loss is −log softmax(y)[target].
// right[i] is 1 where the target is the largest, the first of equals; null for none. With
// factor not 0 dy, which may be y, becomes its gradient times that.
template <class T> __device__ __forceinline__ void crossEntropy(T *dy, const float *y, const int *targets, float *loss, int *right, float factor, int wide, float *scratch, int &first) {
    const float *row = y + (int64_t)blockIdx.x * wide;
    int target = targets[blockIdx.x];
    float top = -INFINITY;
    for (int j = threadIdx.x; j < wide; j += blockDim.x) top = fmaxf(top, row[j]);
    top = blockMax(top, scratch);
    float sum = 0, bad = 0;
    for (int j = threadIdx.x; j < wide; j += blockDim.x) {
        sum += expf(row[j] - top);
        if (row[j] != row[j]) bad = 1; // maxima do not see NaN
    }
    sum = blockSum(sum, scratch);
    if (blockSum(bad, scratch) > 0) sum = NAN;
    float of = row[target];
    if (threadIdx.x == 0) {
        loss[blockIdx.x] = logf(sum) + (top - of);
        first = wide;
    }
    __syncthreads();
    if (right) {
        for (int j = threadIdx.x; j < wide; j += blockDim.x)
            if (row[j] == top) atomicMin(&first, j);
        __syncthreads();
        if (threadIdx.x == 0) right[blockIdx.x] = first == target;
    }
    if (factor == 0) return;
    __syncthreads(); // all have read what changes now
    dy += (int64_t)blockIdx.x * wide;
    for (int j = threadIdx.x; j < wide; j += blockDim.x) put(dy + j, factor * (expf(row[j] - top) / sum - (j == target ? 1.0f : 0.0f)));
}
extern "C" __global__ void cross_entropy(float *dy, const float *y, const int *targets, float *loss, int *right, float factor, int wide) {
    __shared__ float scratch[32];
    __shared__ int first;
    crossEntropy(dy, y, targets, loss, right, factor, wide, scratch, first);
}
extern "C" __global__ void cross_entropy_half(bf16 *dy, const float *y, const int *targets, float *loss, int *right, float factor, int wide) {
    __shared__ float scratch[32];
    __shared__ int first;
    crossEntropy(dy, y, targets, loss, right, factor, wide, scratch, first);
}

// Of row i the loss is the sum of (y−target)². With factor not 0 dy, which may be y, becomes
// (y−target)·factor.
template <class T> __device__ __forceinline__ void squaredError(T *dy, const float *y, const float *targets, float *loss, float factor, int wide, float *scratch) {
    const float *row = y + (int64_t)blockIdx.x * wide;
    dy += (int64_t)blockIdx.x * wide;
    const float *want = targets + (int64_t)blockIdx.x * wide;
    float sum = 0;
    for (int j = threadIdx.x; j < wide; j += blockDim.x) {
        float d = row[j] - want[j];
        sum += d * d;
        if (factor != 0) put(dy + j, factor * d);
    }
    sum = blockSum(sum, scratch);
    if (threadIdx.x == 0) loss[blockIdx.x] = sum;
}
extern "C" __global__ void squared_error(float *dy, const float *y, const float *targets, float *loss, float factor, int wide) {
    __shared__ float scratch[32];
    squaredError(dy, y, targets, loss, factor, wide, scratch);
}
extern "C" __global__ void squared_error_half(bf16 *dy, const float *y, const float *targets, float *loss, float factor, int wide) {
    __shared__ float scratch[32];
    squaredError(dy, y, targets, loss, factor, wide, scratch);
}

// total[0] = scale · the sum of n values, or that is added to it, in float64 and in a fixed
// order: one block.
extern "C" __global__ void total(double *total, const float *x, int n, double scale, int add) {
    __shared__ double scratch[32];
    double s = 0;
    for (int i = threadIdx.x; i < n; i += blockDim.x) s += x[i];
    s = blockSumDouble(s, scratch);
    if (threadIdx.x == 0) total[0] = (add ? total[0] : 0) + scale * s;
}
