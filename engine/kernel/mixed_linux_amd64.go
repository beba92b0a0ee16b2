package kernel

// This file asks the system for AMX.

import (
	"syscall"

	"golang.org/x/sys/cpu"
)

var mixedAMX = mixer{strips: stripsAMX, along: pairsAlongAVX512, across: pairsAcrossAVX512, turn: turnPairsAVX512}

// amx returns the mixer of AMX, nil if the processor has none or the system does not
// let this process use its registers (arch_prctl(2), ARCH_REQ_XCOMP_PERM).
func amx() *mixer {
	if !cpu.X86.HasAMXTile || !cpu.X86.HasAMXBF16 || !cpu.X86.HasAVX512BF16 {
		return nil
	}
	const request, tileData = 0x1023, 18
	if _, _, errno := syscall.RawSyscall(syscall.SYS_ARCH_PRCTL, request, tileData, 0); errno != 0 {
		return nil
	}
	return &mixedAMX
}
