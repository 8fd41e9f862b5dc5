package acceptance

import (
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
)

var update = flag.Bool("update", false, "rewrite the transcripts in testdata")

// hwctlBinary builds the client once.
var hwctlBinary = sync.OnceValues(func() (string, error) {
	path := filepath.Join(builds, "hwctl")
	return path, command("go", "build", "-o", path, "github.com/headwater-sre/headwater/cmd/hwctl")
})

// The parts of a transcript that differ from run to run.
var (
	agesInTranscripts  = regexp.MustCompile(`\b(\d+[dhm])?\d+[smh] ago`)
	portsInTranscripts = regexp.MustCompile(`127\.0\.0\.1:\d{4,5}\b`)
)

// doctor runs hwctl doctor, and returns what it says and its exit code.
func doctor(t *testing.T, grpc string, args ...string) (report string, code int) {
	t.Helper()
	cmd := exec.Command(binary(t, hwctlBinary), append([]string{"--address=" + grpc, "doctor"}, args...)...)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// sameTranscript compares a report with the one in testdata.
func sameTranscript(t *testing.T, name, report string) {
	t.Helper()
	got := portsInTranscripts.ReplaceAllString(agesInTranscripts.ReplaceAllString(report, "AGE ago"), "127.0.0.1:PORT")
	path := filepath.Join("testdata", name)
	if *update {
		write(t, path, got)
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got); -update rewrites it:\n%s", path, diff)
	}
}

// brokenConfig has no receivers, and asks a Prometheus that is not there.
const brokenConfig = `environment: shop
correlation: {hold: 100ms, hold_confident: 100ms, settle: 100ms, close_after: 1s, reopen_within: 0s, chronic_after: 1d}
topology:
  files: [topology.yaml]
  prometheus:
    - {url: 'http://127.0.0.1:1', preset: istio, refresh_interval: 1s, timeout: 1s}
`

// brokenTopology lacks that cart calls mysql, and who calls reports.
const brokenTopology = `services:
  - {name: web, kind: frontend}
  - {name: cart, kind: api}
  - {name: mysql, kind: database}
  - {name: reports, kind: worker}
dependencies:
  - {from: web, to: cart}
`

// badDays are alerts of four failures of the database, twenty minutes apart, and what
// else fires meanwhile: some rules say in a label of their own what they are about.
func badDays(now time.Time) [][]notified {
	alert := func(began time.Time, labels ...string) notified {
		n := notified{
			Status: firing, StartsAt: began.UTC(), Labels: map[string]string{"severity": "critical"},
			Annotations: map[string]string{"runbook_url": "https://runbooks.example.org/it"},
		}
		for i := 0; i < len(labels); i += 2 {
			n.Labels[labels[i]] = labels[i+1]
		}
		n.Fingerprint = fingerprint(n.Labels)
		return n
	}
	var days [][]notified
	for i := range 4 {
		began := now.Add(-time.Duration(100-20*i) * time.Minute).Truncate(time.Second)
		days = append(days, []notified{
			alert(began, "alertname", "MysqlTooManyConnections", "service", "mysql"),
			alert(began.Add(40*time.Second), "alertname", "ErrorRateHigh", "service", "cart"),
		})
	}
	last := now.Add(-10 * time.Minute).Truncate(time.Second)
	return append(days, []notified{
		alert(last, "alertname", "QueueStuck", "component_id", "prod-cart-blue"),
		alert(last, "alertname", "PageSlow", "component_id", "prod-web-green"),
		alert(last, "alertname", "ReportLate", "service", "reports"),
	})
}

