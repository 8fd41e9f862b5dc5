package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/settings"
)

// reloadRequest asks run's goroutine for a reload.
type reloadRequest struct{ done chan error } // room for one answer

// askReload has the configuration read again and returns how that went.
func (s *server) askReload(ctx context.Context) error {
	r := reloadRequest{done: make(chan error, 1)}
	select {
	case s.reloads <- r:
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(reloadPatience):
		return fmt.Errorf("the server is still starting, or stopping")
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// reloadPatience is how long a request waits for its turn.
const reloadPatience = 10 * time.Second

// reload reads the configuration again and puts it in force.
func (s *server) reload(ctx context.Context) error {
	err := s.applyConfig(ctx)
	if err != nil {
		s.metrics.reloadSuccess.Set(0)
		for _, line := range settings.ErrorLines(err) {
			s.log.Error("Configuration was not reloaded, the present one stays", "err", line)
		}
		return err
	}
	s.metrics.reloadSuccess.Set(1)
	s.metrics.reloadTime.SetToCurrentTime()
	return nil
}

// applyConfig does all that can fail first: reading and checking everything, making
// the engine and the receivers' clients by way of trial. After that nothing does.
func (s *server) applyConfig(ctx context.Context) error {
	next, err := loadConfig(s.config.path)
	if err != nil {
		return err
	}
	restart := s.config.engineDiffers(next)
	if restart {
		if _, err := correlate.New(next.engine); err != nil {
			return err
		}
	}
	// The environment names the stream; it cannot change under the engine.
	next.engine.Environment = s.config.environment
	if err := s.pager.Reload(next.paging); err != nil {
		return err
	}
	if s.lifeline != nil {
		if err := s.desk.Reload(next.paging); err != nil {
			return err
		}
		s.lifeline.Apply(next.lifelineSettings())
	}
	for _, w := range next.warnings {
		s.log.Warn("Configuration", "warning", w)
	}
	if names := s.config.restartNeeded(next); len(names) > 0 {
		s.log.Warn("Some changes take effect at the next start only", "settings", strings.Join(names, ", "))
	}
	if restart {
		if err := s.engine.restart(ctx, next.engine); err != nil {
			return err // stopping
		}
	}
	if err := s.topology.Apply(ctx, next.topologySources()); err != nil {
		return err // stopping
	}
	if err := s.reconciler.Apply(next.reconciliation()); err != nil {
		return err
	}
	if err := s.rollouts.Apply(next.signals.rollouts); err != nil {
		return err
	}
	s.intake.SetSources(next.signals.senders)
	s.probing.follow(next)
	s.log.Info("Configuration reloaded", "file", next.path, "engine_restarted", restart)
	s.keep(next)
	return nil
}

// keep makes next the configuration in force, but for what a restart alone changes:
// the next reload warns of that again.
func (s *server) keep(next *config) {
	for _, name := range []string{sectionEnvironment, sectionStream, sectionRetention} {
		next.settings[name] = s.config.settings[name]
	}
	next.environment, next.stream, next.retention = s.config.environment, s.config.stream, s.config.retention
	s.config = next
	next.since = time.Now()
	s.inForce.Store(next)
}
