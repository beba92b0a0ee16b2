// Embeddings: rows of a matrix by token; and the sums of gradients of each token.
#include "lode.cuh"

// y[i] = w[ids[i]], rows of dim values: one block a position.
template <class T> __device__ __forceinline__ void embedRow(T *y, const float *w, const int *ids, int dim) {
    y += (int64_t)blockIdx.x * dim, w += (int64_t)ids[blockIdx.x] * dim;
    for (int j = threadIdx.x; j < dim; j += blockDim.x) put(y + j, w[j]);
}
extern "C" __global__ void embed(float *y, const float *w, const int *ids, int dim) { embedRow(y, w, ids, dim); }
extern "C" __global__ void embed_half(bf16 *y, const float *w, const int *ids, int dim) { embedRow(y, w, ids, dim); }

// groups says where each token stands, in order: groups[0] tokens; where the positions of
// each begin, and the end; and from groups[n+2] on the n positions, token by token. dw of a
// token grows by the sum of dy at its positions. A block has 128 columns of one token, 32 × 8
// threads go down the positions; the order is fixed.
constexpr int columns = 128;
template <int V, class T> __device__ __forceinline__ void embedColumns(float *dw, const T *dy, const int *at, int num, int dim, float (*part)[columns]) {
    int lane = threadIdx.x % 32 * V, down = threadIdx.x / 32, end = min(dim, (int)(blockIdx.y + 1) * columns);
    for (int first = blockIdx.y * columns; first < end; first += 32 * V) {
        int j = first + lane;
        Pack<V> s = {};
        if (j < end)
            for (int i = down; i < num; i += 8) {
                Pack<V> d = load<V>(dy + (int64_t)at[i] * dim + j);
                for (int k = 0; k < V; k++) s.v[k] += d.v[k];
            }
        __syncthreads(); // parts of columns before may still be read
        store<V>(part[down] + lane, s);
        __syncthreads();
        if (down || j >= end) continue;
        Pack<V> sum = load<V>(dw + j);
        for (int i = 1; i < 8; i++) {
            Pack<V> more = load<V>(part[i] + lane);
            for (int k = 0; k < V; k++) s.v[k] += more.v[k];
        }
        for (int k = 0; k < V; k++) sum.v[k] += s.v[k];
        store<V>(dw + j, sum);
    }
}
template <class T> __device__ __forceinline__ void embedBack(float *dw, const T *dy, const int *ids, const int *groups, int n, int dim, float (*part)[columns]) {
    int group = blockIdx.x;
    if (group >= groups[0]) return;
    int lo = groups[1 + group], num = groups[2 + group] - lo;
    const int *at = groups + n + 2 + lo;
    dw += (int64_t)ids[at[0]] * dim;
    if (dim % 4 || (uint64_t)dw % 16)
        embedColumns<1>(dw, dy, at, num, dim, part);
    else
        embedColumns<4>(dw, dy, at, num, dim, part);
}
extern "C" __global__ void embed_back(float *dw, const float *dy, const int *ids, const int *groups, int n, int dim) {
    __align__(16) __shared__ float part[8][columns];
    embedBack(dw, dy, ids, groups, n, dim, part);
}
extern "C" __global__ void embed_back_half(float *dw, const bf16 *dy, const int *ids, const int *groups, int n, int dim) {
    __align__(16) __shared__ float part[8][columns];
    embedBack(dw, dy, ids, groups, n, dim, part);
}
