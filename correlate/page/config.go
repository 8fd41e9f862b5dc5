package page

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"sync"

	amconfig "github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/featurecontrol"
	"github.com/prometheus/alertmanager/matcher/compat"
	"github.com/prometheus/alertmanager/notify/pagerduty"
)

// Sections are the top-level keys of the configuration file that [LoadConfig]
// reads. They are Alertmanager's own YAML.
var Sections = []string{"global", "receivers", "route", "templates", "time_intervals", "mute_time_intervals"}

// NoReceivers is the warning of a configuration without receivers.
const NoReceivers = "no receivers configured: pages are logged only"

// updatesLabel is the receiver label that overrides which pages reach an
// integration that cannot edit its messages.
const updatesLabel = "headwater_updates"

// Config says who is paged and how. It is immutable and has been checked: a
// [Pager] accepts it without further errors.
type Config struct {
	// Warnings are settings that have no effect, and what else is worth a line at the start.
	Warnings []string

	alertmanager *amconfig.Config // nil: pages are logged only
	buttons      bool             // see [WithButtons]
	statusPages  []StatusPage     // see [WithStatusPages]
	standIns     *StandIns        // nil: the receivers themselves
}

// initMatchers makes matchers accept UTF-8 and classic syntax, as a freshly
// started Alertmanager does. The switch is global to its library.
var initMatchers = sync.OnceFunc(func() {
	compat.InitFromFlags(slog.New(slog.DiscardHandler), featurecontrol.NoopFlags{})
})

// Option says what the sections do not.
type Option func(*Config)

// WithButtons gives messages in Slack a button that acknowledges, see [AcknowledgeAction]:
// somebody takes what Slack posts when it is pressed.
func WithButtons() Option { return func(c *Config) { c.buttons = true } }

// WithStatusPages sends what people tell those outside to these.
func WithStatusPages(pages []StatusPage) Option {
	return func(c *Config) { c.statusPages = pages }
}

// Notices reports whether some route asks for notices, by a matcher on [NoticeLabel].
func (c *Config) Notices() bool {
	return c.alertmanager != nil && len(noticingRoutes(dispatch.NewRoute(c.alertmanager.Route, nil), false, make(map[*dispatch.Route]bool))) > 0
}

// LoadConfig reads [Sections] from a configuration file and ignores its other
// keys. Relative template paths and http_config files are taken from baseDir.
//
// Without receivers and route, pages are logged only. With one receiver and no
// route, it gets every page. Lines in errors are those of the file.
func LoadConfig(yaml []byte, baseDir string, options ...Option) (*Config, error) {
	initMatchers()
	text, present, err := selectSections(yaml, Sections)
	if err != nil {
		return nil, err
	}
	if !present["receivers"] && !present["route"] {
		c := &Config{Warnings: []string{NoReceivers}}
		for _, o := range options {
			o(c)
		}
		_, err := newRouting(c, &url.URL{}, slog.New(slog.DiscardHandler))
		return c, err
	}
	if !present["route"] {
		if text, err = addRoute(text); err != nil {
			return nil, err
		}
	}
	am, err := loadAlertmanager(text)
	if err != nil {
		return nil, locate(err, text)
	}
	if err := resolvePaths(am, baseDir); err != nil {
		return nil, err
	}
	for i := range am.Receivers {
		if err := checkUpdatesLabel(&am.Receivers[i]); err != nil {
			return nil, locate(err, text)
		}
		enrich(&am.Receivers[i])
	}
	c := &Config{alertmanager: am}
	for _, o := range options {
		o(c)
	}
	// Whether templates parse and clients can be made is only known by making them.
	if _, err := newRouting(c, &url.URL{}, slog.New(slog.DiscardHandler)); err != nil {
		return nil, err
	}
	return c, nil
}

// loadAlertmanager is the library's Load, which panics on a slack_configs with
// update_message and no api_url.
func loadAlertmanager(text string) (am *amconfig.Config, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New(`slack_configs: "update_message" needs api_url: https://slack.com/api/chat.postMessage, and http_config.authorization with the bot's token`)
		}
	}()
	return amconfig.Load(text)
}

// LogOnly reports whether pages go nowhere but to the log.
func (c *Config) LogOnly() bool { return c.alertmanager == nil }

// Receivers are the names of the receivers, as configured.
func (c *Config) Receivers() []string {
	var names []string
	if c.alertmanager != nil {
		for _, r := range c.alertmanager.Receivers {
			names = append(names, r.Name)
		}
	}
	return names
}

// Root is the receiver of the root route, which gets what no other route takes; "log" where pages
// are logged only.
func (c *Config) Root() string {
	if c.alertmanager == nil {
		return logReceiver
	}
	return c.alertmanager.Route.Receiver
}

