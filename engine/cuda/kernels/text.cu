// Attention of a text that goes on: of one position over a window of keys and values.
#include "lode.cuh"

// out, a row of heads, becomes attention over the first seen rows of a window, in which a row
// is [keys | values] of kv heads each; their order does not matter to a sum. queries is the
// beginning of a row that is turned already, scores memory for [heads, rows] values. One block
// has one head.
template <class T> __device__ __forceinline__ void attendNext(T *out, float *scores, const T *queries, const T *window, int seen, int rows, int heads, int kv, int hd, float *scratch) {
    int head = blockIdx.x, of = head / (heads / kv);
    int64_t step = 2 * kv * hd;
    const T *q = queries + head * hd, *k = window + of * hd, *v = k + kv * hd;
    float *s = scores + (int64_t)head * rows, scale = 1 / sqrtf((float)hd), top = -INFINITY, sum = 0;
    for (int i = threadIdx.x; i < seen; i += blockDim.x) {
        float x = 0;
        for (int d = 0; d < hd; d++) x += get(q[d]) * get(k[i * step + d]);
        s[i] = x * scale;
        top = fmaxf(top, s[i]);
    }
    top = blockMax(top, scratch);
    for (int i = threadIdx.x; i < seen; i += blockDim.x) {
        s[i] = expf(s[i] - top);
        sum += s[i];
    }
    sum = blockSum(sum, scratch); // all have written their scores
    for (int d = threadIdx.x; d < hd; d += blockDim.x) {
        float o = 0;
        for (int i = 0; i < seen; i++) o += s[i] * get(v[i * step + d]);
        put(out + head * hd + d, o / sum);
    }
}
extern "C" __global__ void attend_next(float *out, float *scores, const float *queries, const float *window, int seen, int rows, int heads, int kv, int hd) {
    __shared__ float scratch[32];
    attendNext(out, scores, queries, window, seen, rows, heads, kv, hd, scratch);
}
extern "C" __global__ void attend_next_half(bf16 *out, float *scores, const bf16 *queries, const bf16 *window, int seen, int rows, int heads, int kv, int hd) {
    __shared__ float scratch[32];
    attendNext(out, scores, queries, window, seen, rows, heads, kv, hd, scratch);
}
