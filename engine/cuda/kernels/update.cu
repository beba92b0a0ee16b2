// Updates: what package gradient's encoder does, bit for bit. A chunk of at most 4,096
// values is a block of 256 threads; its plain form is what update-format.md says. Sums are
// of integers, so their order does not matter; products whose bits matter are rounded
// by themselves, never fused.
#include "lode.cuh"

typedef unsigned long long u64;

constexpr int chunkLen = 4096, blockLen = 256, numWarps = blockLen / 32;
constexpr int each = chunkLen / blockLen; // values of a thread: 512 in a row belong to a warp, 32 of them at a time
constexpr uint32_t magnitude = 0x7fffffffu, notFinite = 0x7f800000u;

// a = β·e + (start − now), rounded three times. a may be any of the others.
extern "C" __global__ void join(float *a, const float *e, const float *start, const float *now, float decay, long long n) {
    int64_t i = index();
    if (i < n) a[i] = __fmul_rn(decay, e[i]) + (start[i] - now[i]);
}

// w = w − share·(w − to), rounded three times.
extern "C" __global__ void pull(float *w, const float *to, float share, long long n) {
    int64_t i = index();
    if (i < n) w[i] = w[i] - __fmul_rn(share, w[i] - to[i]);
}

// blockSum64 returns the sum of x over the block, to all; scratch is for numWarps values.
__device__ __forceinline__ u64 blockSum64(u64 x, u64 *scratch) {
    for (int i = 16; i > 0; i /= 2) x += __shfl_xor_sync(0xffffffffu, x, i);
    __syncthreads(); // scratch may still be read
    if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = x;
    __syncthreads();
    x = 0;
    for (int i = 0; i < numWarps; i++) x += scratch[i];
    return x;
}

// blockMax64 is the same with the maximum.
__device__ __forceinline__ u64 blockMax64(u64 x, u64 *scratch) {
    for (int i = 16; i > 0; i /= 2) {
        u64 y = __shfl_xor_sync(0xffffffffu, x, i);
        x = x > y ? x : y;
    }
    __syncthreads();
    if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = x;
    __syncthreads();
    x = 0;
    for (int i = 0; i < numWarps; i++) x = x > scratch[i] ? x : scratch[i];
    return x;
}

// placeOf is the index within the chunk of value j of this thread.
__device__ __forceinline__ int placeOf(int j) { return threadIdx.x / 32 * (32 * each) + 32 * j + threadIdx.x % 32; }

// rankAll orders values by place: all that bits of sure name, and of those that maybe names
// the first num. rank[j] becomes the number of value j among them, or -1. scratch is for
// 2·numWarps values.
__device__ __forceinline__ void rankAll(int *rank, uint32_t sure, uint32_t maybe, int num, int *scratch) {
    int warp = threadIdx.x / 32, s = 0, m = 0;
    uint32_t before = (1u << threadIdx.x % 32) - 1;
    for (int j = 0; j < each; j++) {
        s += __popc(__ballot_sync(0xffffffffu, sure >> j & 1));
        m += __popc(__ballot_sync(0xffffffffu, maybe >> j & 1));
    }
    __syncthreads();
    if (threadIdx.x % 32 == 0) scratch[warp] = s, scratch[numWarps + warp] = m;
    __syncthreads();
    s = m = 0;
    for (int w = 0; w < warp; w++) s += scratch[w], m += scratch[numWarps + w];
    for (int j = 0; j < each; j++) {
        uint32_t sures = __ballot_sync(0xffffffffu, sure >> j & 1), maybes = __ballot_sync(0xffffffffu, maybe >> j & 1);
        int others = m + __popc(maybes & before);
        bool taken = (sure >> j & 1) || ((maybe >> j & 1) && others < num);
        rank[j] = taken ? s + __popc(sures & before) + min(others, num) : -1;
        s += __popc(sures), m += __popc(maybes);
    }
}

