package lifeline

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/page"
)

// Watchdog is an alert that always fires, such as Prometheus's own Watchdog: when it stays away,
// no alert can come from where it comes from.
type Watchdog struct {
	// Matchers are the conditions on its labels.
	Matchers []correlate.Matcher
	// AbsentAfter is how long it may stay away. Its sender repeats it less often than one thinks: an
	// Alertmanager every repeat_interval.
	AbsentAfter time.Duration
}

// name tells one watchdog from others.
func (w *Watchdog) name() string {
	var parts []string
	for _, m := range w.Matchers {
		parts = append(parts, m.String())
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func (w *Watchdog) matches(labels map[string]string) bool {
	for i := range w.Matchers {
		if !w.Matchers[i].Matches(labels) {
			return false
		}
	}
	return true
}

// dog is a watchdog and when it was heard last.
type dog struct {
	Watchdog
	since time.Time // it is awaited
	heard time.Time // zero: never
	from  string
	down  bool      // it is on a page of ours
	lost  time.Time // when it was last heard before that
}

// last is when it was heard, or could have been for the first time.
func (d *dog) last() time.Time {
	if d.heard.After(d.since) {
		return d.heard
	}
	return d.since
}

// kennel keeps the watchdogs. Safe for concurrent use.
type kennel struct {
	mu   sync.Mutex
	dogs map[string]*dog // by name
	gone []string        // names that are no longer configured and were on a page
}

// keep replaces the watchdogs. Of those that stay it is known when they were heard.
func (k *kennel) keep(list []Watchdog, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	next := map[string]*dog{}
	for _, w := range list {
		d := &dog{since: now}
		if old := k.dogs[w.name()]; old != nil {
			d = old
		}
		d.Watchdog = w
		next[w.name()] = d
	}
	for name, d := range k.dogs {
		if next[name] == nil && d.down {
			k.gone = append(k.gone, name)
		}
	}
	k.dogs = next
}

// heard notes the watchdogs that a notification brings.
func (k *kennel) heard(b *correlate.AlertBatch, at time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.dogs) == 0 {
		return
	}
	for i := range b.Alerts {
		a := &b.Alerts[i]
		if a.Status != correlate.Firing {
			continue
		}
		for _, d := range k.dogs {
			if d.matches(a.Labels) {
				d.heard, d.from = at, b.ExternalURL
			}
		}
	}
}

// turned are the watchdogs that fell silent or came back since the last call.
func (k *kennel) turned(now time.Time) (silent, back []dog, gone []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(k.dogs)) {
		d := k.dogs[name]
		down := now.Sub(d.last()) > d.AbsentAfter
		switch {
		case down && !d.down:
			d.lost = d.last()
			silent = append(silent, *d)
		case !down && d.down:
			back = append(back, *d)
		}
		d.down = down
	}
	gone, k.gone = k.gone, nil
	return silent, back, gone
}

// heardAt is when each watchdog was heard last, by name.
func (k *kennel) heardAt() map[string]time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	at := map[string]time.Time{}
	for name, d := range k.dogs {
		at[name] = d.last()
	}
	return at
}

func watchdogID(s *Settings, name string) string {
	return "watchdog-" + hash(s.Environment+"\x00"+name)
}

// lookAtWatchdogs pages the fallback when a watchdog stays away.
func (l *Lifeline) lookAtWatchdogs(s *Settings, now time.Time) {
	silent, back, gone := l.dogs.turned(now)
	for i := range silent {
		l.post("watchdog", []string{s.Fallback}, silent[i].bulletin(s, now), true)
	}
	for i := range back {
		l.end("watchdog", watchdogID(s, back[i].name()), "it is heard again, after "+now.Sub(back[i].lost).Round(time.Second).String())
	}
	for _, name := range gone {
		l.end("watchdog", watchdogID(s, name), "it is no longer awaited")
	}
	for name, at := range l.dogs.heardAt() {
		l.metrics.dogs.WithLabelValues(name).Set(float64(at.UnixNano()) / 1e9)
	}
}

func (d *dog) bulletin(s *Settings, now time.Time) page.Bulletin {
	from := "it was never heard since this server started"
	if !d.heard.IsZero() {
		from = fmt.Sprintf("it was last heard at %s (%s ago)", d.heard.UTC().Format("15:04:05 UTC"), now.Sub(d.heard).Round(time.Second))
		if d.from != "" {
			from += " from " + d.from
		}
	}
	return page.Bulletin{
		ID: watchdogID(s, d.name()), Severity: correlate.SeverityCritical, Environment: s.Environment, Since: d.last(),
		Title: "[CRITICAL] No alerts can reach me from " + d.name(),
		Sections: []page.Section{
			{Label: "Why", Lines: []string{
				fmt.Sprintf("The watchdog %s always fires, and is awaited at least every %s; %s.", d.name(), d.AbsentAfter, from),
				"As long as it is silent, silence says nothing: look at Prometheus, its Alertmanager and the way here.",
			}},
		},
	}
}
