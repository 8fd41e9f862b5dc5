package api

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/store"
	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
	"github.com/headwater-sre/headwater/topology"
)

// Reader reads committed state. Every answer is from one moment and names its revision,
// the stream position up to which everything has been applied. What it hands out is
// not changed afterwards and may be kept. Safe for concurrent use.
//
// A fn that returns false ends its scan. Incident and Alert return
// [store.ErrNotFound] for what there is not.
type Reader interface {
	// Revision is the newest committed revision.
	Revision() uint64
	// Changed returns a channel that is closed once Revision() > after.
	Changed(after uint64) <-chan struct{}

	Incident(ctx context.Context, id string) (*correlate.Incident, uint64, error)
	// ScanIncidents goes from the newest number down, history included, beginning below
	// beforeNumber; 0: at the newest.
	ScanIncidents(ctx context.Context, beforeNumber uint64, fn func(*correlate.Incident) bool) (uint64, error)
	// ChangedIncidents goes through the incidents whose Revision is greater than after,
	// in the order of their revisions, each in its latest state.
	ChangedIncidents(ctx context.Context, after uint64, fn func(*correlate.Incident) bool) (uint64, error)
	// Pages are all pages of an incident with their deliveries, oldest first.
	Pages(ctx context.Context, incident string) ([]*correlate.OutboxEntry, error)

	Alert(ctx context.Context, id correlate.AlertID) (*correlate.AlertState, uint64, error)
	// ScanAlerts goes by start, then fingerprint.
	ScanAlerts(ctx context.Context, scan store.AlertScan, fn func(*correlate.AlertState) bool) (uint64, error)

	ScanHealth(ctx context.Context, fn func(*correlate.HealthState) bool) (uint64, error)

	// ActionItem returns [store.ErrNotFound] for what there is not.
	ActionItem(ctx context.Context, id string) (*correlate.ActionItem, uint64, error)
	// ScanActionItems goes from the newest down, history included.
	ScanActionItems(ctx context.Context, fn func(*correlate.ActionItem) bool) (uint64, error)

	// Maintenance returns [store.ErrNotFound] for what there is not.
	Maintenance(ctx context.Context, id string) (*correlate.Maintenance, uint64, error)
	// ScanMaintenance goes from the newest down, history included.
	ScanMaintenance(ctx context.Context, fn func(*correlate.Maintenance) bool) (uint64, error)

	// ScanStats goes through what was learned, in no order that means anything.
	ScanStats(ctx context.Context, fn func(correlate.Stat) bool) (uint64, error)

	Graph() (*topology.Graph, uint64)
}

// Publisher puts a signal on the stream. When it returns nil the signal is durable and
// has position pos; an error means that it may be sent again.
type Publisher interface {
	Publish(ctx context.Context, signal correlate.Signal) (pos uint64, err error)
}

// Waiter waits until the entry at pos has been applied and committed. rejected says why
// it was not carried out; empty when it was.
type Waiter interface {
	Wait(ctx context.Context, pos uint64) (rejected string, err error)
}

// HealthReporter validates health results and puts them on the stream. An error that is
// a [FieldError] is the client's; after any other the batch may be sent again.
type HealthReporter interface {
	Report(ctx context.Context, batch *correlate.HealthBatch) (pos uint64, err error)
}

// Recorder writes a range of the stream as a scenario.
type Recorder interface {
	// Record writes the entries from since on and before until to w; a zero time is no
	// bound. What it has written is of use only when it returns nil. Its error means
	// that the stream could not be read, unless it is w's.
	Record(ctx context.Context, w io.Writer, name string, since, until time.Time) error
}

