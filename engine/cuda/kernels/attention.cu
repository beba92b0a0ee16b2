// Causal attention over float32 values, as FlashAttention-2 has it (Dao, arXiv:2307.08691):
// tiles of 32 queries meet tiles of 32 keys in shared memory, a running maximum and sum
// stand for the softmax, only the logarithm of the sum is kept, and the backward pass
// computes probabilities again. Gradients of keys and of queries are two kernels, so that
// each value is written by one block and sums have one order.
//
// A block is 16 × 16 threads. Of a tile of scores thread (y, x) has rows y, y+16 and
// columns x, x+16; of 32 rows of a result it has rows y, y+16 and columns x, x+16, x+32, …
// Of heads of more than 128 values tiles are 16 × 16, so that shared memory holds them. Such heads
// of bf16 are worked on here as well: they are float32 in shared memory.
#include "attention.cuh"

template <int HD> constexpr int per = HD > 128 ? 1 : 2; // rows, and columns of scores, of a thread
template <int HD> constexpr int tile = 16 * per<HD>;
template <int HD> constexpr int probStep = tile<HD> + 1;
__device__ __forceinline__ int threadX() { return threadIdx.x % 16; }
__device__ __forceinline__ int threadY() { return threadIdx.x / 16; }

// fetch puts a tile of rows of a head, from first on, into shared memory, zeros for those from
// steps on and for columns up to the next multiple of 4.
template <int HD, class T> __device__ __forceinline__ void fetch(float *to, const T *from, int step, int first, int steps, int hd) {
    int cols = (hd + 3) / 4 * 4;
    for (int i = threadY(); i < tile<HD>; i += 16)
        for (int j = threadX(); j < cols; j += 16)
            to[i * (HD + 4) + j] = first + i < steps && j < hd ? get(from[(int64_t)(first + i) * step + j]) : 0.0f;
}

// dots sets x to the products of the thread's rows of a with its rows of b.
template <int HD> __device__ __forceinline__ void dots(float (&x)[per<HD>][per<HD>], const float *a, const float *b, int hd) {
    constexpr int P = per<HD>;
    a += threadY() * (HD + 4), b += threadX() * (HD + 4);
#pragma unroll
    for (int i = 0; i < P * P; i++) x[i / P][i % P] = 0;
    for (int d = 0; d < hd; d += 4) {
        Pack<4> left[P], right[P];
#pragma unroll
        for (int i = 0; i < P; i++) left[i] = load<4>(a + 16 * i * (HD + 4) + d), right[i] = load<4>(b + 16 * i * (HD + 4) + d);
#pragma unroll
        for (int k = 0; k < 4; k++)
#pragma unroll
            for (int i = 0; i < P * P; i++) x[i / P][i % P] += left[i / P].v[k] * right[i % P].v[k];
    }
}

// combine adds p·m to o: p is a tile of numbers, m a tile of rows.
template <int HD> __device__ __forceinline__ void combine(float (&o)[per<HD>][HD / 16], const float *p, const float *m, int hd) {
    p += threadY() * probStep<HD>, m += threadX();
    for (int j = 0; j < tile<HD>; j++, m += HD + 4) {
        float by[per<HD>];
#pragma unroll
        for (int i = 0; i < per<HD>; i++) by[i] = p[16 * i * probStep<HD> + j];
#pragma unroll
        for (int c = 0; c < HD / 16; c++) {
            if (c * 16 >= hd) break;
#pragma unroll
            for (int i = 0; i < per<HD>; i++) o[i][c] += by[i] * m[c * 16];
        }
    }
}

// write writes rows of a result.
template <int HD, class T> __device__ __forceinline__ void write(T *to, const float (&o)[per<HD>][HD / 16], int step, int first, int steps, int hd) {
#pragma unroll
    for (int r = 0; r < per<HD>; r++) {
        int row = first + threadY() + 16 * r;
#pragma unroll
        for (int c = 0; c < HD / 16; c++) {
            int col = threadX() + 16 * c;
            if (row < steps && col < hd) put(to + (int64_t)row * step + col, o[r][c]);
        }
    }
}

