package coordinator

// This file turns faults of the payload store into numbered refusals.

import (
	"errors"

	"lode/checkpoints"
	"lode/protocol"
)

func refusalOf(err error) error {
	var moved checkpoints.OffsetError
	switch {
	case errors.As(err, &moved):
		return protocol.Refuse(protocol.Busy, "%v", moved)
	case errors.Is(err, checkpoints.ErrCorrupt):
		return protocol.Refuse(protocol.WrongContent, "payload does not hash to its digest")
	case errors.Is(err, checkpoints.ErrFull):
		return protocol.Refuse(protocol.Full, "no room for payloads")
	case errors.Is(err, checkpoints.ErrBusy):
		return protocol.Refuse(protocol.Busy, "the payload is being uploaded already")
	}
	return err
}
