// Windows that move over planes.
#pragma once
#include "lode.cuh"

// Planes is the shape of one example's planes and of the window that moves over them.
struct Planes {
    int num, height, width;   // of planes
    int size, stride, pad;    // of the window
    int tall, wide;           // windows down and across
    __device__ int windows() const { return tall * wide; }
    __device__ int taps() const { return num * size * size; }
    __device__ int area() const { return height * width; }
    // first is the first window, of n down or across, that has place at in it, end the one
    // after the last. Windows between hold it at place at + pad − window·stride.
    __device__ int first(int at) const { return max(0, (at + pad - size + stride) / stride); }
    __device__ int end(int at, int n) const { return min(n, (at + pad) / stride + 1); }
};
