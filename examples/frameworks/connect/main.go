// Command connect is the shop as a service of connect-go. Its messages are protobuf's own
// types, so that it needs no generated code; a service that has some looks the same.
package main

import (
	"context"
	"errors"
	"net/http"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/examples/frameworks/internal/shop"
)

func main() { shop.Main(app) }

// app returns the application. The context of an RPC is its request's, so sessions are
// found in it.
func app(sessions *cloakroom.Manager) http.Handler {
	s, mux := service{sessions}, http.NewServeMux()
	procedure(mux, sessions, "SignIn", s.signIn)
	procedure(mux, sessions, "SignOut", s.signOut)
	procedure(mux, sessions, "GetCart", s.cart)
	procedure(mux, sessions, "Put", s.put)
	procedure(mux, sessions, "ListDevices", s.devices)
	procedure(mux, sessions, "EndDevice", s.endDevice)
	return http.NewCrossOriginProtection().Handler(sessions.Handler(mux))
}

type service struct{ sessions *cloakroom.Manager }

func (s service) signIn(ctx context.Context, session *cloakroom.Session, in *structpb.Struct) (*emptypb.Empty, error) {
	id, attempt, err := shop.Prove(ctx, s.sessions, in.Fields["name"].GetStringValue(), in.Fields["password"].GetStringValue())
	if err == nil && id == "" {
		err = connect.NewError(connect.CodePermissionDenied, errors.New("wrong name or password"))
	}
	if err != nil {
		return nil, err
	}
	return new(emptypb.Empty), session.Login(ctx, id, &cloakroom.LoginOptions{Attempt: attempt})
}

func (s service) signOut(ctx context.Context, session *cloakroom.Session, _ *emptypb.Empty) (*emptypb.Empty, error) {
	return new(emptypb.Empty), session.Destroy(ctx)
}

func (s service) cart(_ context.Context, session *cloakroom.Session, _ *emptypb.Empty) (*structpb.Value, error) {
	return value(shop.CartOf(session))
}

func (s service) put(_ context.Context, session *cloakroom.Session, in *wrapperspb.StringValue) (*structpb.Value, error) {
	if !shop.Sells(in.Value) {
		return nil, connect.NewError(connect.CodeInvalidArgument, errors.New("no such thing"))
	}
	return value(shop.Put(session, in.Value))
}

func (s service) devices(ctx context.Context, session *cloakroom.Session, _ *emptypb.Empty) (*structpb.Value, error) {
	if session.Principal() == "" {
		return nil, connect.NewError(connect.CodeUnauthenticated, errors.New("please sign in"))
	}
	all, err := s.sessions.Devices(ctx)
	if err != nil {
		return nil, err
	}
	return value(shop.DevicesOf(all))
}

func (s service) endDevice(ctx context.Context, _ *cloakroom.Session, in *wrapperspb.StringValue) (*emptypb.Empty, error) {
	return new(emptypb.Empty), shop.EndDevice(ctx, s.sessions, in.Value)
}
