package alertmanager

import (
	"encoding/json"
	"time"

	"github.com/headwater-sre/headwater/correlate"
)

// webhookBody and webhookAlert are the plain way to decode a webhook: the twin
// that the decoder must agree with, and the rival in its benchmark.
type webhookBody struct {
	Version         string         `json:"version"`
	Receiver        string         `json:"receiver"`
	Status          string         `json:"status"`
	GroupKey        string         `json:"groupKey"`
	ExternalURL     string         `json:"externalURL"`
	TruncatedAlerts uint64         `json:"truncatedAlerts"`
	Alerts          []webhookAlert `json:"alerts"`
}

type webhookAlert struct {
	Status       string            `json:"status"`
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL"`
	Fingerprint  string            `json:"fingerprint"`
}

func decodeNaively(text []byte) (*correlate.AlertBatch, error) {
	var b webhookBody
	if err := json.Unmarshal(text, &b); err != nil {
		return nil, err
	}
	return b.batch(), nil
}

// batch is right for bodies as Alertmanager writes them.
func (b *webhookBody) batch() *correlate.AlertBatch {
	batch := &correlate.AlertBatch{
		Source:      SourceWebhook,
		Receiver:    b.Receiver,
		GroupKey:    b.GroupKey,
		ExternalURL: b.ExternalURL,
		Truncated:   int(b.TruncatedAlerts),
		Alerts:      make([]correlate.Alert, 0, len(b.Alerts)),
	}
	for _, a := range b.Alerts {
		alert := correlate.Alert{
			Fingerprint:  a.Fingerprint,
			Labels:       a.Labels,
			Annotations:  a.Annotations,
			StartsAt:     a.StartsAt.UTC(),
			EndsAt:       a.EndsAt.UTC(),
			GeneratorURL: a.GeneratorURL,
		}
		if a.Status == "resolved" {
			alert.Status = correlate.Resolved
		}
		batch.Alerts = append(batch.Alerts, alert)
	}
	return batch
}
