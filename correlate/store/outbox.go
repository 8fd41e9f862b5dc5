package store

import (
	"context"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"github.com/headwater-sre/headwater/correlate"
	storev1 "github.com/headwater-sre/headwater/proto/headwater/store/v1"
)

// PendingPages returns up to limit pages that are not done and whose decision is
// on disk, oldest decision first. A limit below 1 means all.
func (s *Store) PendingPages(ctx context.Context, limit int) ([]*correlate.OutboxEntry, error) {
	visible := s.synced.Load().pos
	var pages []*correlate.OutboxEntry
	_, err := s.view(ctx, func(txn *badger.Txn) error {
		return eachPending(txn, func(suffix, page []byte) (bool, error) {
			if readNumber(suffix) > visible || limit > 0 && len(pages) == limit {
				return false, nil
			}
			entry, err := readEntry(txn, page)
			if err != nil {
				return false, err
			}
			pages = append(pages, entry)
			return true, nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read pending pages: %w", err)
	}
	return pages, nil
}

// Pages returns all pages of an incident that have not expired, in the order of Seq.
func (s *Store) Pages(ctx context.Context, incident string) ([]*correlate.OutboxEntry, error) {
	var pages []*correlate.OutboxEntry
	_, err := s.view(ctx, func(txn *badger.Txn) error {
		return scanItems(txn, appendText([]byte{tablePageStatus}, incident), nil, func(item *badger.Item) (bool, error) {
			entry, err := readEntry(txn, item.Key()[1:])
			if err != nil {
				return false, err
			}
			pages = append(pages, entry)
			return true, nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read pages of incident %q: %w", incident, err)
	}
	return pages, nil
}

func readEntry(txn *badger.Txn, suffix []byte) (*correlate.OutboxEntry, error) {
	var status storev1.PageStatus
	if err := getMessage(txn, inTable(tablePageStatus, suffix), &status); err != nil {
		return nil, fmt.Errorf("status of page %q: %w", suffix, err)
	}
	var page storev1.Page
	if err := getMessage(txn, inTable(tablePage, suffix), &page); err != nil {
		return nil, fmt.Errorf("page %q: %w", suffix, err)
	}
	return entryFromProto(&page, &status), nil
}

// RecordDelivery replaces what is known about the deliveries of a page, and is on
// disk when it returns. With done the page leaves PendingPages for good.
// [ErrNotFound]: there is no such page, or it has expired.
func (s *Store) RecordDelivery(ctx context.Context, key correlate.PageKey, deliveries []correlate.Delivery, done, superseded bool) error {
	end, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	if err := s.recordDelivery(key, deliveries, done, superseded); err != nil {
		return fmt.Errorf("record delivery of page %d of %s: %w", key.Seq, key.Incident, err)
	}
	if err := s.sync(); err != nil {
		return fmt.Errorf("sync delivery of page %d of %s: %w", key.Seq, key.Incident, err)
	}
	return nil
}

func (s *Store) recordDelivery(key correlate.PageKey, deliveries []correlate.Delivery, done, superseded bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	txn := s.db.NewTransaction(false)
	defer txn.Discard()
	p := planner{batch: newBatch(&s.index), txn: txn, expires: s.expiries()}
	if err := p.delivery(key, deliveries, done, superseded); err != nil {
		return err
	}
	// Half the reserve: what was decided while there was room can still be told.
	if err := s.checkSpace(p.bytes, s.opts.MinFreeBytes/2); err != nil {
		return err
	}
	return s.writeBatch(p.batch)
}

func (p *planner) delivery(key correlate.PageKey, deliveries []correlate.Delivery, done, superseded bool) error {
	suffix := pageSuffix(key)
	statusKey := inTable(tablePageStatus, suffix)
	var status storev1.PageStatus
	if err := getMessage(p.txn, statusKey, &status); err != nil {
		if missing(err) {
			return ErrNotFound
		}
		return err
	}
	status.Deliveries = each(deliveries, deliveryToProto)
	status.Done = status.GetDone() || done
	status.Superseded = superseded
	if !status.GetDone() {
		return p.putMessage(statusKey, &status, 0)
	}
	pending := pendingSuffix(status.GetDecidedPos(), status.GetDecidedIndex())
	p.remove(inTable(tablePending, pending))
	p.after(func() { delete(p.index.pending, string(pending)) })
	return p.finishedPage(suffix, &status)
}

// finishedPage keeps a page that is done as long as its incident.
func (p *planner) finishedPage(suffix []byte, status *storev1.PageStatus) error {
	var page storev1.Page
	if err := getMessage(p.txn, inTable(tablePage, suffix), &page); err != nil {
		return fmt.Errorf("read page: %w", err)
	}
	if _, live := p.index.incidents[page.GetIncident().GetNumber()]; live {
		return p.putMessage(inTable(tablePageStatus, suffix), status, 0)
	}
	return p.expirePage(suffix, status)
}
