package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	headwaterv1 "github.com/headwater-sre/headwater/proto/headwater/v1"
	"github.com/headwater-sre/headwater/topology"
	"github.com/headwater-sre/headwater/topology/file"
)

func (a *app) addTopologySources(group *kingpin.CmdClause) {
	a.command(group.Command("edges", "List the dependencies, who saw them when, and what goes over them."), a.showEdges)
	a.command(group.Command("sources", "How it is with the sources of the graph, those that win first."), a.listSources)
	a.command(group.Command("suggestions", "What could be amiss with the graph: names that look alike and did not meet."), a.listSuggestions)
	a.addPush(group.Command("push", "Say that topology files are all that a pushed source says, or add to it."))
	a.addDeleteSource(group.Command("delete", "Remove a pushed source and all that it says."))
}

func (a *app) showEdges(ctx context.Context) error {
	return ask(ctx, a, func(ctx context.Context, conn *grpc.ClientConn) (*headwaterv1.GetTopologyResponse, error) {
		return headwaterv1.NewTopologyServiceClient(conn).GetTopology(ctx, &headwaterv1.GetTopologyRequest{})
	}, func(answer *headwaterv1.GetTopologyResponse) { a.tellEdges(answer.GetTopology()) })
}

// tellEdges lists a dependency on as many lines as sources know it.
func (a *app) tellEdges(g *headwaterv1.Topology) {
	t := a.table("FROM", "TO", "MODE", "GROUP", "SOURCE", "LAST SEEN", "REQUESTS", "ERRORS", wideOnly, "FIRST SEEN")
	for _, d := range g.GetDependencies() {
		seen := d.GetSeen()
		if len(seen) == 0 {
			seen = []*headwaterv1.Sighting{{}}
		}
		for _, s := range seen {
			t.row(refName(d.GetFrom()), refName(d.GetTo()), enumWord(d.GetMode(), "DEPENDENCY_MODE_"), clean(d.GetRedundancyGroup()),
				clean(s.GetSource()), ago(a.age(s.GetLastSeen())), rate(s), errorShare(s), wideOnly, when(s.GetFirstSeen()))
		}
	}
	t.flush()
	fmt.Fprintf(a.out, "version %s: %d services, %d dependencies\n", clean(g.GetVersion()), len(g.GetServices()), len(g.GetDependencies()))
}

func ago(age string) string {
	if age == "" {
		return ""
	}
	return age + " ago"
}

func rate(s *headwaterv1.Sighting) string {
	if s.RequestsPerSecond == nil {
		return ""
	}
	return fmt.Sprintf("%.3g/s", s.GetRequestsPerSecond())
}

func errorShare(s *headwaterv1.Sighting) string {
	if s.ErrorRatio == nil {
		return ""
	}
	return fmt.Sprintf("%.2g %%", 100*s.GetErrorRatio())
}

func (a *app) listSources(ctx context.Context) error {
	return ask(ctx, a, func(ctx context.Context, conn *grpc.ClientConn) (*headwaterv1.ListTopologySourcesResponse, error) {
		return headwaterv1.NewTopologyServiceClient(conn).ListTopologySources(ctx, &headwaterv1.ListTopologySourcesRequest{})
	}, a.tellSources)
}

func (a *app) tellSources(answer *headwaterv1.ListTopologySourcesResponse) {
	t := a.table("SOURCE", a.paint(plain, "STATE"), "ANSWERED", "SERVICES", "DEPENDENCIES", "EVERY", "TTL", "BY", wideOnly, "DECLARED", "ETAG")
	for _, s := range answer.GetSources() {
		state, colour := sourceState(s)
		t.row(clean(s.GetName()), a.paint(colour, state), ago(a.age(s.GetAnsweredAt())), fmt.Sprint(s.GetServiceCount()), fmt.Sprint(s.GetDependencyCount()),
			period(s.GetRefreshInterval()), period(s.GetTtl()), clean(s.GetActor()), wideOnly, fmt.Sprint(s.GetDeclared()), clean(s.GetEtag()))
	}
	t.flush()
	for _, s := range answer.GetSources() {
		if s.GetError() != "" {
			fmt.Fprintf(a.out, "%s: failing for %s: %s\n", clean(s.GetName()), a.age(s.GetFailingSince()), clean(s.GetError()))
		}
		for _, w := range s.GetWarnings() {
			fmt.Fprintf(a.out, "%s: %s\n", clean(s.GetName()), clean(w))
		}
	}
}

func sourceState(s *headwaterv1.TopologySource) (word, colour string) {
	switch {
	case s.GetError() != "":
		return "failing", red
	case s.GetAttemptedAt() == nil:
		return "waiting", yellow
	}
	return "ok", green
}

func period(d *durationpb.Duration) string {
	if d == nil {
		return ""
	}
	return span(d.AsDuration())
}

func (a *app) listSuggestions(ctx context.Context) error {
	return ask(ctx, a, func(ctx context.Context, conn *grpc.ClientConn) (*headwaterv1.ListTopologySuggestionsResponse, error) {
		return headwaterv1.NewTopologyServiceClient(conn).ListTopologySuggestions(ctx, &headwaterv1.ListTopologySuggestionsRequest{})
	}, func(answer *headwaterv1.ListTopologySuggestionsResponse) {
		if len(answer.GetSuggestions()) == 0 {
			fmt.Fprintln(a.out, "nothing to suggest")
		}
		a.tellSuggestions(answer.GetSuggestions())
	})
}

func (a *app) tellSuggestions(list []*headwaterv1.TopologySuggestion) {
	for _, s := range list {
		fmt.Fprintf(a.out, "%s\n  %s\n", clean(s.GetText()), clean(s.GetRemedy()))
	}
}