// Options of [NewServer]. Those without a default are required.
type Options struct {
	Reader   Reader
	Commands Publisher
	Waiter   Waiter
	Health   HealthReporter
	// Discovery is what the topology is made of. Default: there are no sources, and
	// nothing can be pushed.
	Discovery Discovery
	// Probes returns the checks that this server runs itself, by namespace, service and
	// check. Default: it runs none.
	Probes func() []Probe
	// Setup tells what the server knows of itself. Default: nothing.
	Setup SetupReporter
	// Config returns the configuration in force. Default: there is none to show.
	Config func() Config
	// Recorder writes recordings of the stream. Default: there is no stream to record.
	Recorder Recorder
	// Stream is looked into by audits. Default: they tell nothing of the stream.
	Stream StreamReader
	// Engine returns the settings of the engine in force. Default: its defaults.
	Engine func() correlate.Config
	// Ready tells whether the server should get traffic: it sets the serving status of
	// grpc.health.v1. Default: always ready.
	Ready func() error

	Logger *slog.Logger
	// Registerer gets the metrics. Default: none does.
	Registerer prometheus.Registerer

	// Timeout ends unary calls that came without a deadline. Default 30 s.
	Timeout time.Duration
	// MaxWatches bounds the watches that run at the same time. Default 1000.
	MaxWatches int
	// Heartbeat is the longest silence of a watch. Default 15 s.
	Heartbeat time.Duration
}

func (o *Options) validate() error {
	switch {
	case o.Reader == nil:
		return errors.New("api: Options.Reader is missing")
	case o.Commands == nil:
		return errors.New("api: Options.Commands is missing")
	case o.Waiter == nil:
		return errors.New("api: Options.Waiter is missing")
	case o.Health == nil:
		return errors.New("api: Options.Health is missing")
	case o.Logger == nil:
		return errors.New("api: Options.Logger is missing")
	}
	return nil
}

func (o *Options) setDefaults() {
	if o.Probes == nil {
		o.Probes = func() []Probe { return nil }
	}
	if o.Ready == nil {
		o.Ready = func() error { return nil }
	}
	if o.Engine == nil {
		o.Engine = func() correlate.Config { return correlate.Config{} }
	}
	if o.Discovery == nil {
		o.Discovery = noDiscovery{}
	}
	if o.Setup == nil {
		o.Setup = noSetup{}
	}
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	if o.MaxWatches == 0 {
		o.MaxWatches = 1000
	}
	if o.Heartbeat == 0 {
		o.Heartbeat = 15 * time.Second
	}
}

// Server implements the services of headwater.v1. Safe for concurrent use.
type Server struct {
	options Options
	metrics *metrics
	health  *health.Server

	watchSlots  chan struct{} // one element for each running watch; its capacity is the limit
	recordSlots chan struct{} // likewise for recordings
	// examining lets one look at the set-up, or at how it went, run at a time: each reads very many rows.
	examining chan struct{}
	auditing  chan struct{} // likewise one audit

	stop     sync.Once
	stopping chan struct{} // closed by Stop: ends the watches and recordings
}

// NewServer makes a Server. It starts nothing; see [Server.Run].
func NewServer(options Options) (*Server, error) {
	if err := options.validate(); err != nil {
		return nil, err
	}
	options.setDefaults()
	s := &Server{
		options:     options,
		metrics:     newMetrics(options.Registerer),
		health:      health.NewServer(),
		watchSlots:  make(chan struct{}, options.MaxWatches),
		recordSlots: make(chan struct{}, maxRecordings),
		examining:   make(chan struct{}, 1),
		auditing:    make(chan struct{}, 1),
		stopping:    make(chan struct{}),
	}
	s.setServing(healthpb.HealthCheckResponse_NOT_SERVING)
	return s, nil
}

const (
	// maxRecvBytes bounds one request: 10,000 health results fit well.
	maxRecvBytes = 4 << 20
	// maxStreams bounds the calls in flight on one connection. All of REST and gRPC-Web
	// shares one, so it is well above Options.MaxWatches.
	maxStreams = 4096
)

