// Causal attention over bf16 values by tensor cores, sums in float32; see attention.cu for
// what is computed and why it is three kernels.
//
// A block is four warps and has 64 rows, 16 a warp: queries, or keys where their gradients
// are made. They meet the others `met` at a time, which come by copies that go on
// beside the work on those before. Rows in shared memory are 8 values longer than
// a head: then the eight rows that ldmatrix reads lie in different banks. Scores never leave
// the registers: the fragment in which a product of tensor cores is left is the one in
// which the next one takes it. Probabilities are rounded to bf16 there, as in
// FlashAttention-2.
//
// The block's own rows are read once and stay in registers as fragments; where they were, others
// come. Not so where gradients of keys and values of heads of more than 64 are made: of 128
// these take 128 registers for sums, so rows are read again and again and no more than 32
// queries are met at a time. docs/gpu.md has what each kernel takes of an SM.
#include "attention.cuh"
#include "mma.cuh"

constexpr int rowsOfBlock = 64, warps = 4;
constexpr float log2e = 1.44269504f;
template <int HD> constexpr int met = HD > 64 ? 32 : 64;
template <int HD> constexpr int stepOf = HD + 8;

__device__ __forceinline__ int warpOf() { return threadIdx.x / 32; }
// The row of a warp's 16, and the column of 8, of number i of a fragment of C.
__device__ __forceinline__ int rowIn(int i) { return threadIdx.x % 32 / 4 + i / 2 * 8; }
__device__ __forceinline__ int colIn(int i) { return threadIdx.x % 4 * 2 + i % 2; }

// Head is where a head's rows lie: the first of a sequence, and how far they are apart.
struct Head {
    const bf16 *at;
    int step;
};

// fetch begins to bring N rows from first on, zeros for those from steps on and for columns
// from hd on.
template <int HD, int N> __device__ __forceinline__ void fetch(bf16 *to, Head from, int first, const Rows &r) {
    constexpr int packs = HD / 8;
    bool whole = r.hd % 8 == 0; // then every address is a multiple of 16
#pragma unroll 1 // more would cost registers, and copies do not wait
    for (int i = threadIdx.x; i < N * packs; i += 32 * warps) {
        int row = first + i / packs, col = i % packs * 8;
        bf16 *at = to + i / packs * stepOf<HD> + col;
        const bf16 *source = from.at + (int64_t)row * from.step + col;
        if (whole) {
            bool there = row < r.steps && col < r.hd;
            copyLater(at, there ? source : from.at, there);
            continue;
        }
        for (int k = 0; k < 8; k++) at[k] = row < r.steps && col + k < r.hd ? source[k] : (bf16)0;
    }
}

// Kept and Read are the warp's 16 rows: in registers, or in shared memory all the time.
template <int HD> struct Kept {
    uint32_t parts[HD / 16][4];
    __device__ __forceinline__ Kept(const bf16 *rows) {
        rows += warpOf() * 16 * stepOf<HD> + across(stepOf<HD>);
#pragma unroll
        for (int k = 0; k < HD / 16; k++) loadMatrices(parts[k], rows + k * 16);
    }
    __device__ __forceinline__ void get(uint32_t (&part)[4], int k) const {
#pragma unroll
        for (int i = 0; i < 4; i++) part[i] = parts[k][i];
    }
};
template <int HD> struct Read {
    const bf16 *rows;
    __device__ __forceinline__ Read(const bf16 *all) : rows(all + warpOf() * 16 * stepOf<HD> + across(stepOf<HD>)) {}
    __device__ __forceinline__ void get(uint32_t (&part)[4], int k) const { loadMatrices(part, rows + k * 16); }
};

template <int HD, bool kept> struct Own : Kept<HD> { using Kept<HD>::Kept; };
template <int HD> struct Own<HD, false> : Read<HD> { using Read<HD>::Read; };

// dots sets x to the products of the warp's 16 rows with N rows of b.
template <int HD, int N, class Own> __device__ __forceinline__ void dots(float (&x)[N / 8][4], const Own &own, const bf16 *b) {
    b += down(stepOf<HD>);
#pragma unroll
    for (int n = 0; n < N / 8; n++)
#pragma unroll
        for (int i = 0; i < 4; i++) x[n][i] = 0;
#pragma unroll
    for (int k = 0; k < HD / 16; k++) {
        uint32_t left[4];
        own.get(left, k);
#pragma unroll
        for (int n = 0; n < N / 16; n++) {
            uint32_t right[4];
            loadMatrices(right, b + n * 16 * stepOf<HD> + k * 16);
            multiply(x[2 * n], left, right[0], right[1]);
            multiply(x[2 * n + 1], left, right[2], right[3]);
        }
    }
}

