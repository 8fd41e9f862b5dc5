package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/alecthomas/kingpin/v2"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	headwaterv1 "github.com/headwater-sre/headwater/proto/headwater/v1"
)

func (a *app) addTopology() {
	group := a.cli.Command("topology", "Ask the dependency graph, see what it is made of, and push to it.").Alias("graph")
	show := group.Command("show", "List the services and what each needs.")
	a.command(show, a.showTopology)
	a.addWalk(group.Command("deps", "What a service needs, directly and through others.").Alias("dependencies"), dependencies)
	a.addWalk(group.Command("dependents", "What needs a service, directly and through others."), dependents)
	a.addWhatBreaks(group.Command("what-breaks", "What the failure of services does to all others."))
	a.addTopologySources(group)
}

func (a *app) showTopology(ctx context.Context) error {
	return ask(ctx, a, func(ctx context.Context, conn *grpc.ClientConn) (*headwaterv1.GetTopologyResponse, error) {
		return headwaterv1.NewTopologyServiceClient(conn).GetTopology(ctx, &headwaterv1.GetTopologyRequest{})
	}, func(answer *headwaterv1.GetTopologyResponse) { a.tellTopology(answer.GetTopology()) })
}

func (a *app) tellTopology(g *headwaterv1.Topology) {
	needs, neededBy := neighbours(g)
	t := a.table("SERVICE", "KIND", "OWNER", "TIER", "NEEDS", "NEEDED BY", wideOnly, "DECLARED", "SOURCES", "ALIASES", "RUNBOOK", "NEEDS DIRECTLY")
	for _, s := range g.GetServices() {
		name := refName(s.GetRef())
		tier := ""
		if s.GetTier() > 0 {
			tier = fmt.Sprint(s.GetTier())
		}
		declared := "no"
		if s.GetDeclared() {
			declared = "yes"
		}
		t.row(name, kindWord(s.GetKind()), clean(s.GetOwner()), tier, fmt.Sprint(len(needs[name])), fmt.Sprint(len(neededBy[name])),
			wideOnly, declared, sourceNames(s.GetSeen()), clean(strings.Join(s.GetAliases(), ", ")), clean(s.GetRunbook()), refNames(needs[name]))
	}
	t.flush()
	fmt.Fprintf(a.out, "version %s: %d services, %d dependencies\n", clean(g.GetVersion()), len(g.GetServices()), len(g.GetDependencies()))
}

// neighbours are the direct dependencies and dependents of every service, by its name.
func neighbours(g *headwaterv1.Topology) (needs, neededBy map[string][]*headwaterv1.ServiceRef) {
	needs, neededBy = map[string][]*headwaterv1.ServiceRef{}, map[string][]*headwaterv1.ServiceRef{}
	for _, d := range g.GetDependencies() {
		needs[refName(d.GetFrom())] = append(needs[refName(d.GetFrom())], d.GetTo())
		neededBy[refName(d.GetTo())] = append(neededBy[refName(d.GetTo())], d.GetFrom())
	}
	return needs, neededBy
}

// walk asks for all services on one side of another.
type walk func(ctx context.Context, client headwaterv1.TopologyServiceClient, service string, depth int32) (walkAnswer, error)

type walkAnswer interface {
	proto.Message
	GetHops() []*headwaterv1.Hop
}

func dependencies(ctx context.Context, client headwaterv1.TopologyServiceClient, service string, depth int32) (walkAnswer, error) {
	return client.GetDependencies(ctx, &headwaterv1.GetDependenciesRequest{Service: service, Depth: depth})
}

func dependents(ctx context.Context, client headwaterv1.TopologyServiceClient, service string, depth int32) (walkAnswer, error) {
	return client.GetDependents(ctx, &headwaterv1.GetDependentsRequest{Service: service, Depth: depth})
}

func (a *app) addWalk(cmd *kingpin.CmdClause, step walk) {
	var service string
	var depth int32
	cmd.Arg("service", `"namespace/name", or the name when it is unique.`).Required().StringVar(&service)
	cmd.Flag("depth", "Largest distance; 0: no limit.").Int32Var(&depth)
	a.command(cmd, func(ctx context.Context) error {
		return ask(ctx, a, func(ctx context.Context, conn *grpc.ClientConn) (walkAnswer, error) {
			return step(ctx, headwaterv1.NewTopologyServiceClient(conn), service, depth)
		}, a.tellHops)
	})
}

func (a *app) tellHops(answer walkAnswer) {
	t := a.table("SERVICE", "KIND", "DISTANCE", "THROUGH")
	for _, h := range answer.GetHops() {
		through := ""
		if h.GetDistance() > 1 {
			through = refName(h.GetVia())
		}
		t.row(refName(h.GetService()), kindWord(h.GetKind()), fmt.Sprint(h.GetDistance()), through)
	}
	t.flush()
}

func (a *app) addWhatBreaks(cmd *kingpin.CmdClause) {
	var services []string
	cmd.Arg("service", "Services that fail together.").Required().StringsVar(&services)
	a.command(cmd, func(ctx context.Context) error { return a.whatBreaks(ctx, services) })
}

func (a *app) whatBreaks(ctx context.Context, services []string) error {
	return ask(ctx, a, func(ctx context.Context, conn *grpc.ClientConn) (*headwaterv1.WhatBreaksResponse, error) {
		return headwaterv1.NewTopologyServiceClient(conn).WhatBreaks(ctx, &headwaterv1.WhatBreaksRequest{Services: services})
	}, a.tellImpacts)
}

func (a *app) tellImpacts(answer *headwaterv1.WhatBreaksResponse) {
	t := a.table("SERVICE", a.paint(plain, "EFFECT"), "DISTANCE", "THROUGH", "KIND", "OWNER")
	for _, i := range answer.GetImpacts() {
		t.row(refName(i.GetService()), a.paint(effectColour(i.GetEffect()), enumWord(i.GetEffect(), "EFFECT_")), fmt.Sprint(i.GetDistance()),
			refName(i.GetVia()), kindWord(i.GetKind()), clean(i.GetOwner()))
	}
	t.flush()
}

func effectColour(e headwaterv1.Effect) string {
	switch e {
	case headwaterv1.Effect_EFFECT_BROKEN:
		return red
	case headwaterv1.Effect_EFFECT_DEGRADED:
		return yellow
	}
	return plain
}
