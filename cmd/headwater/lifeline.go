package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/lifeline"
	"github.com/headwater-sre/headwater/correlate/page"
	"github.com/headwater-sre/headwater/correlate/store"
	"github.com/headwater-sre/headwater/topology/strictyaml"
)

// lifelineConfig is what section paging says about paging without correlation, and about
// whether everything works.
type lifelineConfig struct {
	fallback  string // empty: the receiver of the root route
	heartbeat *lifeline.Heartbeat
	watchdogs []lifeline.Watchdog
}

// lifelineFields are the keys of section paging that are not about the engine.
func (p *configParser) lifelineFields() []strictyaml.Field {
	c := &p.c.lifeline
	return []strictyaml.Field{
		{Name: "fallback", Read: func(n *yaml.Node, path string) { c.fallback = p.engine.ReadReceiver(n, path) }},
		{Name: "heartbeat", Read: p.readHeartbeat},
		{Name: "watchdogs", Read: func(n *yaml.Node, path string) { p.List(n, path, p.readWatchdog) }},
	}
}

// defaultHeartbeat is how often a heartbeat is said when nobody says how often.
const defaultHeartbeat = time.Minute

func (p *configParser) readHeartbeat(n *yaml.Node, path string) {
	h := lifeline.Heartbeat{Interval: defaultHeartbeat}
	p.Mapping(n, path, []strictyaml.Field{
		{Name: "receiver", Read: func(n *yaml.Node, path string) { h.Receiver = p.engine.ReadReceiver(n, path) }},
		{Name: "interval", Read: func(n *yaml.Node, path string) {
			v, ok := p.Duration(n, path)
			if ok && time.Duration(v) < time.Second {
				p.Bad(n, path, "%s is too often to mean anything; write at least 1s", v)
			}
			h.Interval = time.Duration(v)
		}},
	})
	if n.Kind == yaml.MappingNode && len(n.Content) > 0 && h.Receiver == "" {
		p.Bad(n, path, "needs a receiver; write {receiver: NAME, interval: 1m}")
		return
	}
	if h.Receiver != "" {
		p.c.lifeline.heartbeat = &h
	}
}

func (p *configParser) readWatchdog(n *yaml.Node, path string) {
	var w lifeline.Watchdog
	matchers, after := false, false
	p.Mapping(n, path, []strictyaml.Field{
		{Name: "matchers", Read: func(n *yaml.Node, path string) {
			matchers = true
			w.Matchers = p.engine.ReadMatchers(n, path)
		}},
		{Name: "absent_after", Read: func(n *yaml.Node, path string) {
			after = true
			v, ok := p.Duration(n, path)
			if ok && time.Duration(v) < time.Minute {
				p.Bad(n, path, "%s is less than any sender's interval; write at least 1m", v)
			}
			w.AbsentAfter = time.Duration(v)
		}},
	})
	if n.Kind == yaml.MappingNode && (!matchers || !after) {
		p.Bad(n, path, `needs matchers and absent_after; write {matchers: ['alertname="Watchdog"'], absent_after: 15m}`)
		return
	}
	p.c.lifeline.watchdogs = append(p.c.lifeline.watchdogs, w)
}

// lifelineSettings are the settings in force.
func (c *config) lifelineSettings() lifeline.Settings {
	s := lifeline.Settings{
		Environment: c.environment, Engine: c.engine, Fallback: c.lifeline.fallback,
		Heartbeat: c.lifeline.heartbeat, Watchdogs: c.lifeline.watchdogs,
	}
	if s.Fallback == "" {
		s.Fallback = c.paging.Root()
	}
	return s
}

// startLifeline begins to watch whether correlation gets there, and to page without it if not. It
// comes before the intake, which tells it what it takes. A server whose stream has a clock of its own
// is not watched: what is due there says nothing about now.
func (s *server) startLifeline() error {
	if s.o.source != nil || s.o.simulated != nil {
		return nil
	}
	log := s.log.With("component", "failopen")
	desk, err := page.NewDesk(page.Options{
		Config: s.config.paging, ExternalURL: s.externals, Logger: log, ShutdownGrace: deskGrace,
		RefusedMin: 30 * time.Second, RefusedMax: 5 * time.Minute,
	})
	if err != nil {
		return err
	}
	if err := desk.Journal(filepath.Join(s.o.storagePath, "standing.json")); err != nil {
		log.Warn("Pages of last resort are not ended after a restart", "err", err)
	}
	l, err := lifeline.New(lifeline.Options{
		Settings: s.config.lifelineSettings(), Correlator: correlator{s.engine, s.store}, Stream: s.bus, Rows: rows{s.store},
		Desk: desk, Pager: s.pager, Intake: s.intakeAnswers, Logger: log, Registerer: s.registry,
	})
	if err != nil {
		return err
	}
	s.desk, s.lifeline = desk, l
	s.parts.run("pages of last resort", desk.Run)
	s.parts.run("watch of correlation", l.Run)
	s.parts.run("heartbeat", l.Beat)
	return nil
}

// deskGrace is the share of the time that a stop may take.
const deskGrace = time.Second

// took tells the lifeline of a notification, if there is one.
func (s *server) took(b *correlate.AlertBatch, received time.Time, pos uint64) {
	if s.lifeline != nil {
		s.lifeline.Took(b, received, pos)
	}
}

// intakeAnswers sends an empty notification through the intake, as a sender would.
func (s *server) intakeAnswers(ctx context.Context) error {
	if err := s.phase.err(); err != nil {
		return err
	}
	req := httptest.NewRequestWithContext(ctx, http.MethodPost, "/api/v2/alerts", bytes.NewReader([]byte("[]")))
	answer := httptest.NewRecorder()
	s.intake.ServeHTTP(answer, req)
	if answer.Code != http.StatusOK {
		return fmt.Errorf("it answers %d: %s", answer.Code, answer.Body)
	}
	return nil
}

// correlator is the engine as the lifeline sees it. A driver that has not begun yet has what was committed.
type correlator struct {
	*engineRunner
	store *store.Store
}

// Applied implements [lifeline.Correlator].
func (c correlator) Applied() uint64 { return max(c.engineRunner.Applied(), c.store.Revision()) }

// rows are those of the store, of which none is no error.
type rows struct{ *store.Store }

// Alert implements [lifeline.Rows].
func (r rows) Alert(ctx context.Context, id correlate.AlertID) (*correlate.AlertState, error) {
	row, _, err := r.Store.Alert(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return row, err
}

// PendingAlerts implements [lifeline.Rows].
func (r rows) PendingAlerts(ctx context.Context, fn func(*correlate.AlertState) bool) error {
	_, err := r.ScanAlerts(ctx, store.AlertScan{}, func(row *correlate.AlertState) bool {
		return row.Fate.Kind != correlate.FatePending || fn(row)
	})
	return err
}

// Incident implements [lifeline.Rows].
func (r rows) Incident(ctx context.Context, id string) (*correlate.Incident, error) {
	row, _, err := r.Store.Incident(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return row, err
}
