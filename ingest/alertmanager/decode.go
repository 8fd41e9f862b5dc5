// Package alertmanager decodes what Alertmanager and Prometheus send: webhook
// bodies of version 4 and the bodies of POST /api/v2/alerts.
//
// It is pure: the same body gives the same batch, and where a body leaves
// something to the moment of its arrival, that moment is an argument.
//
// # What it promises
//
// One bad alert does not cost the others. The batch holds every alert that can
// be used, and a [*PartialError] beside it names the rest. Only a body that is
// no JSON, or no such body at all, gives no batch.
//
// It is lenient about what it does not need. Fields that it does not know are
// skipped, so bodies of newer versions decode; fields about the group that have
// an unexpected type are skipped too, because no alert should be lost over them.
//
// Equal alerts come out equal, whoever sends them: times in UTC, labels with
// empty values gone, the fingerprint in one spelling. Twins of a highly
// available pair differ in nothing that matters downstream.
//
// Nothing here is bounded but the errors that are kept; memory use is a small
// multiple of the body, whose size the caller limits. Decoded strings share the
// memory of one copy of the body.
package alertmanager

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/prometheus/common/model"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/ingest/body"
)

// The values of [correlate.AlertBatch.Source] that this package writes.
const (
	SourceWebhook = correlate.SourceAlertmanager
	SourceAPI     = correlate.SourcePrometheus
)

// maxErrors is how many rejected alerts a PartialError describes.
const maxErrors = 10

// PartialError says that some alerts of a body cannot be used. The others are in
// the batch that came with it.
type PartialError struct {
	// Rejected counts the alerts that are not in the batch.
	Rejected int
	// First describes the first ten of them, in the order of the body.
	First []*body.Error
}

func (e *PartialError) Error() string {
	return fmt.Sprintf("%d alerts rejected, the first: %v", e.Rejected, e.First[0])
}

// Unwrap gives errors.As the description of the first rejected alert.
func (e *PartialError) Unwrap() error { return e.First[0] }

// DecodeWebhook decodes a webhook body of Alertmanager. The batch holds the
// alerts in the order of the body, with their own status: a group is sent whole
// whenever anything in it changes, firing and resolved mixed.
//
// An alert without startsAt is rejected: Alertmanager always sends one, and
// without it repeats of the alert could not be recognised. An alert without
// status has that of the group; without both it is resolved when it has an end.
//
// The error is a [*PartialError] when the batch is not nil, else a [*body.Error].
func DecodeWebhook(text []byte) (*correlate.AlertBatch, error) {
	d := decoder{
		reader: body.NewReader(text),
		batch:  correlate.AlertBatch{Source: SourceWebhook},
	}
	d.finish = d.finishWebhook
	if err := d.webhook(); err != nil {
		return nil, err
	}
	return d.result()
}

// DecodeV2Alerts decodes an array of alerts as Alertmanager's own API takes them
// from Prometheus at POST /api/v2/alerts; now is when it arrived.
//
// As in Alertmanager an alert that ends in the future, or has no end, is firing;
// a future end is kept: it is when the alert counts as over unless it is sent
// again. An alert without a start begins at its end or now, whichever is
// earlier. Repeats of such an alert have another start each time, so they are one
// alert to an engine that goes by the fingerprint, as Alertmanager does.
//
// The error is a [*PartialError] when the batch is not nil, else a [*body.Error].
func DecodeV2Alerts(text []byte, now time.Time) (*correlate.AlertBatch, error) {
	d := decoder{
		reader: body.NewReader(text),
		batch:  correlate.AlertBatch{Source: SourceAPI},
	}
	d.finish = func(a *alert) error { return d.finishV2(a, now.UTC()) }
	err := d.alerts()
	if err == nil {
		err = d.reader.End()
	}
	if err != nil {
		return nil, err
	}
	return d.result()
}

// Fingerprint identifies a label set as Alertmanager does: 16 hexadecimal digits.
func Fingerprint(labels map[string]string) string {
	return model.Fingerprint(model.LabelsToSignature(labels)).String()
}

// decoder is the state of one decoding.
type decoder struct {
	reader *body.Reader
	// finish turns what an alert's object said into the alert; the two kinds of bodies differ in it.
	finish func(*alert) error

	batch    correlate.AlertBatch
	rejected PartialError
	// status is the group's, empty when the body has none; orphans are the
	// indices of alerts that have none of their own.
	status  string
	orphans []int
	// pairs is scratch space: a map made in its final size needs no growing.
	pairs []pair
}

type pair struct{ name, value string }

// alert is one alert as written.
type alert struct {
	correlate.Alert
	status string
	mutes  Mutes
	offset int // of its object
}

func (d *decoder) result() (*correlate.AlertBatch, error) {
	if d.rejected.Rejected > 0 {
		return &d.batch, &d.rejected
	}
	return &d.batch, nil
}

