package gobgp3

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	api "github.com/osrg/gobgp/v3/api"
	"google.golang.org/grpc"
)

// TestAwaiting: a start that cannot be had is refused with why, the first that can is taken, and whoever
// sent it learns how it went.
func TestAwaiting(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	ctx, end := context.WithCancel(t.Context())
	defer end()
	type ran struct {
		start Start
		told  func(error)
		err   error
	}
	done := make(chan ran, 1)
	go func() {
		s, told, err := Awaiting{
			Listen: []string{"unix://" + socket}, Server: grpc.NewServer(), Who: func(context.Context) string { return "uid 7" },
			Judge: func(s Start) error {
				if s.AS == 23456 {
					return errors.New("AS 23456 is reserved")
				}
				return nil
			},
		}.Run(ctx)
		done <- ran{s, told, err}
	}()
	gobgp := api.NewGobgpApiClient(dial(t, "unix:"+socket))
	start := func(g *api.Global) error {
		_, err := gobgp.StartBgp(t.Context(), &api.StartBgpRequest{Global: g}, grpc.WaitForReady(true))
		return err
	}
	for word, g := range map[string]*api.Global{
		"no global configuration": nil,
		"AS 23456 is reserved":    {Asn: 23456, RouterId: "192.0.2.1"},
		"confederation is not":    {Asn: 65000, RouterId: "192.0.2.1", Confederation: &api.Confederation{Enabled: true}},
		"apply_policy is not":     {Asn: 65000, RouterId: "192.0.2.1", ApplyPolicy: &api.ApplyPolicy{}},
		"listen_port 70000":       {Asn: 65000, RouterId: "192.0.2.1", ListenPort: 70000},
	} {
		if err := start(g); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%v: %v", g, err)
		}
	}
	asked := make(chan error, 1)
	go func() { asked <- start(&api.Global{Asn: 65000, RouterId: "192.0.2.1", ListenPort: -1}) }()
	got := <-done
	if got.err != nil || got.start.AS != 65000 || got.start.RouterID != "192.0.2.1" || got.start.Port != -1 || got.start.By != "uid 7" {
		t.Fatalf("what is started: %+v", got)
	}
	if err := start(&api.Global{Asn: 65001, RouterId: "192.0.2.2"}); err == nil || !strings.Contains(err.Error(), "AS 65000 with router ID 192.0.2.1, as uid 7 started it") {
		t.Errorf("a second start: %v", err)
	}
	got.told(errors.New("the port is taken"))
	if err := <-asked; err == nil || !strings.Contains(err.Error(), "the port is taken") {
		t.Errorf("whoever started it learns: %v", err)
	}
}

// TestAwaitingEnds: the wait ends with its context.
func TestAwaitingEnds(t *testing.T) {
	ctx, end := context.WithCancelCause(t.Context())
	why := errors.New("told to end")
	end(why)
	_, _, err := Awaiting{Listen: []string{"unix://" + filepath.Join(t.TempDir(), "s")}, Server: grpc.NewServer()}.Run(ctx)
	if !errors.Is(err, why) {
		t.Error(err)
	}
}
