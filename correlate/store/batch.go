package store

import (
	"encoding/binary"

	"google.golang.org/protobuf/proto"
)

// maxValue is the largest value of one entry; see overflowKey.
const maxValue = 256 << 10

// write sets or deletes one key.
type write struct {
	key     []byte
	value   []byte
	tag     byte
	delete  bool
	expires uint64 // Unix seconds; 0: never
}

// bound is at least what badger makes of it, in any of its accounts.
func (w *write) bound() int64 { return int64(len(w.key)+len(w.value)) + entryOverhead }

// batch gathers the writes of one commit, and what they will change in the index
// once they have happened. Of two writes to one key the later one counts.
type batch struct {
	index  *index
	writes []write
	at     map[string]int // key to its place in writes
	bytes  int64
	then   []func()
}

func newBatch(ix *index) *batch { return &batch{index: ix, at: map[string]int{}} }

func (b *batch) add(w write) {
	if i, ok := b.at[string(w.key)]; ok {
		b.bytes += w.bound() - b.writes[i].bound()
		b.writes[i] = w
		return
	}
	b.at[string(w.key)] = len(b.writes)
	b.writes = append(b.writes, w)
	b.bytes += w.bound()
}

func (b *batch) has(key []byte) bool {
	i, ok := b.at[string(key)]
	return ok && !b.writes[i].delete
}

// putMessage sets key to m.
func (b *batch) putMessage(key []byte, m proto.Message, expires uint64) error {
	value, err := encode(m)
	if err != nil {
		return err
	}
	b.put(key, value, expires)
	return nil
}

// put sets key to value, in parts if it is large.
func (b *batch) put(key, value []byte, expires uint64) {
	parts := uint32(0)
	if len(value) > maxValue {
		for rest := value; len(rest) > 0; parts++ {
			n := min(len(rest), maxValue)
			b.add(write{key: overflowKey(key, parts), value: rest[:n], expires: expires})
			rest = rest[n:]
		}
		b.add(write{key: key, value: binary.BigEndian.AppendUint32(nil, parts), tag: tagOverflow, expires: expires})
	} else {
		b.add(write{key: key, value: value, expires: expires})
	}
	b.setParts(key, parts)
}

// mark sets an index entry.
func (b *batch) mark(key []byte, tag byte, expires uint64) {
	b.add(write{key: key, tag: tag, expires: expires})
}

// remove deletes key and the parts of its value.
func (b *batch) remove(key []byte) {
	b.add(write{key: key, delete: true})
	b.setParts(key, 0)
}

// setParts deletes the parts that the former value had beyond n.
func (b *batch) setParts(key []byte, n uint32) {
	old := b.index.parts[string(key)]
	for i := n; i < old; i++ {
		b.add(write{key: overflowKey(key, i), delete: true})
	}
	if n == old {
		return
	}
	b.then = append(b.then, func() { b.index.setParts(string(key), n) })
}

// after defers a change of the index until the writes have happened.
func (b *batch) after(change func()) { b.then = append(b.then, change) }

// applied changes the index.
func (b *batch) applied() {
	for _, change := range b.then {
		change()
	}
}