// kthLargest returns the k-th largest of the block's n keys of 31 bits and sets above to
// the number of larger ones: a digit of 8 bits at a time, the highest first.
__device__ __forceinline__ uint32_t kthLargest(const uint32_t *key, int n, int k, int *above, int *count, int *scratch) {
    uint32_t found = 0, known = 0;
    int want = k;
    for (int shift = 24; shift >= 0; shift -= 8) {
        __syncthreads();
        count[threadIdx.x] = 0;
        __syncthreads();
        for (int j = 0; j < each; j++)
            if (placeOf(j) < n && (key[j] & known) == found) atomicAdd(&count[key[j] >> shift & 255], 1);
        __syncthreads();
        int digit = 255 - threadIdx.x, own = count[digit], to = own; // from the highest digit on
        for (int i = 1; i < 32; i *= 2) {
            int other = __shfl_up_sync(0xffffffffu, to, i);
            if (threadIdx.x % 32 >= i) to += other;
        }
        if (threadIdx.x % 32 == 31) scratch[threadIdx.x / 32] = to;
        __syncthreads();
        for (int w = 0; w < threadIdx.x / 32; w++) to += scratch[w];
        if (to >= want && to - own < want) scratch[numWarps] = digit, scratch[numWarps + 1] = to - own;
        __syncthreads();
        found |= (uint32_t)scratch[numWarps] << shift, known |= 255u << shift;
        want -= scratch[numWarps + 1];
    }
    *above = k - want;
    return found;
}

// Where levels lie between the low one at 0 and the high one at 256, by bits − 1, and the
// least distance of these two between which all are told apart.
__constant__ int curves[4][8] = {{256}, {0, 256}, {0, 62, 144, 256}, {0, 13, 31, 54, 86, 127, 183, 256}};
__constant__ int spreads[4] = {1, 1, 3, 13};

// Kept are the magnitudes of n values in shared memory, with signs in their highest bits.
struct Kept {
    const uint32_t *xs;
    int n;
    u64 sum;
    uint32_t least, most;
    int leastAt, mostAt; // the first of each
};

__device__ __forceinline__ int bitLen(u64 x) { return x >> 32 ? 64 - __clz((int)(x >> 32)) : 32 - __clz((int)x); }

// roundShift returns x·2^−shift rounded half to even, or the largest number if shift is
// negative and x is not 0.
__device__ __forceinline__ u64 roundShift(u64 x, int shift) {
    if (shift < 0) return x ? ~0ull : 0;
    if (shift == 0) return x;
    if (shift > 62) return 0;
    u64 q = x >> shift, rest = x & ((1ull << shift) - 1), half = 1ull << (shift - 1);
    return q + (rest > half || (rest == half && (q & 1)));
}

__device__ __forceinline__ u64 roundDigits(u64 x, int digits) {
    int drop = max(bitLen(x) - digits, 0);
    return roundShift(x, drop) << drop;
}

// lloyd sets the means of the two groups that Lloyd's iteration ends with.
__device__ __forceinline__ void lloyd(const Kept &v, u64 *hi, u64 *lo, u64 *scratch) {
    u64 n = v.n, cut = (v.sum + n / 2) / n;
    for (int i = 0; i < 16; i++) {
        u64 part = 0; // sum and number in one: 43 bits and 13
        for (int r = threadIdx.x; r < v.n; r += blockLen) {
            uint32_t x = v.xs[r] & magnitude;
            if (x >= cut) part += ((u64)x << 13) + 1;
        }
        part = blockSum64(part, scratch);
        u64 sum = part >> 13, num = part & 8191;
        if (num == 0 || num == n) {
            *hi = *lo = cut;
            return;
        }
        *hi = (sum + num / 2) / num, *lo = (v.sum - sum + (n - num) / 2) / (n - num);
        u64 next = (*hi + *lo + 1) / 2;
        if (next == cut) return;
        cut = next;
    }
}

