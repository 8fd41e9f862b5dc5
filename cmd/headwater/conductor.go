package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/headwater-sre/headwater/cmd/headwater/day"
	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/topology"
)

// conductor moves the time of a rehearsal: to the next step of the day, the engine's next
// deadline or the next attempt at a receiver, whichever comes first; and on only when all
// that followed has come to rest. So the same day gives the same transcript, however
// fast the machine.
type conductor struct {
	*rehearsal
	conn  *grpc.ClientConn
	steps []day.Step // those that have not been played

	retry time.Time // when a page is tried again; zero: none is
	idle  int       // turns in a row without the time having moved
}

func newConductor(r *rehearsal) *conductor { return &conductor{rehearsal: r, steps: r.day.Steps} }

// maxIdle is how often in a row a deadline may be followed by another one of the same moment.
const maxIdle = 10_000

// play plays the day to its end, and reports whether it went well.
func (c *conductor) play(ctx context.Context) (clean bool, err error) {
	c.conn, err = grpc.NewClient(c.server.grpcAddr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return false, err
	}
	defer func() { _ = c.conn.Close() }()
	if err := c.settle(ctx); err != nil {
		return false, err
	}
	for more := true; more && err == nil; {
		more, err = c.turn(ctx)
	}
	if err != nil {
		return false, err
	}
	return c.finish(ctx)
}

// turn moves the clock to what comes next and has it happen; false: the day is over.
func (c *conductor) turn(ctx context.Context) (more bool, err error) {
	now := c.sim.clock.Now()
	at := c.day.End
	sooner := func(t time.Time, ok bool) {
		if ok && t.Before(at) {
			at = t
		}
	}
	deadline, pending := c.server.engine.driver().NextDeadline()
	sooner(deadline, pending)
	sooner(c.retry, !c.retry.IsZero())
	if len(c.steps) > 0 {
		sooner(c.steps[0].At, true)
	}
	if at.Before(now) {
		at = now
	}
	if c.idle++; at.After(now) {
		c.idle = 0
	}
	switch {
	case !at.Before(c.day.End):
		c.sim.clock.set(c.day.End)
		return false, nil
	case c.idle > maxIdle:
		return false, fmt.Errorf("at %s one deadline follows the other, and time does not go on", at.Format(time.DateTime))
	}
	c.sim.clock.set(at)
	switch {
	case len(c.steps) > 0 && !c.steps[0].At.After(at):
		step := c.steps[0]
		c.steps = c.steps[1:]
		err = c.perform(ctx, &step)
	case pending && !deadline.After(at):
		err = c.server.bus.PublishTick(ctx)
	}
	return true, errors.Join(err, c.settle(ctx))
}

// settle waits until everything that was said is applied, and every page delivered that
// can be, and tells what came of it.
func (c *conductor) settle(ctx context.Context) error {
	for {
		last, err := c.server.bus.Last(ctx)
		if err != nil {
			return err
		}
		if _, err := c.server.engine.Wait(ctx, last); err != nil {
			return err
		}
		if c.retry, err = c.server.pager.Settle(ctx); err != nil {
			return err
		}
		again, err := c.server.bus.Last(ctx)
		if err != nil {
			return err
		}
		if again == last {
			return c.tell(ctx)
		}
	}
}

// tell writes down what is new.
func (c *conductor) tell(ctx context.Context) error {
	now := c.sim.clock.Now()
	var changed []*correlate.Incident
	revision, err := c.server.store.ChangedIncidents(ctx, c.out.revision, func(i *correlate.Incident) bool {
		changed = append(changed, i)
		return true
	})
	if err != nil {
		return err
	}
	c.out.revision = revision
	c.out.incidents(now, changed)
	for _, key := range c.sim.recorded() {
		pages, err := c.server.store.Pages(ctx, key.Incident)
		if err != nil {
			return err
		}
		for _, p := range pages {
			if p.Page.Seq == key.Seq {
				c.out.gather(p)
			}
		}
	}
	c.out.pages(now, c.external)
	return nil
}

// perform has a step of the day happen.
func (c *conductor) perform(ctx context.Context, s *day.Step) error {
	switch {
	case s.Post != nil:
		return c.post(ctx, s)
	case s.Call != nil:
		return c.call(ctx, s)
	case s.Outage != nil:
		c.receivers.Break(s.Outage.Receiver, s.Outage.Down)
		word := "up again"
		if s.Outage.Down {
			word = "down"
		}
		c.out.line(s.At, "receiver", "%s is %s", s.Outage.Receiver, word)
	case s.Asked:
		return c.server.reconciler.Once(ctx, s.At)
	default:
		c.out.line(s.At, "--", "%s", s.Say)
	}
	return nil
}

// post sends what monitoring would.
func (c *conductor) post(ctx context.Context, s *day.Step) error {
	c.out.posted(s)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+c.server.web.address().String()+s.Post.Path, bytes.NewReader(s.Post.Body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	switch {
	case err != nil:
		return err
	case resp.StatusCode/100 == 5:
		return fmt.Errorf("line %d: POST %s: %s: %s", s.Line, s.Post.Path, resp.Status, bytes.TrimSpace(answer))
	case resp.StatusCode/100 != 2:
		c.out.refused("%s: %s", resp.Status, bytes.TrimSpace(answer))
	}
	return nil
}

// call does what an operator does. That it is refused is part of the story.
func (c *conductor) call(ctx context.Context, s *day.Step) error {
	request := proto.Clone(s.Call.Request)
	says, err := c.resolve(ctx, request.ProtoReflect(), s.Call.Says)
	c.out.line(s.At, s.Call.Actor, "%s", says)
	if err != nil {
		c.out.refused("%v", err)
		return nil
	}
	if err := c.conn.Invoke(ctx, s.Call.Method, request, proto.Clone(s.Call.Response)); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		c.out.refused("%s: %s", status.Code(err), status.Convert(err).Message())
	}
	return nil
}

// incidentFields are the fields of requests that name an incident.
var incidentFields = []protoreflect.Name{"id", "into", "incident"}

// resolve puts an incident's id in place of each @service: that of the latest one that
// hit the service. It returns the words with the ids.
func (c *conductor) resolve(ctx context.Context, m protoreflect.Message, says string) (string, error) {
	for _, name := range incidentFields {
		f := m.Descriptor().Fields().ByName(name)
		if f == nil || f.Kind() != protoreflect.StringKind || f.IsList() {
			continue
		}
		ref, ok := strings.CutPrefix(m.Get(f).String(), "@")
		if !ok {
			continue
		}
		id, err := c.latest(ctx, ref)
		if err != nil {
			return says, err
		}
		m.Set(f, protoreflect.ValueOfString(id))
		says = strings.Replace(says, "@"+ref, id, 1)
	}
	return says, nil
}

// latest is the latest incident that hit a service or probably began there. The service is
// given as name or namespace/name.
func (c *conductor) latest(ctx context.Context, service string) (id string, err error) {
	_, err = c.server.store.ScanIncidents(ctx, 0, func(i *correlate.Incident) bool {
		if i.State != correlate.IncidentMerged && isAbout(i, service) {
			id = i.ID
		}
		return id == ""
	})
	if err == nil && id == "" {
		err = fmt.Errorf("no incident is about %s", service)
	}
	return id, err
}

// isAbout reports whether an incident hit a service, or probably began there.
func isAbout(i *correlate.Incident, service string) bool {
	is := func(ref topology.Ref) bool { return ref.Name == service || ref.String() == service }
	for n := range i.Services {
		if is(i.Services[n].Service) {
			return true
		}
	}
	origin := i.Origin()
	return origin != nil && is(origin.Service)
}