// combine adds to o the warp's 16 rows of numbers x, rounded, times N rows of m.
template <int HD, int N> __device__ __forceinline__ void combine(float (&o)[HD / 8][4], const float (&x)[N / 8][4], const bf16 *m) {
    m += across(stepOf<HD>);
#pragma unroll
    for (int k = 0; k < N / 16; k++) {
        const float(&low)[4] = x[2 * k], (&high)[4] = x[2 * k + 1];
        uint32_t left[4] = {twoHalves(low[0], low[1]), twoHalves(low[2], low[3]), twoHalves(high[0], high[1]), twoHalves(high[2], high[3])};
#pragma unroll
        for (int n = 0; n < HD / 16; n++) {
            uint32_t right[4];
            loadTurned(right, m + k * 16 * stepOf<HD> + n * 16);
            multiply(o[2 * n], left, right[0], right[1]);
            multiply(o[2 * n + 1], left, right[2], right[3]);
        }
    }
}

// write writes the warp's rows of o, each multiplied by what stands for its half.
template <int HD> __device__ __forceinline__ void write(bf16 *to, int step, const float (&o)[HD / 8][4], int first, const Rows &r, float by0, float by1) {
#pragma unroll
    for (int n = 0; n < HD / 8; n++)
#pragma unroll
        for (int i = 0; i < 4; i += 2) {
            int row = first + warpOf() * 16 + rowIn(i), col = n * 8 + colIn(i);
            float by = i ? by1 : by0;
            if (row < r.steps && col < r.hd) *(uint32_t *)(to + (int64_t)row * step + col) = twoHalves(o[n][i] * by, o[n][i + 1] * by); // hd is even
        }
}

// fourSum and fourMax are over the four threads of a row.
__device__ __forceinline__ float fourSum(float x) {
    x += __shfl_xor_sync(0xffffffffu, x, 1);
    return x + __shfl_xor_sync(0xffffffffu, x, 2);
}
__device__ __forceinline__ float fourMax(float x) {
    x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 1));
    return fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 2));
}

// Place is what one block works on. Those with most to do come first.
struct Place {
    int sequence, first, head;
    __device__ Place(int steps, bool lastFirst) {
        int tiles = (steps + rowsOfBlock - 1) / rowsOfBlock, at = blockIdx.x % tiles;
        sequence = blockIdx.x / tiles, first = (lastFirst ? tiles - 1 - at : at) * rowsOfBlock, head = blockIdx.y;
    }
};