// addRoute appends the route that a file with a single receiver leaves to be guessed.
func addRoute(text string) (string, error) {
	type names struct {
		Receivers []struct {
			Name string `yaml:"name"`
		} `yaml:"receivers"`
	}
	var n names
	if err := unmarshal(text, &n); err != nil {
		return "", err
	}
	if len(n.Receivers) != 1 {
		return "", fmt.Errorf("route: missing, and there are %d receivers; name the one that gets what no other route takes: route: {receiver: NAME}", len(n.Receivers))
	}
	return fmt.Sprintf("%s\nroute: {receiver: %q}\n", strings.TrimRight(text, "\n"), n.Receivers[0].Name), nil
}

var quoted = regexp.MustCompile(`"([^"]+)"`)

// locate adds the line to an error of Alertmanager's that names a thing but not its place.
func locate(err error, text string) error {
	if strings.Contains(err.Error(), "line ") {
		return err
	}
	match := quoted.FindStringSubmatch(err.Error())
	if match == nil {
		return err
	}
	for n, line := range strings.Split(text, "\n") {
		if strings.Contains(line, match[1]) {
			return fmt.Errorf("line %d: %w", n+1, err)
		}
	}
	return err
}

// directed is what Alertmanager's HTTP and TLS settings have in common.
type directed interface{ SetDirectory(dir string) }

// resolvePaths makes relative paths absolute, all those that Alertmanager itself
// takes from its configuration file's folder.
func resolvePaths(am *amconfig.Config, baseDir string) error {
	dir, err := filepath.Abs(baseDir) // absolute, so that shared settings may be visited twice
	if err != nil {
		return fmt.Errorf("resolve folder %q: %w", baseDir, err)
	}
	for i, t := range am.Templates {
		if !filepath.IsAbs(t) {
			am.Templates[i] = filepath.Join(dir, t)
		}
	}
	setDirectories(reflect.ValueOf(am.Global), dir)
	setDirectories(reflect.ValueOf(am.Receivers), dir)
	return nil
}

func setDirectories(v reflect.Value, dir string) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return
		}
		if d, ok := v.Interface().(directed); ok {
			d.SetDirectory(dir)
			return
		}
		setDirectories(v.Elem(), dir)
	case reflect.Slice:
		for i := range v.Len() {
			setDirectories(v.Index(i), dir)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); v.Type().Field(i).IsExported() {
				setDirectories(f, dir)
			}
		}
	}
}

func checkUpdatesLabel(r *amconfig.Receiver) error {
	switch v := r.Labels[updatesLabel]; v {
	case "", "always", "never":
		return nil
	default:
		return fmt.Errorf("receiver %q: label %s is %q; use always or never, or leave it out", r.Name, updatesLabel, v)
	}
}

// enrich completes what a configuration written for Alertmanager leaves to defaults
// that suit single alerts. What the operator wrote stays.
func enrich(r *amconfig.Receiver) {
	for _, c := range r.PagerdutyConfigs {
		for key, stock := range pagerduty.DefaultPagerdutyDetails {
			if c.Details[key] == stock {
				delete(c.Details, key)
			}
		}
		for key, text := range pagerdutyDetails {
			if _, set := c.Details[key]; !set {
				c.Details[key] = text
			}
		}
		if c.Severity == "" {
			// Also keeps the notifier from writing its default into shared settings while it sends.
			c.Severity = `{{ template "headwater.pagerduty.severity" . }}`
		}
		if c.Component == "" {
			c.Component = `{{ .CommonLabels.origin }}`
		}
		if c.Group == "" {
			c.Group = `{{ .CommonLabels.environment }}`
		}
	}
	for _, c := range r.EmailConfigs {
		if c.Text == "" && c.HTML == amconfig.DefaultEmailConfig.HTML {
			c.Text = `{{ template "email.default.text" . }}`
		}
	}
}

// pagerdutyDetails are the custom details of an event, beside the operator's own.
// The notifier reads what a template makes as YAML, in which "cart: down" is a
// map. A JSON list of texts stays what it is.
var pagerdutyDetails = map[string]string{
	"origin":      `{{ (headwater .).Origin }}`,
	"probability": `{{ (headwater .).Probability }}`,
	"since":       `{{ (headwater .).Since }}`,
	"reason":      `{{ with headwater . }}{{ .Listed .Reason | toJson }}{{ end }}`,
	"why":         `{{ (headwater .).WhyTexts | toJson }}`,
	"runner_up":   `{{ with headwater . }}{{ .Listed .RunnerUp | toJson }}{{ end }}`,
	"hit":         `{{ (headwater .).HitTexts | toJson }}`,
	"next":        `{{ (headwater .).Next | toJson }}`,
	"changes":     `{{ (headwater .).ChangeTexts | toJson }}`,
	"gaps":        `{{ (headwater .).Gaps | toJson }}`,
	"seen_before": `{{ (headwater .).SeenBefore | toJson }}`,
	"firing":      `{{ (headwater .).QuotedTexts | toJson }}`,
	"num_firing":  `{{ (headwater .).Firing }}`,
	"num_alerts":  `{{ (headwater .).Alerts }}`,
}
