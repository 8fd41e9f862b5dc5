package health

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/ingest/body"
	"github.com/headwater-sre/headwater/topology"
)

var sampled = time.Date(2026, 1, 5, 3, 0, 12, 0, time.UTC)

var bodies = map[string]string{
	"full":       `{"service":"shop/payment","check":"http","status":"failing","latency_ms":120.5,"at":"2026-01-05T04:00:12+01:00","message":"HTTP 503","failure_threshold":5,"success_threshold":2,"ttl":"5m"}`,
	"least":      `{"service":"payment","status":"passing"}`,
	"namespace":  `{"service":"payment","namespace":"shop","status":"passing"}`,
	"duration":   `{"service":"payment","status":"Degraded","latency":"1.5s","timestamp":"2026-01-05T03:00:12Z"}`,
	"array":      `[{"service":"a","status":"up"},{"service":"b","status":"down"}]`,
	"results":    `{"source":"prober-eu","results":[{"service":"a","status":"healthy"},{"service":"b","status":"unhealthy"}]}`,
	"empty":      `{"results":[]}`,
	"unknown":    `{"service":"payment","status":"unknown","region":{"name":"eu"},"tags":["a"]}`,
	"nulls":      `{"service":"payment","status":"passing","check":null,"latency":null,"latency_ms":null,"at":null,"message":null,"failure_threshold":null,"ttl":null}`,
	"with slash": `{"service":"team/payment","namespace":"shop","status":"passing"}`,
}

func TestDecodeReport(t *testing.T) {
	payment := topology.Ref{Name: "payment"}
	one := func(source string, results ...correlate.HealthResult) *correlate.HealthBatch {
		return &correlate.HealthBatch{Source: source, Results: results}
	}
	two := []correlate.HealthResult{
		{Service: topology.Ref{Name: "a"}, Status: correlate.HealthPassing},
		{Service: topology.Ref{Name: "b"}, Status: correlate.HealthFailing},
	}
	for name, want := range map[string]*correlate.HealthBatch{
		"full": one(Source, correlate.HealthResult{
			Service: topology.Ref{Namespace: "shop", Name: "payment"}, Check: "http", Status: correlate.HealthFailing,
			Latency: 120500 * time.Microsecond, At: sampled, Message: "HTTP 503", FailureThreshold: 5, SuccessThreshold: 2, TTL: 5 * time.Minute,
		}),
		"least":      one(Source, correlate.HealthResult{Service: payment, Status: correlate.HealthPassing}),
		"namespace":  one(Source, correlate.HealthResult{Service: topology.Ref{Namespace: "shop", Name: "payment"}, Status: correlate.HealthPassing}),
		"duration":   one(Source, correlate.HealthResult{Service: payment, Status: correlate.HealthDegraded, Latency: 1500 * time.Millisecond, At: sampled}),
		"array":      one(Source, two...),
		"results":    one("prober-eu", two...),
		"empty":      one(Source),
		"unknown":    one(Source, correlate.HealthResult{Service: payment, Status: correlate.HealthUnknown}),
		"nulls":      one(Source, correlate.HealthResult{Service: payment, Status: correlate.HealthPassing}),
		"with slash": one(Source, correlate.HealthResult{Service: topology.Ref{Namespace: "shop", Name: "team/payment"}, Status: correlate.HealthPassing}),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := DecodeReport([]byte(bodies[name]))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("batch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRefusedReportsNameTheField(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"no service", `{"status":"passing"}`, `service: missing: want "name" or "namespace/name" (line 1, byte 0)`},
		{"no status", `{"service":"a"}`, `status: missing: want passing, degraded, failing or unknown (line 1, byte 0)`},
		{"odd status", `{"service":"a","status":"meh"}`, `status: want passing, degraded, failing or unknown, got "meh" (line 1, byte 24)`},
		{"status as a boolean", `{"service":"a","status":true}`, `status: want passing, degraded, failing or unknown (line 1, byte 24)`},
		{"the second of two", "[{\"service\":\"a\",\"status\":\"up\"},\n {\"status\":\"up\"}]", `[1].service: missing: want "name" or "namespace/name" (line 2, byte 33)`},
		{"in results", `{"results":[{"service":"a","status":"up","latency":"fast"}]}`, `results[0].latency: want a duration such as "120ms", got "fast" (line 1, byte 51)`},
		{"latency without a unit", `{"service":"a","status":"up","latency":120}`, `latency: want a duration such as "120ms"; a number of milliseconds goes into latency_ms (line 1, byte 39)`},
		{"negative latency", `{"service":"a","status":"up","latency_ms":-1}`, `latency_ms: want between nothing and 24h, got -1 ms (line 1, byte 42)`},
		{"latency in nanoseconds", `{"service":"a","status":"up","latency_ms":120000000}`, `latency_ms: want between nothing and 24h, got 1.2e+08 ms (line 1, byte 42)`},
		{"negative duration", `{"service":"a","status":"up","latency":"-1s"}`, `latency: want between nothing and 24h, got -1s (line 1, byte 39)`},
		{"Unix time", `{"service":"a","status":"up","at":1767582012}`, `at: want a string, got a number (line 1, byte 34)`},
		{"year 9999", `{"service":"a","status":"up","at":"9999-01-01T00:00:00Z"}`, `at: want a time between the years 1678 and 2261, got 9999-01-01T00:00:00Z (line 1, byte 34)`},
		{"negative threshold", `{"service":"a","status":"up","failure_threshold":-1}`, `failure_threshold: want 1 to 1000, or 0 for the configured one (line 1, byte 0)`},
		{"negative success threshold", `{"service":"a","status":"up","success_threshold":-1}`, `success_threshold: want 1 to 1000, or 0 for the configured one (line 1, byte 0)`},
		{"ttl as a number", `{"service":"a","status":"up","ttl":5}`, `ttl: want a duration such as "5m" (line 1, byte 35)`},
		{"ttl of two years", `{"service":"a","status":"up","ttl":"17520h"}`, `ttl: want between nothing, which means the configured one, and 366 days, got 17520h0m0s (line 1, byte 35)`},
		{"half a threshold", `{"service":"a","status":"up","failure_threshold":1.5}`, `failure_threshold: want a whole number, got 1.5 (line 1, byte 49)`},
		{"long service", `{"service":"` + strings.Repeat("a", 254) + `","status":"up"}`, `service: longer than 253 bytes (line 1, byte 0)`},
		{"long check", `{"service":"a","status":"up","check":"` + strings.Repeat("a", 129) + `"}`, `check: longer than 128 bytes (line 1, byte 0)`},
		{"long source", `{"results":[],"source":"` + strings.Repeat("a", 129) + `"}`, `source: longer than 128 bytes (line 1, byte 23)`},
		{"no body", ``, `want an object, got the end of the body (line 1, byte 0)`},
		{"two bodies", `{"service":"a","status":"up"}{}`, `more text after the end of the JSON value (line 1, byte 29)`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			batch, err := DecodeReport([]byte(tc.text))
			if batch != nil || err == nil || err.Error() != tc.want {
				t.Errorf("batch %v, error\n got %v\nwant %s", batch, err, tc.want)
			}
		})
	}
}

