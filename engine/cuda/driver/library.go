package driver

// This file holds how libraries are found and what of them is used.

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"unsafe"
)

// Oldest versions that will do, as the libraries count them.
const (
	LeastDriver     = 12000 // 525 and later: the first that takes our PTX
	LeastBLAS       = 120000
	LeastNCCL       = 21600
	LeastCapability = 80 // Ampere: the first with bf16
)

// Libraries are NVIDIA's, opened. They stay open as long as the process.
type Libraries struct {
	Driver  Library // libcuda
	BLAS    Library // cuBLASLt
	NVRTC   Library // the compiler, which is only there with a toolkit
	NCCL    Library // sums over several cards, which can do without
	Devices []Info

	cuda  cudaCalls
	blas  blasCalls
	nvrtc nvrtcCalls
	nccl  ncclCalls
}

// Library is one that was found, or why not.
type Library struct {
	Path    string
	Version int   // as it counts: 12040 of a driver is 12.4, 120400 of cuBLASLt 12.4, 22105 of NCCL 2.21.5
	Err     error // nil if it can be used
}

// cudaCalls are addresses in libcuda. Names are those of the functions as the library
// exports them; a field without one is optional.
type cudaCalls struct {
	init              uintptr `symbol:"cuInit"`
	driverGetVersion  uintptr `symbol:"cuDriverGetVersion"`
	getErrorName      uintptr `symbol:"cuGetErrorName"`
	deviceGetCount    uintptr `symbol:"cuDeviceGetCount"`
	deviceGet         uintptr `symbol:"cuDeviceGet"`
	deviceGetName     uintptr `symbol:"cuDeviceGetName"`
	deviceTotalMem    uintptr `symbol:"cuDeviceTotalMem_v2"`
	deviceGetAttr     uintptr `symbol:"cuDeviceGetAttribute"`
	canAccessPeer     uintptr `symbol:"cuDeviceCanAccessPeer"`
	primaryRetain     uintptr `symbol:"cuDevicePrimaryCtxRetain"`
	primaryRelease    uintptr `symbol:"cuDevicePrimaryCtxRelease_v2"`
	primaryReset      uintptr `symbol:"cuDevicePrimaryCtxReset_v2"`
	ctxSetCurrent     uintptr `symbol:"cuCtxSetCurrent"`
	enablePeerAccess  uintptr `symbol:"cuCtxEnablePeerAccess"`
	ctxSynchronize    uintptr `symbol:"cuCtxSynchronize"`
	memAlloc          uintptr `symbol:"cuMemAlloc_v2"`
	memFree           uintptr `symbol:"cuMemFree_v2"`
	memGetInfo        uintptr `symbol:"cuMemGetInfo_v2"`
	memAllocHost      uintptr `symbol:"cuMemAllocHost_v2"`
	memFreeHost       uintptr `symbol:"cuMemFreeHost"`
	copyToDevice      uintptr `symbol:"cuMemcpyHtoDAsync_v2"`
	copyToHost        uintptr `symbol:"cuMemcpyDtoHAsync_v2"`
	copyOnDevice      uintptr `symbol:"cuMemcpyDtoDAsync_v2"`
	copyPeer          uintptr `symbol:"cuMemcpyPeerAsync"`
	memset            uintptr `symbol:"cuMemsetD32Async"`
	moduleLoad        uintptr `symbol:"cuModuleLoadDataEx"`
	moduleUnload      uintptr `symbol:"cuModuleUnload"`
	moduleGetFunction uintptr `symbol:"cuModuleGetFunction"`
	funcSetAttr       uintptr `symbol:"cuFuncSetAttribute"`
	launchKernel      uintptr `symbol:"cuLaunchKernel"`
	streamCreate      uintptr `symbol:"cuStreamCreate"`
	streamDestroy     uintptr `symbol:"cuStreamDestroy_v2"`
	streamSynchronize uintptr `symbol:"cuStreamSynchronize"`
	streamWaitEvent   uintptr `symbol:"cuStreamWaitEvent"`
	beginCapture      uintptr `symbol:"cuStreamBeginCapture_v2"`
	endCapture        uintptr `symbol:"cuStreamEndCapture"`
	graphInstantiate  uintptr `symbol:"cuGraphInstantiateWithFlags"`
	graphLaunch       uintptr `symbol:"cuGraphLaunch"`
	graphDestroy      uintptr `symbol:"cuGraphDestroy"`
	graphExecDestroy  uintptr `symbol:"cuGraphExecDestroy"`
	eventCreate       uintptr `symbol:"cuEventCreate"`
	eventDestroy      uintptr `symbol:"cuEventDestroy_v2"`
	eventRecord       uintptr `symbol:"cuEventRecord"`
	eventSynchronize  uintptr `symbol:"cuEventSynchronize"`
	eventElapsedTime  uintptr `symbol:"cuEventElapsedTime"`
}

