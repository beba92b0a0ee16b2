//go:build !(linux && (amd64 || arm64)) || static

package cudatest

const opens = false // so that tests are skipped before they come here

func open(string) (uintptr, error) { panic("cudatest: this build opens no libraries") }

func symbol(uintptr, string) (uintptr, error) { panic("cudatest: no library was opened") }

//go:uintptrescapes
func call(f uintptr, args ...uintptr) uintptr { panic("cudatest: no library was opened") }

func newCallback(func(*interpreted) uintptr) uintptr { panic("cudatest: no library was opened") }
