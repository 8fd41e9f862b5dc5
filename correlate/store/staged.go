package store

import (
	"encoding/binary"
	"fmt"

	"github.com/dgraph-io/badger/v4"
	"google.golang.org/protobuf/proto"

	storev1 "github.com/headwater-sre/headwater/proto/headwater/store/v1"
)

// A commit that is too large for one badger transaction, such as the one that
// places a storm of alerts, must still happen whole or not at all. It goes in
// three steps:
//
//  1. its writes are put into the staging area, in as many transactions as it takes;
//  2. one small transaction announces that the staging area is complete;
//  3. the writes are carried out, again in many transactions, and the last one
//     takes the announcement away.
//
// A crash before the announcement leaves nothing but a staging area that the next
// Open empties. A crash after it leaves a commit that the next Open carries out;
// doing so twice does no harm, since writes name absolute values. While step 3
// runs, no read transaction is opened. The price is that large commits are written
// twice; the alternative, larger transactions, would take that memory all the time.

// stageChunk is how much one entry of the staging area holds, roughly: a value of
// the largest size still leaves room in a transaction.
const stageChunk = maxValue

// writeStaged carries out writes that do not fit into one transaction. The caller holds mu.
func (s *Store) writeStaged(writes []write) error {
	s.metrics.staged.Inc()
	chunks, err := s.stage(writes)
	if err != nil {
		return err
	}
	if err := s.announce(chunks); err != nil {
		return err
	}
	if err := s.carryOut(writes, chunks); err != nil {
		// Readers must not see half a commit, so there is no way on but through Open.
		return s.fail(err)
	}
	return nil
}

// stage fills the staging area and returns the number of its chunks.
func (s *Store) stage(writes []write) (uint32, error) {
	var entries []write
	for len(writes) > 0 {
		n := stageable(writes)
		value, err := proto.Marshal(&storev1.StagedChunk{Writes: each(writes[:n], stagedWrite)})
		if err != nil {
			return 0, fmt.Errorf("encode staged writes: %w", err)
		}
		entries = append(entries, write{key: stagingKey(uint32(len(entries))), value: value})
		writes = writes[n:]
	}
	if err := s.opts.fault("stage"); err != nil {
		return 0, err
	}
	return uint32(len(entries)), s.writeMany(entries)
}

// stageable is how many of writes go into one chunk, at least one.
func stageable(writes []write) int {
	n, bytes := 0, int64(0)
	for n < len(writes) && (n == 0 || bytes+writes[n].bound() <= stageChunk) {
		bytes += writes[n].bound()
		n++
	}
	return n
}

func (s *Store) announce(chunks uint32) error {
	if err := s.opts.fault("announce"); err != nil {
		return err
	}
	value, err := proto.Marshal(&storev1.Staged{Chunks: chunks})
	if err != nil {
		return fmt.Errorf("encode announcement: %w", err)
	}
	return s.write([]write{{key: keyStaged, value: value}})
}

// carryOut performs announced writes, then takes the announcement away and empties the staging area.
func (s *Store) carryOut(writes []write, chunks uint32) error {
	s.gate.Lock()
	defer s.gate.Unlock()
	if err := s.opts.fault("carry out"); err != nil {
		return err
	}
	half := len(writes) / 2
	if err := s.writeMany(writes[:half]); err != nil {
		return err
	}
	if err := s.opts.fault("half-way"); err != nil {
		return err
	}
	if err := s.writeMany(writes[half:]); err != nil {
		return err
	}
	if err := s.opts.fault("retract"); err != nil {
		return err
	}
	if err := s.write([]write{{key: keyStaged, delete: true}}); err != nil {
		return err
	}
	return s.emptyStaging(chunks)
}

func (s *Store) emptyStaging(chunks uint32) error {
	deletes := make([]write, chunks)
	for i := range deletes {
		deletes[i] = write{key: stagingKey(uint32(i)), delete: true}
	}
	return s.writeMany(deletes)
}

// writeMany carries out writes in as many transactions as they need.
func (s *Store) writeMany(writes []write) error {
	for len(writes) > 0 {
		n, bytes := 0, int64(0)
		for n < len(writes) && (n == 0 || s.fits(n+1, bytes+writes[n].bound())) {
			bytes += writes[n].bound()
			n++
		}
		if err := s.write(writes[:n]); err != nil {
			return err
		}
		writes = writes[n:]
	}
	return nil
}

// finishStaged carries out an announced commit that a crash cut off, or empties
// a staging area that was never announced.
func (s *Store) finishStaged() error {
	staged, writes, chunks, err := s.readStaging()
	if err != nil {
		return fmt.Errorf("read staging area: %w", err)
	}
	if !staged {
		return s.emptyStaging(chunks)
	}
	s.log.Info("finishing a commit that was cut off", "writes", len(writes))
	if err := s.carryOut(writes, chunks); err != nil {
		return fmt.Errorf("finish a commit that was cut off: %w", err)
	}
	return nil
}

func (s *Store) readStaging() (staged bool, writes []write, chunks uint32, err error) {
	err = s.db.View(func(txn *badger.Txn) error {
		var announced storev1.Staged
		switch err := getMessage(txn, keyStaged, &announced); {
		case err == nil:
			staged = true
		case ignoreMissing(err) != nil:
			return err
		}
		found := uint32(0)
		err := scanMessages(txn, []byte{tableStaging}, func(key []byte, c *storev1.StagedChunk) (bool, error) {
			n := binary.BigEndian.Uint32(key[1:])
			chunks = n + 1
			if staged && n < announced.GetChunks() { // beyond are leftovers of an attempt that failed
				found++
				writes = append(writes, each(c.GetWrites(), writeFromStaged)...)
			}
			return true, nil
		})
		if err == nil && found != announced.GetChunks() {
			err = fmt.Errorf("%d chunks were announced and %d are there", announced.GetChunks(), found)
		}
		return err
	})
	return staged, writes, chunks, err
}

func stagedWrite(w write) *storev1.Write {
	return &storev1.Write{Key: w.key, Value: w.value, Delete: w.delete, ExpiresAtUnixSeconds: w.expires, Tag: uint32(w.tag)}
}

func writeFromStaged(w *storev1.Write) write {
	return write{
		key:     w.GetKey(),
		value:   w.GetValue(),
		delete:  w.GetDelete(),
		expires: w.GetExpiresAtUnixSeconds(),
		tag:     byte(w.GetTag()),
	}
}
