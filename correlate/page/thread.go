package page

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/config"
	httpconfig "github.com/prometheus/common/config"

	"github.com/headwater-sre/headwater/correlate"
)

// This file writes below a message of Slack's what is new, while the library keeps the
// message itself up to date. The library cannot do the former, and an edit alone is seen by
// nobody who does not scroll back to it.

const (
	slackPost = "https://slack.com/api/chat.postMessage"
	// maxReplyEntries and maxReply bound one answer in a thread: what people wrote, and runes.
	maxReplyEntries = 20
	maxReply        = 3000
	// maxSlackAnswer is as much of Slack's answer as is read, in bytes.
	maxSlackAnswer = 64 << 10
)

// slackThreads posts answers in the threads of one Slack integration.
type slackThreads struct{ client *http.Client }

func newSlackThreads(c *config.SlackConfig, options ...httpconfig.HTTPClientOption) (*slackThreads, error) {
	client, err := httpconfig.NewClientFromConfig(*c.HTTPConfig, "slack-thread", options...)
	if err != nil {
		return nil, err
	}
	return &slackThreads{client}, nil
}

// rateLimitedError is the answer to somebody who asks too much.
type rateLimitedError struct{ after time.Duration }

func (e *rateLimitedError) Error() string {
	return fmt.Sprintf("rate limited; may be tried again after %s", e.after)
}

// maxRetryAfter bounds how long an answer can make us wait.
const maxRetryAfter = 10 * time.Minute

func retryAfter(h http.Header) *rateLimitedError {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 1 {
		seconds = 1
	}
	return &rateLimitedError{min(time.Duration(seconds)*time.Second, maxRetryAfter)}
}

// post answers in a thread, which is a channel's id and a message's timestamp. retry
// reports whether an error may pass by itself.
func (s *slackThreads) post(ctx context.Context, thread, text string) (retry bool, err error) {
	channel, ts, _ := strings.Cut(thread, "/")
	body, err := json.Marshal(map[string]any{"channel": channel, "thread_ts": ts, "text": text, "unfurl_links": false, "unfurl_media": false})
	if err != nil {
		return false, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, slackPost, bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	resp, err := s.client.Do(req)
	if err != nil {
		return true, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxSlackAnswer))
	switch {
	case resp.StatusCode == http.StatusTooManyRequests:
		return true, retryAfter(resp.Header)
	case err != nil:
		return true, fmt.Errorf("read Slack's answer: %w", err)
	case resp.StatusCode != http.StatusOK:
		return resp.StatusCode >= 500, fmt.Errorf("answer in the thread: Slack says %s", resp.Status)
	}
	return slackRefusal(answer, resp.Header)
}

// slackRefusal reads what Slack says with status 200.
func slackRefusal(answer []byte, h http.Header) (retry bool, err error) {
	var said struct {
		OK    bool
		Error string
	}
	switch err := json.Unmarshal(answer, &said); {
	case err != nil:
		return true, fmt.Errorf("answer in the thread: Slack says no JSON: %w", err)
	case said.OK:
		return false, nil
	case said.Error == "ratelimited":
		return true, retryAfter(h)
	}
	return false, fmt.Errorf("answer in the thread: Slack says %s", line(said.Error))
}

// answerInThread writes what is new below the message that the page edited. It comes after
// the edit: when it fails both go again, and to edit twice does no harm.
func (s *send) answerInThread(ctx context.Context, in *integration) (retry bool, err error) {
	if in.threads == nil || s.thread == "" {
		return false, nil
	}
	text := threadText(s.page(), s.told)
	if text == "" {
		return false, nil
	}
	retry, err = in.threads.post(ctx, s.thread, text)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		retry = true
	}
	return retry, err
}

// retold are the entries of a timeline that are worth telling in a thread.
var retold = []correlate.TimelineKind{
	correlate.TimelineNote, correlate.TimelineAcked, correlate.TimelineStatus, correlate.TimelineSeverity, correlate.TimelineRole,
	correlate.TimelineUpdate, correlate.TimelinePublicUpdate, correlate.TimelineLink, correlate.TimelineMerged, correlate.TimelineSplit,
}

// threadText is what is new since told, in Slack's mrkdwn: why there is a page, and what
// people said and did meanwhile, oldest first.
func threadText(p *correlate.Page, told time.Time) string {
	var out []string
	var entries []correlate.TimelineEntry
	news := NewSheet(p, "").News()
	for _, t := range p.Incident.Timeline {
		if !t.At.After(told) || t.At.After(p.At) || t.Actor == "" || !slices.Contains(retold, t.Kind) {
			continue
		}
		entries = append(entries, t)
		if strings.HasPrefix(p.Reason, t.Actor+": "+t.Text) {
			news = "" // the entry says it
		}
	}
	if news != "" {
		out = append(out, "*"+slackEscaper.Replace(news)+"*")
	}
	if more := len(entries) - maxReplyEntries; more > 0 {
		out = append(out, fmt.Sprintf("… %d earlier entries are in the timeline", more))
		entries = entries[more:]
	}
	for _, t := range entries {
		said := slackEscaper.Replace(line(t.Text))
		if t.Kind == correlate.TimelinePublicUpdate {
			said = "told those outside: " + said
		}
		out = append(out, fmt.Sprintf("%s  %s: %s", t.At.UTC().Format("15:04"), slackEscaper.Replace(line(t.Actor)), said))
	}
	return within(out, maxReply)
}