// regress moves the ends of a curve of levels to the least-squares fit until nothing
// changes. All sums are integers below 2^52.
__device__ __forceinline__ void regress(const Kept &v, const int *curve, int num, u64 *hi, u64 *lo, u64 *scratch) {
    double low = v.least, high = v.most;
    for (int tries = 0; tries < 16; tries++) {
        double cut[8];
        for (int i = 0; i < num - 1; i++) cut[i] = low + __dmul_rn(high - low, (curve[i] + curve[i + 1]) / 512.0);
        u64 squares = 0, ofLow = 0; // of shares of low and high, 32 bits each; and of x times that of low
        for (int r = threadIdx.x; r < v.n; r += blockLen) {
            uint32_t x = v.xs[r] & magnitude;
            int i = 0;
            while (i < num - 1 && (double)x >= cut[i]) i++;
            u64 c = curve[i], d = 256 - c;
            squares += d * d + (c * c << 32);
            ofLow += d * x;
        }
        squares = blockSum64(squares, scratch);
        ofLow = blockSum64(ofLow, scratch);
        u64 aa = squares & 0xffffffffu, bb = squares >> 32;
        double a2 = aa / 65536.0, b2 = bb / 65536.0, ab = (((u64)v.n << 16) - aa - bb) / 131072.0;
        double ax = ofLow / 256.0, bx = ((v.sum << 8) - ofLow) / 256.0;
        double det = __dmul_rn(a2, b2) - __dmul_rn(ab, ab);
        if (det <= 0) break;
        double toLow = (__dmul_rn(ax, b2) - __dmul_rn(bx, ab)) / det;
        double toHigh = (__dmul_rn(bx, a2) - __dmul_rn(ax, ab)) / det;
        if (toLow == low && toHigh == high) break;
        low = toLow, high = toHigh;
    }
    if (!(high > 0)) high = 0;
    if (!(low > 0)) low = 0;
    *hi = (u64)rint(high), *lo = (u64)rint(low < high ? low : high);
}

// Levels are m[i]·2^exp; x at or above cut[i] takes level i or a higher one. All zero stands
// for a chunk of zeros.
struct Levels {
    int exp;
    uint32_t m[8];
    u64 cut[8];
};

// fit returns the levels for magnitudes in units of 2^b.
__device__ __forceinline__ Levels fit(const Kept &v, int b, int bits, int emin, int emax, u64 *scratch) {
    Levels l = {};
    const int *curve = curves[bits - 1];
    int num = 1 << (bits - 1), digits = max(3, bits + 1);
    u64 hi, lo, spread = spreads[bits - 1];
    if (bits == 1) hi = lo = (v.sum + v.n / 2) / v.n;
    else if (bits == 2) lloyd(v, &hi, &lo, scratch);
    else regress(v, curve, num, &hi, &lo, scratch);
    hi = roundDigits(hi, digits), lo = roundDigits(lo, digits);
    if (hi == 0) return l;
    int shift = min(max(bitLen(hi) - 8, emin - b), emax - b);
    hi = roundShift(hi, shift), lo = roundShift(lo, shift);
    u64 limit = 256 - (1 << (8 - digits));
    if (hi > limit) hi = limit, lo = lo < limit ? lo : limit; // beyond emax
    if (hi == 0) return l;
    bool merged = hi - lo < spread;
    if (merged) {
        lo = 0; // one level: whatever is not zero takes the highest
        if (hi < spread && v.least == 0) return l;
    }
    l.exp = b + shift;
    for (int i = 0; i < num; i++) l.m[i] = (uint32_t)lo + ((uint32_t)(hi - lo) * curve[i] + 128) / 256;
    for (int i = 0; i < num - 1; i++) l.cut[i + 1] = merged || shift < 0 ? 1 : (((u64)(l.m[i] + l.m[i + 1]) << shift) + 1) / 2;
    return l;
}

