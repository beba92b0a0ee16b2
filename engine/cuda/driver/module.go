package driver

// This file holds modules and kernels.

import (
	"encoding/binary"
	"fmt"
	"math"
	"runtime"
	"strings"
	"unsafe"
)

// Module is PTX that the driver has compiled for the card.
type Module struct {
	d      *Device
	handle uintptr
	takes  map[string][]string // kernel to the types of its parameters, as in PTX
}

// maxLog bounds what the driver may say of PTX it does not take.
const maxLog = 8 << 10

// Options of cuModuleLoadDataEx, from cuda.h.
const (
	jitErrorLog     = 5
	jitErrorLogSize = 6
)

// Load has the driver compile PTX. The first time on a machine that takes a while; then
// the driver remembers. Unload it.
func (d *Device) Load(ptx string) (*Module, error) {
	takes, err := entries(ptx)
	if err != nil {
		return nil, fmt.Errorf("driver: %w", err)
	}
	image, log := append([]byte(ptx), 0), make([]byte, maxLog)
	var pin runtime.Pinner
	pin.Pin(&log[0])
	defer pin.Unpin()
	options := [2]int32{jitErrorLog, jitErrorLogSize}
	values := [2]uintptr{uintptr(unsafe.Pointer(&log[0])), maxLog}
	var handle uintptr
	err = d.check("cuModuleLoadDataEx", call(d.libs.cuda.moduleLoad, uintptr(ptr(&handle)), uintptr(ptr(&image[0])), 2, uintptr(ptr(&options[0])), uintptr(ptr(&values[0]))))
	if err != nil {
		if said := text(&log[0]); said != "" {
			err = fmt.Errorf("%w: %s", err, said)
		}
		return nil, err
	}
	d.held++
	return &Module{d, handle, takes}, nil
}

// Unload gives back the module and its kernels; nothing of it may run.
func (m *Module) Unload() error {
	if err := m.d.check("cuModuleUnload", call(m.d.libs.cuda.moduleUnload, m.handle)); err != nil {
		return err
	}
	m.d.held--
	return nil
}

// entries returns the kernels of PTX and what they take.
func entries(ptx string) (map[string][]string, error) {
	all := map[string][]string{}
	for _, part := range strings.Split(ptx, ".entry ")[1:] {
		name, rest, ok := strings.Cut(part, "(")
		params, _, end := strings.Cut(rest, ")")
		if !ok || !end {
			return nil, fmt.Errorf("PTX with an entry that has no end")
		}
		types := []string{}
		for _, p := range strings.Split(params, ",") {
			for _, word := range strings.Fields(p) {
				if word != ".param" && strings.HasPrefix(word, ".") {
					types = append(types, word)
					break
				}
			}
		}
		all[strings.TrimSpace(name)] = types
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("PTX without an entry")
	}
	return all, nil
}

// Names returns the kernels' names in no order.
func (m *Module) Names() (names []string) {
	for name := range m.takes {
		names = append(names, name)
	}
	return names
}

// Kernel is a function that runs on the device.
type Kernel struct {
	d      *Device
	name   string
	handle uintptr
	takes  []string
}

// Kernel returns the kernel of that name.
func (m *Module) Kernel(name string) (*Kernel, error) {
	cname := append([]byte(name), 0)
	var h uintptr
	if err := m.d.check("cuModuleGetFunction "+name, call(m.d.libs.cuda.moduleGetFunction, uintptr(ptr(&h)), m.handle, uintptr(ptr(&cname[0])))); err != nil {
		return nil, err
	}
	return &Kernel{m.d, name, h, m.takes[name]}, nil
}

// AllowDynamic lets a kernel have more than 48 KiB of dynamic shared memory.
func (k *Kernel) AllowDynamic(bytes int) error {
	const maxDynamic = 8 // CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
	return k.d.check("cuFuncSetAttribute "+k.name, call(k.d.libs.cuda.funcSetAttr, k.handle, maxDynamic, uintptr(bytes)))
}

// Arg is an argument of a kernel.
type Arg struct {
	bytes int
	types string // that it may be for
	bits  uint64
}

// At is an address on the device.
func At(p Pointer) Arg { return Arg{8, ".u64 .b64", uint64(p)} }

// Int is an int of C. It must fit.
func Int(n int) Arg {
	if n != int(int32(n)) {
		panic(fmt.Sprintf("driver: argument %d is no int of C", n))
	}
	return Arg{4, ".u32 .s32 .b32", uint64(uint32(int32(n)))}
}

// Long is a long long of C.
func Long(n int64) Arg { return Arg{8, ".u64 .s64 .b64", uint64(n)} }

// Float is a float.
func Float(x float32) Arg { return Arg{4, ".f32", uint64(math.Float32bits(x))} }

// Double is a double.
func Double(x float64) Arg { return Arg{8, ".f64", math.Float64bits(x)} }

// Grid says how many blocks of how many threads run a kernel, and how many bytes of
// dynamic shared memory each block has. Zeros of Y and Z are ones.
type Grid struct {
	X, Y, Z int
	Threads int
	Dynamic int
}

// Launch puts a run of the kernel into s. Arguments that are not what it takes panic.
func (s *Stream) Launch(k *Kernel, g Grid, args ...Arg) error {
	x := &k.d.launching
	x.pack(k, args)
	x.extra = [5]uintptr{1, uintptr(unsafe.Pointer(unsafe.SliceData(x.buffer))), 2, uintptr(unsafe.Pointer(&x.size)), 0} // CU_LAUNCH_PARAM_…
	return k.d.check("cuLaunchKernel "+k.name, call(k.d.libs.cuda.launchKernel, k.handle,
		uintptr(g.X), uintptr(max(g.Y, 1)), uintptr(max(g.Z, 1)), uintptr(g.Threads), 1, 1, uintptr(g.Dynamic), s.handle, 0, uintptr(ptr(&x.extra[0]))))
}

// launching is what the driver reads at a launch. It is part of the device, so that it
// stays where it is.
type launching struct {
	buffer []byte
	size   uintptr
	extra  [5]uintptr
}

// pack lays out arguments as a kernel's parameters: each at a multiple of its size.
func (x *launching) pack(k *Kernel, args []Arg) {
	if len(args) != len(k.takes) {
		panic(fmt.Sprintf("driver: %s takes %d arguments, not %d", k.name, len(k.takes), len(args)))
	}
	b := x.buffer[:0]
	for i, a := range args {
		if !strings.Contains(a.types+" ", k.takes[i]+" ") {
			panic(fmt.Sprintf("driver: argument %d of %s is%s, not one of%s", i, k.name, k.takes[i], a.types))
		}
		for len(b)%a.bytes != 0 {
			b = append(b, 0)
		}
		if a.bytes == 8 {
			b = binary.LittleEndian.AppendUint64(b, a.bits)
		} else {
			b = binary.LittleEndian.AppendUint32(b, uint32(a.bits))
		}
	}
	x.buffer, x.size = b, uintptr(len(b))
}
