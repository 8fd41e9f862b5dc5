package ingest

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/ingest/alertmanager"
	"github.com/headwater-sre/headwater/ingest/body"
	"github.com/headwater-sre/headwater/ingest/bus"
	"github.com/headwater-sre/headwater/ingest/change"
	"github.com/headwater-sre/headwater/ingest/health"
)

func (in *Intake) takeWebhook(ctx context.Context, req *request) answer {
	batch, err := contain(req.body, alertmanager.DecodeWebhook)
	return in.takeAlerts(ctx, req, batch, err)
}

func (in *Intake) takeV2(ctx context.Context, req *request) answer {
	batch, err := contain(req.body, func(text []byte) (*correlate.AlertBatch, error) {
		return alertmanager.DecodeV2Alerts(text, in.options.Now())
	})
	return in.takeAlerts(ctx, req, batch, err)
}

// takeAlerts publishes what could be decoded, and keeps the body when that was
// not all of it.
func (in *Intake) takeAlerts(ctx context.Context, req *request, batch *correlate.AlertBatch, unusable error) answer {
	var a answer
	var partial *alertmanager.PartialError
	if errors.As(unusable, &partial) {
		a.Rejected = partial.Rejected
		in.metrics.rejected.WithLabelValues(batch.Source).Add(float64(partial.Rejected))
	}
	if batch != nil && len(batch.Alerts) > 0 {
		pos, err := in.publish(ctx, batch)
		switch {
		case errors.Is(err, bus.ErrTooLarge):
			unusable = errors.Join(err, unusable)
		case err != nil:
			return unavailable(err)
		}
		a.Position = pos
		if pos > 0 { // 0: not one alert was small enough
			a.Accepted = len(batch.Alerts)
			in.stored(batch)
		}
	}
	if unusable != nil {
		return in.unusable(ctx, req, a, unusable)
	}
	return a
}

// unusable is the answer to alerts of which a part, or all, is of no use; done
// says what was stored.
func (in *Intake) unusable(ctx context.Context, req *request, done answer, err error) answer {
	var p *panicError
	if errors.As(err, &p) {
		in.panicked(req.path, p)
	}
	in.metrics.decodeErrors.WithLabelValues(req.path).Inc()
	in.logger.Warn("alerts not usable, body kept as a dead letter", "endpoint", req.path, "remote", req.remoteAddr, "accepted", done.Accepted, "err", err)
	if letterErr := in.deadLetter(ctx, req, req.body, err.Error()); letterErr != nil {
		return unavailable(fmt.Errorf("keep the body as a dead letter: %w (because %w)", letterErr, err))
	}
	a := failed(http.StatusOK, err)
	a.Accepted, a.Rejected, a.Position, a.DeadLetter = done.Accepted, done.Rejected, done.Position, true
	switch {
	case req.neverRefuses || done.Accepted > 0:
	case p != nil:
		a.code = http.StatusInternalServerError
	default:
		a.code = http.StatusBadRequest
	}
	return a
}

func (in *Intake) takeHealth(ctx context.Context, req *request) answer {
	batch, err := contain(req.body, health.DecodeReport)
	if err != nil {
		return in.refused(req, err)
	}
	pos, err := in.publishHealth(ctx, batch)
	if err != nil {
		return notStored(err)
	}
	return answer{Accepted: len(batch.Results), Position: pos}
}

// takeChanges publishes one signal for each change. When that fails half-way the
// answer says how many were stored, so that the sender can go on behind them.
func (in *Intake) takeChanges(ctx context.Context, req *request) answer {
	changes, err := contain(req.body, change.DecodeChanges)
	if err != nil {
		return in.refused(req, err)
	}
	var a answer
	for i, c := range changes {
		pos, err := in.publish(ctx, c)
		if err != nil {
			a = notStored(err)
			a.Accepted = i
			return a
		}
		in.metrics.changes.Inc()
		a.Accepted, a.Position = i+1, pos
	}
	return a
}

// refused is the answer to a sender that reads answers.
func (in *Intake) refused(req *request, err error) answer {
	in.metrics.decodeErrors.WithLabelValues(req.path).Inc()
	var p *panicError
	if errors.As(err, &p) {
		in.panicked(req.path, p)
		return failed(http.StatusInternalServerError, err)
	}
	return failed(http.StatusBadRequest, err)
}

func notStored(err error) answer {
	if errors.Is(err, bus.ErrTooLarge) {
		return failed(http.StatusRequestEntityTooLarge, err)
	}
	return unavailable(err)
}

// Report publishes health results that came in otherwise than over HTTP, by the
// same rules. The position is 0 when there are none. An error about a result has
// a method Field that names it; all others are for the sender to try again.
func (in *Intake) Report(ctx context.Context, batch *correlate.HealthBatch) (pos uint64, err error) {
	for i := range batch.Results {
		var e *body.Error
		err := body.Within(fmt.Sprintf("results[%d]", i), health.Admit(&batch.Results[i]))
		if errors.As(err, &e) {
			return 0, &resultError{field: e.Field, reason: e.Reason}
		}
	}
	return in.publishHealth(ctx, batch)
}

func (in *Intake) publishHealth(ctx context.Context, batch *correlate.HealthBatch) (uint64, error) {
	if len(batch.Results) == 0 {
		return 0, nil
	}
	pos, err := in.publish(ctx, batch)
	if err != nil {
		return 0, err
	}
	in.metrics.countHealth(batch)
	return pos, nil
}

// resultError is an error about one field of a report.
type resultError struct{ field, reason string }

func (e *resultError) Error() string { return e.reason }

// Field is the path of the field: results[3].service.
func (e *resultError) Field() string { return e.field }
