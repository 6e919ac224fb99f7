package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cloakroom-go/cloakroom/examples/frameworks/internal/shop"
	"github.com/cloakroom-go/cloakroom/examples/frameworks/internal/test/story"
)

func TestShop(t *testing.T) {
	example := story.HTTP(app)
	example.Visit = func(t *testing.T, url string, client *http.Client) story.Visitor { return caller{t, url, client} }
	story.Run(t, example)
}

// caller is a visitor with a client of connect's.
type caller struct {
	t      *testing.T
	url    string
	client *http.Client
}

func (c caller) SignIn(name, password string) int {
	in, err := structpb.NewStruct(map[string]any{"name": name, "password": password})
	if err != nil {
		c.t.Error(err)
	}
	_, status := call[structpb.Struct, emptypb.Empty](c, "SignIn", in)
	return status
}

func (c caller) SignOut() int {
	_, status := call[emptypb.Empty, emptypb.Empty](c, "SignOut", nil)
	return status
}

func (c caller) Cart() (cart shop.Cart, status int) {
	out, status := call[emptypb.Empty, structpb.Value](c, "GetCart", nil)
	c.decode(out, &cart)
	return cart, status
}

func (c caller) Put(item string) (cart shop.Cart, status int) {
	out, status := call[wrapperspb.StringValue, structpb.Value](c, "Put", wrapperspb.String(item))
	c.decode(out, &cart)
	return cart, status
}

func (c caller) Devices() (list []shop.Device, status int) {
	out, status := call[emptypb.Empty, structpb.Value](c, "ListDevices", nil)
	c.decode(out, &list)
	return list, status
}

func (c caller) EndDevice(id string) int {
	_, status := call[wrapperspb.StringValue, emptypb.Empty](c, "EndDevice", wrapperspb.String(id))
	return status
}

func (c caller) decode(v *structpb.Value, out any) {
	c.t.Helper()
	if v == nil {
		return
	}
	text, err := v.MarshalJSON()
	if err == nil {
		err = json.Unmarshal(text, out)
	}
	if err != nil {
		c.t.Error(err)
	}
}

// statuses are what the story expects of each code.
var statuses = map[connect.Code]int{
	connect.CodeUnauthenticated:  401,
	connect.CodePermissionDenied: 403,
	connect.CodeInvalidArgument:  400,
	connect.CodeNotFound:         404,
	connect.CodeUnavailable:      503,
}

// call calls an RPC. A success is the status that JSON routes have.
func call[In, Out any](c caller, name string, in *In) (*Out, int) {
	c.t.Helper()
	if in == nil {
		in = new(In)
	}
	client := connect.NewClient[In, Out](c.client, c.url+"/shop.v1.Shop/"+name)
	out, err := client.CallUnary(c.t.Context(), connect.NewRequest(in))
	var refusal *connect.Error
	switch {
	case errors.As(err, &refusal):
		if statuses[refusal.Code()] == 0 {
			c.t.Errorf("%s: %v", name, err)
		}
		return nil, statuses[refusal.Code()]
	case err != nil:
		c.t.Errorf("%s: %v", name, err)
		return nil, 0
	}
	if _, empty := any(out.Msg).(*emptypb.Empty); empty {
		return out.Msg, 204
	}
	return out.Msg, 200
}
