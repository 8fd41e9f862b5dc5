package correlatetest

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/topology"
)

// Failure is a want that does not hold, or a promise of the engine that is broken.
type Failure struct {
	Line int // of the story, from 1
	Text string
}

func (f Failure) String() string { return fmt.Sprintf("line %d: %s", f.Line, f.Text) }

// Result is what playing a story came to.
type Result struct {
	// Story is the text with the outcomes as they now are.
	Story string
	// Failures are in the order of the story. They never change Story.
	Failures []Failure
	// Ledger has what the engine returned, and Config is what the engine was made with at the end.
	Ledger *Ledger
	Config correlate.Config
}

// Run plays a story. The error is about the text itself and names the line.
func Run(story string) (*Result, error) {
	p := &player{ledger: NewLedger(), now: beginning}
	blocks := read(story)
	for _, b := range blocks {
		p.screen = newScreen(p)
		if err := p.play(b); err != nil {
			return nil, err
		}
		b.outcome = p.screen.lines()
	}
	return &Result{Story: write(blocks), Failures: p.failures, Ledger: p.ledger, Config: p.cfg}, nil
}

// beginning is second 0 of every story.
var beginning = time.Date(2026, 3, 2, 3, 0, 0, 0, time.UTC)

// player plays one story.
type player struct {
	cfg    correlate.Config
	engine *correlate.Engine
	ledger *Ledger
	sender sender
	pos    uint64
	now    time.Time // of the story

	screen   *screen
	rejected string
	line     int // being played
	failures []Failure
}

// act is one command at its time.
type act struct {
	at   time.Time
	line int
	args []string
	sub  []string
}

var untimed = map[string]bool{"want": true, "show": true, "config": true, "escalation": true, "interval": true, "route": true, "daytime": true, "recurring-maintenance": true}

func (p *player) play(b *block) error {
	var timed []act
	flush := func() error {
		slices.SortStableFunc(timed, func(a, b act) int { return a.at.Compare(b.at) })
		for _, a := range timed {
			if err := p.do(a); err != nil {
				return fmt.Errorf("line %d: %w", a.line, err)
			}
		}
		timed = nil
		return nil
	}
	for _, c := range b.commands {
		acts, err := p.acts(c)
		if err != nil {
			return fmt.Errorf("line %d: %w", c.line, err)
		}
		if untimed[acts[0].args[0]] || acts[0].at.IsZero() {
			if err := flush(); err != nil {
				return err
			}
			if acts[0].at.IsZero() {
				acts[0].at = p.now
			}
		}
		timed = append(timed, acts...)
	}
	return flush()
}

// acts takes "at" and "repeat" off a command.
func (p *player) acts(c command) ([]act, error) {
	w, err := words(c.text)
	if err != nil {
		return nil, err
	}
	a := act{line: c.line, sub: c.below}
	if len(w) > 2 && w[0] == "at" {
		d, err := time.ParseDuration(w[1])
		if err != nil {
			return nil, err
		}
		a.at, w = beginning.Add(d), w[2:]
	}
	if len(w) == 0 || w[0] == "" {
		return nil, fmt.Errorf("a time without a command")
	}
	if len(w) < 5 || w[0] != "repeat" {
		a.args = w
		return []act{a}, nil
	}
	n, err1 := strconv.Atoi(w[1])
	every, err2 := time.ParseDuration(w[3])
	if err1 != nil || err2 != nil || n < 1 || n > maxRepeats || every < 0 || a.at.IsZero() {
		return nil, fmt.Errorf("want at <time> repeat <n> every <duration> <command>")
	}
	var out []act
	for i := range n {
		again := act{at: a.at.Add(time.Duration(i) * every), line: c.line, sub: c.below}
		for _, word := range w[4:] {
			again.args = append(again.args, vary(word, i))
		}
		out = append(out, again)
	}
	return out, nil
}

// maxRepeats bounds a story's length, against slips of the hand.
const maxRepeats = 100_000

var choice = regexp.MustCompile(`\{([^{}="]*\|[^{}="]*)\}`)

// vary fills in what a repetition changes.
func vary(word string, i int) string {
	word = strings.ReplaceAll(word, "{n}", strconv.Itoa(i+1))
	return choice.ReplaceAllStringFunc(word, func(m string) string {
		of := strings.Split(m[1:len(m)-1], "|")
		return of[i%len(of)]
	})
}

// do plays one command.
func (p *player) do(a act) error {
	p.line = a.line
	if a.at.Before(p.now) {
		return fmt.Errorf("%s is in the past: the story has reached %s", a.at.Sub(beginning), p.now.Sub(beginning))
	}
	switch a.args[0] {
	case "config":
		return p.configure(a.args[1:])
	case "escalation":
		return p.escalate(a.args[1:], a.sub)
	case "interval":
		return p.interval(a.args[1:])
	case "route":
		return p.route(a.args[1:])
	case "daytime":
		return p.daytime(a.args[1:])
	case "recurring-maintenance":
		return p.recurring(a.args[1:])
	}
	if err := p.start(); err != nil {
		return err
	}
	switch a.args[0] {
	case "want":
		return p.want(a.args[1:])
	case "show":
		return p.show(a.args[1:])
	}
	p.wait(a.at)
	if a.args[0] == "restart" {
		return p.restart()
	}
	s, err := p.signal(a)
	if err != nil {
		return err
	}
	p.step(a.at, s)
	return nil
}

func (p *player) start() error {
	if p.engine != nil {
		return nil
	}
	var err error
	p.engine, err = correlate.New(p.cfg)
	return err
}

// restart throws the engine away and makes one of the rows that a store would hold.
func (p *player) restart() error {
	var err error
	p.engine, err = correlate.Restore(p.cfg, p.ledger.Snapshot())
	return err
}