template <int HD> __device__ __forceinline__ void forward(bf16 *out, float *logSums, const bf16 *qkv, Rows r, bf16 *shared) {
    constexpr int N = met<HD>, S = stepOf<HD>;
    bf16 *others = shared, *own = others + 2 * N * S; // keys and values, twice; queries first
    Place at(r.steps, true);
    int of = at.head / (r.heads / r.kv), row0 = at.first + warpOf() * 16, end = min(r.steps, at.first + rowsOfBlock);
    Head keys = {qkv + r.key(at.sequence, of), r.wide}, values = {qkv + r.value(at.sequence, of), r.wide};
    float o[HD / 8][4] = {}, top[2] = {-INFINITY, -INFINITY}, sum[2] = {0, 0}, scale = r.scale() * log2e;
    fetch<HD, rowsOfBlock>(own, {qkv + r.query(at.sequence, at.head), r.wide}, at.first, r);
    closeCopies();
    fetch<HD, N>(others, keys, 0, r), fetch<HD, N>(others + N * S, values, 0, r);
    closeCopies();
    awaitCopies<1>();
    __syncthreads();
    Kept<HD> q(own);
    __syncthreads(); // all have read what others overwrite
    for (int key = 0, turn = 0; key < end; key += N, turn ^= 1) {
        if (key + N < end) {
            bf16 *next = others + (turn ^ 1) * 2 * N * S;
            fetch<HD, N>(next, keys, key + N, r), fetch<HD, N>(next + N * S, values, key + N, r);
        }
        closeCopies();
        awaitCopies<1>();
        __syncthreads();
        const bf16 *k = others + turn * 2 * N * S, *v = k + N * S;
        float x[N / 8][4];
        dots<HD, N>(x, q, k);
        if (key + N > row0) { // some keys come after some queries
#pragma unroll
            for (int n = 0; n < N / 8; n++)
#pragma unroll
                for (int i = 0; i < 4; i++)
                    if (key + n * 8 + colIn(i) > row0 + rowIn(i)) x[n][i] = -INFINITY;
        }
#pragma unroll
        for (int h = 0; h < 2; h++) { // rows g and g+8
            float most = top[h];
#pragma unroll
            for (int n = 0; n < N / 8; n++) most = fmaxf(most, fmaxf(x[n][2 * h], x[n][2 * h + 1]));
            most = fourMax(most);
            float base = most * scale, stay = powerOfTwo(top[h] * scale - base), s = 0;
            if (most == -INFINITY) base = 0, stay = 1; // NaN alone, or a row that is not there
#pragma unroll
            for (int n = 0; n < N / 8; n++)
#pragma unroll
                for (int i = 2 * h; i < 2 * h + 2; i++) {
                    x[n][i] = powerOfTwo(x[n][i] * scale - base);
                    s += x[n][i];
                }
            top[h] = most, sum[h] = sum[h] * stay + s; // of this thread's columns
#pragma unroll
            for (int n = 0; n < HD / 8; n++) o[n][2 * h] *= stay, o[n][2 * h + 1] *= stay;
        }
        combine<HD, N>(o, x, v);
        __syncthreads(); // all have read what is overwritten next
    }
    awaitCopies<0>();
    float by[2];
#pragma unroll
    for (int h = 0; h < 2; h++) {
        float s = fourSum(sum[h]);
        by[h] = 1 / s;
        int row = row0 + rowIn(2 * h);
        if (threadIdx.x % 4 == 0 && row < r.steps) logSums[r.sums(at.sequence, at.head) + row] = top[h] * r.scale() + logf(s);
    }
    write<HD>(out + r.out(at.sequence, at.head), r.dim, o, at.first, r, by[0], by[1]);
}

// What the backward pass reads, and where it writes.
struct Back {
    bf16 *dqkv;
    const bf16 *dout, *qkv;
    const float *logSums, *means; // means: of dout·out, see attention_means
};

// slope turns a score x and its probability's gradient d into the probability and the
// score's gradient but for the scale.
__device__ __forceinline__ void slope(float &x, float &d, float scale, float logSum, float mean, bool there) {
    x = there ? powerOfTwo(x * scale - logSum) : 0.0f;
    d = there ? x * (d - mean) : 0.0f;
}

// Gradients of 64 keys and values: of all queries after them, of all heads that share them.
// Rows of scores are keys here.
template <int HD> __device__ __forceinline__ void backKeys(Back b, Rows r, bf16 *shared) {
    constexpr int N = met<HD>, S = stepOf<HD>;
    constexpr bool kept = HD <= 64;
    bf16 *others = shared, *own = others + (kept ? 2 : 4) * N * S; // queries and dout, twice; keys and values
    Place at(r.steps, false);
    int group = r.heads / r.kv, row0 = at.first + warpOf() * 16;
    float dk[HD / 8][4] = {}, dv[HD / 8][4] = {}, scale = r.scale() * log2e;
    fetch<HD, rowsOfBlock>(own, {b.qkv + r.key(at.sequence, at.head), r.wide}, at.first, r);
    fetch<HD, rowsOfBlock>(own + rowsOfBlock * S, {b.qkv + r.value(at.sequence, at.head), r.wide}, at.first, r);
    closeCopies();
    Head queries = {b.qkv + r.query(at.sequence, at.head * group), r.wide}, douts = {b.dout + r.out(at.sequence, at.head * group), r.dim};
    fetch<HD, N>(others, queries, at.first, r), fetch<HD, N>(others + N * S, douts, at.first, r);
    closeCopies();
    awaitCopies<1>();
    __syncthreads();
    Own<HD, kept> k(own), v(own + rowsOfBlock * S);
    if (kept) __syncthreads(); // all have read what others overwrite
    int sums = (int)r.sums(at.sequence, at.head * group);
    for (int query = at.first, turn = 0, left = group; left > 0; turn ^= 1) {
        int next = query + N, after = left;
        if (next >= r.steps) { // the next head's
            next = at.first, after--;
            queries.at += r.hd, douts.at += r.hd;
        }
        if (after > 0) {
            bf16 *to = others + (turn ^ 1) * 2 * N * S;
            fetch<HD, N>(to, queries, next, r), fetch<HD, N>(to + N * S, douts, next, r);
        }
        closeCopies();
        awaitCopies<1>();
        __syncthreads();
        const bf16 *q = others + turn * 2 * N * S, *d = q + N * S;
        float x[N / 8][4], dx[N / 8][4];
        dots<HD, N>(x, k, q);
        dots<HD, N>(dx, v, d);
#pragma unroll
        for (int n = 0; n < N / 8; n++)
#pragma unroll
            for (int c = 0; c < 2; c++) {
                int col = query + n * 8 + colIn(c);
                float logSum = 0, mean = 0;
                if (col < r.steps) logSum = b.logSums[sums + col] * log2e, mean = b.means[sums + col];
#pragma unroll
                for (int e = c; e < 4; e += 2) slope(x[n][e], dx[n][e], scale, logSum, mean, row0 + rowIn(e) <= col && col < r.steps);
            }
        combine<HD, N>(dv, x, d);
        combine<HD, N>(dk, dx, q);
        __syncthreads();
        if (after < left) sums += r.steps;
        query = next, left = after;
    }
    awaitCopies<0>();
    write<HD>(b.dqkv + r.key(at.sequence, at.head), r.wide, dk, at.first, r, r.scale(), r.scale());
    write<HD>(b.dqkv + r.value(at.sequence, at.head), r.wide, dv, at.first, r, 1, 1);
}

