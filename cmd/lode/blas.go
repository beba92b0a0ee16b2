package main

// This file says which BLAS engines use.

import (
	"os"

	"lode/engine/cpu/blas"
)

// blasSetting is the environment's word on it: see blas.ByName.
func blasSetting() string { return os.Getenv("LODE_BLAS") }

// systemBLAS returns the BLAS that engines of this process use, nil if none.
func systemBLAS() (*blas.Library, error) { return blas.ByName(blasSetting()) }
