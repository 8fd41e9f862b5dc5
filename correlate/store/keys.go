package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"github.com/headwater-sre/headwater/correlate"
)

// The first byte of a key is its table; see the package comment for the layout.
const (
	tableFormat   = 'f'
	tableMeta     = 'm'
	tableTopology = 't'

	tableAlert           = 'a'
	tableAlertHistory    = 'A'
	tableIncident        = 'i'
	tableIncidentHistory = 'I'
	tableChange          = 'c'
	tableChangeHistory   = 'C'
	tableAction          = 'k'
	tableActionHistory   = 'K'
	tableMaintenance     = 'u'
	tableMaintenancePast = 'U'
	tablePast            = 'b'
	tableHealth          = 'h'
	tableStat            = 's'

	tableRevision = 'r' // index: revision, incident number
	tableMember   = 'x' // index: incident id, alert

	tablePage       = 'o'
	tablePageStatus = 'd'
	tablePending    = 'p' // index: position, index within it; the value is the page's key

	tableOverflow = 'z' // parts of values that are too large for one entry
	tableStaging  = 'w' // writes of a commit that is too large for one transaction
	tableStaged   = 'W' // announces that the staging area is complete
)

// Tags are kept in the byte that badger stores beside a value.
const (
	tagArchived = 1 << iota // of an index entry: its row is history
	tagOverflow             // the value is the number of parts, which stand in tableOverflow
)

var (
	keyFormat   = []byte{tableFormat}
	keyMeta     = []byte{tableMeta}
	keyTopology = []byte{tableTopology}
	keyStaged   = []byte{tableStaged}
)

// maxKeyText bounds what one string adds to a key. Badger takes keys up to
// 65,000 bytes and fails the commit beyond, which would stop the engine for one
// absurd name; a longer string is cut and told apart by its hash.
const maxKeyText = 256

// appendText adds s so that keys sort as the strings do and none is a prefix of
// another. Rows carry their names themselves, so nothing is read back from keys.
func appendText(key []byte, s string) []byte {
	if len(s) > maxKeyText {
		sum := sha256.Sum256([]byte(s))
		s = s[:maxKeyText-2*len(sum)] + hex.EncodeToString(sum[:])
	}
	for i := range len(s) {
		if s[i] == 0 {
			key = append(key, 0, 0xff)
			continue
		}
		key = append(key, s[i])
	}
	return append(key, 0, 1)
}

// cutText splits off what appendText added, still in its encoded form.
func cutText(key []byte) (text, rest []byte) {
	if i := bytes.Index(key, []byte{0, 1}); i >= 0 {
		return key[:i+2], key[i+2:]
	}
	return key, nil
}

func appendNumber(key []byte, n uint64) []byte { return binary.BigEndian.AppendUint64(key, n) }

// alertSuffix is what follows the table in an alert's key; it sorts by start.
func alertSuffix(id correlate.AlertID) []byte {
	key := make([]byte, 0, 8+len(id.Fingerprint)+2)
	key = appendNumber(key, uint64(id.StartsAt)^(1<<63)) // the sign flipped: negative ones sort first
	return appendText(key, id.Fingerprint)
}

func numberSuffix(n uint64) []byte { return appendNumber(nil, n) }

func healthSuffix(h *correlate.HealthState) []byte {
	key := appendText(nil, h.Service.Namespace)
	key = appendText(key, h.Service.Name)
	return appendText(key, h.Check)
}

func pageSuffix(k correlate.PageKey) []byte {
	return appendNumber(appendText(nil, k.Incident), k.Seq)
}

func revisionSuffix(revision, number uint64) []byte {
	return appendNumber(appendNumber(nil, revision), number)
}

func pendingSuffix(pos uint64, index uint32) []byte {
	return binary.BigEndian.AppendUint32(appendNumber(nil, pos), index)
}

// inTable joins a table and the rest of a key.
func inTable(table byte, suffix ...[]byte) []byte {
	n := 1
	for _, s := range suffix {
		n += len(s)
	}
	key := append(make([]byte, 0, n), table)
	for _, s := range suffix {
		key = append(key, s...)
	}
	return key
}

// overflowKey names part n of the value of key.
func overflowKey(key []byte, n uint32) []byte {
	out := make([]byte, 0, 1+2+len(key)+4)
	out = append(out, tableOverflow)
	out = binary.BigEndian.AppendUint16(out, uint16(len(key)))
	out = append(out, key...)
	return binary.BigEndian.AppendUint32(out, n)
}

// overflowOwner is the inverse of overflowKey.
func overflowOwner(part []byte) (key []byte, n uint32) {
	size := int(binary.BigEndian.Uint16(part[1:3]))
	return part[3 : 3+size], binary.BigEndian.Uint32(part[3+size:])
}

func stagingKey(n uint32) []byte { return binary.BigEndian.AppendUint32([]byte{tableStaging}, n) }
