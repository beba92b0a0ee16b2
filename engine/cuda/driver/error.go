package driver

// This file holds what can go wrong.

import (
	"errors"
	"fmt"

	"lode/engine"
)

// Kinds of faults; a lost device is engine.ErrLost.
var (
	ErrAbsent  = errors.New("not there")
	ErrTooOld  = errors.New("too old")
	ErrMemory  = errors.New("out of memory on the device")
	ErrRefused = errors.New("refused")
)

// Error is a fault of a driver or a library, or that there is none.
type Error struct {
	Kind   error  // one of the above
	What   string // the call or the file
	Code   int    // of the library; 0 if it has none
	Name   string // of the code, empty if it has none
	Advice string // what to do
}

// Error implements error.
func (e *Error) Error() string {
	s := e.What + ": " + e.Kind.Error()
	switch {
	case e.Name != "":
		s += fmt.Sprintf(" (%s, %d)", e.Name, e.Code)
	case e.Code != 0:
		s += fmt.Sprintf(" (code %d)", e.Code)
	}
	if e.Advice != "" {
		s += ": " + e.Advice
	}
	return s
}

// Unwrap returns the kind.
func (e *Error) Unwrap() error { return e.Kind }

// Codes of the driver, from cuda.h.
const (
	codeMemory         = 2
	codeStub           = 34
	codeUnavailable    = 46
	codeNoDevice       = 100
	codeInvalidDevice  = 101
	codeNoBinary       = 209
	codeInvalidPTX     = 218
	codeNoJIT          = 221
	codePTXVersion     = 222
	codeNotReady       = 600
	codeTooManyThreads = 701
	codeNotReadySystem = 802
	codeMismatch       = 803
)

// lostCodes are faults after which a context answers no more.
var lostCodes = map[int32]bool{
	4: true, 201: true, 214: true, 219: true, 220: true, 226: true, 700: true, 702: true, 709: true, 710: true,
	714: true, 715: true, 716: true, 717: true, 718: true, 719: true, 999: true,
}

// advice says what to do about a code of the driver.
func advice(code int32) (text string, kind error) {
	switch {
	case code == codeMemory:
		return "give less with --card-memory, end other programs on the card, or take --engine cpu", ErrMemory
	case code == codeNoDevice:
		return "the driver sees no card: look at nvidia-smi and CUDA_VISIBLE_DEVICES", ErrAbsent
	case code == codeStub:
		return "this is the toolkit's stub of libcuda.so: install NVIDIA's driver", ErrAbsent
	case code == codeInvalidDevice:
		return "there is no card of that number: lode doctor lists them", ErrAbsent
	case code == codeUnavailable:
		return "another program has the card for itself (nvidia-smi -q shows the compute mode)", ErrRefused
	case code == codePTXVersion, code == codeNoJIT, code == codeMismatch:
		return "update NVIDIA's driver, or restart the machine if you have just done so", ErrTooOld
	case code == codeNotReadySystem:
		return "the card is not ready: nvidia-fabricmanager or nvidia-persistenced may not run", ErrRefused
	case code == codeNoBinary, code == codeInvalidPTX:
		return fmt.Sprintf("the card is older than compute capability %d.%d", LeastCapability/10, LeastCapability%10), ErrRefused
	case code == codeTooManyThreads:
		return "a kernel asks for more than the card has; please report it", ErrRefused
	case lostCodes[code]:
		return "the card or its driver gave up: dmesg and nvidia-smi say more", engine.ErrLost
	}
	return "", ErrRefused
}

// check makes an error of a code that a call of the driver returned.
func (l *Libraries) check(what string, code int32) error {
	if code == 0 {
		return nil
	}
	e := &Error{What: what, Code: int(code)}
	e.Advice, e.Kind = advice(code)
	if l.cuda.getErrorName != 0 {
		var name *byte
		if call(l.cuda.getErrorName, uintptr(code), uintptr(ptr(&name))) == 0 {
			e.Name = text(name)
		}
	}
	return e
}
