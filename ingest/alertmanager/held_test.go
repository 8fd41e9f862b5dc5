package alertmanager

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/ingest/body"
)

func listed(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestListedAlertsFireAndSayWhyNobodyIsTold(t *testing.T) {
	held, err := DecodeHeld(listed(t, "api-alerts.json"))
	if err != nil || len(held) != 3 {
		t.Fatal(err, len(held))
	}
	want := []Mutes{
		{},
		{InhibitedBy: []string{"1f2d3c4b5a697887"}},
		{InhibitedBy: []string{"1f2d3c4b5a697887"}, MutedBy: []string{"weekends"}, SilencedBy: []string{"9bb2a3f0-54b9-4c1c-9c5e-0c2e5b2f7d11"}},
	}
	for i, h := range held {
		if diff := cmp.Diff(want[i], h.Mutes, cmp.FilterValues(func(a, b []string) bool { return len(a)+len(b) == 0 }, cmp.Ignore())); diff != "" {
			t.Errorf("alert %d (-want +got):\n%s", i, diff)
		}
		if h.Status != correlate.Firing || !h.EndsAt.IsZero() || (len(h.InhibitedBy) > 0) != (i > 0) {
			t.Errorf("alert %d: %+v", i, h)
		}
	}
	if h := held[0]; h.Fingerprint != "1f2d3c4b5a697887" || !h.StartsAt.Equal(time.Date(2026, 11, 20, 8, 31, 12, 4e6, time.UTC)) || h.Labels["service"] != "mysql" {
		t.Errorf("alert %+v", h)
	}
}

func TestOneBadListedAlertDoesNotCostTheOthers(t *testing.T) {
	held, err := DecodeHeld([]byte(strings.Replace(string(listed(t, "api-alerts.json")), `"startsAt": "2026-11-20T08:31:12.004Z",`, "", 1)))
	var partial *PartialError
	if !errors.As(err, &partial) || len(held) != 2 || held[0].Labels["service"] != "shipping" || len(held[0].InhibitedBy) != 1 {
		t.Errorf("%+v, error %v", held, err)
	}
}

func TestSilencesAndStatus(t *testing.T) {
	silences, err := DecodeSilences(listed(t, "api-silences.json"))
	want := []Silence{{
		ID: "9bb2a3f0-54b9-4c1c-9c5e-0c2e5b2f7d11", CreatedBy: "storage-oncall", Comment: "disks are being replaced, CHG-1187",
		EndsAt: time.Date(2026, 11, 20, 18, 0, 0, 0, time.UTC),
	}}
	if diff := cmp.Diff(want, silences); diff != "" || err != nil {
		t.Errorf("error %v, silences (-want +got):\n%s", err, diff)
	}
	started, err := DecodeStatus(listed(t, "api-status.json"))
	if err != nil || !started.Equal(time.Date(2026, 11, 12, 6, 2, 11, 317e6, time.UTC)) {
		t.Errorf("started %v, error %v", started, err)
	}
	if _, err := DecodeStatus([]byte(`{"status": "success"}`)); err == nil || !strings.Contains(err.Error(), "uptime: missing") {
		t.Errorf("another server's status: %v", err)
	}
	for _, text := range []string{``, `{}`, `[`, `[{"id": 7}] x`} {
		if _, err := DecodeSilences([]byte(text)); err == nil {
			t.Errorf("silences %q: no error", text)
		}
	}
}

// FuzzDecodeHeld: what is listed fires, and every error is one about the body.
func FuzzDecodeHeld(f *testing.F) {
	for _, name := range []string{"api-alerts.json", "api-silences.json", "api-status.json"} {
		f.Add(listed(f, name))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		held, err := DecodeHeld(text)
		_, silencesErr := DecodeSilences(text)
		_, statusErr := DecodeStatus(text)
		var partial *PartialError
		for _, err := range []error{err, silencesErr, statusErr} {
			var bad *body.Error
			if err != nil && !errors.As(err, &bad) && !errors.As(err, &partial) {
				t.Fatalf("not about the body: %v", err)
			}
		}
		for _, h := range held {
			if h.Status != correlate.Firing || h.Fingerprint == "" || len(h.Labels) == 0 || h.StartsAt.IsZero() {
				t.Errorf("alert %+v", h)
			}
		}
	})
}