// Gradients of 64 queries: of all keys before them.
template <int HD> __device__ __forceinline__ void backQueries(Back b, Rows r, bf16 *shared) {
    constexpr int N = met<HD>, S = stepOf<HD>;
    bf16 *others = shared, *own = others + 2 * N * S; // keys and values, twice; queries and dout first
    Place at(r.steps, true);
    int of = at.head / (r.heads / r.kv), row0 = at.first + warpOf() * 16, end = min(r.steps, at.first + rowsOfBlock);
    Head keys = {b.qkv + r.key(at.sequence, of), r.wide}, values = {b.qkv + r.value(at.sequence, of), r.wide};
    float dq[HD / 8][4] = {}, logSum[2] = {}, mean[2] = {}, scale = r.scale() * log2e;
#pragma unroll
    for (int h = 0; h < 2; h++) {
        int row = row0 + rowIn(2 * h);
        int64_t sums = r.sums(at.sequence, at.head) + row;
        if (row < r.steps) logSum[h] = b.logSums[sums] * log2e, mean[h] = b.means[sums];
    }
    fetch<HD, rowsOfBlock>(own, {b.qkv + r.query(at.sequence, at.head), r.wide}, at.first, r);
    fetch<HD, rowsOfBlock>(own + rowsOfBlock * S, {b.dout + r.out(at.sequence, at.head), r.dim}, at.first, r);
    closeCopies();
    fetch<HD, N>(others, keys, 0, r), fetch<HD, N>(others + N * S, values, 0, r);
    closeCopies();
    awaitCopies<1>();
    __syncthreads();
    Kept<HD> q(own), d(own + rowsOfBlock * S);
    __syncthreads();
    for (int key = 0, turn = 0; key < end; key += N, turn ^= 1) {
        if (key + N < end) {
            bf16 *next = others + (turn ^ 1) * 2 * N * S;
            fetch<HD, N>(next, keys, key + N, r), fetch<HD, N>(next + N * S, values, key + N, r);
        }
        closeCopies();
        awaitCopies<1>();
        __syncthreads();
        const bf16 *k = others + turn * 2 * N * S, *v = k + N * S;
        float x[N / 8][4], dx[N / 8][4];
        dots<HD, N>(x, q, k);
        dots<HD, N>(dx, d, v);
#pragma unroll
        for (int n = 0; n < N / 8; n++)
#pragma unroll
            for (int e = 0; e < 4; e++) {
                int row = row0 + rowIn(e);
                slope(x[n][e], dx[n][e], scale, logSum[e / 2], mean[e / 2], key + n * 8 + colIn(e) <= row && row < r.steps);
            }
        combine<HD, N>(dq, dx, k);
        __syncthreads();
    }
    awaitCopies<0>();
    write<HD>(b.dqkv + r.query(at.sequence, at.head), r.wide, dq, at.first, r, r.scale(), r.scale());
}

