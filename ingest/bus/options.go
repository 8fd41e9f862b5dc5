package bus

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// DuplicateWindow is how long the stream remembers the id of a message. A second
// message of the same id within it is acknowledged and not stored.
//
// It folds a sender's own quick retries of what has a time of its own (health
// results, changes, dead letters), nothing more. Repeats that come later, and all
// repeats of alerts, are the engine's to recognise.
const DuplicateWindow = 10 * time.Second

// Defaults of [Options].
const (
	DefaultMaxAge             = 7 * 24 * time.Hour
	DefaultEmbeddedMaxBytes   = 8 << 30
	DefaultDeadLetterMaxAge   = 30 * 24 * time.Hour
	DefaultDeadLetterMaxBytes = 256 << 20
	DefaultPublishTimeout     = 5 * time.Second
	DefaultConnectTimeout     = 30 * time.Second
)

// Options say where the stream is and what bounds it. Zero values mean the
// defaults; either StoreDir or URL is required.
type Options struct {
	// Environment names the closed world whose stream this is: up to 64 letters,
	// digits, - and _. Default "default".
	Environment string

	// StoreDir is where the embedded server keeps its streams. It belongs to one
	// process at a time. Ignored when URL is set.
	StoreDir string

	// URL of an external server; several of one cluster separated by commas. May
	// hold user and password, which are never logged.
	URL string
	// CredentialsFile is a NATS .creds file.
	CredentialsFile string
	// CAFile verifies the server; default: the system's authorities.
	CAFile string
	// CertFile and KeyFile are the client's certificate, both or none.
	CertFile, KeyFile string
	// Replicas of the streams in an external cluster, 1 to 5. Default 0: 1 for
	// a new stream, and an existing one is left as it is.
	Replicas int
	// ConnectTimeout bounds how long Open waits for an external server to appear.
	ConnectTimeout time.Duration

	// MaxAge is how long entries are kept, at least one minute.
	MaxAge time.Duration
	// MaxBytes bounds the stream's size. Default 0: [DefaultEmbeddedMaxBytes] when
	// embedded, unlimited at an external server. Negative: unlimited.
	MaxBytes int64
	// DeadLetterMaxAge and DeadLetterMaxBytes bound the dead-letter stream.
	DeadLetterMaxAge   time.Duration
	DeadLetterMaxBytes int64

	// PublishTimeout bounds one Publish, all parts of a split batch together. A
	// shorter deadline of its context wins.
	PublishTimeout time.Duration

	// Logger gets the server's messages and the bus's own. Default: discarded.
	Logger *slog.Logger
	// Registerer gets the metrics. Default: none are registered.
	Registerer prometheus.Registerer

	checkInterval time.Duration // shorter in tests
}

func (o Options) embedded() bool { return o.URL == "" }

func (o Options) withDefaults() Options {
	if o.Environment == "" {
		o.Environment = "default"
	}
	if o.MaxBytes == 0 && o.embedded() {
		o.MaxBytes = DefaultEmbeddedMaxBytes
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = -1
	}
	if o.DeadLetterMaxBytes == 0 {
		o.DeadLetterMaxBytes = DefaultDeadLetterMaxBytes
	}
	orDefault(&o.MaxAge, DefaultMaxAge)
	orDefault(&o.DeadLetterMaxAge, DefaultDeadLetterMaxAge)
	orDefault(&o.PublishTimeout, DefaultPublishTimeout)
	orDefault(&o.ConnectTimeout, DefaultConnectTimeout)
	orDefault(&o.checkInterval, checkInterval)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func orDefault(d *time.Duration, v time.Duration) {
	if *d == 0 {
		*d = v
	}
}

var environmentPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func (o Options) validate() error {
	var errs []error
	check := func(bad bool, text string) {
		if bad {
			errs = append(errs, errors.New(text))
		}
	}
	check(!environmentPattern.MatchString(o.Environment),
		fmt.Sprintf("environment %q: want up to 64 letters, digits, - and _", o.Environment))
	check(strings.HasSuffix(o.Environment, inboxSuffix),
		fmt.Sprintf("environment %q: must not end in %s, which names another environment's inbox", o.Environment, inboxSuffix))
	check(strings.HasSuffix(o.Environment, deadLetterSuffix),
		fmt.Sprintf("environment %q: must not end in %s, which names another environment's dead letters", o.Environment, deadLetterSuffix))
	check(o.embedded() && o.StoreDir == "", "nats: want a storage directory for the embedded server, or the URL of an external one")
	check((o.CertFile == "") != (o.KeyFile == ""), "nats: client certificate and key go together, only one is given")
	check(o.Replicas < 0 || o.Replicas > 5, "nats: want 1 to 5 replicas, or 0 to leave them as they are")
	check(o.embedded() && o.Replicas > 1, "nats: replicas need an external cluster, the embedded server is one")
	check(o.MaxAge < time.Minute, "nats: the stream must keep entries for at least 1m")
	check(o.DeadLetterMaxAge < time.Minute, "nats: dead letters must be kept for at least 1m")
	check(o.PublishTimeout < 0 || o.ConnectTimeout < 0, "nats: timeouts must not be negative")
	for i, u := range o.serverURLs() {
		if err := checkURL(u); err != nil {
			errs = append(errs, fmt.Errorf("nats: URL %d: %w", i+1, err))
		}
	}
	return errors.Join(errs...)
}

// serverURLs are the external servers, none when embedded.
func (o Options) serverURLs() []string {
	if o.embedded() {
		return nil
	}
	urls := strings.Split(o.URL, ",")
	for i, u := range urls {
		urls[i] = strings.TrimSpace(u)
	}
	return urls
}

// checkURL never quotes its argument or an error that does: there may be a
// password in it.
func checkURL(raw string) error {
	u, err := url.Parse(raw)
	if err != nil {
		return errors.New("cannot be parsed; want nats://[user:password@]host:port (special characters percent-encoded)")
	}
	switch u.Scheme {
	case "nats", "tls", "ws", "wss":
	default:
		return fmt.Errorf("scheme %q: want nats, tls, ws or wss", u.Scheme)
	}
	if u.Hostname() == "" {
		return errors.New("no host; want nats://[user:password@]host:port")
	}
	return nil
}

// redacted is the URL as logs may show it.
func redacted(raw string) string {
	urls := strings.Split(raw, ",")
	for i, part := range urls {
		u, err := url.Parse(strings.TrimSpace(part))
		if err != nil {
			return "(unparsable)"
		}
		if u.User != nil {
			u.User = url.User("redacted")
		}
		urls[i] = u.String()
	}
	return strings.Join(urls, ",")
}
