package driver

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/headwater-sre/headwater/correlate"
)

// A panic in the engine is a fault of ours, and the entry that set it off would set
// it off again after every restart: paging would be down until somebody edits the
// stream. So the entry is set aside instead. What was stepped before it is
// committed; the engine, which may be half changed, is thrown away and restored
// from the store; and the entry is applied as a tick, so that its position and its
// time count and nothing else of it. It is logged as an error with the stack,
// counted, and handed to Options.Quarantine.
//
// If the tick panics too, the fault is not in the entry but in the state, and
// nothing can be skipped: Run returns an error.

// poison is an input on which the engine panicked.
type poison struct {
	in    correlate.Input
	cause any
	stack []byte
}

func (p *poison) reason() string { return fmt.Sprintf("engine panicked: %v", p.cause) }

// tryStep steps the engine. After a poison the engine must not be used any more.
func tryStep(e Engine, in correlate.Input) (delta *correlate.Delta, bad *poison) {
	defer func() {
		if cause := recover(); cause != nil {
			delta, bad = nil, &poison{in: in, cause: cause, stack: debug.Stack()}
		}
	}()
	return e.Step(in), nil
}

// quarantine sets the entry aside and goes on behind it. All before it is committed.
func (l *loop) quarantine(ctx context.Context, p *poison) error {
	l.metrics.quarantined.Inc()
	l.log.Error("engine panicked, the entry is set aside", "position", p.in.Pos, "signal", fmt.Sprintf("%T", p.in.Signal),
		"panic", fmt.Sprint(p.cause), "stack", string(p.stack))
	if keep := l.opts.Quarantine; keep != nil {
		if err := keep(ctx, p.in, p.reason()); err != nil {
			l.log.Error("entry could not be kept for inspection, it is in the stream only", "position", p.in.Pos, "err", err)
		}
	}
	if err := l.restore(ctx); err != nil {
		return fmt.Errorf("after a panic at position %d: %w", p.in.Pos, err)
	}
	delta, again := tryStep(l.engine, correlate.Input{Pos: p.in.Pos, At: p.in.At, Signal: correlate.Tick{}})
	if again != nil {
		return fmt.Errorf("%w past position %d: %s, and on a tick in its place: %v", ErrEngine, p.in.Pos, p.reason(), again.cause)
	}
	if delta.Rejected == "" {
		delta.Rejected = "an internal fault: the engine failed on this entry, and it was set aside"
	}
	l.pos = p.in.Pos
	var b batch
	b.add(delta, p.in.At)
	return l.commitBatch(ctx, &b)
}
