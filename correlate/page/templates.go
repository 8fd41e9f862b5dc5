package page

import (
	"bytes"
	"embed"
	"fmt"
	tmplhtml "html/template"
	"net/url"
	"path/filepath"
	tmpltext "text/template"

	"github.com/prometheus/alertmanager/template"
)

// The templates redefine Alertmanager's default names, so a receiver that says
// nothing of its texts sends ours.
//
//go:embed templates/*.tmpl
var defaultTemplates embed.FS

// loadTemplates reads Alertmanager's defaults, ours, then the operator's: of two
// templates of one name the later wins.
func loadTemplates(globs []string, externalURL *url.URL) (*template.Template, error) {
	t, err := template.FromGlobs(nil, withSheet)
	if err != nil {
		return nil, fmt.Errorf("default templates of Alertmanager: %w", err)
	}
	t.ExternalURL = externalURL
	entries, err := defaultTemplates.ReadDir("templates")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		text, err := defaultTemplates.ReadFile("templates/" + e.Name())
		if err != nil {
			return nil, err
		}
		if err := t.Parse(bytes.NewReader(text)); err != nil {
			return nil, fmt.Errorf("default templates: %s: %w", e.Name(), err)
		}
	}
	for _, g := range globs {
		if err := t.FromGlob(g); err != nil {
			return nil, fmt.Errorf("templates: %s: %w", filepath.ToSlash(g), err)
		}
	}
	return t, nil
}

// withSheet gives templates the function `headwater`, which returns a page's
// [Sheet]: {{ (headwater .).Title }}.
func withSheet(text *tmpltext.Template, html *tmplhtml.Template) {
	text.Funcs(tmpltext.FuncMap{"headwater": sheetOf})
	html.Funcs(tmplhtml.FuncMap{"headwater": sheetOf})
}

func sheetOf(d *template.Data) (*Sheet, error) {
	if len(d.Alerts) == 0 {
		return nil, fmt.Errorf("page without an alert")
	}
	return parseSheet(d.Alerts[0].Annotations[sheetAnnotation])
}
