package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/model"
	"github.com/prometheus/exporter-toolkit/web"

	"github.com/headwater-sre/headwater/api"
	"github.com/headwater-sre/headwater/correlate/settings"
	"github.com/headwater-sre/headwater/topology/discovery"
	"github.com/headwater-sre/headwater/topology/strictyaml"
)

// checkFlags is the command line of check-config.
type checkFlags struct {
	command       *kingpin.CmdClause
	configFile    string
	webConfigFile string
}

func registerCheck(cli *kingpin.Application) *checkFlags {
	f := &checkFlags{command: cli.Command("check-config", "Check a configuration file and the files that it names. Exits with 1 when something is wrong.")}
	f.command.Flag("config.file", "Configuration file.").Required().PlaceHolder("FILE").StringVar(&f.configFile)
	f.command.Flag("web.config.file", "Web configuration file (TLS, passwords) to check as well.").PlaceHolder("FILE").StringVar(&f.webConfigFile)
	return f
}

func (f *checkFlags) run(out, errs io.Writer) int {
	code := exitOK
	c, err := loadConfig(f.configFile)
	if err != nil {
		for _, line := range settings.ErrorLines(err) {
			fmt.Fprintln(errs, line)
		}
		code = exitFailed
	} else {
		c.summarize(out)
	}
	if f.webConfigFile != "" {
		if err := web.Validate(f.webConfigFile); err != nil {
			fmt.Fprintf(errs, "%s: %s\n", f.webConfigFile, strictyaml.LibraryText(err))
			return exitFailed
		}
		fmt.Fprintf(out, "%s is valid\n", f.webConfigFile)
	}
	return code
}

// summarize says what the file amounts to, so that a wrong path or a forgotten
// section shows.
func (c *config) summarize(w io.Writer) {
	fmt.Fprintf(w, "%s is valid\n", c.path)
	line := func(label, format string, args ...any) {
		fmt.Fprintf(w, "  %-14s%s\n", label, fmt.Sprintf(format, args...))
	}
	line("environment", "%s", c.environment)
	if len(c.topologyFiles)+len(c.sources) == 0 {
		line("topology", "none")
	}
	if len(c.topologyFiles) > 0 {
		line("topology", "%s, %s, from %s", plural(c.topology.services, "service"), plural(c.topology.dependencies, "dependency"), plural(len(c.topologyFiles), "file"))
	}
	for _, source := range c.sources {
		line("topology", "%s, asked every %s", source.Source.Name(), model.Duration(cmp.Or(source.RefreshInterval, discovery.DefaultRefreshInterval)))
	}
	line("resolve", "%s before the built-in ones", plural(c.relabels, "relabelling rule"))
	if len(c.signals.senders) > 0 {
		line("sources", "%s", describeSenders(c.signals.senders))
	}
	if n := len(c.signals.rollouts); n > 0 {
		line("rollouts", "from %s", plural(n, "Prometheus server"))
	}
	if n := len(c.signals.alertmanagers); n > 0 {
		line("reconcile", "with %s", plural(n, "Alertmanager"))
	}
	if probes := c.probes.Summary(); probes != "" {
		line("health", "%s", probes)
	}
	if c.paging.LogOnly() {
		line("paging", "to the log only")
	} else {
		names := c.paging.Receivers()
		line("paging", "%s (%s), %s", plural(len(names), "receiver"), strings.Join(names, ", "), plural(c.routes, "route"))
	}
	for _, text := range c.allWarnings() {
		fmt.Fprintf(w, "  warning: %s\n", text)
	}
}

// allWarnings are those of the configuration file, of the topology and of paging. A
// server leaves the latter two to the parts that take them over.
func (c *config) allWarnings() []string {
	warnings := slices.Clone(c.warnings)
	for _, t := range c.topology.warnings {
		warnings = append(warnings, "topology: "+t.Text)
	}
	return append(warnings, c.paging.Warnings...)
}

// shownConfig is the configuration in force as the API shows it.
func (s *server) shownConfig() api.Config {
	c := s.inForce.Load()
	return api.Config{YAML: c.shown, File: c.path, LoadedAt: c.since, Warnings: c.allWarnings()}
}

func plural(n int, noun string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case strings.HasSuffix(noun, "y"):
		return fmt.Sprintf("%d %sies", n, strings.TrimSuffix(noun, "y"))
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