// topk writes the plain forms of chunks of n values: bits a value, k of each whole chunk, step bytes each.
// bad becomes the largest of its value and the complements of the numbers, at being that of
// a[0], of values that are not finite.
extern "C" __global__ void __launch_bounds__(256) topk(unsigned char *out, const float *a, long long n, int k, int bits, int emin, int emax, int step, unsigned long long *bad, long long at) {
    __shared__ uint32_t xs[chunkLen];
    __shared__ uint16_t place[chunkLen];
    __shared__ unsigned char code[chunkLen];
    __shared__ int count[blockLen], few[2 * numWarps];
    __shared__ u64 scratch[numWarps];
    int64_t lo64 = (int64_t)blockIdx.x * chunkLen;
    int len = (int)(n - lo64 < chunkLen ? n - lo64 : chunkLen), top = (1 << (bits - 1)) - 1;
    k = (int)(((int64_t)k * len + chunkLen - 1) / chunkLen);
    a += lo64, out += (int64_t)blockIdx.x * step;

    // Which are kept, in ascending order, and how large the largest is.
    uint32_t raw[each], key[each], sure = 0, maybe = 0;
    int rank[each], above;
    for (int j = 0; j < each; j++) {
        int i = placeOf(j);
        raw[j] = i < len ? __float_as_uint(a[i]) : 0;
        key[j] = raw[j] & magnitude;
        if (key[j] >= notFinite) atomicMax(bad, ~(unsigned long long)(at + lo64 + i));
    }
    uint32_t least = kthLargest(key, len, k, &above, count, few);
    for (int j = 0; j < each; j++)
        if (placeOf(j) < len) sure |= (uint32_t)(key[j] > least) << j, maybe |= (uint32_t)(key[j] == least) << j;
    rankAll(rank, sure, maybe, k - above, few);
    u64 most = 0;
    for (int j = 0; j < each; j++) {
        if (rank[j] < 0) continue;
        xs[rank[j]] = raw[j], place[rank[j]] = (uint16_t)placeOf(j);
        most = most > key[j] ? most : key[j];
    }
    int exp = max((int)(blockMax64(most, scratch) >> 23), 1);

    // Their magnitudes in units that make the largest fit 31 bits.
    Kept v = {xs, k, 0, 0, 0, 0, 0};
    u64 sum = 0, first = 0, last = 0; // the largest, and the complement of the least, with places that make the first of equals the largest
    for (int r = threadIdx.x; r < k; r += blockLen) {
        uint32_t bitsOf = xs[r], u = bitsOf & magnitude;
        int own = (int)(u >> 23), shift = min(exp - max(own, 1), 31);
        uint32_t x = ((u & 0x7fffff) | (own ? 0x800000u : 0)) << 7 >> shift;
        xs[r] = x | (bitsOf & ~magnitude);
        sum += x;
        u64 f = (u64)x << 12 | (uint32_t)(chunkLen - 1 - r), s = (u64)(magnitude - x) << 12 | (uint32_t)(chunkLen - 1 - r);
        first = first > f ? first : f, last = last > s ? last : s;
    }
    v.sum = blockSum64(sum, scratch);
    first = blockMax64(first, scratch), last = blockMax64(last, scratch);
    v.most = (uint32_t)(first >> 12), v.mostAt = chunkLen - 1 - (int)(first & (chunkLen - 1));
    v.least = magnitude - (uint32_t)(last >> 12), v.leastAt = chunkLen - 1 - (int)(last & (chunkLen - 1));
    Levels l = fit(v, exp - 157, bits, emin, emax, scratch);

    // The level of each; somebody must take the highest, and the lowest unless all take the highest.
    int hi = (int)l.m[top], low = 0;
    u64 ends = 0;
    for (int r = threadIdx.x; r < k; r += blockLen) {
        uint32_t x = xs[r] & magnitude, c = 0;
        for (int i = 1; i <= top; i++) c += x >= l.cut[i];
        if (hi == 0) c = 0, place[r] = (uint16_t)r;
        code[r] = (unsigned char)c;
        ends += ((u64)(c == (uint32_t)top) << 32) + (c == 0);
    }
    ends = blockSum64(ends, scratch);
    if (hi != 0) {
        int numTop = (int)(ends >> 32), numLow = (int)(ends & 0xffffffffu);
        if (numTop == 0) {
            numTop = 1;
            if (code[v.mostAt] == 0) numLow--;
            __syncthreads();
            if (threadIdx.x == 0) code[v.mostAt] = (unsigned char)top;
        }
        if (numTop != k) {
            low = (int)l.m[0];
            if (numLow == 0 && threadIdx.x == 0) code[v.leastAt] = 0;
        }
    }
    __syncthreads();

    // Signs; a zero has none where there is a level of zero.
    bool zeros = hi != 0 && low == 0 && top != 0;
    int num = 0;
    for (int r = threadIdx.x; r < k && hi != 0; r += blockLen) {
        unsigned c = code[r];
        c = zeros && c == 0 ? 0 : c | (xs[r] >> 31) * (top + 1);
        code[r] = (unsigned char)c;
        num += c == 0;
    }
    if (zeros) num = (int)blockSum64(num, scratch);
    if (zeros && num > 0) { // they have the lowest places that the others leave free
        unsigned char *taken = (unsigned char *)xs;
        __syncthreads();
        for (int i = threadIdx.x; i < chunkLen; i += blockLen) taken[i] = 0;
        __syncthreads();
        for (int r = threadIdx.x; r < k; r += blockLen)
            if (code[r]) taken[place[r]] = code[r];
        __syncthreads();
        sure = maybe = 0;
        for (int j = 0; j < each; j++) {
            bool is = taken[placeOf(j)] != 0;
            sure |= (uint32_t)is << j, maybe |= (uint32_t)(!is && placeOf(j) < len) << j;
        }
        rankAll(rank, sure, maybe, num, few);
        for (int j = 0; j < each; j++)
            if (rank[j] >= 0) place[rank[j]] = (uint16_t)placeOf(j), code[rank[j]] = taken[placeOf(j)];
    }
    __syncthreads();

    // The plain form.
    if (threadIdx.x == 0) out[0] = (unsigned char)(hi ? l.exp : 0), out[1] = (unsigned char)hi, out[2] = (unsigned char)low;
    out += 3;
    for (int r = threadIdx.x; r < k; r += blockLen) out[2 * r] = (unsigned char)place[r], out[2 * r + 1] = (unsigned char)(place[r] >> 8);
    out += 2 * k;
    for (int g = threadIdx.x; 8 * g < k; g += blockLen) { // eight codes are as many bytes as one has bits
        uint32_t all = 0;
        for (int i = 0; i < 8 && 8 * g + i < k; i++) all |= (uint32_t)code[8 * g + i] << (bits * i);
        for (int i = 0; i < bits && g * bits + i < (bits * k + 7) / 8; i++) out[g * bits + i] = (unsigned char)(all >> (8 * i));
    }
}

