package api

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
	"github.com/headwater-sre/headwater/topology"
	"github.com/headwater-sre/headwater/topology/discovery"
)

// Discovery is what the topology is made of. [discovery.Manager] is one.
type Discovery interface {
	View() *discovery.View
	Push(ctx context.Context, change discovery.Change) (discovery.Receipt, error)
	Delete(ctx context.Context, source, etag, by string) (discovery.Receipt, error)
	Pushed(ctx context.Context, source string) (discovery.Pushed, error)
}

// noDiscovery stands in for sources where there are none: graphs come from elsewhere.
type noDiscovery struct{}

var errNoDiscovery = errors.New("this server takes no topology")

// View implements [Discovery].
func (noDiscovery) View() *discovery.View { return &discovery.View{} }

// Push implements [Discovery].
func (noDiscovery) Push(context.Context, discovery.Change) (discovery.Receipt, error) {
	return discovery.Receipt{}, errNoDiscovery
}

// Delete implements [Discovery].
func (noDiscovery) Delete(context.Context, string, string, string) (discovery.Receipt, error) {
	return discovery.Receipt{}, errNoDiscovery
}

// Pushed implements [Discovery].
func (noDiscovery) Pushed(_ context.Context, source string) (discovery.Pushed, error) {
	return discovery.Pushed{}, fmt.Errorf("%q: %w", source, discovery.ErrNoSource)
}

// graph is the graph in force, with what the sources saw last where they say the same
// graph now.
func (s *topologyService) graph() (*topology.Graph, uint64) {
	g, revision := s.options.Reader.Graph()
	if live := s.options.Discovery.View().Graph(); g != nil && live != nil && live.Version() == g.Version() {
		g = live
	}
	return g, revision
}

// ListTopologySources implements [pb.TopologyServiceServer].
func (s *topologyService) ListTopologySources(context.Context, *pb.ListTopologySourcesRequest) (*pb.ListTopologySourcesResponse, error) {
	v := s.options.Discovery.View()
	return &pb.ListTopologySourcesResponse{Sources: mapped(v.Sources, sourceToProto), TopologyVersion: v.Published}, nil
}

// ListTopologySuggestions implements [pb.TopologyServiceServer].
func (s *topologyService) ListTopologySuggestions(context.Context, *pb.ListTopologySuggestionsRequest) (*pb.ListTopologySuggestionsResponse, error) {
	return &pb.ListTopologySuggestionsResponse{Suggestions: mapped(s.options.Discovery.View().LookAlikes, lookAlikeToProto)}, nil
}

// GetTopologySource implements [pb.TopologyServiceServer].
func (s *topologyService) GetTopologySource(ctx context.Context, req *pb.GetTopologySourceRequest) (*pb.GetTopologySourceResponse, error) {
	p, err := s.options.Discovery.Pushed(ctx, strings.TrimPrefix(req.GetSource(), discovery.PushedPrefix))
	if err != nil {
		return nil, discoveryError(ctx, req.GetSource(), err)
	}
	return &pb.GetTopologySourceResponse{
		Source:       pushedToProto(&p),
		Services:     mapped(p.Services, serviceSaid),
		Dependencies: mapped(p.Dependencies, dependencySaid),
		RedundancyGroups: mapped(p.Groups, func(g topology.Group) *pb.RedundancyGroup {
			return &pb.RedundancyGroup{From: refToProto(g.From), Name: g.Name, Need: int32(g.Need)}
		}),
	}, nil
}

// PushTopology implements [pb.TopologyServiceServer].
func (s *topologyService) PushTopology(ctx context.Context, req *pb.PushTopologyRequest) (*pb.PushTopologyResponse, error) {
	c := discovery.Change{Source: req.GetSource(), By: req.GetActor(), ETag: req.GetEtag()}
	r := contentReader{}
	c.Content = r.content(req)
	for i, ref := range req.GetRemoveServices() {
		c.RemoveServices = append(c.RemoveServices, r.ref(fmt.Sprintf("remove_services[%d]", i), ref))
	}
	for i, d := range req.GetRemoveDependencies() {
		at := fmt.Sprintf("remove_dependencies[%d]", i)
		c.RemoveDependencies = append(c.RemoveDependencies, discovery.Ends{From: r.ref(at+".from", d.GetFrom()), To: r.ref(at+".to", d.GetTo())})
	}
	receipt, err := s.push(ctx, &r, &c, req.GetTtl())
	if err != nil {
		return nil, err
	}
	return &pb.PushTopologyResponse{
		Source: pushedToProto(&receipt.Pushed), TopologyVersion: receipt.Version, Revision: receipt.Pos, Suggestions: s.about(req.GetSource()),
	}, nil
}

