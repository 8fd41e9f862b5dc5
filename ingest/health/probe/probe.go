package probe

import (
	"context"
	"fmt"
	"time"

	"github.com/headwater-sre/headwater/correlate"
)

// Prober asks one target. It is safe for concurrent use.
type Prober interface {
	// Check says what is wrong with a target as such, without asking it.
	Check(target string) error
	// Probe asks. The context bounds it and should have a deadline.
	Probe(ctx context.Context, target string) Result
}

// Result is what a probe found.
type Result struct {
	Status correlate.HealthStatus
	// Message says what was wrong; empty when all is well.
	Message string
	// Duration is the whole time that the probe took.
	Duration time.Duration
	// Phases is how Duration was spent; zero: no such phase, or not reached.
	Phases [PhaseCount]time.Duration
	// CertificateExpires is when the first of the certificates that the target showed
	// expires; zero when it showed none.
	CertificateExpires time.Time
}

// Phase is a part of a probe.
type Phase uint8

// The phases, in their order. Over redirects they add up.
const (
	PhaseResolve    Phase = iota // from a name to an address
	PhaseConnect                 // to a connection
	PhaseTLS                     // the handshake
	PhaseProcessing              // from the question to the first byte of the answer
	PhaseTransfer                // the rest of the answer
	PhaseCount
)

var phaseNames = [PhaseCount]string{"resolve", "connect", "tls", "processing", "transfer"}

// String is the name in metrics.
func (p Phase) String() string { return phaseNames[p] }

// waitingFor says what a probe does in a phase.
var waitingFor = [PhaseCount]string{
	"while its name was looked up", "while connecting", "in the TLS handshake", "before the first byte of an answer", "in the middle of the answer",
}

// Kind is the protocol of a prober, by blackbox_exporter's names.
type Kind string

// The kinds.
const (
	KindHTTP Kind = "http"
	KindTCP  Kind = "tcp"
	KindGRPC Kind = "grpc"
	KindDNS  Kind = "dns"
	KindICMP Kind = "icmp"
)

// Kinds are all kinds.
var Kinds = []Kind{KindHTTP, KindTCP, KindGRPC, KindDNS, KindICMP}

// Module says how to ask and what a good answer is. Of the parts, the one of Kind counts.
type Module struct {
	Kind Kind
	// Timeout of a probe. 0: whoever schedules it decides.
	Timeout time.Duration

	HTTP HTTP
	TCP  TCP
	GRPC GRPC
	DNS  DNS
	ICMP ICMP
}

// New makes a prober. It reads the files that the module names: certificates, keys.
func New(m *Module) (Prober, error) {
	switch m.Kind {
	case KindHTTP:
		return newHTTP(&m.HTTP)
	case KindTCP:
		return newTCP(&m.TCP)
	case KindGRPC:
		return newGRPC(&m.GRPC)
	case KindDNS:
		return newDNS(&m.DNS)
	case KindICMP:
		return newICMP(&m.ICMP)
	}
	return nil, fmt.Errorf("there is no prober %q", m.Kind)
}
