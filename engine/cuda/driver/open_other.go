//go:build !(linux && (amd64 || arm64)) || static

package driver

import "errors"

func open(string) (uintptr, error) {
	return 0, errors.New("this build opens no libraries: on other systems than Linux, and with -tags static, take --engine torch or cpu")
}

func symbol(uintptr, string) (uintptr, error) { panic("driver: no library was opened") }

//go:uintptrescapes
func call(f uintptr, args ...uintptr) uintptr { panic("driver: no library was opened") }
