package replay

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// truth is what really happened, as far as the scorer needs it. Fields that it
// does not need are ignored.
type truth struct {
	Faults []fault    `json:"faults"`
	Alerts alertTruth `json:"alerts"`
	Meta   struct {
		Topology     string          `json:"topology"`
		Services     int             `json:"services"`
		Imperfect    bool            `json:"imperfect_topology"`
		SilentOrigin map[string]bool `json:"silent_origin"` // by fault
	} `json:"meta"`
}

// fault is one thing that broke.
type fault struct {
	ID         string   `json:"id"`
	Kind       string   `json:"kind"`
	Acceptable []string `json:"acceptable"` // services that are right to name as its origin
}

// alertTruth gives the faults that caused each alert instance; none: it is
// noise. It keeps the order of the file, which decides between equals.
type alertTruth struct {
	names  []string
	causes map[string][]string
}

// UnmarshalJSON reads an object of lists of fault ids.
func (t *alertTruth) UnmarshalJSON(data []byte) error {
	t.causes = map[string][]string{}
	if err := json.Unmarshal(data, &t.causes); err != nil {
		return err
	}
	return t.readNames(json.NewDecoder(bytes.NewReader(data)))
}

// readNames walks the same object for the order of its keys.
func (t *alertTruth) readNames(dec *json.Decoder) error {
	if _, err := dec.Token(); err != nil { // the opening brace
		return err
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		t.names = append(t.names, name.(string))
		var causes json.RawMessage
		if err := dec.Decode(&causes); err != nil {
			return err
		}
	}
	return nil
}

// decodeTruth decodes the part of the scenario that no run may look at.
func (s *Scenario) decodeTruth() (*truth, error) {
	if s.truth == nil {
		return nil, fmt.Errorf("score %s: the scenario has no truth to compare with", s.Name)
	}
	t := &truth{}
	if err := json.Unmarshal(s.truth, t); err != nil {
		return nil, fmt.Errorf("score %s: truth: %w", s.Name, err)
	}
	for _, names := range s.renamings {
		t.Alerts = t.Alerts.renamed(names)
	}
	if t.Meta.Topology == "" {
		t.Meta.Topology = "?"
	}
	return t, nil
}

// firstSeen is when the first firing notification of each alert instance
// arrived, in Unix seconds.
func (s *Scenario) firstSeen() map[string]float64 {
	first := make(map[string]float64, len(s.instances))
	for _, inst := range s.instances {
		if !inst.fired.IsZero() {
			first[inst.name] = seconds(inst.fired)
		}
	}
	return first
}
