// Package blackbox has a deployed blackbox_exporter probe in Headwater's place: from
// where that one stands, and with every module that it has.
//
// Each probe is a request to its /probe, whose metrics are read for the result: passing
// when probe_success is 1; degraded when it is 0 and an HTTP answer came; failing when
// none came. An exporter that does not answer, or knows no such module, says nothing of
// the target: the result is unknown and names the exporter.
package blackbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/config"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/ingest/health/probe"
)

// maxAnswer bounds the metrics of one probe, which take a few kilobytes.
const maxAnswer = 1 << 20

// Exporter is a deployed blackbox_exporter. It is safe for concurrent use.
type Exporter struct {
	url    *url.URL
	client *http.Client
}

// New makes a client of the exporter at address, such as http://blackbox:9115.
func New(address string, how config.HTTPClientConfig) (*Exporter, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("want a URL such as http://blackbox:9115")
	}
	client, err := config.NewClientFromConfig(how, "headwater_blackbox")
	if err != nil {
		return nil, fmt.Errorf("HTTP client: %w", err)
	}
	u.Path = strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), "/probe") + "/probe"
	return &Exporter{u, client}, nil
}

// Prober probes by way of the exporter, with that module of the exporter's.
func (e *Exporter) Prober(module string) probe.Prober { return &prober{e, module} }

type prober struct {
	*Exporter
	module string
}

// Check implements [probe.Prober]. What a target may be is the module's to say.
func (p *prober) Check(target string) error {
	if target == "" {
		return errors.New("is empty")
	}
	return nil
}

// Probe implements [probe.Prober].
func (p *prober) Probe(ctx context.Context, target string) probe.Result {
	began := time.Now()
	families, err := p.ask(ctx, target)
	if err != nil {
		return probe.Result{
			Status: correlate.HealthUnknown, Message: fmt.Sprintf("blackbox_exporter at %s: %s", p.url.Host, err), Duration: time.Since(began),
		}
	}
	r := read(families)
	if r.Duration == 0 {
		r.Duration = time.Since(began)
	}
	return r
}

func (p *prober) ask(ctx context.Context, target string) (map[string]*dto.MetricFamily, error) {
	u := *p.url
	u.RawQuery = url.Values{"module": {p.module}, "target": {target}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("make a request: %w", err)
	}
	if deadline, ok := ctx.Deadline(); ok {
		// The exporter takes half a second off that, so that its answer still comes in time.
		req.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", strconv.FormatFloat(time.Until(deadline).Seconds(), 'f', 3, 64))
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, withoutURL(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read its answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		first, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
		return nil, fmt.Errorf("answered %s: %.200s", resp.Status, first)
	}
	return Parse(string(body))
}

func withoutURL(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// Parse reads the metrics of one probe.
func Parse(text string) (map[string]*dto.MetricFamily, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("its answer is no metrics: %w", err)
	}
	if families["probe_success"] == nil {
		return nil, errors.New("its answer has no probe_success; is that the address of a blackbox_exporter?")
	}
	return families, nil
}

// read makes a result of what [Parse] let through.
func read(families map[string]*dto.MetricFamily) probe.Result {
	r := probe.Result{Duration: seconds(first(families["probe_duration_seconds"]))}
	if at := first(families["probe_ssl_earliest_cert_expiry"]); at > 0 {
		r.CertificateExpires = time.Unix(int64(at), 0)
	}
	phases(families, &r)
	code := int(first(families["probe_http_status_code"]))
	switch {
	case first(families["probe_success"]) == 1:
		r.Status = correlate.HealthPassing
	case code > 0 && first(families["probe_failed_due_to_regex"]) == 1:
		r.Status, r.Message = correlate.HealthDegraded, fmt.Sprintf("answered HTTP %d, and a regular expression of the module rejects the answer", code)
	case code > 0:
		r.Status, r.Message = correlate.HealthDegraded, fmt.Sprintf("answered HTTP %d, which the module does not accept", code)
	default:
		r.Status, r.Message = correlate.HealthFailing, "the probe failed; blackbox_exporter's /probe tells why with debug=true"
	}
	return r
}

func first(f *dto.MetricFamily) float64 {
	if f == nil || len(f.GetMetric()) == 0 {
		return 0
	}
	m := f.GetMetric()[0]
	return m.GetGauge().GetValue() + m.GetUntyped().GetValue() + m.GetCounter().GetValue()
}

func seconds(v float64) time.Duration {
	if !(v > 0 && v < 24*60*60) {
		return 0
	}
	return time.Duration(v * float64(time.Second))
}

// ours are the exporter's names of phases.
var ours = map[string]probe.Phase{
	"resolve": probe.PhaseResolve, "connect": probe.PhaseConnect, "tls": probe.PhaseTLS, "transfer": probe.PhaseTransfer,
	"processing": probe.PhaseProcessing, "request": probe.PhaseProcessing, "rtt": probe.PhaseProcessing, "check": probe.PhaseProcessing,
}

func phases(families map[string]*dto.MetricFamily, r *probe.Result) {
	for _, name := range []string{"http", "icmp", "dns", "grpc"} {
		f := families["probe_"+name+"_duration_seconds"]
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if p, known := ours[l.GetValue()]; known && l.GetName() == "phase" {
					r.Phases[p] += seconds(m.GetGauge().GetValue() + m.GetUntyped().GetValue())
				}
			}
		}
	}
}
