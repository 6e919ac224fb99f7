package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/cloakroom-go/cloakroom"
)

// This file is what is connect's and not the shop's: how an RPC gets its session, and how
// errors and values are sent.

// procedure mounts an RPC, which gets its session.
func procedure[In, Out any](mux *http.ServeMux, sessions *cloakroom.Manager, name string,
	f func(context.Context, *cloakroom.Session, *In) (*Out, error),
) {
	path := "/shop.v1.Shop/" + name
	mux.Handle(path, connect.NewUnaryHandler(path, func(ctx context.Context, in *connect.Request[In]) (*connect.Response[Out], error) {
		s, err := sessions.Session(ctx)
		if err != nil {
			return nil, refusal(err)
		}
		out, err := f(ctx, s, in.Msg)
		if err != nil {
			s.Discard() // an error is answered: what was changed by then isn't saved
			return nil, refusal(err)
		}
		return connect.NewResponse(out), nil
	}))
}

// refusal says in connect's codes what Manager.Fail says in HTTP's. What can't be saved when
// connect answers is 503 by Handler, and clients read that as CodeUnavailable too.
func refusal(err error) error {
	switch {
	case errors.Is(err, cloakroom.ErrUnavailable):
		return connect.NewError(connect.CodeUnavailable, errors.New("please try again later"))
	case errors.Is(err, cloakroom.ErrNotFound):
		return connect.NewError(connect.CodeNotFound, errors.New("there is no such thing"))
	case errors.Is(err, cloakroom.ErrGone), errors.Is(err, cloakroom.ErrConflict), errors.Is(err, cloakroom.ErrRevoked):
		return connect.NewError(connect.CodeAborted, errors.New("your session has changed, please try again"))
	}
	return err // a refusal with a code of its own, or connect.CodeUnknown
}

// value returns anything as a message.
func value(v any) (*structpb.Value, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	message := new(structpb.Value)
	return message, message.UnmarshalJSON(text)
}