// dense8 does the same with every value in 8 bits.
extern "C" __global__ void dense8(unsigned char *out, const float *a, long long n, int emin, int emax, int step, unsigned long long *bad, long long at) {
    __shared__ u64 scratch[numWarps];
    int64_t lo = (int64_t)blockIdx.x * chunkLen;
    int len = (int)(n - lo < chunkLen ? n - lo : chunkLen);
    a += lo, out += (int64_t)blockIdx.x * step;
    u64 top = 0;
    for (int i = threadIdx.x; i < len; i += blockLen) {
        uint32_t key = __float_as_uint(a[i]) & magnitude;
        if (key >= notFinite) atomicMax(bad, ~(unsigned long long)(at + lo + i));
        top = top > key ? top : key;
    }
    double most = __uint_as_float((uint32_t)blockMax64(top, scratch)), inverse;
    int exp = emin;
    for (;; exp++) {
        inverse = ldexp(1.0, -exp);
        if (exp == emax || rint(__dmul_rn(most, inverse)) <= 127) break;
    }
    u64 any = 0;
    for (int i = threadIdx.x; i < len; i += blockLen) {
        double m = rint(__dmul_rn(a[i], inverse));
        m = m < -127 ? -127 : m > 127 ? 127 : m;
        out[1 + i] = (unsigned char)(signed char)(int)m;
        any += m != 0;
    }
    any = blockSum64(any, scratch);
    if (threadIdx.x == 0) out[0] = (unsigned char)(any ? exp : 0);
}

// Plain is the plain form of a chunk, which somebody has checked: k values of a topk update,
// or with k = 0 all n in 8 bits.
struct Plain {
    const unsigned char *b;
    int k, bits, num; // num: how many values it names
    float level[8];   // magnitudes, exact

    __device__ Plain(const unsigned char *b, int k, int bits, int n) : b(b), k(k), bits(bits), num(k ? (k * n + chunkLen - 1) / chunkLen : n), level() {
        double unit = ldexp(1.0, (signed char)b[0]);
        if (k == 0) {
            level[0] = (float)unit;
            return;
        }
        int hi = b[1], lo = b[2];
        for (int i = 0; i < 8; i++) level[i] = i < 1 << (bits - 1) ? (float)((lo + ((hi - lo) * curves[bits - 1][i] + 128) / 256) * unit) : 0;
    }
    __device__ __forceinline__ int place(int r) const { return k ? b[3 + 2 * r] | b[4 + 2 * r] << 8 : r; }
    __device__ __forceinline__ float value(int r) const {
        if (k == 0) return (signed char)b[1 + r] * level[0];
        int at = r * bits, off = at % 8;
        const unsigned char *code = b + 3 + 2 * num + at / 8;
        int c = code[0] >> off;
        if (off + bits > 8) c |= code[1] << (8 - off);
        float x = 0;
        for (int i = 0; i < 8; i++) // in registers
            if ((c & ((1 << (bits - 1)) - 1)) == i) x = level[i];
        return c >> (bits - 1) & 1 ? -x : x;
    }
};

