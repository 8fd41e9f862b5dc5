package correlate

import (
	"fmt"
	"regexp"
)

// ClassRule gives a class to the alerts whose name matches. It is how an
// operator teaches the classifier the names of their own rules.
type ClassRule struct {
	Class Class
	// AlertName is a regular expression, anchored at both ends.
	AlertName *regexp.Regexp
}

// ClassLabel on an alert names its class outright and beats every rule.
const ClassLabel = "headwater_class"

// Classifier reads the class of an alert from the label [ClassLabel], else from
// its rules and then from the words in its name, else from the words in its
// summary. It is safe for concurrent use.
type Classifier struct{ rules []ClassRule }

// NewClassifier returns a classifier that asks rules, in order, before the built-in words.
func NewClassifier(rules ...ClassRule) *Classifier { return &Classifier{rules: rules} }

// DefaultClassifier knows only the built-in words.
func DefaultClassifier() *Classifier { return NewClassifier() }

// ParseClass is the inverse of [Class.String].
func ParseClass(s string) (Class, error) {
	for i, n := range classNames {
		if n == s {
			return Class(i), nil
		}
	}
	return ClassOther, fmt.Errorf("alert class %q: want one of %q", s, classNames)
}

// builtinWords are tried in order: the first expression found in the name wins.
// The order resolves the overlaps: "UpstreamErrors" is about calls, not about
// the caller's own errors; "DiskFull" has stopped something, "DiskFillingUp" has not;
// "NodeNotReady" is about a machine that is gone, "PodNotReady" about a probe that fails;
// memory that fills up is a matter of minutes, a volume that does of days.
//
// delay is how many seconds later than an alert on errors such a rule usually fires for the
// same trouble: a window to average over, a `for`, a quantile that moves slowly, a
// controller that waits. See onset.go for what it is used for.
var builtinWords = []struct {
	class Class
	delay float64
	words *regexp.Regexp
}{
	{ClassLag, 60, regexp.MustCompile(`(?i)queue ?(is ?)?(running ?full|filling ?up)`)},
	{ClassSaturation, 100, regexp.MustCompile(`(?i)(memory|heap|swap|connections?|buffers?) ?(is ?)?filling ?up`)},
	{ClassChore, 0, regexp.MustCompile(`(?i)watchdog|info ?inhibitor|always ?firing|dead ?man|expir|filling ?up|will ?(be ?)?(full|fill)|predict|job ?(failed|not ?completed)|cron ?job|backup|clock ?(skew|not)|image ?pull|overcommit|quota|hpa ?(scale ?)?max|maxed ?out|version ?mismatch|update ?available|reboot ?required|requires? ?reboot|cpu ?throttling ?high|config(uration)? ?(reload|inconsistent)|bad ?config|failed ?(config ?)?reload|text ?file ?collector`)},
	{ClassTrafficGone, 200, regexp.MustCompile(`(?i)no ?requests|no ?traffic|(traffic|requests?|throughput|rps|qps|request ?rate) ?(is )?(drop|dropped|gone|missing|absent|zero|stopped|too ?low|low)|\blow ?(total ?)?(request|traffic|throughput|rps|qps)|\bno (\w+ )?(operations|messages|orders|events|calls)`)},
	{ClassSurge, 0, regexp.MustCompile(`(?i)\bretr(y|ies|ied|ying)\b`)}, // who tries again asks for more than usual of all that it calls
	{ClassEdge, 0, regexp.MustCompile(`(?i)circuit ?breaker|breaker ?open|upstream ?(request ?)?(error|fail|5 ?xx|timeout|unavailable|connect)`)},
	{ClassClientPool, 70, regexp.MustCompile(`(?i)(conn|connection|hikari|jdbc|db|database|client|thread|worker) ?(conn)? ?pool|pool ?(pending|wait|exhaust)`)},
	{ClassLag, 60, regexp.MustCompile(`(?i)lag\b|lag ?high|consumer ?(group ?)?(lag|behind)|backlog|queue ?(depth|length|size|growing|high|full)|unack|messages? ?(ready|piling|in ?queue)|ready ?messages|oldest ?message`)},
	{ClassLatency, 60, regexp.MustCompile(`(?i)slow ?probe|probe ?(is ?)?slow|(disk|read|write|io|commit|fsync) ?latenc`)},
	{ClassProbe, 65, regexp.MustCompile(`(?i)\bslo\b|error ?budget|burn|availability`)},
	{ClassProbe, 0, regexp.MustCompile(`(?i)probe|blackbox|(health|status) ?check|synthetic`)},
	{ClassCrash, 20, regexp.MustCompile(`(?i)crash|oom|out ?of ?memory|evicted|terminated|restart|panic|segfault|died|disk ?full|no ?space|out ?of ?disk|failover`)},
	{ClassUnready, 120, regexp.MustCompile(`(?i)(replicas?|generation) ?mismatch|rollout ?stuck|not ?rolled ?out`)},
	{ClassUnready, 60, regexp.MustCompile(`(?i)pods? ?(is ?)?not ?(ready|healthy)|not ?available|unavailable|degraded|un ?healthy ?(host|target|pod|replica|backend)|container ?waiting|(not|mis) ?scheduled|(stuck|pod) ?(in ?)?pending|cluster ?(is ?)?(red|yellow)\b`)},
	{ClassError, 0, regexp.MustCompile(`(?i)dead ?lock`)},
	{ClassDown, 90, regexp.MustCompile(`(?i)(host|node|machine|instance) ?(is ?)?down`)},
	{ClassDown, 60, regexp.MustCompile(`(?i)not ?ready|target ?down`)},
	{ClassDown, 0, regexp.MustCompile(`(?i)down\b|(target|job|node|broker|master|member) ?missing|missing ?(target|job|node|broker|master|member)|unreachable|absent|\bdead\b|not ?running`)},
	{ClassSurge, 60, regexp.MustCompile(`(?i)(request|traffic|call|message)s? ?(rate|count|volume)? ?(too )?(high|spike|surge)|high ?(total ?)?(request ?rate|requests|traffic|throughput|rps|qps)|(traffic|request|load) ?(surge|spike)`)},
	{ClassSaturation, 100, regexp.MustCompile(`(?i)saturat|cpu|memory|\bmem\b|heap|swap|disk|filesystem|storage ?space|inode|file ?descriptor|threads|connections? ?(near|max|limit|high|exhaust)|too ?many ?(conn|clients|threads|open|pods)|max ?conn|evict|throttl|high ?load|load ?(average|high)|context ?switch|io ?wait|near ?limit|exhaust|garbage|gc ?(pause|time|overhead)`)},
	{ClassLatency, 60, regexp.MustCompile(`(?i)latenc|slow|duration|response ?time|\bp\d\d\b|p\d\d ?high|timeout|time ?out|apdex`)},
	{ClassError, 0, regexp.MustCompile(`(?i)error|5 ?xx|4 ?xx|fail|exception|rollback|\b5\d\d\b|success ?rate|reject`)},
}