// ReplaceTopology implements [pb.TopologyServiceServer].
func (s *topologyService) ReplaceTopology(ctx context.Context, req *pb.ReplaceTopologyRequest) (*pb.ReplaceTopologyResponse, error) {
	c := discovery.Change{Source: req.GetSource(), By: req.GetActor(), ETag: req.GetEtag(), Replace: true}
	r := contentReader{}
	c.Content = r.content(req)
	receipt, err := s.push(ctx, &r, &c, req.GetTtl())
	if err != nil {
		return nil, err
	}
	return &pb.ReplaceTopologyResponse{
		Source: pushedToProto(&receipt.Pushed), TopologyVersion: receipt.Version, Revision: receipt.Pos, Suggestions: s.about(req.GetSource()),
	}, nil
}

// DeleteTopologySource implements [pb.TopologyServiceServer].
func (s *topologyService) DeleteTopologySource(ctx context.Context, req *pb.DeleteTopologySourceRequest) (*pb.DeleteTopologySourceResponse, error) {
	by := actor(ctx, req.GetActor())
	if err := checkText("actor", by, maxActorBytes); err != nil {
		return nil, err
	}
	source := strings.TrimPrefix(req.GetSource(), discovery.PushedPrefix)
	receipt, err := s.options.Discovery.Delete(ctx, source, req.GetEtag(), by)
	if err != nil {
		return nil, discoveryError(ctx, source, err)
	}
	if _, err := s.applied(ctx, receipt.Pos); err != nil {
		return nil, err
	}
	return &pb.DeleteTopologySourceResponse{TopologyVersion: receipt.Version, Revision: receipt.Pos}, nil
}

