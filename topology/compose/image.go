package compose

import (
	"strings"

	"github.com/headwater-sre/headwater/topology"
)

// images are well-known ones, by the beginning of their last part.
var images = []struct {
	name string
	kind topology.Kind
}{
	{"postgres", topology.KindDatabase},
	{"postgis", topology.KindDatabase},
	{"timescaledb", topology.KindDatabase},
	{"mysql", topology.KindDatabase},
	{"mariadb", topology.KindDatabase},
	{"percona", topology.KindDatabase},
	{"mongo", topology.KindDatabase},
	{"cassandra", topology.KindDatabase},
	{"cockroach", topology.KindDatabase},
	{"clickhouse", topology.KindDatabase},
	{"elasticsearch", topology.KindDatabase},
	{"opensearch", topology.KindDatabase},
	{"couchdb", topology.KindDatabase},
	{"neo4j", topology.KindDatabase},
	{"etcd", topology.KindDatabase},
	{"redis", topology.KindCache},
	{"valkey", topology.KindCache},
	{"memcached", topology.KindCache},
	{"rabbitmq", topology.KindQueue},
	{"kafka", topology.KindQueue},
	{"cp-kafka", topology.KindQueue},
	{"redpanda", topology.KindQueue},
	{"nats", topology.KindQueue},
	{"activemq", topology.KindQueue},
	{"pulsar", topology.KindQueue},
	{"mosquitto", topology.KindQueue}, //nolint:misspell // its name
	{"nginx", topology.KindFrontend},
	{"traefik", topology.KindFrontend},
	{"haproxy", topology.KindFrontend},
	{"caddy", topology.KindFrontend},
}

// companions are parts of image names that say it is not the thing itself.
var companions = []string{"exporter", "admin", "ui", "operator", "backup", "client", "express", "commander", "insight", "console"}

// kindOfImage is what a well-known image is; other images are services.
func kindOfImage(image string) topology.Kind {
	name := image[strings.LastIndexByte(image, '/')+1:]
	if i := strings.IndexAny(name, ":@"); i >= 0 {
		name = name[:i]
	}
	name = strings.ToLower(name)
	for _, part := range strings.FieldsFunc(name, func(r rune) bool { return r == '-' || r == '_' }) {
		for _, c := range companions {
			if part == c {
				return topology.KindService
			}
		}
	}
	for _, i := range images {
		rest, ok := strings.CutPrefix(name, i.name)
		rest = strings.TrimPrefix(strings.TrimPrefix(rest, "ql"), "db")
		if ok && (rest == "" || !isLetter(rest[0])) {
			return i.kind
		}
	}
	return topology.KindService
}

func isLetter(b byte) bool { return b >= 'a' && b <= 'z' }
