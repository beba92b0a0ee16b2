//go:build !linux

package main

// clockFinding cannot ask here.
func clockFinding() finding {
	return finding{"clock", isAbsent, "this system is not asked whether it is kept"}
}
