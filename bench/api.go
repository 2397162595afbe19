package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protowire"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
)

// api is a client of vrfredist's API and of GoBGP's. Messages of the latter are
// written by hand, field by field: only rib/speaker/gobgp3 may import GoBGP.
type api struct {
	vrfredistv1.RedistributionClient
	conn *grpc.ClientConn
}

const apiPatience = 30 * time.Second

func newAPI(t *stage, socket string) *api {
	conn, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20)))
	t.must(err)
	t.Cleanup(func() { t.must(conn.Close()) })
	return &api{vrfredistv1.NewRedistributionClient(conn), conn}
}

// await waits until GoBGP answers.
func (a *api) await(t *stage) {
	t.until("the API answers", apiPatience, 20*time.Millisecond, func() bool {
		_, err := a.table()
		return err == nil
	})
}

// raw passes messages on as bytes.
type raw struct{}

func (raw) Name() string { return "proto" }

func (raw) Marshal(v any) ([]byte, error) { return v.([]byte), nil }

func (raw) Unmarshal(b []byte, v any) error {
	*v.(*[]byte) = b
	return nil
}

const gobgp = "/apipb.GobgpApi/"

// family is a Family message: an AFI, and unicast.
func family(afi byte) []byte { return []byte{1 << 3, afi, 2 << 3, 1} }

// table returns how many IPv4 paths the global table holds. GoBGP walks it for
// that, and does nothing else meanwhile.
func (a *api) table() (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), apiPatience)
	defer cancel()
	var answer []byte
	request := protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType), family(1))
	if err := a.conn.Invoke(ctx, gobgp+"GetTable", request, &answer, grpc.ForceCodec(raw{})); err != nil {
		return 0, fmt.Errorf("ask GoBGP for the size of its table: %w", err)
	}
	for len(answer) > 0 {
		field, kind, n := protowire.ConsumeTag(answer)
		if n < 0 {
			return 0, protowire.ParseError(n)
		}
		answer = answer[n:]
		if field == 2 && kind == protowire.VarintType { // num_path
			v, n := protowire.ConsumeVarint(answer)
			return int(v), protowire.ParseError(min(n, 0))
		}
		if n = protowire.ConsumeFieldValue(field, kind, answer); n < 0 {
			return 0, protowire.ParseError(n)
		}
		answer = answer[n:]
	}
	return 0, nil
}

// has returns a function that tells whether GoBGP holds a path for a prefix: a
// look-up of one destination.
func (a *api) has(t *stage) func(netip.Prefix) bool {
	return func(p netip.Prefix) bool {
		ctx, cancel := context.WithTimeout(context.Background(), apiPatience)
		defer cancel()
		afi := byte(1)
		if p.Addr().Is6() {
			afi = 2
		}
		lookup := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), p.String())
		request := protowire.AppendBytes(protowire.AppendTag(nil, 3, protowire.BytesType), family(afi))
		request = protowire.AppendBytes(protowire.AppendTag(request, 4, protowire.BytesType), lookup)
		stream, err := a.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, gobgp+"ListPath", grpc.ForceCodec(raw{}))
		t.must(err)
		t.must(stream.SendMsg(request))
		t.must(stream.CloseSend())
		found := false
		for {
			var answer []byte
			err := stream.RecvMsg(&answer)
			if errors.Is(err, io.EOF) {
				return found
			}
			if err != nil && strings.Contains(err.Error(), "not in table") {
				return false
			}
			t.must(err)
			found = found || len(answer) > 0
		}
	}
}

// vrf returns the state of one VRF of vrfredist.
func (a *api) vrf(t *stage, name string) *vrfredistv1.Vrf {
	ctx, cancel := context.WithTimeout(t.ctx, apiPatience)
	defer cancel()
	r, err := a.ListVrfs(ctx, &vrfredistv1.ListVrfsRequest{})
	t.must(err)
	for _, v := range r.GetVrfs() {
		if v.GetName() == name {
			return v
		}
	}
	t.Fatalf("vrfredist has no VRF %q", name)
	return nil
}

// received is how many prefixes a neighbour has announced, as the daemon says.
func (a *api) received(t *stage, neighbor netip.Addr) int {
	ctx, cancel := context.WithTimeout(t.ctx, apiPatience)
	defer cancel()
	list, err := a.ListNeighbors(ctx, &vrfredistv1.ListNeighborsRequest{Name: neighbor.String()})
	t.must(err)
	return int(list.GetNeighbors()[0].GetReceived())
}
