// SHA-256 (FIPS 180-4) of chunks of values, as package tensor has them in the tree of a
// model: one thread a chunk.
#include "lode.cuh"

__constant__ uint32_t rounds[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
    0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
    0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
    0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
    0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
    0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

__device__ __forceinline__ uint32_t turn(uint32_t x, int n) { return x >> n | x << (32 - n); }
__device__ __forceinline__ uint32_t swapBytes(uint32_t x) { return x >> 24 | (x >> 8 & 0xff00) | (x << 8 & 0xff0000) | x << 24; }

// Leaf is what is hashed of a chunk: prefix, the chunk's index in 8 bytes, len values; then
// what fills it up to blocks of 64 bytes.
struct Leaf {
    const unsigned char *prefix;
    int prefixLen;
    uint64_t index;
    const float *values;
    int len;

    __device__ __forceinline__ int begin() const { return prefixLen + 8; }
    __device__ __forceinline__ int end() const { return begin() + 4 * len; }
    __device__ __forceinline__ int blocks() const { return (end() + 9 + 63) / 64; }

    __device__ uint32_t byte(int p) const {
        if (p < prefixLen) return prefix[p];
        if (p < begin()) return (uint32_t)(index >> 8 * (p - prefixLen)) & 255;
        if (p < end()) return __float_as_uint(values[(p - begin()) / 4]) >> 8 * ((p - begin()) % 4) & 255;
        if (p == end()) return 0x80;
        int left = 64 * blocks() - 1 - p; // the length in bits ends the last block
        return left < 4 ? (uint32_t)(8 * end()) >> 8 * left & 255 : 0;
    }

    // word is bytes p to p+3, the first the highest.
    __device__ __forceinline__ uint32_t word(int p) const {
        if (p < begin() || p + 4 > end()) return byte(p) << 24 | byte(p + 1) << 16 | byte(p + 2) << 8 | byte(p + 3);
        int at = (p - begin()) / 4, off = 8 * ((p - begin()) % 4);
        uint32_t x = __float_as_uint(values[at]);
        return swapBytes(off ? x >> off | __float_as_uint(values[at + 1]) << (32 - off) : x);
    }
};

// leaves writes the digests of the chunks of n values, of which the first has index first.
extern "C" __global__ void leaves(unsigned char *out, const float *values, long long n, const unsigned char *prefix, int prefixLen, long long first) {
    int64_t chunk = index();
    if (chunk * 4096 >= n) return;
    int64_t left = n - chunk * 4096;
    Leaf leaf = {prefix, prefixLen, (uint64_t)(first + chunk), values + chunk * 4096, (int)(left < 4096 ? left : 4096)};
    uint32_t h[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    for (int b = 0; b < leaf.blocks(); b++) {
        uint32_t w[16], s[8];
        for (int i = 0; i < 16; i++) w[i] = leaf.word(64 * b + 4 * i);
        for (int i = 0; i < 8; i++) s[i] = h[i];
        for (int part = 0; part < 64; part += 16)
            for (int i = 0; i < 16; i++) {
                uint32_t e = s[4], a = s[0];
                uint32_t t = s[7] + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & s[5]) ^ (~e & s[6])) + rounds[part + i] + w[i];
                uint32_t u = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
                s[7] = s[6], s[6] = s[5], s[5] = e, s[4] = s[3] + t, s[3] = s[2], s[2] = s[1], s[1] = a, s[0] = t + u;
                uint32_t x = w[(i + 1) % 16], y = w[(i + 14) % 16]; // of the next 16
                w[i] += (turn(x, 7) ^ turn(x, 18) ^ x >> 3) + w[(i + 9) % 16] + (turn(y, 17) ^ turn(y, 19) ^ y >> 10);
            }
        for (int i = 0; i < 8; i++) h[i] += s[i];
    }
    out += 32 * chunk;
    for (int i = 0; i < 32; i++) out[i] = (unsigned char)(h[i / 4] >> (24 - 8 * (i % 4)));
}
