// The end of a model: losses of predictions, and the predictions' gradients. One block has
// one row.
#include "lode.cuh"

// row is one of predictions, of which there are wide; the loss is −log softmax(row)[target].
// right becomes 1 where the target is the largest, the first of equals; null for none.
// With factor not 0 the row becomes its gradient times that. The largest and the sum are found
// in one go (Milakov and Gimelshein, arXiv:1805.02867): the row is read twice, and with
// as many threads as there can be the second time from the cache.
template <int V, class T> __device__ __forceinline__ void crossEntropyRow(T *row, int target, float *loss, int *right, float factor, int wide, float *scratch, int &first) {
    float of = get(row[target]), own = -INFINITY, sum = 0;
    for (int j = threadIdx.x * V; j < wide; j += blockDim.x * V) {
        Pack<V> a = load<V>(row + j);
        float most = own;
        for (int k = 0; k < V; k++) most = fmaxf(most, a.v[k]);
        float base = most == -INFINITY ? 0.0f : most;
        sum *= expf(own - base);
        for (int k = 0; k < V; k++) sum += expf(a.v[k] - base); // NaN stays
        own = most;
    }
    float top = blockMax(own, scratch);
    sum = blockSum(sum * expf(own - top), scratch);
    if (threadIdx.x == 0) *loss = logf(sum) + (top - of);
    if (right) {
        if (threadIdx.x == 0) first = wide;
        __syncthreads();
        for (int j = threadIdx.x; j < wide; j += blockDim.x)
            if (get(row[j]) == top) atomicMin(&first, j);
        __syncthreads();
        if (threadIdx.x == 0) *right = first == target;
    }
    if (factor == 0) return;
    float scale = factor / sum;
    for (int j = threadIdx.x * V; j < wide; j += blockDim.x * V) {
        Pack<V> a = load<V>(row + j);
        for (int k = 0; k < V; k++) a.v[k] = scale * expf(a.v[k] - top) - (j + k == target ? factor : 0.0f);
        store<V>(row + j, a);
    }
}

// y is a block of predictions, [rows, wide].
template <class T> __device__ __forceinline__ void crossEntropy(T *y, const int *targets, float *loss, int *right, float factor, int wide, float *scratch, int &first) {
    y += (int64_t)blockIdx.x * wide, loss += blockIdx.x;
    if (right) right += blockIdx.x;
    if (wide % 4)
        crossEntropyRow<1>(y, targets[blockIdx.x], loss, right, factor, wide, scratch, first);
    else
        crossEntropyRow<4>(y, targets[blockIdx.x], loss, right, factor, wide, scratch, first);
}
extern "C" __global__ void __launch_bounds__(1024, 2) cross_entropy(float *y, const int *targets, float *loss, int *right, float factor, int wide) {
    __shared__ float scratch[32];
    __shared__ int first;
    crossEntropy(y, targets, loss, right, factor, wide, scratch, first);
}
extern "C" __global__ void __launch_bounds__(1024, 2) cross_entropy_half(bf16 *y, const int *targets, float *loss, int *right, float factor, int wide) {
    __shared__ float scratch[32];
    __shared__ int first;
    crossEntropy(y, targets, loss, right, factor, wide, scratch, first);
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