// pushFlags are what push is told.
type pushFlags struct {
	files               []string
	source, etag, actor string
	ttl                 time.Duration
	ttlGiven, add       bool
}

func (a *app) addPush(cmd *kingpin.CmdClause) {
	var f pushFlags
	cmd.Arg("file", "Topology files, as the server's own. Several are one topology.").Required().StringsVar(&f.files)
	cmd.Flag("source", `Name of the pushed source; the server lists it as "api:NAME".`).Required().PlaceHolder("NAME").StringVar(&f.source)
	cmd.Flag("add", "Add to what the source says, or replace entries of the same names; without it, what the files do not have is gone.").BoolVar(&f.add)
	cmd.Flag("ttl", "How long an entry stays after it was last pushed, at least 1m; 0: until it is removed. Without it: as it was.").IsSetByUser(&f.ttlGiven).DurationVar(&f.ttl)
	cmd.Flag("etag", "Only when the source still has this etag (topology sources -o wide).").StringVar(&f.etag)
	actorFlag(cmd, &f.actor)
	a.command(cmd, func(ctx context.Context) error { return a.push(ctx, &f) })
}

// pushAnswer is what both ways to push answer.
type pushAnswer interface {
	proto.Message
	GetSource() *headwaterv1.TopologySource
	GetTopologyVersion() string
	GetSuggestions() []*headwaterv1.TopologySuggestion
}

func (a *app) push(ctx context.Context, f *pushFlags) error {
	spec, err := file.Load(f.files...)
	if err != nil {
		return err
	}
	req := replaceRequest(&spec)
	req.Source, req.Etag, req.Actor = f.source, f.etag, f.actor
	if f.ttlGiven {
		req.Ttl = durationpb.New(f.ttl)
	}
	return ask(ctx, a, func(ctx context.Context, conn *grpc.ClientConn) (pushAnswer, error) {
		client := headwaterv1.NewTopologyServiceClient(conn)
		if !f.add {
			return client.ReplaceTopology(ctx, req)
		}
		return client.PushTopology(ctx, &headwaterv1.PushTopologyRequest{
			Source: req.GetSource(), Services: req.GetServices(), Dependencies: req.GetDependencies(), RedundancyGroups: req.GetRedundancyGroups(),
			Ttl: req.GetTtl(), Etag: req.GetEtag(), Actor: req.GetActor(),
		})
	}, func(answer pushAnswer) {
		s := answer.GetSource()
		fmt.Fprintf(a.out, "%s says %s and %s, etag %s; topology version %s is in force\n", clean(s.GetName()),
			plural(int(s.GetServiceCount()), "service"), dependencyCount(int(s.GetDependencyCount())), clean(s.GetEtag()), clean(answer.GetTopologyVersion()))
		a.tellSuggestions(answer.GetSuggestions())
	})
}

func dependencyCount(n int) string {
	if n == 1 {
		return "1 dependency"
	}
	return fmt.Sprintf("%d dependencies", n)
}

// replaceRequest is a topology in the words of the API.
func replaceRequest(spec *topology.Spec) *headwaterv1.ReplaceTopologyRequest {
	ref := func(r topology.Ref) *headwaterv1.ServiceRef {
		return &headwaterv1.ServiceRef{Namespace: r.Namespace, Name: r.Name}
	}
	req := &headwaterv1.ReplaceTopologyRequest{}
	for i := range spec.Services {
		s := &spec.Services[i]
		req.Services = append(req.Services, &headwaterv1.Service{
			Ref: ref(s.Ref()), Kind: headwaterv1.ServiceKind(s.Kind), Labels: s.Labels, Owner: s.Owner, Tier: int32(s.Tier),
			Runbook: s.Runbook, Links: s.Links, RunsOn: s.RunsOn, Aliases: s.Aliases,
		})
	}
	for _, d := range spec.Dependencies {
		req.Dependencies = append(req.Dependencies, &headwaterv1.Dependency{
			From: ref(d.From), To: ref(d.To), Mode: headwaterv1.DependencyMode(d.Mode) + 1, RedundancyGroup: d.Group,
		})
	}
	for _, g := range spec.Groups {
		req.RedundancyGroups = append(req.RedundancyGroups, &headwaterv1.RedundancyGroup{From: ref(g.From), Name: g.Name, Need: int32(g.Need)})
	}
	return req
}

func (a *app) addDeleteSource(cmd *kingpin.CmdClause) {
	req := &headwaterv1.DeleteTopologySourceRequest{}
	cmd.Arg("source", `The pushed source, "api:NAME" or NAME.`).Required().StringVar(&req.Source)
	cmd.Flag("etag", "Only when the source still has this etag.").StringVar(&req.Etag)
	actorFlag(cmd, &req.Actor)
	a.command(cmd, func(ctx context.Context) error {
		return ask(ctx, a, func(ctx context.Context, conn *grpc.ClientConn) (*headwaterv1.DeleteTopologySourceResponse, error) {
			return headwaterv1.NewTopologyServiceClient(conn).DeleteTopologySource(ctx, req)
		}, func(answer *headwaterv1.DeleteTopologySourceResponse) {
			fmt.Fprintf(a.out, "deleted; topology version %s is in force\n", clean(answer.GetTopologyVersion()))
		})
	})
}

// sourceNames are the sources that know something, in a row.
func sourceNames(seen []*headwaterv1.Sighting) string {
	names := make([]string, len(seen))
	for i, s := range seen {
		names[i] = clean(s.GetSource())
	}
	return strings.Join(names, ", ")
}
