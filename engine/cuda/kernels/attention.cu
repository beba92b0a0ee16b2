// Causal attention over float32 values, as FlashAttention-2 has it (Dao, arXiv:2307.08691):
// tiles of 32 queries meet tiles of 32 keys in shared memory, a running maximum and sum
// stand for the softmax, only the logarithm of the sum is kept, and the backward pass
// computes probabilities again. Gradients of keys and of queries are two kernels, so that
// each value is written by one block and sums have one order.
//
// A block is 16 × 16 threads. Of a tile of scores thread (y, x) has rows y, y+16 and
// columns x, x+16; of 32 rows of a result it has rows y, y+16 and columns x, x+16, x+32, …
#include "attention.cuh"

constexpr int tile = 32;
constexpr int probStep = tile + 1;
__device__ __forceinline__ int threadX() { return threadIdx.x % 16; }
__device__ __forceinline__ int threadY() { return threadIdx.x / 16; }

// fetch puts rows first to first+tile of a head into shared memory, zeros for those from
// steps on and for columns up to the next multiple of 4.
template <int HD> __device__ __forceinline__ void fetch(float *to, const float *from, int step, int first, int steps, int hd) {
    int cols = (hd + 3) / 4 * 4;
    for (int i = threadY(); i < tile; i += 16)
        for (int j = threadX(); j < cols; j += 16)
            to[i * (HD + 4) + j] = first + i < steps && j < hd ? from[(int64_t)(first + i) * step + j] : 0.0f;
}

// dots sets x to the products of rows y, y+16 of a with rows x, x+16 of b.
template <int HD> __device__ __forceinline__ void dots(float (&x)[2][2], const float *a, const float *b, int hd) {
    a += threadY() * (HD + 4), b += threadX() * (HD + 4);
    x[0][0] = x[0][1] = x[1][0] = x[1][1] = 0;
    for (int d = 0; d < hd; d += 4) {
        Pack<4> a0 = load<4>(a + d), a1 = load<4>(a + 16 * (HD + 4) + d), b0 = load<4>(b + d), b1 = load<4>(b + 16 * (HD + 4) + d);
#pragma unroll
        for (int k = 0; k < 4; k++) {
            x[0][0] += a0.v[k] * b0.v[k], x[0][1] += a0.v[k] * b1.v[k];
            x[1][0] += a1.v[k] * b0.v[k], x[1][1] += a1.v[k] * b1.v[k];
        }
    }
}

// combine adds p·m to o: p is a tile of numbers, m a tile of rows.
template <int HD> __device__ __forceinline__ void combine(float (&o)[2][HD / 16], const float *p, const float *m, int hd) {
    p += threadY() * probStep, m += threadX();
    for (int j = 0; j < tile; j++, m += HD + 4) {
        float a = p[j], b = p[16 * probStep + j];
#pragma unroll
        for (int c = 0; c < HD / 16; c++) {
            if (c * 16 >= hd) break;
            o[0][c] += a * m[c * 16], o[1][c] += b * m[c * 16];
        }
    }
}

