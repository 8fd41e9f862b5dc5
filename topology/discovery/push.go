package discovery

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/headwater-sre/headwater/topology"
)

// What callers of [Manager.Push] and [Manager.Delete] branch on. Other errors mean that
// nothing was changed and that it may be tried again.
var (
	// ErrNoSource: nothing was ever pushed under that name, or it was deleted.
	ErrNoSource = errors.New("no such pushed source")
	// ErrETag: somebody else changed the source in between.
	ErrETag = errors.New("the source was changed in between")
	// ErrInvalid: what was pushed makes no graph by itself.
	ErrInvalid = errors.New("what was pushed is not valid")
	// ErrLimit: there are too many pushed sources.
	ErrLimit = errors.New("too many pushed sources")
)

// maxPushes bounds the pushed sources.
const maxPushes = 100

// Content is what a pushed source says.
type Content struct {
	Services     []topology.Service
	Dependencies []topology.Dependency
	Groups       []topology.Group
}

// Ends name a dependency by what it is between.
type Ends struct{ From, To topology.Ref }

// Change is what one push does to a pushed source, as a whole or not at all: what it
// removes goes first, then what it says replaces entries of the same names or is added.
type Change struct {
	Source string // without [PushedPrefix]
	By     string // who pushes
	ETag   string // when not empty, the source must still have it
	// Replace: what the source said before is gone.
	Replace bool
	// TTL is how long an entry stays after it was last pushed; 0: until it is removed.
	// Nil leaves it as it is; a new source's is 0.
	TTL *time.Duration

	Content
	RemoveServices     []topology.Ref // with their dependencies and groups
	RemoveDependencies []Ends
}

// Pushed is a pushed source.
type Pushed struct {
	Source string // without [PushedPrefix]
	Content
	TTL  time.Duration
	By   string
	At   time.Time // of the last push
	ETag string
}

// Receipt says what became of a push.
type Receipt struct {
	Pushed  Pushed
	Pos     uint64 // of the stream: from there on the graph is in force
	Version string
}

// push is a pushed source as the manager keeps it. It is replaced, not changed.
type push struct {
	source    string // with PushedPrefix
	content   Content
	ttl       time.Duration
	by        string
	at        time.Time
	etag      string
	standing  standing // content, and the services that its dependencies name
	unwritten bool
}

func sortedPushes(m map[string]*push) []*push {
	out := make([]*push, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		out = append(out, m[name])
	}
	return out
}

// complete derives what follows from content.
func (p *push) complete() *push {
	s := standing{dependencies: slices.Clone(p.content.Dependencies), groups: p.content.Groups, answered: p.at}
	sortDependencies(s.dependencies)
	s.services = standing{}.nextServices(p.source, p.content.Services, s.dependencies, p.at, func(topology.Sighting) bool { return false })
	p.standing = s
	p.etag = topology.Digest(&topology.Spec{
		Services: p.content.Services, Dependencies: p.content.Dependencies,
		Groups: append(slices.Clone(p.content.Groups), topology.Group{Name: p.ttl.String()}),
	})
	return p
}

func (p *push) status() Status {
	return Status{
		Name: p.source, Pushed: true, TTL: p.ttl, LastAttempt: p.at, LastSuccess: p.at, By: p.by, ETag: p.etag,
		Services: len(p.content.Services), Dependencies: len(p.content.Dependencies),
	}
}

func (p *push) pushed() Pushed {
	return Pushed{Source: strings.TrimPrefix(p.source, PushedPrefix), Content: p.content, TTL: p.ttl, By: p.by, At: p.at, ETag: p.etag}
}