// halfSum and halfMax are over the 16 threads of a row.
__device__ __forceinline__ float halfSum(float x) {
    for (int i = 8; i > 0; i /= 2) x += __shfl_xor_sync(0xffffffffu, x, i);
    return x;
}
__device__ __forceinline__ float halfMax(float x) {
    for (int i = 8; i > 0; i /= 2) x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, i));
    return x;
}

// Place is what one block works on. Those with most to do come first.
struct Place {
    int sequence, first, head;
    __device__ Place(int steps, int tile, bool lastFirst) {
        int tiles = (steps + tile - 1) / tile, at = blockIdx.x % tiles;
        sequence = blockIdx.x / tiles, first = (lastFirst ? tiles - 1 - at : at) * tile, head = blockIdx.y;
    }
};

template <int HD, class T> __device__ __forceinline__ void forward(T *out, float *logSums, const T *qkv, Rows r, float *shared) {
    constexpr int P = per<HD>;
    float *q = shared, *k = q + tile<HD> * (HD + 4), *v = k + tile<HD> * (HD + 4), *p = v + tile<HD> * (HD + 4);
    Place at(r.steps, tile<HD>, true);
    int of = at.head / (r.heads / r.kv);
    float o[P][HD / 16] = {}, top[P], sum[P] = {};
    for (int i = 0; i < P; i++) top[i] = -INFINITY;
    fetch<HD>(q, qkv + r.query(at.sequence, at.head), r.wide, at.first, r.steps, r.hd);
    for (int key = 0; key <= at.first; key += tile<HD>) {
        __syncthreads(); // all have read the keys before
        fetch<HD>(k, qkv + r.key(at.sequence, of), r.wide, key, r.steps, r.hd);
        fetch<HD>(v, qkv + r.value(at.sequence, of), r.wide, key, r.steps, r.hd);
        __syncthreads();
        float x[P][P];
        dots<HD>(x, q, k, r.hd);
#pragma unroll
        for (int i = 0; i < P; i++) {
            int row = at.first + threadY() + 16 * i;
            for (int j = 0; j < P; j++) x[i][j] = key + threadX() + 16 * j <= row ? x[i][j] * r.scale() : -INFINITY;
            float most = x[i][0], s = 0;
            for (int j = 1; j < P; j++) most = fmaxf(most, x[i][j]);
            float next = fmaxf(top[i], halfMax(most)), stay = expf(top[i] - next);
            for (int j = 0; j < P; j++) {
                float e = expf(x[i][j] - next);
                p[(threadY() + 16 * i) * probStep<HD> + threadX() + 16 * j] = e;
                s += e;
            }
            sum[i] = sum[i] * stay + halfSum(s), top[i] = next;
            for (int c = 0; c < HD / 16; c++) o[i][c] *= stay;
        }
        __syncwarp(); // a row of p is written and read by one warp
        combine<HD>(o, p, v, r.hd);
    }
#pragma unroll
    for (int i = 0; i < P; i++) {
        int row = at.first + threadY() + 16 * i;
        if (threadX() == 0 && row < r.steps) logSums[r.sums(at.sequence, at.head) + row] = top[i] + logf(sum[i]);
        for (int c = 0; c < HD / 16; c++) o[i][c] /= sum[i];
    }
    write<HD>(out + r.out(at.sequence, at.head), o, r.dim, at.first, r.steps, r.hd);
}

// What the backward pass reads, and where it writes.
template <class T> struct Back {
    T *dqkv;
    const T *dout, *qkv;
    const float *logSums, *means; // means: of dout·out, see attention_means
};

// slope turns the score x of a query and the gradient d of its probability into the
// score's gradient; it returns the probability.
__device__ __forceinline__ float slope(float x, float &d, float scale, float logSum, float mean, bool there) {
    float p = there ? expf(x * scale - logSum) : 0.0f;
    d = there ? p * (d - mean) * scale : 0.0f;
    return p;
}

