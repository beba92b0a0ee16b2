package main

// This file says which BLAS engines use.

import (
	"os"

	"lode/engine/cpu"
	"lode/engine/cpu/blas"
)

// blasSetting is the environment's word on it: see blas.ByName.
func blasSetting() string { return os.Getenv("LODE_BLAS") }

// multiplier returns the BLAS that a setting asks for, and its name; nil if none.
func multiplier(setting string) (m cpu.Multiplier, name string, err error) {
	library, err := blas.ByName(setting)
	if err != nil || library == nil {
		return nil, "", err
	}
	return library, library.Name(), nil
}
