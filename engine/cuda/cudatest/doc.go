// Package cudatest stands in for NVIDIA's driver, cuBLASLt, NVRTC and NCCL where there is no
// card. It is for tests.
//
// [Folder] compiles a shared library with the system's C++ compiler and returns a folder
// in which it lies under the names of NVIDIA's libraries; [Use] returns them as package driver finds
// them, configured, and fails the test if it misused them or gave something not back.
//
// What it does: it checks every argument; device memory is at addresses that the host
// cannot touch, poisoned when it is allocated and gone when it is freed, and never used
// again; work put into a stream runs later, at moments that a seed decides, so that who
// forgets to wait sees it. Kernels really run: their CUDA C is compiled for the host, a
// thread of a block is a coroutine, barriers and shuffles wait for the others, threads and
// blocks run in an order that the seed decides, one warp often as late as barriers allow,
// and shared memory is poisoned before each block. Products are plain loops. It can be
// told to have little memory, to be lost at a call, to be old, or to have no card, or several:
// each has its own memory and is lost by itself, and what waits in NCCL for one that is lost
// waits until it is aborted.
//
// Kernels can run as PTX instead ([Card.Interpret], [AsPTX]): the text that a driver would get,
// executed by package ptx, with what stands behind #ifndef LODE_HOST, and with races found.
//
// With LODE_TEST_CARD=1 the same tests run on a card: see [Real].
//
// What it does not show: speed; what becomes of a card that copies from one that is lost; the
// rounding of a card's own functions; whether a kernel fits a card's registers, which ptxas says.
package cudatest