// Gradients of a tile of keys and values: of all queries after them, of all heads that
// share them. Rows of scores are keys here.
template <int HD, class T> __device__ __forceinline__ void backKeys(Back<T> b, Rows r, float *shared) {
    constexpr int P = per<HD>;
    float *k = shared, *v = k + tile<HD> * (HD + 4), *q = v + tile<HD> * (HD + 4), *d = q + tile<HD> * (HD + 4);
    float *p = d + tile<HD> * (HD + 4), *dp = p + tile<HD> * probStep<HD>;
    Place at(r.steps, tile<HD>, false);
    float dk[P][HD / 16] = {}, dv[P][HD / 16] = {};
    fetch<HD>(k, b.qkv + r.key(at.sequence, at.head), r.wide, at.first, r.steps, r.hd);
    fetch<HD>(v, b.qkv + r.value(at.sequence, at.head), r.wide, at.first, r.steps, r.hd);
    int group = r.heads / r.kv;
    for (int head = at.head * group; head < (at.head + 1) * group; head++) {
        int64_t sums = r.sums(at.sequence, head);
        for (int query = at.first; query < r.steps; query += tile<HD>) {
            __syncthreads();
            fetch<HD>(q, b.qkv + r.query(at.sequence, head), r.wide, query, r.steps, r.hd);
            fetch<HD>(d, b.dout + r.out(at.sequence, head), r.dim, query, r.steps, r.hd);
            __syncthreads();
            float x[P][P], dx[P][P];
            dots<HD>(x, k, q, r.hd);
            dots<HD>(dx, v, d, r.hd);
#pragma unroll
            for (int j = 0; j < P; j++) {
                int col = query + threadX() + 16 * j;
                float logSum = 0, mean = 0;
                if (col < r.steps) logSum = b.logSums[sums + col], mean = b.means[sums + col];
                for (int i = 0; i < P; i++) {
                    int row = threadY() + 16 * i, to = row * probStep<HD> + threadX() + 16 * j;
                    p[to] = slope(x[i][j], dx[i][j], r.scale(), logSum, mean, at.first + row <= col && col < r.steps);
                    dp[to] = dx[i][j];
                }
            }
            __syncwarp();
            combine<HD>(dv, p, d, r.hd);
            combine<HD>(dk, dp, q, r.hd);
        }
    }
    write<HD>(b.dqkv + r.key(at.sequence, at.head), dk, r.wide, at.first, r.steps, r.hd);
    write<HD>(b.dqkv + r.value(at.sequence, at.head), dv, r.wide, at.first, r.steps, r.hd);
}

// Gradients of a tile of queries: of all keys before them.
template <int HD, class T> __device__ __forceinline__ void backQueries(Back<T> b, Rows r, float *shared) {
    constexpr int P = per<HD>;
    float *q = shared, *d = q + tile<HD> * (HD + 4), *k = d + tile<HD> * (HD + 4), *v = k + tile<HD> * (HD + 4), *dp = v + tile<HD> * (HD + 4);
    Place at(r.steps, tile<HD>, true);
    int of = at.head / (r.heads / r.kv);
    int64_t sums = r.sums(at.sequence, at.head);
    float dq[P][HD / 16] = {}, logSum[P] = {}, mean[P] = {};
    for (int i = 0; i < P; i++) {
        int row = at.first + threadY() + 16 * i;
        if (row < r.steps) logSum[i] = b.logSums[sums + row], mean[i] = b.means[sums + row];
    }
    fetch<HD>(q, b.qkv + r.query(at.sequence, at.head), r.wide, at.first, r.steps, r.hd);
    fetch<HD>(d, b.dout + r.out(at.sequence, at.head), r.dim, at.first, r.steps, r.hd);
    for (int key = 0; key <= at.first; key += tile<HD>) {
        __syncthreads();
        fetch<HD>(k, b.qkv + r.key(at.sequence, of), r.wide, key, r.steps, r.hd);
        fetch<HD>(v, b.qkv + r.value(at.sequence, of), r.wide, key, r.steps, r.hd);
        __syncthreads();
        float x[P][P], dx[P][P];
        dots<HD>(x, q, k, r.hd);
        dots<HD>(dx, d, v, r.hd);
#pragma unroll
        for (int i = 0; i < P; i++)
            for (int j = 0; j < P; j++) {
                int row = threadY() + 16 * i, col = threadX() + 16 * j;
                slope(x[i][j], dx[i][j], r.scale(), logSum[i], mean[i], key + col <= at.first + row && at.first + row < r.steps);
                dp[row * probStep<HD> + col] = dx[i][j];
            }
        __syncwarp();
        combine<HD>(dq, dp, k, r.hd);
    }
    write<HD>(b.dqkv + r.query(at.sequence, at.head), dq, r.wide, at.first, r.steps, r.hd);
}