type blasCalls struct {
	getVersion    uintptr `symbol:"cublasLtGetVersion"`
	create        uintptr `symbol:"cublasLtCreate"`
	destroy       uintptr `symbol:"cublasLtDestroy"`
	descCreate    uintptr `symbol:"cublasLtMatmulDescCreate"`
	descDestroy   uintptr `symbol:"cublasLtMatmulDescDestroy"`
	descSet       uintptr `symbol:"cublasLtMatmulDescSetAttribute"`
	layoutCreate  uintptr `symbol:"cublasLtMatrixLayoutCreate"`
	layoutDestroy uintptr `symbol:"cublasLtMatrixLayoutDestroy"`
	prefCreate    uintptr `symbol:"cublasLtMatmulPreferenceCreate"`
	prefDestroy   uintptr `symbol:"cublasLtMatmulPreferenceDestroy"`
	prefSet       uintptr `symbol:"cublasLtMatmulPreferenceSetAttribute"`
	heuristic     uintptr `symbol:"cublasLtMatmulAlgoGetHeuristic"`
	matmul        uintptr `symbol:"cublasLtMatmul"`
}

type ncclCalls struct {
	getVersion     uintptr `symbol:"ncclGetVersion"`
	getErrorString uintptr `symbol:"ncclGetErrorString"`
	commInitAll    uintptr `symbol:"ncclCommInitAll"`
	commDestroy    uintptr `symbol:"ncclCommDestroy"`
	commAbort      uintptr `symbol:"ncclCommAbort"`
	groupStart     uintptr `symbol:"ncclGroupStart"`
	groupEnd       uintptr `symbol:"ncclGroupEnd"`
	allReduce      uintptr `symbol:"ncclAllReduce"`
}

type nvrtcCalls struct {
	version    uintptr `symbol:"nvrtcVersion"`
	create     uintptr `symbol:"nvrtcCreateProgram"`
	destroy    uintptr `symbol:"nvrtcDestroyProgram"`
	compile    uintptr `symbol:"nvrtcCompileProgram"`
	getPTXSize uintptr `symbol:"nvrtcGetPTXSize"`
	getPTX     uintptr `symbol:"nvrtcGetPTX"`
	getLogSize uintptr `symbol:"nvrtcGetProgramLogSize"`
	getLog     uintptr `symbol:"nvrtcGetProgramLog"`
}

// Folders says where libraries are looked for: those of $LODE_CUDA_PATH alone if it is
// set, else wherever the system's loader looks and in the usual places.
func Folders() []string {
	if path := os.Getenv("LODE_CUDA_PATH"); path != "" {
		return filepath.SplitList(path)
	}
	dirs := []string{""} // the loader's
	for _, name := range []string{"CUDA_HOME", "CUDA_PATH", "CONDA_PREFIX"} {
		if root := os.Getenv(name); root != "" {
			dirs = append(dirs, filepath.Join(root, "lib64"), filepath.Join(root, "lib"))
		}
	}
	home, _ := os.UserHomeDir()
	for _, pattern := range []string{
		"/usr/lib/wsl/lib", "/usr/local/cuda/lib64", "/usr/local/cuda-*/lib64", "/usr/local/cuda-*/targets/*/lib", "/opt/cuda/lib64", "/opt/cuda/targets/*/lib",
		"/usr/local/nvidia/lib64", "/run/opengl-driver/lib",
	} {
		dirs = append(dirs, matches(pattern)...)
	}
	for _, root := range []string{os.Getenv("VIRTUAL_ENV"), home + "/.local", "/usr/local", "/usr", "/opt/venv", "/opt/conda"} {
		if filepath.IsAbs(root) {
			dirs = append(dirs, matches(root+"/lib/python3*/*-packages/nvidia/*/lib")...) // NVIDIA's wheels
		}
	}
	return dirs
}

// matches returns folders that fit a pattern, the last names first: newer versions.
func matches(pattern string) []string {
	found, _ := filepath.Glob(pattern) // the patterns are well-formed
	for i, j := 0, len(found)-1; i < j; i, j = i+1, j-1 {
		found[i], found[j] = found[j], found[i]
	}
	return found
}

// load opens the first library of these names and fills calls with its symbols.
func load(folders []string, names []string, calls any, do string) Library {
	var last error
	for _, dir := range folders {
		for _, name := range names {
			path := filepath.Join(dir, name)
			if dir != "" {
				if _, err := os.Stat(path); err != nil {
					continue
				}
			}
			handle, err := open(path)
			if err != nil {
				last = err
				continue
			}
			return Library{Path: path, Err: symbols(handle, path, calls, do)}
		}
	}
	if last != nil && !strings.Contains(last.Error(), "No such file") {
		do = fmt.Sprintf("%s (%v)", do, last)
	}
	what := names[0]
	if !slices.Contains(folders, "") {
		what += " in " + strings.Join(folders, string(filepath.ListSeparator)) + ", where alone LODE_CUDA_PATH has it looked for"
	}
	return Library{Err: &Error{Kind: ErrAbsent, What: what, Advice: do}}
}

