package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"

	"github.com/headwater-sre/headwater/api/cascade"
	"github.com/headwater-sre/headwater/correlate"
	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
	"github.com/headwater-sre/headwater/topology/layout"
)

// reportService implements [pb.ReportServiceServer].
type reportService struct {
	pb.UnimplementedReportServiceServer
	incidents *incidentService
}

// GetCascade implements [pb.ReportServiceServer].
func (s *reportService) GetCascade(ctx context.Context, req *pb.GetCascadeRequest) (*pb.GetCascadeResponse, error) {
	if _, ok := pb.CascadeDirection_name[int32(req.GetDirection())]; !ok {
		return nil, invalid("direction", fmt.Sprintf("%d is none", req.GetDirection()))
	}
	incident, revision, err := s.incidents.incident(ctx, req.GetId())
	if err != nil {
		return nil, err
	}
	direction := layout.Right
	if req.GetDirection() == pb.CascadeDirection_CASCADE_DIRECTION_DOWN {
		direction = layout.Down
	}
	picture, err := s.draw(ctx, incident, direction)
	if err != nil {
		return nil, err
	}
	resp := &pb.GetCascadeResponse{Cascade: cascadeToProto(picture), Revision: revision}
	if req.GetSvg() {
		resp.Cascade.Svg = picture.SVG()
	}
	return resp, nil
}

// draw makes the picture of an incident from the graph and the checks as they are now.
func (s *reportService) draw(ctx context.Context, incident *correlate.Incident, direction layout.Direction) (*cascade.Cascade, error) {
	state := cascade.State{Incident: incident, Direction: direction}
	state.Graph, _ = s.incidents.options.Reader.Graph()
	_, err := s.incidents.options.Reader.ScanHealth(ctx, func(h *correlate.HealthState) bool {
		state.Health = append(state.Health, h)
		return ctx.Err() == nil
	})
	if err := errors.Join(err, ctx.Err()); err != nil {
		return nil, fmt.Errorf("read health checks for the cascade of %s: %w", incident.ID, err)
	}
	return cascade.Draw(state), nil
}

func cascadeToProto(c *cascade.Cascade) *pb.Cascade {
	return &pb.Cascade{
		Incident: c.Incident.ID, Headline: c.Incident.Headline(), Description: c.Description(),
		Nodes: mapped(c.Nodes, cascadeNodeToProto), Edges: mapped(c.Edges, cascadeEdgeToProto),
		Width: c.Width, Height: c.Height, Layers: int32(c.Layers), OmittedServices: int32(c.Left), Mermaid: c.Mermaid(),
	}
}

func cascadeNodeToProto(n cascade.Node) *pb.CascadeNode {
	p := &pb.CascadeNode{
		Service: refToProto(n.Service), Name: n.Name, Kind: kindToProto(n.Kind), Owner: n.Owner,
		Role: pb.CascadeRole(n.Role) + 1, Probability: n.Probability, Silent: n.Silent, Passing: n.Passing, Places: n.Places,
		X: n.Box.X, Y: n.Box.Y, Width: n.Box.Width, Height: n.Box.Height, Layer: int32(n.Box.Layer), About: n.About(),
	}
	if n.Order > 0 {
		p.Severity, p.Alerts, p.Firing = severityToProto(n.Severity), int32(n.Alerts), int32(n.Firing)
		p.Since, p.After, p.Order = timeToProto(n.Since), durationToProto(n.After), int32(n.Order)
	}
	return p
}

func cascadeEdgeToProto(e cascade.Edge) *pb.CascadeEdge {
	return &pb.CascadeEdge{
		From: int32(e.From), To: int32(e.To), Link: pb.CascadeLink(e.Link) + 1, Kind: e.Kind, Delay: durationToProto(e.Delay),
		Points: mapped(e.Points, func(p layout.Point) *pb.CascadePoint { return &pb.CascadePoint{X: p.X, Y: p.Y} }),
	}
}

// registerDocuments serves what is read as a document of its own and not as JSON.
func registerDocuments(mux *runtime.ServeMux, conn grpc.ClientConnInterface) error {
	reports := pb.NewReportServiceClient(conn)
	for _, d := range []document{
		{"/api/v1/incidents/{id}/cascade.svg", pb.ReportService_GetCascade_FullMethodName, "image/svg+xml", func(ctx context.Context, id string) (string, error) {
			resp, err := reports.GetCascade(ctx, &pb.GetCascadeRequest{Id: id, Svg: true})
			return resp.GetCascade().GetSvg(), err
		}},
		{"/api/v1/incidents/{id}/postmortem.md", pb.ReportService_GetPostmortem_FullMethodName, "text/markdown; charset=utf-8", func(ctx context.Context, id string) (string, error) {
			resp, err := reports.GetPostmortem(ctx, &pb.GetPostmortemRequest{Id: id, Picture: "cascade.svg"})
			return resp.GetMarkdown(), err
		}},
	} {
		if err := mux.HandlePath(http.MethodGet, d.path, d.serve(mux)); err != nil {
			return fmt.Errorf("%s: %w", d.path, err)
		}
	}
	return nil
}

// document is a report of an incident under a path of its own.
type document struct {
	path, method string
	contentType  string
	read         func(ctx context.Context, id string) (string, error)
}

func (d document) serve(mux *runtime.ServeMux) runtime.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request, params map[string]string) {
		_, marshaler := runtime.MarshalerForRequest(mux, r)
		ctx, err := runtime.AnnotateContext(r.Context(), mux, r, d.method)
		if err != nil {
			runtime.HTTPError(r.Context(), mux, marshaler, w, r, err)
			return
		}
		text, err := d.read(ctx, params["id"])
		if err != nil {
			runtime.HTTPError(ctx, mux, marshaler, w, r, err)
			return
		}
		header := w.Header()
		header.Set("Content-Type", d.contentType)
		// What services and people are called is in it: nothing of that may run or load anything.
		header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Cache-Control", "no-cache")
		_, _ = w.Write([]byte(text)) // the client has gone
	}
}