// means[sequence, head, position] = the sum of dout·out over the head: eight threads each.
template <int V, class T> __device__ __forceinline__ float meanOf(const T *dout, const T *out, int hd) {
    float s = 0;
    for (int j = threadIdx.x % 8 * V; j < hd; j += 8 * V) {
        Pack<V> a = load<V>(dout + j), b = load<V>(out + j);
        for (int k = 0; k < V; k++) s += a.v[k] * b.v[k];
    }
    return s;
}
template <class T> __device__ __forceinline__ void meansOf(float *means, const T *dout, const T *out, int n, int steps, int heads, int hd) {
    int64_t at = index() / 8; // [position of all sequences, head]
    bool there = at < (int64_t)n * heads;
    float s = 0;
    if (there) s = hd % 4 ? meanOf<1>(dout + at * hd, out + at * hd, hd) : meanOf<4>(dout + at * hd, out + at * hd, hd);
    for (int i = 4; i > 0; i /= 2) s += __shfl_xor_sync(0xffffffffu, s, i);
    if (!there || threadIdx.x % 8) return;
    int position = (int)((uint32_t)at / heads), head = (int)at - position * heads, sequence = position / steps; // sums are fewer than 2³¹
    means[((int64_t)sequence * heads + head) * steps + position - sequence * steps] = s;
}
extern "C" __global__ void attention_means(float *means, const float *dout, const float *out, int n, int steps, int heads, int hd) { meansOf(means, dout, out, n, steps, heads, hd); }
extern "C" __global__ void attention_means_half(float *means, const bf16 *dout, const bf16 *out, int n, int steps, int heads, int hd) { meansOf(means, dout, out, n, steps, heads, hd); }