// apply is the source after a change.
func (p *push) apply(c *Change, now time.Time) *push {
	next := &push{source: PushedPrefix + c.Source, by: c.By, at: now}
	if p != nil {
		next.ttl = p.ttl
		if !c.Replace {
			next.content = p.content.without(c)
		}
	}
	if c.TTL != nil {
		next.ttl = *c.TTL
	}
	seen := func(before []topology.Sighting) []topology.Sighting {
		return []topology.Sighting{continued(sighted(next.source, nil, now), before, len(before) > 0)}
	}
	for _, s := range c.Services {
		s.Seen = seen(nil)
		next.content.Services = replace(next.content.Services, s, func(o topology.Service) bool { return o.Ref() == s.Ref() },
			func(old topology.Service) topology.Service { s.Seen = seen(old.Seen); return s })
	}
	for _, d := range c.Dependencies {
		d.Seen = seen(nil)
		next.content.Dependencies = replace(next.content.Dependencies, d, func(o topology.Dependency) bool { return edgeOf(&o) == edgeOf(&d) },
			func(old topology.Dependency) topology.Dependency { d.Seen = seen(old.Seen); return d })
	}
	for _, g := range c.Groups {
		next.content.Groups = replace(next.content.Groups, g, func(o topology.Group) bool { return o.From == g.From && o.Name == g.Name },
			func(topology.Group) topology.Group { return g })
	}
	return next.complete()
}

// replace puts next in the place of the entry that it replaces, else at the end.
func replace[T any](list []T, next T, same func(T) bool, over func(old T) T) []T {
	if i := slices.IndexFunc(list, same); i >= 0 {
		list[i] = over(list[i])
		return list
	}
	return append(list, next)
}

// without is a copy without what a change removes.
func (c Content) without(change *Change) Content {
	gone := func(r topology.Ref) bool { return slices.Contains(change.RemoveServices, r) }
	return Content{
		Services: slices.DeleteFunc(slices.Clone(c.Services), func(s topology.Service) bool { return gone(s.Ref()) }),
		Dependencies: slices.DeleteFunc(slices.Clone(c.Dependencies), func(d topology.Dependency) bool {
			return gone(d.From) || gone(d.To) || slices.Contains(change.RemoveDependencies, Ends{d.From, d.To})
		}),
		Groups: slices.DeleteFunc(slices.Clone(c.Groups), func(g topology.Group) bool { return gone(g.From) }),
	}
}

// expiry is when the oldest entry is forgotten.
func (p *push) expiry() (time.Time, bool) {
	var first time.Time
	oldest := func(seen []topology.Sighting) {
		if len(seen) > 0 && (first.IsZero() || seen[0].LastSeen.Before(first)) {
			first = seen[0].LastSeen
		}
	}
	for i := range p.content.Services {
		oldest(p.content.Services[i].Seen)
	}
	for i := range p.content.Dependencies {
		oldest(p.content.Dependencies[i].Seen)
	}
	return first.Add(p.ttl), p.ttl > 0 && !first.IsZero()
}

// expirePushes forgets what was pushed longer than its TTL ago, and sources that
// nothing is left of.
func (m *Manager) expirePushes(now time.Time) {
	for name, p := range m.pushes {
		at, ok := p.expiry()
		if !ok || now.Before(at) {
			continue
		}
		over := func(seen []topology.Sighting) bool { return !now.Before(seen[0].LastSeen.Add(p.ttl)) }
		next := *p
		next.content.Services = slices.DeleteFunc(slices.Clone(p.content.Services), func(s topology.Service) bool { return over(s.Seen) })
		next.content.Dependencies = slices.DeleteFunc(slices.Clone(p.content.Dependencies), func(d topology.Dependency) bool { return over(d.Seen) })
		next.unwritten = true
		m.pushes[name] = next.complete()
		if len(next.content.Services)+len(next.content.Dependencies) == 0 {
			delete(m.pushes, name)
			m.metrics.forget(p.source)
		}
		m.log.Info("Pushed topology has reached its TTL", "name", p.source, "ttl", p.ttl)
	}
}