// symbols fills a struct of addresses from its tags.
func symbols(handle uintptr, path string, calls any, do string) error {
	v := reflect.ValueOf(calls).Elem()
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("symbol")
		at, err := symbol(handle, name)
		if err != nil {
			return &Error{Kind: ErrTooOld, What: path + " has no " + name, Advice: do}
		}
		*(*uintptr)(v.Field(i).Addr().UnsafePointer()) = at
	}
	return nil
}

// What to do about a library that is not there or too old.
const (
	getDriver = "install NVIDIA's driver, 525 or newer, or take --engine torch for cards of AMD and Apple, or --engine cpu"
	getBLAS   = "install cuBLAS 12 or 13, which comes with the CUDA toolkit or by pip install nvidia-cublas-cu12, or add its folder to LD_LIBRARY_PATH"
	getNVRTC  = "it comes with the CUDA toolkit or by pip install nvidia-cuda-nvrtc-cu12; it is not needed for training"
	getNCCL   = "several cards can do without; it comes with PyTorch, or by pip install nvidia-nccl-cu12"
)

// Find opens what it finds in those folders and lists the cards. What is missing says
// so in its Err; a nil error of Driver and BLAS means that a card can be opened.
func Find(folders []string) *Libraries {
	l := &Libraries{}
	l.Driver = load(folders, []string{"libcuda.so.1"}, &l.cuda, getDriver)
	if l.Driver.Err == nil {
		l.Driver.Err = l.begin()
	}
	names := []string{"libcublasLt.so.13", "libcublasLt.so.12"}
	if l.Driver.Err == nil && l.Driver.Version < 13000 {
		names = names[1:] // the other wants a newer driver
	}
	l.BLAS = load(folders, names, &l.blas, getBLAS)
	l.NVRTC = load(folders, []string{"libnvrtc.so.13", "libnvrtc.so.12"}, &l.nvrtc, getNVRTC)
	l.NCCL = load(folders, []string{"libnccl.so.2"}, &l.nccl, getNCCL)
	if l.BLAS.Err == nil {
		l.BLAS.Version = int(call(l.blas.getVersion))
		l.BLAS.Err = newEnough("cuBLASLt", l.BLAS.Version, LeastBLAS, 10000, getBLAS)
	}
	if l.NVRTC.Err == nil {
		var major, minor int32
		call(l.nvrtc.version, uintptr(ptr(&major)), uintptr(ptr(&minor)))
		l.NVRTC.Version = int(1000*major + 10*minor)
	}
	if l.NCCL.Err == nil {
		var version int32
		call(l.nccl.getVersion, uintptr(ptr(&version)))
		if l.NCCL.Version = int(version); l.NCCL.Version < LeastNCCL {
			l.NCCL.Err = &Error{Kind: ErrTooOld, What: fmt.Sprintf("NCCL %s, wanted is %s", VersionNCCL(l.NCCL.Version), VersionNCCL(LeastNCCL)), Advice: getNCCL}
		}
	}
	return l
}

// begin initialises the driver and asks it for cards.
func (l *Libraries) begin() error {
	var version int32
	if err := l.check("cuDriverGetVersion", result(call(l.cuda.driverGetVersion, uintptr(ptr(&version))))); err != nil {
		return err
	}
	l.Driver.Version = int(version)
	if err := newEnough("libcuda", int(version), LeastDriver, 1000, getDriver); err != nil {
		return err
	}
	if err := l.check("cuInit", result(call(l.cuda.init, 0))); err != nil {
		return err
	}
	var num int32
	if err := l.check("cuDeviceGetCount", result(call(l.cuda.deviceGetCount, uintptr(ptr(&num))))); err != nil {
		return err
	}
	for i := range num {
		info, err := l.info(i)
		if err != nil {
			return err
		}
		l.Devices = append(l.Devices, info)
	}
	if num == 0 {
		return l.check("cuDeviceGetCount", codeNoDevice)
	}
	return nil
}

func newEnough(what string, version, least, unit int, do string) error {
	if version >= least {
		return nil
	}
	return &Error{Kind: ErrTooOld, What: fmt.Sprintf("%s %s, wanted is %s", what, Version(version, unit), Version(least, unit)), Advice: do}
}

// Version writes a number of NVIDIA's as they do: 12040 by thousands is 12.4.
func Version(v, unit int) string { return fmt.Sprintf("%d.%d", v/unit, v%unit/(unit/100)) }

// VersionNCCL writes a version of NCCL: 22105 is 2.21.5.
func VersionNCCL(v int) string { return fmt.Sprintf("%d.%d.%d", v/10000, v/100%100, v%100) }

// ptr is short for where it must stand in an argument of call.
type ptr = unsafe.Pointer

// result is the int that a C function returned.
func result(r uintptr) int32 { return int32(uint32(r)) }

// text is a C string.
func text(s *byte) string {
	if s == nil {
		return ""
	}
	var b []byte
	for p := s; *p != 0; p = (*byte)(unsafe.Add(unsafe.Pointer(p), 1)) {
		b = append(b, *p)
	}
	return string(b)
}