// smallPrometheus knows of calls from web to cart, and has no rules.
func smallPrometheus(t *testing.T) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data := `{"resultType": "vector", "result": [{"metric": {"source_workload": "web", "destination_workload": "cart"}, "value": [1, "2"]}]}`
		if strings.HasSuffix(r.URL.Path, "/rules") {
			data = `{"groups": []}`
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"status": "success", "data": %s}`, data)
	}))
	t.Cleanup(s.Close)
	return s
}

// pasted are the texts that a report has at the left margin to be pasted, by where they
// are to go, in order.
func pasted(report string) (into, texts []string) {
	lines := strings.Split(report, "\n")
	for i := 0; i < len(lines); i++ {
		target, ok := strings.CutPrefix(strings.TrimSpace(lines[i]), "paste into ")
		if run := strings.TrimSpace(lines[i]) == "run:"; !ok && !run {
			continue
		}
		if ok {
			target, _, _ = strings.Cut(strings.TrimSuffix(target, ":"), ",")
		} else {
			target = "shell"
		}
		var text strings.Builder
		for i += 2; i < len(lines) && lines[i] != ""; i++ {
			text.WriteString(lines[i] + "\n")
		}
		into, texts = append(into, target), append(texts, text.String())
	}
	return into, texts
}

// paste puts a text into a file as a person does: under the section of that name when
// the file has it, else at its end.
func paste(t *testing.T, path, text string) {
	t.Helper()
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	section, rest, _ := strings.Cut(text, "\n")
	before, after, found := strings.Cut(string(old), "\n"+section+"\n")
	if !found {
		write(t, path, string(old)+text)
		return
	}
	write(t, path, before+"\n"+section+"\n"+rest+after)
}

// fated returns an error until what becomes of each alert is.
func fated(r *record, group []notified) error {
	for _, n := range group {
		switch fate := r.alerts[n.id()].GetFate(); fate.GetKind() {
		case pb.FateKind_FATE_KIND_UNSPECIFIED, pb.FateKind_FATE_KIND_PENDING, pb.FateKind_FATE_KIND_HELD:
			return fmt.Errorf("the fate of %v is %v", n.Labels, fate)
		}
	}
	return nil
}

func TestAcceptanceDoctorsAdviceMendsABrokenSetUp(t *testing.T) {
	skipShort(t)
	s := newSite(t, brokenConfig, brokenTopology)
	h := s.start(t, "--web.enable-lifecycle")
	tell := func(day int, group []notified) {
		if code, answer, err := post(h.web+"/webhook/alertmanager", webhook(fmt.Sprintf("day %d", day), group)); err != nil || code != http.StatusOK {
			t.Fatalf("%d %s %v", code, answer, err)
		}
	}
	conn := h.dial(t)
	for day, group := range badDays(time.Now()) {
		tell(day, group)
		eventually(t, "it is decided who is paged", patience, func() error {
			r, err := readRecord(t.Context(), conn)
			if err != nil {
				return err
			}
			return fated(r, group)
		})
		tell(day, ended(group, group[0].StartsAt.Add(5*time.Minute)))
		h.awaitQuiet(t)
	}
	report, code := doctor(t, h.grpc, "--fail-on=error")
	if code != 1 {
		t.Errorf("exit code %d with errors found", code)
	}
	sameTranscript(t, "doctor-broken.txt", report)

	hook := newCollector(t)
	names := strings.NewReplacer("https://oncall.example.org/hook", hook.URL+"/", "WHAT-CALLS-IT", "web")
	topologyFile := filepath.Join(s.dir, "topology.yaml")
	into, texts := pasted(report)
	for i, target := range into {
		switch path := map[string]string{"headwater.yaml": s.config, "topology.yaml": topologyFile}[target]; path {
		case "":
			t.Errorf("advice for %s, which this set-up does not have:\n%s", target, texts[i])
		default:
			paste(t, path, names.Replace(texts[i]))
		}
	}
	config, err := os.ReadFile(s.config)
	if err != nil {
		t.Fatal(err)
	}
	write(t, s.config, strings.ReplaceAll(string(config), "http://127.0.0.1:1'", smallPrometheus(t).URL+"'"))
	if code, answer, err := post(h.web+"/-/reload", ""); err != nil || code != http.StatusOK {
		mended, _ := os.ReadFile(s.config)
		t.Fatalf("the mended configuration is refused: %d %s %v\n%s", code, answer, err, mended)
	}

	// What is left is that nothing was sent to the new receiver yet, which has its own advice.
	eventually(t, "one finding is left", patience, func() error {
		report, code = doctor(t, h.grpc, "--fail-on=warning")
		if into, texts = pasted(report); code != 0 || len(into) != 1 || into[0] != "shell" {
			return errors.New(report)
		}
		return nil
	})
	if out, err := exec.Command("bash", "-c", strings.Replace(texts[0], "http://127.0.0.1:9097", h.web, 1)).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	eventually(t, "nothing is left", patience, func() error {
		if report, code = doctor(t, h.grpc, "--fail-on=hint"); code != 0 {
			return errors.New(report)
		}
		return nil
	})
	sameTranscript(t, "doctor-mended.txt", report)
	if len(hook.all()) == 0 {
		t.Error("the doctor is content, and the receiver got no page")
	}
}

func TestAcceptanceDoctorOnTheDemo(t *testing.T) {
	skipShort(t)
	out := newLogTail()
	launchTelling(t, out, "demo", binary(t, headwaterBinary), "demo", "--keep", "--speed=600", "--web.listen-address=127.0.0.1:0", "--grpc.listen-address=127.0.0.1:0")
	eventually(t, "the demo is over", 2*patience, func() error {
		if !strings.Contains(out.text(), "The server stays up") {
			return errors.New(out.text())
		}
		return nil
	})
	address := regexp.MustCompile(`gRPC (\S+)`).FindStringSubmatch(out.text())
	if address == nil {
		t.Fatalf("no address in %s", out.text())
	}
	report, code := doctor(t, address[1])
	if code != 0 {
		t.Errorf("exit code %d without --fail-on", code)
	}
	sameTranscript(t, "doctor-demo.txt", report)
}