// recallPushes brings back what was pushed before a restart.
func (m *Manager) recallPushes(spec *topology.Spec) {
	for _, r := range spec.Reports {
		if !strings.HasPrefix(r.Source, PushedPrefix) {
			continue
		}
		p := &push{source: r.Source, ttl: r.TTL, by: r.By, at: r.At, content: Content{r.Services, r.Dependencies, r.Groups}}
		m.pushes[r.Source] = p.complete()
	}
}

// Push changes a pushed source. When it returns nil the change is durable, and in force
// once what is at Receipt.Pos has been applied. Errors are those above, or that the
// stream could not be written to: then nothing was changed.
func (m *Manager) Push(ctx context.Context, c Change) (Receipt, error) {
	var out Receipt
	return out, m.change(ctx, func() (err error) {
		name := PushedPrefix + c.Source
		old := m.pushes[name]
		switch {
		case c.ETag != "" && old == nil:
			return fmt.Errorf("%q: %w", c.Source, ErrNoSource)
		case c.ETag != "" && old.etag != c.ETag:
			return fmt.Errorf("it is %s now, not %s: %w", old.etag, c.ETag, ErrETag)
		case old == nil && len(m.pushes) >= maxPushes:
			return fmt.Errorf("%d: %w", len(m.pushes), ErrLimit)
		}
		next := old.apply(&c, plainTime(time.Now()))
		if _, _, err := topology.Build(topology.Spec{Services: next.content.Services, Dependencies: next.content.Dependencies, Groups: next.content.Groups}); err != nil {
			return fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		m.pushes[name] = next
		if out.Pos, out.Version, err = m.putNow(ctx); err != nil {
			m.restorePush(name, old)
			return err
		}
		out.Pushed = next.pushed()
		m.log.Info("Topology was pushed", "name", name, "by", c.By, "services", len(c.Services), "dependencies", len(c.Dependencies), "version", out.Version)
		return nil
	})
}

// Delete removes a pushed source and all that it says, by the rules of [Manager.Push].
func (m *Manager) Delete(ctx context.Context, name, etag, by string) (Receipt, error) {
	var out Receipt
	return out, m.change(ctx, func() (err error) {
		key := PushedPrefix + name
		old := m.pushes[key]
		switch {
		case old == nil:
			return fmt.Errorf("%q: %w", name, ErrNoSource)
		case etag != "" && old.etag != etag:
			return fmt.Errorf("it is %s now, not %s: %w", old.etag, etag, ErrETag)
		}
		delete(m.pushes, key)
		if out.Pos, out.Version, err = m.putNow(ctx); err != nil {
			m.restorePush(key, old)
			return err
		}
		m.metrics.forget(key)
		m.log.Info("Pushed topology was deleted", "name", key, "by", by, "version", out.Version)
		return nil
	})
}

// Pushed returns a pushed source.
func (m *Manager) Pushed(ctx context.Context, name string) (Pushed, error) {
	var out Pushed
	return out, m.change(ctx, func() error {
		p := m.pushes[PushedPrefix+name]
		if p == nil {
			return fmt.Errorf("%q: %w", name, ErrNoSource)
		}
		out = p.pushed()
		return nil
	})
}

func (m *Manager) change(ctx context.Context, fn func() error) (err error) {
	if done := m.do(ctx, func() { err = fn() }); done != nil {
		return done
	}
	return err
}

func (m *Manager) restorePush(name string, old *push) {
	if old == nil {
		delete(m.pushes, name)
		return
	}
	m.pushes[name] = old
}

// errAsking answers a push that comes while the first version is put together.
var errAsking = errors.New("the topology sources are being asked for the first time; try again in a few seconds")

// putNow publishes what all sources say now.
func (m *Manager) putNow(ctx context.Context) (pos uint64, version string, err error) {
	if !m.mayPublish(plainTime(time.Now())) {
		return 0, "", errAsking
	}
	merged := Merge(m.voices())
	if pos, err = m.put(ctx, merged.Spec); err != nil {
		return pos, merged.Spec.Version, err
	}
	m.show(merged) // before the answer: who pushed asks next what came of it
	return pos, merged.Spec.Version, nil
}
