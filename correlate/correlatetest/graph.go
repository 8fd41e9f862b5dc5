package correlatetest

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/headwater-sre/headwater/topology"
)

func emptySpec() *topology.Spec { return &topology.Spec{} }

// graph reads the lines below a topology command.
func graph(version string, lines []string) (*topology.Spec, error) {
	spec := &topology.Spec{Version: version}
	for _, l := range lines {
		if l[0] == '#' {
			continue
		}
		w, err := words(l)
		if err != nil {
			return nil, err
		}
		plain, opts := options(w)
		switch {
		case len(plain) == 0:
			err = fmt.Errorf("nothing is named")
		case strings.Contains(l, "->"):
			err = addEdges(spec, plain, opts)
		case plain[0] == "group" && len(plain) == 3:
			need, bad := strconv.Atoi(opts["need"])
			err = bad
			spec.Groups = append(spec.Groups, topology.Group{From: topology.ParseRef(plain[1]), Name: plain[2], Need: need})
		default:
			err = addServices(spec, plain, opts)
		}
		if err != nil {
			return nil, fmt.Errorf("topology line %q: %w", l, err)
		}
	}
	return spec, nil
}

// addEdges reads "web -> cart, search -> db soft": each of one step needs each of the next.
func addEdges(spec *topology.Spec, plain []string, opts map[string]string) error {
	mode := topology.ModeHard
	if m, err := topology.ParseMode(plain[len(plain)-1]); err == nil {
		mode, plain = m, plain[:len(plain)-1]
	}
	var steps [][]string
	for step := range strings.SplitSeq(strings.Join(plain, " "), "->") {
		names := list(step)
		if len(names) == 0 {
			return fmt.Errorf("a name is missing")
		}
		steps = append(steps, names)
	}
	for i := range steps[1:] {
		for _, from := range steps[i] {
			for _, to := range steps[i+1] {
				spec.Dependencies = append(spec.Dependencies, topology.Dependency{
					From: topology.ParseRef(from), To: topology.ParseRef(to), Mode: mode, Group: opts["group"],
				})
			}
		}
	}
	return nil
}

// addServices reads "database db, db2 owner=storage".
func addServices(spec *topology.Spec, plain []string, opts map[string]string) error {
	kind, err := topology.ParseKind(plain[0])
	if err != nil {
		return err
	}
	for _, name := range list(strings.Join(plain[1:], " ")) {
		s := topology.Service{Name: name, Kind: kind, Labels: map[string]string{}}
		for k, v := range opts {
			switch k {
			case "namespace":
				s.Namespace = v
			case "owner":
				s.Owner = v
			case "tier":
				if s.Tier, err = strconv.Atoi(v); err != nil {
					return fmt.Errorf("tier: %w", err)
				}
			case "runs_on":
				s.RunsOn = list(v)
			case "runbook":
				s.Runbook = v
			default:
				s.Labels[k] = v
			}
		}
		spec.Services = append(spec.Services, s)
	}
	return nil
}

// list splits at commas.
func list(text string) []string {
	var out []string
	for part := range strings.SplitSeq(text, ",") {
		if p := strings.TrimSpace(part); p != "" {
			out = append(out, p)
		}
	}
	return out
}
