package main

import "golang.org/x/sys/unix"

// clockFinding asks the system whether something keeps its clock.
func clockFinding() finding {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	if err != nil {
		return finding{"clock", isAbsent, "the system does not say whether it is kept: " + err.Error()}
	}
	if state == unix.TIME_ERROR || t.Status&unix.STA_UNSYNC != 0 {
		return finding{"clock", isAbsent, "nothing seems to keep it; rounds go by the coordinator's, logs by this one"}
	}
	return finding{"clock", isGood, "the system keeps it"}
}
