// What tensor cores and copies beside them need: products of small matrices spread over a
// warp, and copies to shared memory that go on while the block works. For the host there is
// a plain form of each, with the same fragments; all 32 threads of a warp take part.
#pragma once
#include "lode.cuh"

// Fragments are those of mma.sync.m16n8k16 (PTX ISA, "Matrix Fragments for mma.m16n8k16"):
// with g = lane/4 and t = lane%4 a thread has of A, 16 × 16, rows g and g+8 at columns 2t,
// 2t+1 and those 8 further; of B, 16 × 8, column g at rows 2t, 2t+1 and those 8 further; of
// C, 16 × 8, rows g and g+8 at columns 2t, 2t+1.

#ifdef LODE_HOST
#define HERE const char *file = __builtin_FILE(), int line = __builtin_LINE()
inline float halfOf(uint32_t two, int which) { return fromHalf((bf16)(which ? two >> 16 : two)); }

// multiply adds A·B to C.
inline void multiply(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1, HERE) {
    uint32_t mine[6] = {a[0], a[1], a[2], a[3], b0, b1};
    const uint64_t *all = shimShare((uint64_t)mine, 0xffffffffu, file, line);
    const uint32_t *of[32];
    for (int i = 0; i < 32; i++) of[i] = (const uint32_t *)all[i];
    int g = shimLane() / 4, t = shimLane() % 4;
    for (int k = 0; k < 16; k++) {
        int from = k % 8 / 2, high = k / 8, which = k % 2;
        float left = halfOf(of[g * 4 + from][2 * high], which), right = halfOf(of[g * 4 + from][2 * high + 1], which);
        float first = halfOf(of[2 * t * 4 + from][4 + high], which), second = halfOf(of[(2 * t + 1) * 4 + from][4 + high], which);
        c[0] += left * first, c[1] += left * second, c[2] += right * first, c[3] += right * second;
    }
    shimShare(0, 0xffffffffu, file, line); // until all have read mine
}

// loadMatrices gives the warp four 8 × 8 matrices of shared memory; lane i says where row i%8
// of matrix i/8 begins. A thread has row lane/4 at columns 2t, 2t+1 of each.
inline void loadMatrices(uint32_t (&r)[4], const bf16 *row, HERE) {
    const uint64_t *all = shimShare((uint64_t)row, 0xffffffffu, file, line);
    int g = shimLane() / 4, t = shimLane() % 4;
    for (int i = 0; i < 4; i++) {
        const bf16 *from = (const bf16 *)all[i * 8 + g];
        r[i] = from[2 * t] | (uint32_t)from[2 * t + 1] << 16;
    }
    shimShare(0, 0xffffffffu, file, line);
}

// loadTurned gives the transposes: a thread has column lane/4 at rows 2t, 2t+1.
inline void loadTurned(uint32_t (&r)[4], const bf16 *row, HERE) {
    const uint64_t *all = shimShare((uint64_t)row, 0xffffffffu, file, line);
    int g = shimLane() / 4, t = shimLane() % 4;
    for (int i = 0; i < 4; i++) r[i] = ((const bf16 *)all[i * 8 + 2 * t])[g] | (uint32_t)((const bf16 *)all[i * 8 + 2 * t + 1])[g] << 16;
    shimShare(0, 0xffffffffu, file, line);
}
inline float powerOfTwo(float x) { return exp2f(x); }

// copyLater copies 16 bytes to shared memory, or zeros where there is nothing; both addresses are
// multiples of 16. closeCopies ends a group of copies, and awaitCopies waits until all
// but the thread's last N groups have arrived, at this thread.
inline void copyLater(void *to, const void *from, bool there) { shimCopyLater(to, there ? from : nullptr, 16); }
inline void closeCopies() { shimCloseCopies(); }
template <int N> inline void awaitCopies() { shimAwaitCopies(N); }

#else
__device__ __forceinline__ void multiply(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
__device__ __forceinline__ uint32_t sharedAddress(const void *p) { return (uint32_t)__cvta_generic_to_shared(p); }
__device__ __forceinline__ void loadMatrices(uint32_t (&r)[4], const bf16 *row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(sharedAddress(row)) : "memory");
}
__device__ __forceinline__ void loadTurned(uint32_t (&r)[4], const bf16 *row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(sharedAddress(row)) : "memory");
}
__device__ __forceinline__ float powerOfTwo(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}
__device__ __forceinline__ void copyLater(void *to, const void *from, bool there) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(sharedAddress(to)), "l"(from), "r"(there ? 16 : 0) : "memory");
}
__device__ __forceinline__ void closeCopies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int N> __device__ __forceinline__ void awaitCopies() { asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory"); }
#endif

// across is where a lane's row begins for four matrices that are 16 rows of 16 values: A, or
// B turned. down is the same for B whose columns are the rows in memory.
__device__ __forceinline__ int across(int step) { return (int)(threadIdx.x % 16) * step + (int)(threadIdx.x % 32) / 16 * 8; }
__device__ __forceinline__ int down(int step) { return ((int)(threadIdx.x % 32) / 16 * 8 + (int)(threadIdx.x % 8)) * step + (int)(threadIdx.x % 16) / 8 * 8; }
