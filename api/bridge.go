package api

import (
	"context"
	"errors"
	"io"
	"net/http"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"
)

// BridgeHandler serves the unary and server-streaming methods of services over
// gRPC-Web and Connect, each under /<package>.<Service>/<Method>, by forwarding them
// over conn, usually a [Loopback]. services is what grpc.Server.GetServiceInfo returns.
// Methods that stream from the client are not served: browsers cannot.
//
// Browsers may use it from the sites that [RESTHandler] allows.
func BridgeHandler(conn grpc.ClientConnInterface, services map[string]grpc.ServiceInfo, origins Origins) (http.Handler, error) {
	mux := http.NewServeMux()
	for name := range services {
		d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
		if err != nil {
			return nil, err
		}
		service, ok := d.(protoreflect.ServiceDescriptor)
		if !ok {
			return nil, errors.New(name + " is not a service")
		}
		for i := range service.Methods().Len() {
			if m := service.Methods().Get(i); !m.IsStreamingClient() {
				path := "/" + name + "/" + string(m.Name())
				mux.Handle(path, bridgeMethod(conn, path, m))
			}
		}
	}
	return origins.guard(mux)
}

func bridgeMethod(conn grpc.ClientConnInterface, path string, m protoreflect.MethodDescriptor) http.Handler {
	options := []connect.HandlerOption{
		connect.WithSchema(m),
		connect.WithReadMaxBytes(maxRecvBytes),
		connect.WithRequestInitializer(func(_ connect.Spec, msg any) error {
			return initDynamic(msg, m.Input())
		}),
	}
	if m.IsStreamingServer() {
		return connect.NewServerStreamHandler(path, func(ctx context.Context, req *connect.Request[dynamicpb.Message], out *connect.ServerStream[dynamicpb.Message]) error {
			return connectError(forwardStream(outgoing(ctx, req.Header()), conn, path, m, req.Msg, out))
		}, options...)
	}
	return connect.NewUnaryHandler(path, func(ctx context.Context, req *connect.Request[dynamicpb.Message]) (*connect.Response[dynamicpb.Message], error) {
		resp := dynamicpb.NewMessage(m.Output())
		if err := conn.Invoke(outgoing(ctx, req.Header()), path, req.Msg, resp); err != nil {
			return nil, connectError(err)
		}
		return connect.NewResponse(resp), nil
	}, options...)
}

func forwardStream(ctx context.Context, conn grpc.ClientConnInterface, path string, m protoreflect.MethodDescriptor, req *dynamicpb.Message, out *connect.ServerStream[dynamicpb.Message]) error {
	// The call over conn ends with this one, however it ends.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	in, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, path)
	if err != nil {
		return err
	}
	if err := in.SendMsg(req); err != nil && !errors.Is(err, io.EOF) { // EOF: RecvMsg knows why
		return err
	}
	if err := in.CloseSend(); err != nil {
		return err
	}
	for {
		resp := dynamicpb.NewMessage(m.Output())
		switch err := in.RecvMsg(resp); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := out.Send(resp); err != nil {
			return err
		}
	}
}

// outgoing carries the authenticated user on, and nothing else of the headers.
func outgoing(ctx context.Context, header http.Header) context.Context {
	if md := userMetadata(&http.Request{Header: header}); md != nil {
		return metadata.NewOutgoingContext(ctx, md)
	}
	return ctx
}

// connectError keeps code, message and details.
func connectError(err error) error {
	if err == nil {
		return nil
	}
	if e := new(connect.Error); errors.As(err, &e) {
		return err
	}
	s := status.Convert(err)
	// The codes of Connect are those of gRPC, by number.
	e := connect.NewError(connect.Code(s.Code()), errors.New(s.Message()))
	for _, d := range s.Proto().GetDetails() {
		if detail, err := connect.NewErrorDetail(d); err == nil {
			e.AddDetail(detail)
		}
	}
	return e
}

func initDynamic(msg any, input protoreflect.MessageDescriptor) error {
	dynamic, ok := msg.(*dynamicpb.Message)
	if !ok {
		return errors.New("bridge: unexpected message type")
	}
	*dynamic = *dynamicpb.NewMessage(input)
	return nil
}