// subtract_plain takes chunks of an update, step bytes each, times by off n values: the product
// is exact, then rounded to float32.
extern "C" __global__ void __launch_bounds__(256) subtract_plain(float *x, const unsigned char *plain, long long n, int k, int bits, int step, double by) {
    int64_t lo = (int64_t)blockIdx.x * chunkLen;
    Plain p(plain + (int64_t)blockIdx.x * step, k, bits, (int)(n - lo < chunkLen ? n - lo : chunkLen));
    x += lo;
    for (int r = threadIdx.x; r < p.num; r += blockLen) {
        float v = (float)__dmul_rn(p.value(r), by);
        if (v != 0) x[p.place(r)] = x[p.place(r)] - v;
    }
}

// What a block of dots_plain has at a time: updates, and products of each.
constexpr int together = 16, tileLen = 64;

// dots_plain multiplies chunks of num updates with those of n values g: sums[c·num + u] is the
// product of chunk c and update u, which lies stride bytes after the one before. Products are exact;
// one thread adds them in the order of places. A block has g's chunk in shared memory for
// all its updates.
extern "C" __global__ void __launch_bounds__(256) dots_plain(double *sums, const float *g, const unsigned char *plain, long long n, int k, int bits, int step, int num, long long stride) {
    __shared__ float values[chunkLen];
    __shared__ double products[together][tileLen + 1];
    int64_t lo = (int64_t)blockIdx.x * chunkLen;
    int len = (int)(n - lo < chunkLen ? n - lo : chunkLen), first = blockIdx.y * together, some = min(num - first, together);
    for (int i = threadIdx.x; i < len; i += blockLen) values[i] = g[lo + i];
    constexpr int share = blockLen / together; // threads of an update
    int u = threadIdx.x / share;
    Plain p(plain + (first + min(u, some - 1)) * stride + (int64_t)blockIdx.x * step, k, bits, len);
    double sum = 0;
    for (int from = 0; from < p.num; from += tileLen) {
        __syncthreads(); // values are there, and what was added before is no longer needed
        for (int i = threadIdx.x % share; i < tileLen && from + i < p.num; i += share) {
            float v = p.value(from + i);
            products[u][i] = v != 0 ? __dmul_rn(v, values[p.place(from + i)]) : 0;
        }
        __syncthreads();
        if (threadIdx.x < some)
            for (int i = 0; i < tileLen && from + i < p.num; i++) sum += products[threadIdx.x][i];
    }
    if (threadIdx.x < some) sums[blockIdx.x * (int64_t)num + first + threadIdx.x] = sum;
}

// totals adds what dots_plain found of chunks to the num sums of its updates, chunk by chunk.
extern "C" __global__ void __launch_bounds__(256) totals(double *to, const double *sums, int chunks, int num) {
    constexpr int most = 2048;
    __shared__ double some[most];
    int width = min(num - (int)blockIdx.x * blockLen, blockLen), rows = most / width;
    sums += blockIdx.x * blockLen, to += blockIdx.x * blockLen;
    double sum = threadIdx.x < width ? to[threadIdx.x] : 0;
    for (int from = 0; from < chunks; from += rows) {
        int here = min(rows, chunks - from);
        __syncthreads();
        for (int i = threadIdx.x; i < here * width; i += blockLen) some[i] = sums[(int64_t)(from + i / width) * num + i % width];
        __syncthreads();
        if (threadIdx.x < width)
            for (int i = 0; i < here; i++) sum += some[i * width + threadIdx.x];
    }
    if (threadIdx.x < width) to[threadIdx.x] = sum;
}
