package alertmanager

import (
	"strings"
	"time"

	"github.com/headwater-sre/headwater/ingest/body"
)

// looserTimes are what Alertmanager's API takes beside RFC 3339.
var looserTimes = []string{
	"2006-01-02T15:04:05Z0700",
	"2006-01-02T15:04:05",
	time.DateTime,
	"2006-01-02T15:04Z07:00",
	"2006-01-02T15:04",
}

// time reads startsAt or endsAt. Senders write "never" as a year such as 9999,
// so a time that the stream cannot hold becomes the nearest that it can.
func (d *decoder) time() (time.Time, error) {
	t, err := d.reader.TimeIn(looserTimes...)
	if err != nil || t.IsZero() {
		return time.Time{}, err
	}
	return clamp(t), nil
}

func clamp(t time.Time) time.Time {
	switch {
	case t.Before(body.Earliest):
		return body.Earliest
	case t.After(body.Latest):
		return body.Latest
	}
	return t
}

func (d *decoder) alertStatus(mutes *Mutes) (string, error) {
	start := d.reader.Offset()
	if d.reader.IsObject() { // as GET /api/v2/alerts lists it: its status is another thing
		return "", d.readMutes(mutes)
	}
	s, err := d.reader.String()
	if err != nil {
		return "", err
	}
	switch s {
	case "", "firing", "resolved":
		return s, nil
	}
	return "", d.reader.Errorf(start, "want firing or resolved, got %s", body.Quote(s))
}

// fingerprint reads a fingerprint of Alertmanager's form. Any other is not taken:
// its sender means something else by it, and it may be long or not unique.
func (d *decoder) fingerprint() (string, error) {
	s, err := d.reader.String()
	if err != nil || len(s) != 16 {
		return "", err
	}
	s = strings.ToLower(s)
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return "", nil
		}
	}
	return s, nil
}

// labels reads a label set. A label with an empty value is none, as everywhere
// in Prometheus.
func (d *decoder) labels() (map[string]string, error) {
	start := d.reader.Offset()
	if err := d.readPairs(); err != nil {
		return nil, err
	}
	labels := make(map[string]string, len(d.pairs))
	for _, p := range d.pairs {
		labels[p.name] = p.value
	}
	for _, p := range d.pairs {
		if labels[p.name] == "" {
			delete(labels, p.name)
		}
	}
	if _, nameless := labels[""]; nameless {
		return nil, d.reader.Errorf(start, "a label without a name")
	}
	return labels, nil
}

// annotations reads annotations; nil when there are none.
func (d *decoder) annotations() (map[string]string, error) {
	if err := d.readPairs(); err != nil || len(d.pairs) == 0 {
		return nil, err
	}
	annotations := make(map[string]string, len(d.pairs))
	for _, p := range d.pairs {
		annotations[p.name] = p.value
	}
	return annotations, nil
}

// readPairs reads an object of strings, or null, into d.pairs.
func (d *decoder) readPairs() error {
	d.pairs = d.pairs[:0]
	if d.reader.Null() {
		return nil
	}
	return d.reader.Object(func(name string) error {
		value, err := d.reader.String()
		d.pairs = append(d.pairs, pair{name, value})
		return err
	})
}