// classDelay is the delay where a class was given by a label or by an operator's rule.
var classDelay = [...]float64{
	ClassTrafficGone: 200, ClassClientPool: 70, ClassLag: 60, ClassCrash: 20, ClassUnready: 60,
	ClassSurge: 60, ClassSaturation: 100, ClassLatency: 60, ClassDown: 0,
}

// Class returns the class of an alert.
func (c *Classifier) Class(a *Alert) Class { return c.class(a, c.ofName) }

func (c *Classifier) class(a *Alert, ofName func(string) verdict) Class {
	if label := a.Labels[ClassLabel]; label != "" {
		if named, err := ParseClass(label); err == nil {
			return named
		}
	}
	if v := ofName(a.Labels["alertname"]); v.final {
		return v.class
	}
	if class, _ := classOfWords(a.Annotations["summary"]); class != ClassOther && class != ClassChore {
		return class
	}
	return ClassOther
}

// verdict is what a name alone says.
type verdict struct {
	class Class
	delay float64 // of a rule with this name, s
	side  bool    // measured at its clients
	final bool    // the summary is not asked
}

func (c *Classifier) ofName(name string) verdict {
	words := spaced(name)
	side := clientSide.MatchString(words)
	for _, r := range c.rules {
		if m := r.AlertName.FindStringIndex(name); len(m) == 2 && m[0] == 0 && m[1] == len(name) {
			return verdict{r.Class, classDelay[r.Class], side, true}
		}
	}
	class, delay := classOfWords(words)
	return verdict{class, delay, side, class != ClassOther}
}

// clientSide are the words of rules that measure a service where it is called from. What they
// see may as well be due to whoever calls.
var clientSide = regexp.MustCompile(`(?i)\bclient ?(side|latency|error|duration|request|response|p\d\d)`)

// atClients reports whether the alert was measured at the clients of its service: by its
// name, or by the label that says so in metrics of a service mesh.
func (e *Engine) atClients(row *AlertState) bool {
	return row.Labels["reporter"] == "source" || e.ofName(row.Labels["alertname"]).side
}

// maxNames bounds the alert names whose class an engine remembers: more than anybody
// has rules, and senders that put values into names cannot fill the memory.
const maxNames = 4096

// classOf is the classifier's word. The same few names come again and again, and to
// match them costs more than all else that is done for an alert when it arrives.
func (e *Engine) classOf(a *Alert) Class { return e.cfg.Classifier.class(a, e.ofName) }

func (e *Engine) ofName(name string) verdict {
	v, ok := e.names[name]
	if !ok {
		if v = e.cfg.Classifier.ofName(name); len(e.names) >= maxNames {
			clear(e.names)
		}
		e.names[name] = v
	}
	return v
}

func classOfWords(text string) (Class, float64) {
	if text == "" {
		return ClassOther, 0
	}
	for _, b := range builtinWords {
		if b.words.MatchString(text) {
			return b.class, b.delay
		}
	}
	return ClassOther, 0
}

// spaced turns CamelCase, snake_case and kebab-case into words: "KubePodNotReady" becomes
// "Kube Pod Not Ready". A run of capitals stays together: "HTTPErrors" becomes "HTTP Errors".
func spaced(name string) string {
	out := make([]byte, 0, len(name)+8)
	lower := func(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }
	upper := func(c byte) bool { return c >= 'A' && c <= 'Z' }
	for i := range len(name) {
		c := name[i]
		switch {
		case c == '_' || c == '-' || c == '.' || c == '/':
			c = ' '
		case i > 0 && upper(c) && lower(name[i-1]):
			out = append(out, ' ')
		case i > 0 && upper(c) && upper(name[i-1]) && i+1 < len(name) && name[i+1] >= 'a' && name[i+1] <= 'z':
			out = append(out, ' ')
		}
		out = append(out, c)
	}
	return string(out)
}