// The same checks for what does not come as a body.
func TestAdmit(t *testing.T) {
	good := correlate.HealthResult{Service: topology.Ref{Name: "a"}, Status: correlate.HealthPassing}
	for _, tc := range []struct {
		name   string
		change func(*correlate.HealthResult)
		want   string
	}{
		{"good", func(*correlate.HealthResult) {}, ""},
		{"service", func(r *correlate.HealthResult) { r.Service.Name = "" }, "service"},
		{"namespace", func(r *correlate.HealthResult) { r.Service.Namespace = strings.Repeat("a", 254) }, "namespace"},
		{"status", func(r *correlate.HealthResult) { r.Status = 9 }, "status"},
		{"latency", func(r *correlate.HealthResult) { r.Latency = -1 }, "latency"},
		{"time", func(r *correlate.HealthResult) { r.At = time.Date(1600, 1, 1, 0, 0, 0, 0, time.UTC) }, "checked_at"},
		{"threshold", func(r *correlate.HealthResult) { r.FailureThreshold = 1001 }, "failure_threshold"},
		{"success threshold", func(r *correlate.HealthResult) { r.SuccessThreshold = 1001 }, "success_threshold"},
		{"count", func(r *correlate.HealthResult) { r.Count = -1 }, "count"},
		{"ttl", func(r *correlate.HealthResult) { r.TTL = MaxTTL + 1 }, "ttl"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := good
			tc.change(&r)
			err := Admit(&r)
			var e *body.Error
			if errors.As(err, &e); (e == nil) != (tc.want == "") || e != nil && (e.Field != tc.want || e.Line != 0) {
				t.Errorf("error %v, want one about %q without a line", err, tc.want)
			}
		})
	}
}

func TestLongMessagesAreCutBetweenLetters(t *testing.T) {
	r := correlate.HealthResult{Service: topology.Ref{Name: "a"}, Message: strings.Repeat("ü", MaxMessage)}
	if err := Admit(&r); err != nil {
		t.Fatal(err)
	}
	if len(r.Message) > MaxMessage || strings.Trim(r.Message, "ü") != "…" {
		t.Errorf("message of %d bytes ends in %q", len(r.Message), r.Message[len(r.Message)-8:])
	}
}

func FuzzDecodeReport(f *testing.F) {
	for _, text := range bodies {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		batch, err := DecodeReport(text)
		var e *body.Error
		if (batch == nil) != errors.As(err, &e) {
			t.Fatalf("batch %v, error %v", batch, err)
		}
		if batch == nil {
			if e.Line < 1 || e.Offset > len(text) {
				t.Fatalf("error without a place: %v", e)
			}
			return
		}
		for i := range batch.Results {
			r := batch.Results[i]
			if err := Admit(&r); err != nil || !cmp.Equal(r, batch.Results[i]) {
				t.Fatalf("result %d does not pass the checks a second time: %v", i, err)
			}
		}
	})
}