// NewGRPC makes a gRPC server with our interceptors and limits and every service
// registered, those of health checking and reflection included. extra is for
// credentials and the like.
func (s *Server) NewGRPC(extra ...grpc.ServerOption) *grpc.Server {
	srv := grpc.NewServer(append([]grpc.ServerOption{
		grpc.ChainUnaryInterceptor(s.observeUnary, s.guardUnary, s.limitUnary),
		grpc.ChainStreamInterceptor(s.observeStream, s.guardStream),
		grpc.MaxRecvMsgSize(maxRecvBytes),
		grpc.MaxConcurrentStreams(maxStreams),
		// A watch that a dead client left behind is noticed within 80 s.
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: time.Minute, Timeout: 20 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
	}, extra...)...)
	s.Register(srv)
	healthpb.RegisterHealthServer(srv, s.health)
	reflection.Register(srv)
	return srv
}

// Register registers the services of headwater.v1 with a server of the caller's own,
// without interceptors, health checking and reflection.
func (s *Server) Register(r grpc.ServiceRegistrar) {
	pb.RegisterIncidentServiceServer(r, &incidentService{Server: s})
	pb.RegisterAlertServiceServer(r, &alertService{Server: s})
	pb.RegisterHealthServiceServer(r, &healthService{Server: s})
	pb.RegisterTopologyServiceServer(r, &topologyService{Server: s})
	pb.RegisterActionItemServiceServer(r, &actionItemService{Server: s})
	pb.RegisterMaintenanceServiceServer(r, &maintenanceService{Server: s})
	pb.RegisterLearningServiceServer(r, &learningService{Server: s})
	pb.RegisterRecordingServiceServer(r, &recordingService{Server: s})
	pb.RegisterSetupServiceServer(r, &setupService{Server: s})
	pb.RegisterReportServiceServer(r, &reportService{incidents: &incidentService{Server: s}})
	pb.RegisterAuditServiceServer(r, &auditService{Server: s})
	pb.RegisterStatsServiceServer(r, &statsService{Server: s})
	pb.RegisterArchiveServiceServer(r, &archiveService{Server: s})
	pb.RegisterConfigServiceServer(r, &configService{Server: s})
}

// readyInterval is how often readiness is looked at for grpc.health.v1.
const readyInterval = time.Second

// Run keeps the serving status of grpc.health.v1 in step with Options.Ready until ctx
// ends, and then calls [Server.Stop]. It returns nil.
func (s *Server) Run(ctx context.Context) error {
	defer s.Stop()
	tick := time.NewTicker(readyInterval)
	defer tick.Stop()
	for {
		s.checkReady()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// Stop says NOT_SERVING to health checks from now on and ends the watches, so that a
// graceful stop of the gRPC server does not wait for them. It may be called repeatedly.
func (s *Server) Stop() {
	s.stop.Do(func() {
		s.health.Shutdown()
		close(s.stopping)
	})
}

func (s *Server) checkReady() {
	if s.options.Ready() == nil {
		s.setServing(healthpb.HealthCheckResponse_SERVING)
	} else {
		s.setServing(healthpb.HealthCheckResponse_NOT_SERVING)
	}
}

// setServing sets the status of the server as a whole (the empty name) and of each service.
func (s *Server) setServing(status healthpb.HealthCheckResponse_ServingStatus) {
	for _, name := range []string{
		"",
		pb.IncidentService_ServiceDesc.ServiceName,
		pb.AlertService_ServiceDesc.ServiceName,
		pb.HealthService_ServiceDesc.ServiceName,
		pb.TopologyService_ServiceDesc.ServiceName,
		pb.ActionItemService_ServiceDesc.ServiceName,
		pb.MaintenanceService_ServiceDesc.ServiceName,
		pb.LearningService_ServiceDesc.ServiceName,
		pb.RecordingService_ServiceDesc.ServiceName,
		pb.SetupService_ServiceDesc.ServiceName,
		pb.ReportService_ServiceDesc.ServiceName,
		pb.AuditService_ServiceDesc.ServiceName,
		pb.StatsService_ServiceDesc.ServiceName,
		pb.ArchiveService_ServiceDesc.ServiceName,
		pb.ConfigService_ServiceDesc.ServiceName,
	} {
		s.health.SetServingStatus(name, status)
	}
}
