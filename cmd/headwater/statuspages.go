package main

import (
	"go.yaml.in/yaml/v3"

	"github.com/headwater-sre/headwater/correlate/page"
	"github.com/headwater-sre/headwater/topology/strictyaml"
)

const sectionStatusPages = "status_pages"

// readStatusPages reads where those outside are told.
func (p *configParser) readStatusPages(n *yaml.Node, path string) { p.List(n, path, p.readStatusPage) }

func (p *configParser) readStatusPage(n *yaml.Node, path string) {
	var sp page.StatusPage
	client := p.HTTPClient()
	before := p.Count()
	p.Mapping(n, path, append([]strictyaml.Field{
		{Name: "url", Read: p.address(&sp.URL, "https://status.example.com/hooks/headwater")},
		{Name: "name", Read: func(n *yaml.Node, path string) {
			sp.Name, _ = p.Scalar(n, path, "what those outside read as the title")
		}},
	}, client.Fields()...))
	if p.Count() == before && sp.URL == "" {
		p.Bad(n, path, "needs url, such as https://status.example.com/hooks/headwater")
	}
	sp.HTTP = client.Config(n, path, p.c.dir())
	if p.Count() == before {
		p.c.statusPages = append(p.c.statusPages, sp)
	}
}

// pagingOptions are what the other sections say of paging.
func (c *config) pagingOptions() []page.Option {
	options := []page.Option{page.WithStatusPages(c.statusPages)}
	if c.takesButtons() {
		options = append(options, page.WithButtons())
	}
	return options
}
