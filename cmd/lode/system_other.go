//go:build !unix

package main

import (
	"os"
	"os/exec"
	"time"
)

// lockDir does nothing where there is no flock.
func lockDir(string) (unlock func(), err error) { return func() {}, nil }

// apart does nothing where there are no process groups.
func apart(*exec.Cmd) {}

// peakOf, ownPeak and ownCPU are not known here.
func peakOf(*os.ProcessState) int64 { return 0 }
func ownPeak() int64                { return 0 }
func ownCPU() time.Duration         { return 0 }
