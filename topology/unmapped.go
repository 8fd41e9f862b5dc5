package topology

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
)

// UnmappedPrefix begins the name of a node that stands for one alert that names nothing.
const UnmappedPrefix = "unmapped:"

// notIdentifying are labels that tell apart reports of one thing, not things.
var notIdentifying = setOf("severity", "prometheus", "prometheus_replica", "replica", "__replica__", "receiver")

// unmapped names the node of an alert that names nothing: the alert's name, and a digest
// of its other identifying labels when it has any. 48 bits within one alert name: one
// chance in 500 million that any two of 1,000 such alerts meet.
func unmapped(alert map[string]string) Ref {
	keys := make([]string, 0, len(alert))
	for k := range alert {
		if k != "alertname" && !notIdentifying[k] {
			keys = append(keys, k)
		}
	}
	name := UnmappedPrefix + alert["alertname"]
	if len(keys) == 0 {
		return Ref{Name: name}
	}
	slices.Sort(keys)
	var buf []byte
	for _, k := range keys {
		buf = appendCounted(appendCounted(buf, k), alert[k])
	}
	sum := sha256.Sum256(buf)
	return Ref{Name: name + "-" + hex.EncodeToString(sum[:6])}
}

// appendCounted writes the length first, so that no two label sets are written alike.
func appendCounted(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}
