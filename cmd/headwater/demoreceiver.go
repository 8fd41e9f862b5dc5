package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// pageReceiver is on-call's end of the demo: a webhook receiver on the loopback
// interface, to which Alertmanager's notifier library sends.
type pageReceiver struct {
	listener net.Listener
	server   *http.Server
	show     func(receivedPage)

	mu       sync.Mutex
	open     map[string]bool // incidents that were opened and not resolved
	counts   map[string]int  // pages by kind
	received chan struct{}   // has an element after a page came; one is as good as many
}

// receivedPage is what on-call gets to read.
type receivedPage struct {
	Incident    string
	Kind        string // open, update or resolved
	Title       string
	Text        string
	Origin      string
	Probability string
	RunnerUp    string
	Gaps        string
}

func newPageReceiver(show func(receivedPage)) (*pageReceiver, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for pages: %w", err)
	}
	r := &pageReceiver{
		listener: l, show: show,
		open: make(map[string]bool), counts: make(map[string]int), received: make(chan struct{}, 1),
	}
	r.server = &http.Server{Handler: http.HandlerFunc(r.take), ReadHeaderTimeout: readHeaderTimeout}
	return r, nil
}

func (r *pageReceiver) url() string { return "http://" + r.listener.Addr().String() + "/" }

// serve serves until ctx ends.
func (r *pageReceiver) serve(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() { _ = r.server.Close() })
	defer stop()
	_ = r.server.Serve(r.listener) // always an error, of being closed
}

func (r *pageReceiver) take(w http.ResponseWriter, req *http.Request) {
	var body struct {
		Alerts []struct {
			Labels      map[string]string `json:"labels"`
			Annotations map[string]string `json:"annotations"`
		} `json:"alerts"`
	}
	if err := json.NewDecoder(req.Body).Decode(&body); err != nil || len(body.Alerts) == 0 {
		http.Error(w, "want the body of Alertmanager's webhook", http.StatusBadRequest)
		return
	}
	a := body.Alerts[0].Annotations
	p := receivedPage{
		Incident: body.Alerts[0].Labels["incident"], Kind: a["kind"], Title: a["summary"], Text: a["description"],
		Origin: a["origin"], Probability: a["probability"], RunnerUp: a["runner_up"], Gaps: a["gaps"],
	}
	r.count(p)
	r.show(p)
	select {
	case r.received <- struct{}{}:
	default:
	}
}

func (r *pageReceiver) count(p receivedPage) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[p.Kind]++
	if p.Kind == kindResolved {
		delete(r.open, p.Incident)
	} else {
		r.open[p.Incident] = true
	}
}

// The kinds of pages, as the annotation names them.
const (
	kindOpen     = "open"
	kindUpdate   = "update"
	kindResolved = "resolved"
)

// over reports whether pages came and all incidents were resolved.
func (r *pageReceiver) over() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counts[kindResolved] > 0 && len(r.open) == 0
}

// waitOver waits until the last page has been resolved, at most until the deadline.
func (r *pageReceiver) waitOver(ctx context.Context, deadline time.Time) bool {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	for !r.over() {
		select {
		case <-r.received:
		case <-ctx.Done():
			return r.over()
		}
	}
	return true
}

// count of pages by kind.
func (r *pageReceiver) tally() (open, update, resolved int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counts[kindOpen], r.counts[kindUpdate], r.counts[kindResolved]
}