// The number is the most values of a head.
extern "C" __global__ void __launch_bounds__(128) attention_half_32(bf16 *out, float *logSums, const bf16 *qkv, int steps, int heads, int kv, int hd) {
    DYNAMIC_SHARED(bf16, shared);
    forward<32>(out, logSums, qkv, Rows(steps, heads, kv, hd), shared);
}
extern "C" __global__ void __launch_bounds__(128) attention_keys_half_32(bf16 *dqkv, const bf16 *dout, const bf16 *qkv, const float *logSums, const float *means, int steps, int heads, int kv, int hd) {
    DYNAMIC_SHARED(bf16, shared);
    backKeys<32>({dqkv, dout, qkv, logSums, means}, Rows(steps, heads, kv, hd), shared);
}
extern "C" __global__ void __launch_bounds__(128) attention_queries_half_32(bf16 *dqkv, const bf16 *dout, const bf16 *qkv, const float *logSums, const float *means, int steps, int heads, int kv, int hd) {
    DYNAMIC_SHARED(bf16, shared);
    backQueries<32>({dqkv, dout, qkv, logSums, means}, Rows(steps, heads, kv, hd), shared);
}
extern "C" __global__ void __launch_bounds__(128, 4) attention_half_64(bf16 *out, float *logSums, const bf16 *qkv, int steps, int heads, int kv, int hd) {
    DYNAMIC_SHARED(bf16, shared);
    forward<64>(out, logSums, qkv, Rows(steps, heads, kv, hd), shared);
}
extern "C" __global__ void __launch_bounds__(128) attention_keys_half_64(bf16 *dqkv, const bf16 *dout, const bf16 *qkv, const float *logSums, const float *means, int steps, int heads, int kv, int hd) {
    DYNAMIC_SHARED(bf16, shared);
    backKeys<64>({dqkv, dout, qkv, logSums, means}, Rows(steps, heads, kv, hd), shared);
}
extern "C" __global__ void __launch_bounds__(128) attention_queries_half_64(bf16 *dqkv, const bf16 *dout, const bf16 *qkv, const float *logSums, const float *means, int steps, int heads, int kv, int hd) {
    DYNAMIC_SHARED(bf16, shared);
    backQueries<64>({dqkv, dout, qkv, logSums, means}, Rows(steps, heads, kv, hd), shared);
}
extern "C" __global__ void __launch_bounds__(128) attention_half_96(bf16 *out, float *logSums, const bf16 *qkv, int steps, int heads, int kv, int hd) {
    DYNAMIC_SHARED(bf16, shared);
    forward<96>(out, logSums, qkv, Rows(steps, heads, kv, hd), shared);
}
extern "C" __global__ void __launch_bounds__(128) attention_keys_half_96(bf16 *dqkv, const bf16 *dout, const bf16 *qkv, const float *logSums, const float *means, int steps, int heads, int kv, int hd) {
    DYNAMIC_SHARED(bf16, shared);
    backKeys<96>({dqkv, dout, qkv, logSums, means}, Rows(steps, heads, kv, hd), shared);
}
extern "C" __global__ void __launch_bounds__(128) attention_queries_half_96(bf16 *dqkv, const bf16 *dout, const bf16 *qkv, const float *logSums, const float *means, int steps, int heads, int kv, int hd) {
    DYNAMIC_SHARED(bf16, shared);
    backQueries<96>({dqkv, dout, qkv, logSums, means}, Rows(steps, heads, kv, hd), shared);
}
extern "C" __global__ void __launch_bounds__(128) attention_half_128(bf16 *out, float *logSums, const bf16 *qkv, int steps, int heads, int kv, int hd) {
    DYNAMIC_SHARED(bf16, shared);
    forward<128>(out, logSums, qkv, Rows(steps, heads, kv, hd), shared);
}
extern "C" __global__ void __launch_bounds__(128) attention_keys_half_128(bf16 *dqkv, const bf16 *dout, const bf16 *qkv, const float *logSums, const float *means, int steps, int heads, int kv, int hd) {
    DYNAMIC_SHARED(bf16, shared);
    backKeys<128>({dqkv, dout, qkv, logSums, means}, Rows(steps, heads, kv, hd), shared);
}
extern "C" __global__ void __launch_bounds__(128) attention_queries_half_128(bf16 *dqkv, const bf16 *dout, const bf16 *qkv, const float *logSums, const float *means, int steps, int heads, int kv, int hd) {
    DYNAMIC_SHARED(bf16, shared);
    backQueries<128>({dqkv, dout, qkv, logSums, means}, Rows(steps, heads, kv, hd), shared);
}
