// Package storetest holds what every store of the engine's state must do, as a
// test suite, and [Memory], a naive store in memory. The suite compares the two
// under random operations; other packages' tests use Memory in place of a disk.
package storetest

import (
	"context"
	"testing"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/store"
	"github.com/headwater-sre/headwater/topology"
)

// Store is everything that the other packages ask of a store.
type Store interface {
	Load(ctx context.Context) (*correlate.Snapshot, error)
	Commit(ctx context.Context, deltas []*correlate.Delta, sync bool) error

	Revision() uint64
	Changed(after uint64) <-chan struct{}
	Graph() (*topology.Graph, uint64)
	Incident(ctx context.Context, id string) (*correlate.Incident, uint64, error)
	ScanIncidents(ctx context.Context, beforeNumber uint64, fn func(*correlate.Incident) bool) (uint64, error)
	ChangedIncidents(ctx context.Context, after uint64, fn func(*correlate.Incident) bool) (uint64, error)
	Alert(ctx context.Context, id correlate.AlertID) (*correlate.AlertState, uint64, error)
	ScanAlerts(ctx context.Context, scan store.AlertScan, fn func(*correlate.AlertState) bool) (uint64, error)
	ScanHealth(ctx context.Context, fn func(*correlate.HealthState) bool) (uint64, error)
	ScanStats(ctx context.Context, fn func(correlate.Stat) bool) (uint64, error)
	ScanChanges(ctx context.Context, beforePos uint64, fn func(*correlate.ChangeState) bool) (uint64, error)

	PendingPages(ctx context.Context, limit int) ([]*correlate.OutboxEntry, error)
	Pages(ctx context.Context, incident string) ([]*correlate.OutboxEntry, error)
	RecordDelivery(ctx context.Context, key correlate.PageKey, deliveries []correlate.Delivery, done, superseded bool) error

	Close() error
}

// Run puts stores made by open through the suite. A store that is opened again
// with the same dir must find what the one before it left there; an open that
// takes no notice of dir says so by durable == false.
func Run(t *testing.T, durable bool, open func(t testing.TB, dir string) Store) {
	t.Run("empty", func(t *testing.T) { testEmpty(t, open) })
	t.Run("behaves like the model", func(t *testing.T) { testModel(t, durable, open) })
	t.Run("reads are of one moment", func(t *testing.T) { testSnapshots(t, open) })
	t.Run("pages wait for the disk", func(t *testing.T) { testPagesWait(t, open) })
	t.Run("a repeated commit keeps deliveries", func(t *testing.T) { testRepeatedCommit(t, open) })
	t.Run("changed wakes exactly", func(t *testing.T) { testChanged(t, open) })
	t.Run("graph follows the topology", func(t *testing.T) { testGraph(t, open) })
	t.Run("closed", func(t *testing.T) { testClosed(t, open) })
}
