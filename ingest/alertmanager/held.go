package alertmanager

import (
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/ingest/body"
)

// Held is an alert as Alertmanager's own API lists it: it fires, whether anybody is told or not.
type Held struct {
	correlate.Alert
	Mutes
}

// Mutes are why Alertmanager tells nobody of an alert.
type Mutes struct {
	SilencedBy  []string // ids of silences
	InhibitedBy []string // fingerprints of alerts
	MutedBy     []string // names of time intervals
}

// Silence is a silence as Alertmanager's API lists it.
type Silence struct {
	ID, CreatedBy, Comment string
	EndsAt                 time.Time
}

// DecodeHeld decodes the answer to GET /api/v2/alerts. Ends are left out: they are
// when Alertmanager would take the alert for over, were it not told again, and it will
// be asked again. The error is a [*PartialError] when there are alerts, else a [*body.Error].
func DecodeHeld(text []byte) ([]Held, error) {
	d := decoder{reader: body.NewReader(text), batch: correlate.AlertBatch{Source: correlate.SourceReconciliation}}
	var mutes []Mutes
	d.finish = func(a *alert) error {
		if a.StartsAt.IsZero() {
			return body.Within("startsAt", d.reader.Errorf(a.offset, "missing"))
		}
		a.EndsAt = time.Time{}
		mutes = append(mutes, a.mutes)
		return nil
	}
	err := d.alerts()
	if err == nil {
		err = d.reader.End()
	}
	if err != nil {
		return nil, err
	}
	held := make([]Held, len(d.batch.Alerts))
	for i, a := range d.batch.Alerts {
		held[i] = Held{a, mutes[i]}
	}
	_, err = d.result()
	return held, err
}

// readMutes reads the status of a listed alert.
func (d *decoder) readMutes(m *Mutes) error {
	return d.reader.Fields(body.Fields{
		"silencedBy":  func() error { return d.strings(&m.SilencedBy) },
		"inhibitedBy": func() error { return d.strings(&m.InhibitedBy) },
		"mutedBy":     func() error { return d.strings(&m.MutedBy) },
	})
}

func (d *decoder) strings(into *[]string) error {
	if d.reader.Null() {
		return nil
	}
	return d.reader.Array(func(int) error {
		s, err := d.reader.String()
		*into = append(*into, s)
		return err
	})
}

// DecodeSilences decodes the answer to GET /api/v2/silences. The error is a [*body.Error].
func DecodeSilences(text []byte) (silences []Silence, err error) {
	r := body.NewReader(text)
	err = r.Array(func(int) error {
		var s Silence
		err := r.Fields(body.Fields{"id": r.Text(&s.ID), "createdBy": r.Text(&s.CreatedBy), "comment": r.Text(&s.Comment), "endsAt": r.Moment(&s.EndsAt)})
		if err == nil && s.ID != "" {
			silences = append(silences, s)
		}
		return err
	})
	if err == nil {
		err = r.End()
	}
	if err != nil {
		return nil, err
	}
	return silences, nil
}

// DecodeStatus decodes the answer to GET /api/v2/status: when Alertmanager was started. It
// calls that its uptime. The error is a [*body.Error].
func DecodeStatus(text []byte) (started time.Time, err error) {
	r := body.NewReader(text)
	start := r.Offset()
	err = r.Fields(body.Fields{"uptime": r.Moment(&started)})
	if err == nil {
		err = r.End()
	}
	if err == nil && started.IsZero() {
		err = body.Within("uptime", r.Errorf(start, "missing: want the status of Alertmanager's API, version 2"))
	}
	return started, err
}