// The number is the most values of a head.
extern "C" __global__ void __launch_bounds__(256) attention_32(float *out, float *logSums, const float *qkv, int steps, int heads, int kv, int hd) {
    DYNAMIC_SHARED(float, shared);
    forward<32>(out, logSums, qkv, Rows(steps, heads, kv, hd), shared);
}
extern "C" __global__ void __launch_bounds__(256) attention_keys_32(float *dqkv, const float *dout, const float *qkv, const float *logSums, const float *means, int steps, int heads, int kv, int hd) {
    DYNAMIC_SHARED(float, shared);
    backKeys<32, float>({dqkv, dout, qkv, logSums, means}, Rows(steps, heads, kv, hd), shared);
}
extern "C" __global__ void __launch_bounds__(256) attention_queries_32(float *dqkv, const float *dout, const float *qkv, const float *logSums, const float *means, int steps, int heads, int kv, int hd) {
    DYNAMIC_SHARED(float, shared);
    backQueries<32, float>({dqkv, dout, qkv, logSums, means}, Rows(steps, heads, kv, hd), shared);
}
extern "C" __global__ void __launch_bounds__(256) attention_64(float *out, float *logSums, const float *qkv, int steps, int heads, int kv, int hd) {
    DYNAMIC_SHARED(float, shared);
    forward<64>(out, logSums, qkv, Rows(steps, heads, kv, hd), shared);
}
extern "C" __global__ void __launch_bounds__(256) attention_keys_64(float *dqkv, const float *dout, const float *qkv, const float *logSums, const float *means, int steps, int heads, int kv, int hd) {
    DYNAMIC_SHARED(float, shared);
    backKeys<64, float>({dqkv, dout, qkv, logSums, means}, Rows(steps, heads, kv, hd), shared);
}
extern "C" __global__ void __launch_bounds__(256) attention_queries_64(float *dqkv, const float *dout, const float *qkv, const float *logSums, const float *means, int steps, int heads, int kv, int hd) {
    DYNAMIC_SHARED(float, shared);
    backQueries<64, float>({dqkv, dout, qkv, logSums, means}, Rows(steps, heads, kv, hd), shared);
}
extern "C" __global__ void __launch_bounds__(256) attention_128(float *out, float *logSums, const float *qkv, int steps, int heads, int kv, int hd) {
    DYNAMIC_SHARED(float, shared);
    forward<128>(out, logSums, qkv, Rows(steps, heads, kv, hd), shared);
}
extern "C" __global__ void __launch_bounds__(256) attention_keys_128(float *dqkv, const float *dout, const float *qkv, const float *logSums, const float *means, int steps, int heads, int kv, int hd) {
    DYNAMIC_SHARED(float, shared);
    backKeys<128, float>({dqkv, dout, qkv, logSums, means}, Rows(steps, heads, kv, hd), shared);
}
extern "C" __global__ void __launch_bounds__(256) attention_queries_128(float *dqkv, const float *dout, const float *qkv, const float *logSums, const float *means, int steps, int heads, int kv, int hd) {
    DYNAMIC_SHARED(float, shared);
    backQueries<128, float>({dqkv, dout, qkv, logSums, means}, Rows(steps, heads, kv, hd), shared);
}
extern "C" __global__ void __launch_bounds__(256, 1) attention_256(float *out, float *logSums, const float *qkv, int steps, int heads, int kv, int hd) {
    DYNAMIC_SHARED(float, shared);
    forward<256>(out, logSums, qkv, Rows(steps, heads, kv, hd), shared);
}
extern "C" __global__ void __launch_bounds__(256, 1) attention_keys_256(float *dqkv, const float *dout, const float *qkv, const float *logSums, const float *means, int steps, int heads, int kv, int hd) {
    DYNAMIC_SHARED(float, shared);
    backKeys<256, float>({dqkv, dout, qkv, logSums, means}, Rows(steps, heads, kv, hd), shared);
}
extern "C" __global__ void __launch_bounds__(256, 1) attention_queries_256(float *dqkv, const float *dout, const float *qkv, const float *logSums, const float *means, int steps, int heads, int kv, int hd) {
    DYNAMIC_SHARED(float, shared);
    backQueries<256, float>({dqkv, dout, qkv, logSums, means}, Rows(steps, heads, kv, hd), shared);
}
extern "C" __global__ void __launch_bounds__(256, 1) attention_half_256(bf16 *out, float *logSums, const bf16 *qkv, int steps, int heads, int kv, int hd) {
    DYNAMIC_SHARED(float, shared);
    forward<256>(out, logSums, qkv, Rows(steps, heads, kv, hd), shared);
}
extern "C" __global__ void __launch_bounds__(256, 1) attention_keys_half_256(bf16 *dqkv, const bf16 *dout, const bf16 *qkv, const float *logSums, const float *means, int steps, int heads, int kv, int hd) {
    DYNAMIC_SHARED(float, shared);
    backKeys<256, bf16>({dqkv, dout, qkv, logSums, means}, Rows(steps, heads, kv, hd), shared);
}
extern "C" __global__ void __launch_bounds__(256, 1) attention_queries_half_256(bf16 *dqkv, const bf16 *dout, const bf16 *qkv, const float *logSums, const float *means, int steps, int heads, int kv, int hd) {
    DYNAMIC_SHARED(float, shared);
    backQueries<256, bf16>({dqkv, dout, qkv, logSums, means}, Rows(steps, heads, kv, hd), shared);
}
