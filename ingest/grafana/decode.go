// Package grafana decodes the webhooks of Grafana's own alerting. Their bodies are those
// of Alertmanager's webhook with more in them, so what package alertmanager promises
// holds here: one bad alert does not cost the others, and a body of a newer Grafana decodes.
//
// It is pure. What Grafana adds to an alert and a person wants to see becomes an
// annotation: the dashboard, the panel, the link by which it can be silenced, and the values
// that it fired on.
package grafana

import (
	"maps"
	"slices"
	"strings"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/ingest/alertmanager"
	"github.com/headwater-sre/headwater/ingest/body"
)

// Source is the value of [correlate.AlertBatch.Source].
const Source = "grafana"

// maxValues is how long the values of one alert may be, in bytes; longer ones are cut.
const maxValues = 1 << 10

// annotationOf names the annotation that a member of an alert becomes.
var annotationOf = map[string]string{"dashboardURL": "dashboard_url", "panelURL": "panel_url", "silenceURL": "silence_url", "imageURL": "image_url"}

// Decode decodes a webhook's body. The errors are those of [alertmanager.DecodeWebhook].
func Decode(text []byte) (*correlate.AlertBatch, error) {
	batch, err := alertmanager.DecodeWebhook(text)
	if batch == nil {
		return nil, err
	}
	batch.Source = Source
	more, brokenErr := extras(text)
	if brokenErr != nil {
		return nil, brokenErr
	}
	for i := range batch.Alerts {
		a := &batch.Alerts[i]
		add := more[a.Fingerprint]
		if len(add) == 0 {
			continue
		}
		if a.Annotations == nil {
			a.Annotations = map[string]string{}
		}
		for name, value := range add {
			if _, own := a.Annotations[name]; !own {
				a.Annotations[name] = value
			}
		}
	}
	return batch, err
}

// extras are the annotations to add, by the alert's fingerprint. An alert without one gets none.
func extras(text []byte) (map[string]map[string]string, error) {
	found := map[string]map[string]string{}
	r := body.NewReader(text)
	err := r.Object(func(key string) error {
		if key != "alerts" || !r.IsArray() {
			return r.Skip()
		}
		return r.Array(func(int) error {
			_, err := r.Try(func() error { return readExtras(r, found) })
			return err
		})
	})
	return found, err
}

func readExtras(r *body.Reader, found map[string]map[string]string) error {
	var fingerprint string
	add := map[string]string{}
	err := r.Object(func(key string) error {
		switch key {
		case "fingerprint":
			return r.Text(&fingerprint)()
		case "values":
			values, err := readValues(r)
			if values != "" {
				add["values"] = values
			}
			return err
		case "valueString":
			var values string
			err := r.Text(&values)()
			if values != "" && add["values"] == "" {
				add["values"] = body.Cut(values, maxValues)
			}
			return err
		}
		name, ok := annotationOf[key]
		if !ok {
			return r.Skip()
		}
		var value string
		err := r.Text(&value)()
		if value != "" {
			add[name] = value
		}
		return err
	})
	if err == nil && fingerprint != "" && len(add) > 0 {
		found[strings.ToLower(fingerprint)] = add
	}
	return err
}

// readValues renders {"B": 44.2, "C": 1} as "B=44.2, C=1".
func readValues(r *body.Reader) (string, error) {
	if !r.IsObject() {
		return "", r.Skip()
	}
	values := map[string]string{}
	err := r.Object(func(key string) error {
		text, err := r.Raw()
		values[key] = strings.ToValidUTF8(text, "\uFFFD")
		return err
	})
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(values)) {
		parts = append(parts, key+"="+values[key])
	}
	return body.Cut(strings.Join(parts, ", "), maxValues), err
}