func (d *decoder) webhook() error {
	start, found := d.reader.Offset(), false
	err := d.reader.Object(func(key string) error {
		switch key {
		case "alerts":
			found = true
			if d.reader.Null() {
				return nil
			}
			return d.alerts()
		case "status":
			return d.lenient(&d.status) // of the group: resolved when all its alerts are
		case "receiver":
			return d.lenient(&d.batch.Receiver)
		case "groupKey":
			return d.lenient(&d.batch.GroupKey)
		case "externalURL":
			return d.lenient(&d.batch.ExternalURL)
		case "truncatedAlerts":
			return d.truncated()
		}
		// Not read: version, because a body of another version that has alerts as we
		// know them is one to use, and one that has not is rejected anyway.
		return d.reader.Skip()
	})
	if err == nil {
		err = d.reader.End()
	}
	if err != nil {
		return err
	}
	if !found {
		return body.Within("alerts", d.reader.Errorf(start, "missing: want the body of an Alertmanager webhook, version 4"))
	}
	d.adoptOrphans()
	return nil
}

// adoptOrphans gives alerts without a status that of their group, which may
// stand behind them in the body.
func (d *decoder) adoptOrphans() {
	for _, i := range d.orphans {
		a := &d.batch.Alerts[i]
		setStatus(a, d.status == "resolved" || d.status == "" && !a.EndsAt.IsZero())
	}
}

// setStatus makes a firing or resolved. The end of a firing alert is dropped:
// Alertmanager sends the resolve itself, and the time-out that old versions put
// there is shorter than the interval at which it repeats a firing alert.
func setStatus(a *correlate.Alert, resolved bool) {
	if resolved {
		a.Status = correlate.Resolved
		return
	}
	a.Status, a.EndsAt = correlate.Firing, time.Time{}
}

// lenient reads a string into field, or skips what is none.
func (d *decoder) lenient(field *string) error {
	if !d.reader.IsString() {
		return d.reader.Skip()
	}
	s, err := d.reader.String()
	*field = s
	return err
}

func (d *decoder) truncated() error {
	_, err := d.reader.Try(func() error {
		n, err := d.reader.Int()
		d.batch.Truncated = min(max(n, 0), math.MaxInt32)
		return err
	})
	return err
}

func (d *decoder) alerts() error {
	return d.reader.Array(func(i int) error {
		rejected, err := d.reader.Try(d.alert)
		if rejected != nil {
			d.reject(i, rejected)
		}
		return err
	})
}

func (d *decoder) reject(i int, err error) {
	d.rejected.Rejected++
	if len(d.rejected.First) == maxErrors {
		return
	}
	var e *body.Error
	if errors.As(body.Within(fmt.Sprintf("alerts[%d]", i), err), &e) {
		d.rejected.First = append(d.rejected.First, e)
	}
}

// alert reads one alert's object and adds it to the batch.
func (d *decoder) alert() error {
	a := alert{offset: d.reader.Offset()}
	err := d.reader.Object(func(key string) (err error) {
		switch key {
		case "labels":
			a.Labels, err = d.labels()
		case "annotations":
			a.Annotations, err = d.annotations()
		case "status":
			a.status, err = d.alertStatus(&a.mutes)
		case "startsAt":
			a.StartsAt, err = d.time()
		case "endsAt":
			a.EndsAt, err = d.time()
		case "generatorURL":
			a.GeneratorURL, err = d.reader.String()
		case "fingerprint":
			a.Fingerprint, err = d.fingerprint()
		default:
			err = d.reader.Skip()
		}
		return err
	})
	if err != nil {
		return err
	}
	if len(a.Labels) == 0 {
		return body.Within("labels", d.reader.Errorf(a.offset, "want at least one label with a value"))
	}
	if err := d.finish(&a); err != nil {
		return err
	}
	if a.Fingerprint == "" {
		a.Fingerprint = Fingerprint(a.Labels)
	}
	d.batch.Alerts = append(d.batch.Alerts, a.Alert)
	return nil
}

func (d *decoder) finishWebhook(a *alert) error {
	if a.StartsAt.IsZero() {
		return body.Within("startsAt", d.reader.Errorf(a.offset, "missing"))
	}
	if a.status == "" {
		d.orphans = append(d.orphans, len(d.batch.Alerts))
		return nil
	}
	setStatus(&a.Alert, a.status == "resolved")
	return nil
}

func (d *decoder) finishV2(a *alert, now time.Time) error {
	a.Fingerprint = "" // no field of this API, so not the sender's to choose
	if a.StartsAt.IsZero() {
		a.StartsAt = clamp(now)
		if !a.EndsAt.IsZero() && a.EndsAt.Before(now) {
			a.StartsAt = a.EndsAt
		}
	}
	if a.EndsAt.IsZero() {
		return nil
	}
	if a.EndsAt.Before(a.StartsAt) {
		return body.Within("endsAt", d.reader.Errorf(a.offset, "must not be before startsAt"))
	}
	if !a.EndsAt.After(now) {
		a.Status = correlate.Resolved
	}
	return nil
}
