package main

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	headwaterv1 "github.com/headwater-sre/headwater/proto/headwater/v1"
)

// incidentAnswer is what every command for an incident is answered with.
type incidentAnswer interface {
	proto.Message
	GetIncident() *headwaterv1.Incident
}

// steer sends a command and prints what was done, where that is not what the
// incident has become, and the incident as it is afterwards.
func (a *app) steer(ctx context.Context, done string, send func(context.Context, headwaterv1.IncidentServiceClient) (incidentAnswer, error)) error {
	return ask(ctx, a, func(ctx context.Context, conn *grpc.ClientConn) (incidentAnswer, error) {
		return send(ctx, headwaterv1.NewIncidentServiceClient(conn))
	}, func(answer incidentAnswer) {
		i := answer.GetIncident()
		if done == "" {
			done = i.GetId() + " " + standing(i)
		}
		fmt.Fprintf(a.out, "%s: %s\n", done, clean(i.GetHeadline()))
	})
}

// steerTo is steer where what was done is read from the incident as it is afterwards.
func (a *app) steerTo(ctx context.Context, done func(*headwaterv1.Incident) string, send func(context.Context, headwaterv1.IncidentServiceClient) (incidentAnswer, error)) error {
	return ask(ctx, a, func(ctx context.Context, conn *grpc.ClientConn) (incidentAnswer, error) {
		return send(ctx, headwaterv1.NewIncidentServiceClient(conn))
	}, func(answer incidentAnswer) {
		fmt.Fprintf(a.out, "%s: %s\n", done(answer.GetIncident()), clean(answer.GetIncident().GetHeadline()))
	})
}

// standing is the state in a few words, with who has it.
func standing(i *headwaterv1.Incident) string {
	switch {
	case i.GetMergedInto() != "":
		return "merged into " + clean(i.GetMergedInto())
	case i.GetState() == headwaterv1.IncidentState_INCIDENT_STATE_OPEN && i.GetAcknowledgement() != nil:
		return "acknowledged by " + clean(i.GetAcknowledgement().GetActor())
	case i.GetResolvedBy() != "":
		return "resolved by " + clean(i.GetResolvedBy())
	}
	return stateWord(i.GetState())
}