// write writes rows of a result, multiplied.
template <int HD> __device__ __forceinline__ void write(float *to, const float (&o)[2][HD / 16], int step, int first, int steps, int hd, float by) {
#pragma unroll
    for (int r = 0; r < 2; r++) {
        int row = first + threadY() + 16 * r;
#pragma unroll
        for (int c = 0; c < HD / 16; c++) {
            int col = threadX() + 16 * c;
            if (row < steps && col < hd) to[(int64_t)row * step + col] = o[r][c] * by;
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
    __device__ Place(int steps, bool lastFirst) {
        int tiles = (steps + tile - 1) / tile, at = blockIdx.x % tiles;
        sequence = blockIdx.x / tiles, first = (lastFirst ? tiles - 1 - at : at) * tile, head = blockIdx.y;
    }
};

template <int HD> __device__ __forceinline__ void forward(float *out, float *logSums, const float *qkv, Rows r, float *shared) {
    float *q = shared, *k = q + tile * (HD + 4), *v = k + tile * (HD + 4), *p = v + tile * (HD + 4);
    Place at(r.steps, true);
    int of = at.head / (r.heads / r.kv);
    float o[2][HD / 16] = {}, top[2] = {-INFINITY, -INFINITY}, sum[2] = {0, 0};
    fetch<HD>(q, qkv + r.query(at.sequence, at.head), r.wide, at.first, r.steps, r.hd);
    for (int key = 0; key <= at.first; key += tile) {
        __syncthreads(); // all have read the keys before
        fetch<HD>(k, qkv + r.key(at.sequence, of), r.wide, key, r.steps, r.hd);
        fetch<HD>(v, qkv + r.value(at.sequence, of), r.wide, key, r.steps, r.hd);
        __syncthreads();
        float x[2][2];
        dots<HD>(x, q, k, r.hd);
#pragma unroll
        for (int i = 0; i < 2; i++) {
            int row = at.first + threadY() + 16 * i;
            for (int j = 0; j < 2; j++) x[i][j] = key + threadX() + 16 * j <= row ? x[i][j] * r.scale() : -INFINITY;
            float next = fmaxf(top[i], halfMax(fmaxf(x[i][0], x[i][1]))), stay = expf(top[i] - next), s = 0;
            for (int j = 0; j < 2; j++) {
                float e = expf(x[i][j] - next);
                p[(threadY() + 16 * i) * probStep + threadX() + 16 * j] = e;
                s += e;
            }
            sum[i] = sum[i] * stay + halfSum(s), top[i] = next;
            for (int c = 0; c < HD / 16; c++) o[i][c] *= stay;
        }
        __syncwarp(); // a row of p is written and read by one warp
        combine<HD>(o, p, v, r.hd);
    }
#pragma unroll
    for (int i = 0; i < 2; i++) {
        int row = at.first + threadY() + 16 * i;
        if (threadX() == 0 && row < r.steps) logSums[r.sums(at.sequence, at.head) + row] = top[i] + logf(sum[i]);
        for (int c = 0; c < HD / 16; c++) o[i][c] /= sum[i];
    }
    write<HD>(out + r.out(at.sequence, at.head), o, r.dim, at.first, r.steps, r.hd, 1);
}

// What the backward pass reads, and where it writes.
struct Back {
    float *dqkv;
    const float *dout, *qkv, *logSums, *means; // means: of dout·out, see attention_means
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
template <int HD> __device__ __forceinline__ void backKeys(Back b, Rows r, float *shared) {
    float *k = shared, *v = k + tile * (HD + 4), *q = v + tile * (HD + 4), *d = q + tile * (HD + 4);
    float *p = d + tile * (HD + 4), *dp = p + tile * probStep;
    Place at(r.steps, false);
    float dk[2][HD / 16] = {}, dv[2][HD / 16] = {};
    fetch<HD>(k, b.qkv + r.key(at.sequence, at.head), r.wide, at.first, r.steps, r.hd);
    fetch<HD>(v, b.qkv + r.value(at.sequence, at.head), r.wide, at.first, r.steps, r.hd);
    int group = r.heads / r.kv;
    for (int head = at.head * group; head < (at.head + 1) * group; head++) {
        int64_t sums = r.sums(at.sequence, head);
        for (int query = at.first; query < r.steps; query += tile) {
            __syncthreads();
            fetch<HD>(q, b.qkv + r.query(at.sequence, head), r.wide, query, r.steps, r.hd);
            fetch<HD>(d, b.dout + r.out(at.sequence, head), r.dim, query, r.steps, r.hd);
            __syncthreads();
            float x[2][2], dx[2][2];
            dots<HD>(x, k, q, r.hd);
            dots<HD>(dx, v, d, r.hd);
#pragma unroll
            for (int j = 0; j < 2; j++) {
                int col = query + threadX() + 16 * j;
                float logSum = 0, mean = 0;
                if (col < r.steps) logSum = b.logSums[sums + col], mean = b.means[sums + col];
                for (int i = 0; i < 2; i++) {
                    int row = threadY() + 16 * i, to = row * probStep + threadX() + 16 * j;
                    p[to] = slope(x[i][j], dx[i][j], r.scale(), logSum, mean, at.first + row <= col && col < r.steps);
                    dp[to] = dx[i][j];
                }
            }
            __syncwarp();
            combine<HD>(dv, p, d, r.hd);
            combine<HD>(dk, dp, q, r.hd);
        }
    }
    write<HD>(b.dqkv + r.key(at.sequence, at.head), dk, r.wide, at.first, r.steps, r.hd, 1);
    write<HD>(b.dqkv + r.value(at.sequence, at.head), dv, r.wide, at.first, r.steps, r.hd, 1);
}

// Gradients of a tile of queries: of all keys before them.
template <int HD> __device__ __forceinline__ void backQueries(Back b, Rows r, float *shared) {
    float *q = shared, *d = q + tile * (HD + 4), *k = d + tile * (HD + 4), *v = k + tile * (HD + 4), *dp = v + tile * (HD + 4);
    Place at(r.steps, true);
    int of = at.head / (r.heads / r.kv);
    int64_t sums = r.sums(at.sequence, at.head);
    float dq[2][HD / 16] = {}, logSum[2] = {}, mean[2] = {};
    for (int i = 0; i < 2; i++) {
        int row = at.first + threadY() + 16 * i;
        if (row < r.steps) logSum[i] = b.logSums[sums + row], mean[i] = b.means[sums + row];
    }
    fetch<HD>(q, b.qkv + r.query(at.sequence, at.head), r.wide, at.first, r.steps, r.hd);
    fetch<HD>(d, b.dout + r.out(at.sequence, at.head), r.dim, at.first, r.steps, r.hd);
    for (int key = 0; key <= at.first; key += tile) {
        __syncthreads();
        fetch<HD>(k, b.qkv + r.key(at.sequence, of), r.wide, key, r.steps, r.hd);
        fetch<HD>(v, b.qkv + r.value(at.sequence, of), r.wide, key, r.steps, r.hd);
        __syncthreads();
        float x[2][2], dx[2][2];
        dots<HD>(x, q, k, r.hd);
        dots<HD>(dx, d, v, r.hd);
#pragma unroll
        for (int i = 0; i < 2; i++)
            for (int j = 0; j < 2; j++) {
                int row = threadY() + 16 * i, col = threadX() + 16 * j;
                slope(x[i][j], dx[i][j], r.scale(), logSum[i], mean[i], key + col <= at.first + row && at.first + row < r.steps);
                dp[row * probStep + col] = dx[i][j];
            }
        __syncwarp();
        combine<HD>(dq, dp, k, r.hd);
    }
    write<HD>(b.dqkv + r.query(at.sequence, at.head), dq, r.wide, at.first, r.steps, r.hd, 1);
}

// means[sequence, head, position] = the sum of dout·out over the head: one warp each.
template <class T> __device__ __forceinline__ void meansOf(float *means, const T *dout, const T *out, int n, int steps, int heads, int hd) {
    int64_t at = index() / 32; // [position of all sequences, head]
    if (at >= (int64_t)n * heads) return;
    int position = (int)(at / heads), head = (int)(at % heads);
    float s = 0;
    for (int j = threadIdx.x % 32; j < hd; j += 32) s += get(dout[at * hd + j]) * get(out[at * hd + j]);
    s = warpSum(s);
    if (threadIdx.x % 32 == 0) means[((int64_t)(position / steps) * heads + head) * steps + position % steps] = s;
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
    backKeys<32>({dqkv, dout, qkv, logSums, means}, Rows(steps, heads, kv, hd), shared);
}
extern "C" __global__ void __launch_bounds__(256) attention_queries_32(float *dqkv, const float *dout, const float *qkv, const float *logSums, const float *means, int steps, int heads, int kv, int hd) {
    DYNAMIC_SHARED(float, shared);
    backQueries<32>({dqkv, dout, qkv, logSums, means}, Rows(steps, heads, kv, hd), shared);
}
extern "C" __global__ void __launch_bounds__(256) attention_64(float *out, float *logSums, const float *qkv, int steps, int heads, int kv, int hd) {
    DYNAMIC_SHARED(float, shared);
    forward<64>(out, logSums, qkv, Rows(steps, heads, kv, hd), shared);
}
extern "C" __global__ void __launch_bounds__(256) attention_keys_64(float *dqkv, const float *dout, const float *qkv, const float *logSums, const float *means, int steps, int heads, int kv, int hd) {
    DYNAMIC_SHARED(float, shared);
    backKeys<64>({dqkv, dout, qkv, logSums, means}, Rows(steps, heads, kv, hd), shared);
}
extern "C" __global__ void __launch_bounds__(256) attention_queries_64(float *dqkv, const float *dout, const float *qkv, const float *logSums, const float *means, int steps, int heads, int kv, int hd) {
    DYNAMIC_SHARED(float, shared);
    backQueries<64>({dqkv, dout, qkv, logSums, means}, Rows(steps, heads, kv, hd), shared);
}
extern "C" __global__ void __launch_bounds__(256) attention_128(float *out, float *logSums, const float *qkv, int steps, int heads, int kv, int hd) {
    DYNAMIC_SHARED(float, shared);
    forward<128>(out, logSums, qkv, Rows(steps, heads, kv, hd), shared);
}
extern "C" __global__ void __launch_bounds__(256) attention_keys_128(float *dqkv, const float *dout, const float *qkv, const float *logSums, const float *means, int steps, int heads, int kv, int hd) {
    DYNAMIC_SHARED(float, shared);
    backKeys<128>({dqkv, dout, qkv, logSums, means}, Rows(steps, heads, kv, hd), shared);
}
extern "C" __global__ void __launch_bounds__(256) attention_queries_128(float *dqkv, const float *dout, const float *qkv, const float *logSums, const float *means, int steps, int heads, int kv, int hd) {
    DYNAMIC_SHARED(float, shared);
    backQueries<128>({dqkv, dout, qkv, logSums, means}, Rows(steps, heads, kv, hd), shared);
}