// wait lets the deadlines before at pass, each at its own time, as the driver does.
func (p *player) wait(at time.Time) {
	for {
		next, ok := p.engine.NextDeadline()
		if !ok || !next.Before(at) {
			p.now = at
			return
		}
		p.step(next, correlate.Tick{})
	}
}

func (p *player) step(at time.Time, s correlate.Signal) {
	p.pos++
	d := p.engine.Step(correlate.Input{Pos: p.pos, At: at, Signal: s})
	if d.Rejected != "" {
		p.rejected = d.Rejected
	}
	p.screen.show(d)
	p.ledger.Apply(d)
	next, due := p.engine.NextDeadline()
	for _, problem := range p.ledger.Check(p.cfg, next, due) {
		p.fail("at %s: %s", at.Sub(beginning), problem)
	}
}

func (p *player) fail(format string, args ...any) {
	p.failures = append(p.failures, Failure{Line: p.line, Text: fmt.Sprintf(format, args...)})
}

// signal makes what the command sends.
func (p *player) signal(a act) (correlate.Signal, error) {
	args := a.args[1:]
	plain, opts := options(args)
	switch a.args[0] {
	case "topology":
		spec, err := graph(version(plain, p.pos), a.sub)
		if err != nil {
			return nil, err
		}
		if _, _, err := topology.Build(*spec); err != nil {
			return nil, err
		}
		return &correlate.TopologyReport{Source: "story", Spec: *spec}, nil
	case "firing":
		return p.sender.fire(p.engine.Graph(), args, a.at)
	case "resolved":
		return p.sender.resolve(args, a.at)
	case "muted", "unmuted", "gone":
		return p.sender.reconcile(a.args[0], plain, opts, a.at)
	case "resend":
		return notification(p.sender.firing...), nil
	case "health":
		return health(plain, opts)
	case "change":
		return change(plain, opts, a.at)
	case "acknowledge", "resolve", "note":
		return operate(a.args[0], plain)
	case "set-origin", "merge", "split":
		return p.correct(a.args[0], plain, opts["alert"])
	case "severity", "status", "assign", "link", "update", "public-update", "detach":
		return p.write(a.args[0], plain, opts)
	case "action-item", "edit-action-item":
		return p.plan(a.args[0], plain, opts, a.at)
	case "maintenance", "end-maintenance":
		return p.maintain(a.args[0], plain, opts, a.at)
	case "forget":
		return forget(plain)
	case "tick":
		return correlate.Tick{}, nil
	}
	return nil, fmt.Errorf("unknown command %q", a.args[0])
}

func version(plain []string, pos uint64) string {
	if len(plain) > 0 {
		return plain[0]
	}
	return fmt.Sprintf("story-%d", pos+1)
}

func health(plain []string, opts map[string]string) (correlate.Signal, error) {
	if len(plain) != 2 {
		return nil, fmt.Errorf("want health <service> <status>")
	}
	status, err := correlate.ParseHealthStatus(plain[1])
	if err != nil {
		return nil, err
	}
	r := correlate.HealthResult{Service: topology.ParseRef(plain[0]), Status: status, Check: opts["check"], Message: opts["message"]}
	for name, into := range map[string]*int{"threshold": &r.FailureThreshold, "good": &r.SuccessThreshold, "count": &r.Count} {
		if t := opts[name]; t != "" {
			if *into, err = strconv.Atoi(t); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	if t := opts["ttl"]; t != "" {
		if r.TTL, err = time.ParseDuration(t); err != nil {
			return nil, fmt.Errorf("ttl: %w", err)
		}
	}
	return &correlate.HealthBatch{Source: "story", Results: []correlate.HealthResult{r}}, nil
}

func change(plain []string, opts map[string]string, now time.Time) (correlate.Signal, error) {
	if len(plain) < 2 {
		return nil, fmt.Errorf("want change <service> <kind> [\"summary\"]")
	}
	ago, err := takeDuration(opts, "ago")
	if err != nil {
		return nil, err
	}
	return &correlate.Change{
		Service: topology.ParseRef(plain[0]), Kind: plain[1], Summary: strings.Join(plain[2:], " "), Link: opts["link"], At: now.Add(-ago), Source: "story",
	}, nil
}

// configure reads settings, before anything has happened.
func (p *player) configure(args []string) error {
	if p.engine != nil {
		return fmt.Errorf("config must come first")
	}
	_, opts := options(args)
	for name, d := range map[string]*time.Duration{
		"hold": &p.cfg.Hold, "hold_confident": &p.cfg.HoldConfident, "settle": &p.cfg.Settle, "close_after": &p.cfg.CloseAfter,
		"reopen_within": &p.cfg.ReopenWithin, "stale_after": &p.cfg.StaleAfter, "chronic_after": &p.cfg.ChronicAfter,
		"hold_critical": &p.cfg.HoldCritical, "reminder": &p.cfg.Policy.Reminder, "ring_spacing": &p.cfg.Policy.RingSpacing,
	} {
		v, err := takeDuration(opts, name)
		if err != nil {
			return err
		}
		if v != 0 {
			*d = v
		}
	}
	if s, ok := opts["page"]; ok {
		for _, name := range list(s) {
			p.cfg.PageSeverities = append(p.cfg.PageSeverities, correlate.ParseSeverity(name))
		}
		delete(opts, "page")
	}
	if err := p.configureReminders(opts); err != nil {
		return err
	}
	for name, on := range map[string]*bool{"notices": &p.cfg.Notices, "status_pages": &p.cfg.StatusPages} {
		*on = opts[name] == "yes"
		delete(opts, name)
	}
	if len(opts) > 0 {
		return fmt.Errorf("unknown settings %v", opts)
	}
	return nil
}