var sourceName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,62}$`)

// push carries out a change that r has read, and waits until it is in force.
func (s *topologyService) push(ctx context.Context, r *contentReader, c *discovery.Change, ttl *durationpb.Duration) (discovery.Receipt, error) {
	if ttl != nil {
		d := ttl.AsDuration()
		if d < 0 || d > 0 && d < minTTL {
			return discovery.Receipt{}, invalid("ttl", fmt.Sprintf("%s is too short; 0 means until it is removed, else at least %s", d, minTTL))
		}
		c.TTL = &d
	}
	c.By = actor(ctx, c.By)
	if !sourceName.MatchString(c.Source) {
		return discovery.Receipt{}, invalid("source", fmt.Sprintf("%q is no name of a source; use up to 63 of a-z, 0-9, - and ., without %q", c.Source, discovery.PushedPrefix))
	}
	if err := errors.Join(r.err, checkText("actor", c.By, maxActorBytes)); err != nil {
		return discovery.Receipt{}, err
	}
	receipt, err := s.options.Discovery.Push(ctx, *c)
	if err != nil {
		return discovery.Receipt{}, discoveryError(ctx, c.Source, err)
	}
	rejected, err := s.applied(ctx, receipt.Pos)
	if err == nil && rejected != "" {
		err = fault(codes.Internal, reasonRejected, rejected, nil)
	}
	return receipt, err
}

// minTTL is what a pusher can keep up with.
const minTTL = time.Minute

// about are the suggestions that concern a pushed source.
func (s *topologyService) about(source string) []*pb.TopologySuggestion {
	name := discovery.PushedPrefix + source
	var out []*pb.TopologySuggestion
	for _, l := range s.options.Discovery.View().LookAlikes {
		if l.A.Source == name || l.B.Source == name {
			out = append(out, lookAlikeToProto(l))
		}
	}
	return out
}

// discoveryError translates what [Discovery] returns.
func discoveryError(ctx context.Context, source string, err error) error {
	switch {
	case errors.Is(err, discovery.ErrNoSource):
		return missing("TopologySource", source, fmt.Sprintf("nothing was pushed as %q, or it was deleted or has reached its TTL", source))
	case errors.Is(err, discovery.ErrETag):
		return fault(codes.Aborted, reasonETag, err.Error()+"; get it and try again", map[string]string{"source": source})
	case errors.Is(err, discovery.ErrInvalid):
		return invalid("services", err.Error())
	case errors.Is(err, discovery.ErrLimit):
		return fault(codes.ResourceExhausted, reasonSourceLimit, err.Error()+"; delete one", nil)
	case errors.Is(err, errNoDiscovery):
		return fault(codes.FailedPrecondition, reasonNoSources, err.Error(), nil)
	default:
		return publishError(ctx, err)
	}
}

// contentReader reads what is pushed, and keeps the first mistake.
type contentReader struct{ err error }

func (r *contentReader) bad(field, description string) {
	if r.err == nil {
		r.err = invalid(field, description)
	}
}

// pushedContent is what the requests that push have in common.
type pushedContent interface {
	GetServices() []*pb.Service
	GetDependencies() []*pb.Dependency
	GetRedundancyGroups() []*pb.RedundancyGroup
}

func (r *contentReader) content(req pushedContent) discovery.Content {
	var c discovery.Content
	for i, s := range req.GetServices() {
		c.Services = append(c.Services, r.service(fmt.Sprintf("services[%d]", i), s))
	}
	for i, d := range req.GetDependencies() {
		at := fmt.Sprintf("dependencies[%d]", i)
		c.Dependencies = append(c.Dependencies, topology.Dependency{
			From: r.ref(at+".from", d.GetFrom()), To: r.ref(at+".to", d.GetTo()),
			Mode: r.mode(at+".mode", d.GetMode()), Group: d.GetRedundancyGroup(),
		})
	}
	for i, g := range req.GetRedundancyGroups() {
		at := fmt.Sprintf("redundancy_groups[%d]", i)
		if g.GetName() == "" {
			r.bad(at+".name", "must not be empty")
		}
		c.Groups = append(c.Groups, topology.Group{From: r.ref(at+".from", g.GetFrom()), Name: g.GetName(), Need: int(g.GetNeed())})
	}
	return c
}

func (r *contentReader) service(at string, s *pb.Service) topology.Service {
	ref := r.ref(at+".ref", s.GetRef())
	out := topology.Service{
		Name: ref.Name, Namespace: ref.Namespace, Labels: s.GetLabels(), Owner: s.GetOwner(), Tier: int(s.GetTier()),
		Runbook: s.GetRunbook(), Links: s.GetLinks(), RunsOn: s.GetRunsOn(), Aliases: s.GetAliases(),
	}
	if _, known := pb.ServiceKind_name[int32(s.GetKind())]; !known {
		r.bad(at+".kind", fmt.Sprintf("%d is no kind of service", s.GetKind()))
	}
	out.Kind = topology.Kind(s.GetKind())
	if out.Tier < 0 {
		r.bad(at+".tier", "must not be negative; 1 is the most critical")
	}
	if slices.Contains(out.RunsOn, "") {
		r.bad(at+".runs_on", "has an empty name")
	}
	return out
}

func (r *contentReader) mode(at string, m pb.DependencyMode) topology.Mode {
	if _, known := pb.DependencyMode_name[int32(m)]; !known {
		r.bad(at, fmt.Sprintf("%d is no mode", m))
	}
	return topology.Mode(max(m, pb.DependencyMode_DEPENDENCY_MODE_HARD) - 1)
}

func (r *contentReader) ref(at string, ref *pb.ServiceRef) topology.Ref {
	switch out := (topology.Ref{Namespace: ref.GetNamespace(), Name: ref.GetName()}); {
	case out.Name == "":
		r.bad(at+".name", "must not be empty")
		return out
	case len(out.Namespace)+len(out.Name) > maxRefBytes:
		r.bad(at, fmt.Sprintf("is longer than %d bytes", maxRefBytes))
		return out
	default:
		return out
	}
}

// maxRefBytes bounds a name with its namespace.
const maxRefBytes = 1024
