package file

import (
	"slices"
	"strings"

	"github.com/headwater-sre/headwater/topology"
	"github.com/headwater-sre/headwater/topology/strictyaml"
)

// checker finds what is wrong between entries, possibly of different files.
type checker struct {
	strictyaml.Problems
	declared map[topology.Ref]strictyaml.Place
	byName   map[string][]topology.Ref // declared, in order
	aliases  map[topology.Ref]aliased
	members  map[groupOf]int
}

// aliased is what an alias stands for, and where that was said.
type aliased struct {
	service topology.Ref
	at      strictyaml.Place
}

type groupOf struct {
	from topology.Ref
	name string
}

type edge struct{ from, to topology.Ref }

// check reports problems in the order of the documents, services first.
func check(docs []*document) error {
	c := checker{
		Problems: strictyaml.Problems{Limit: maxProblems},
		declared: map[topology.Ref]strictyaml.Place{},
		byName:   map[string][]topology.Ref{},
		aliases:  map[topology.Ref]aliased{},
		members:  map[groupOf]int{},
	}
	for _, d := range docs {
		c.services(d)
	}
	for _, d := range docs {
		c.names(d)
	}
	for _, d := range docs {
		c.places(d)
	}
	edges := map[edge]strictyaml.Place{}
	for _, d := range docs {
		c.dependencies(d, edges)
	}
	groups := map[groupOf]strictyaml.Place{}
	for _, d := range docs {
		c.groups(d, groups)
	}
	return c.Err()
}

func (c *checker) services(d *document) {
	for i := range d.services {
		ref, at := d.services[i].Ref(), d.serviceAt[i]
		if first, twice := c.declared[ref]; twice {
			c.AddAt(at, "", "service %q is already declared at %s; remove one, or give them different namespaces", ref, first)
			continue
		}
		c.declared[ref] = at
		c.byName[ref.Name] = append(c.byName[ref.Name], ref)
	}
}

// names checks the aliases: each stands for one service, and for none that has the name itself.
func (c *checker) names(d *document) {
	for i := range d.services {
		ref, at := d.services[i].Ref(), d.serviceAt[i]
		for _, name := range d.services[i].Aliases {
			alias := topology.ParseRef(name)
			if owner, taken := c.declared[alias]; taken {
				c.AddAt(at, "aliases", "%q is the name of the service at %s; remove the alias, or that service", name, owner)
				continue
			}
			if first, taken := c.aliases[alias]; taken {
				c.AddAt(at, "aliases", "%q is already an alias of %q at %s; remove one", name, first.service, first.at)
				continue
			}
			c.aliases[alias] = aliased{ref, at}
		}
	}
}

func (c *checker) places(d *document) {
	for i := range d.services {
		s := &d.services[i]
		distinct := map[topology.Ref]bool{}
		for _, host := range s.RunsOn {
			ref := c.resolve(topology.ParseRef(host), d.serviceAt[i], "runs_on")
			if distinct[ref] {
				c.AddAt(d.serviceAt[i], "runs_on", "service %q runs on %q twice; remove one", s.Ref(), host)
			}
			distinct[ref] = true
		}
		if len(distinct) > 1 {
			c.members[groupOf{s.Ref(), "hosts"}] += len(distinct)
		}
	}
}

func (c *checker) dependencies(d *document, seen map[edge]strictyaml.Place) {
	for i := range d.dependencies {
		dep, at := &d.dependencies[i], d.dependencyAt[i]
		e := edge{c.resolve(dep.From, at, "from"), c.resolve(dep.To, at, "to")}
		if first, twice := seen[e]; twice {
			c.AddAt(at, "", "dependency %q -> %q is already listed at %s; remove one", dep.From, dep.To, first)
			continue
		}
		seen[e] = at
		if dep.Group != "" {
			c.members[groupOf{e.from, dep.Group}]++
		}
	}
}

func (c *checker) groups(d *document, seen map[groupOf]strictyaml.Place) {
	for i := range d.groups {
		g, at := &d.groups[i], d.groupAt[i]
		key := groupOf{c.resolve(g.From, at, "from"), g.Name}
		if first, twice := seen[key]; twice {
			c.AddAt(at, "", "redundancy group %q of %q is already listed at %s; remove one", g.Name, g.From, first)
			continue
		}
		seen[key] = at
		switch members := c.members[key]; {
		case members == 0:
			c.AddAt(at, "", "redundancy group %q of %q has no members; add redundancy_group: %s to the dependencies that are in it", g.Name, g.From, g.Name)
		case g.Need > members:
			c.AddAt(at, "need", "redundancy group %q of %q needs %d of %d members; write at most %d", g.Name, g.From, g.Need, members, members)
		}
	}
}

// resolve is the declared service that a name means, by the rules of topology.Build, or
// the name itself. A bare name that could be several is reported.
func (c *checker) resolve(ref topology.Ref, at strictyaml.Place, field string) topology.Ref {
	if _, ok := c.declared[ref]; ok {
		return ref
	}
	same := c.byName[ref.Name]
	switch {
	case len(same) == 1 && (ref.Namespace == "" || same[0].Namespace == ""):
		return same[0]
	case len(same) > 1 && ref.Namespace == "":
		var all []string
		for _, s := range same {
			all = append(all, s.String())
		}
		slices.Sort(all)
		c.AddAt(at, field, "%q could be %s; write one of them", ref.Name, strings.Join(all, " or "))
	default:
		if a, ok := c.aliases[ref]; ok {
			return a.service
		}
	}
	return ref
}
