package bus

import "errors"

var (
	// ErrUnavailable means that the signal may not be stored and that trying again makes sense.
	ErrUnavailable = errors.New("stream unavailable")
	// ErrTooLarge means that something does not fit into one message and cannot be split. Trying again is useless.
	ErrTooLarge = errors.New("larger than one message of the stream may be")
	// ErrRewound means that the stream ends before a position that was already applied.
	ErrRewound = errors.New("stream was rewound")
	// ErrInUse means that another process has the storage directory.
	ErrInUse = errors.New("storage directory in use")
	// ErrClosed means that the bus was closed. Publish wraps it together with [ErrUnavailable].
	ErrClosed = errors.New("bus closed")
)
