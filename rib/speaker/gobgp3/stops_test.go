package gobgp3

import (
	"errors"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	api "github.com/osrg/gobgp/v3/api"

	"github.com/vrfredist/vrfredist/rib"
)

// keptStops keeps in memory what a directory keeps.
type keptStops struct {
	mu   sync.Mutex
	all  map[string]rib.Disabled // guarded by mu
	full error                   // guarded by mu; why nothing can be written
}

func (k *keptStops) All() map[string]rib.Disabled {
	k.mu.Lock()
	defer k.mu.Unlock()
	return maps.Clone(k.all)
}

func (k *keptStops) Change(changes map[string]*rib.Disabled) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.full != nil && len(changes) > 0 {
		return k.full
	}
	if k.all == nil {
		k.all = make(map[string]rib.Disabled)
	}
	for name, to := range changes {
		if delete(k.all, name); to != nil {
			k.all[name] = *to
		}
	}
	return nil
}

func (k *keptStops) Left(names []string) error {
	changes := make(map[string]*rib.Disabled)
	for _, name := range names {
		changes[name] = nil
	}
	return k.Change(changes)
}

func (k *keptStops) fills(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.full = err
}

// TestStayDisabled: a neighbour that was disabled before the start is down from the first moment,
// says since when, by whom and why, and comes up when it is enabled; one that left the configuration
// is forgotten.
func TestStayDisabled(t *testing.T) {
	p, q := newPeer(t, "127.0.0.2", 65002, "ipv4-unicast"), newPeer(t, "127.0.0.3", 65003, "ipv4-unicast")
	since := time.Now().Add(-time.Hour).Truncate(time.Second)
	kept := &keptStops{all: map[string]rib.Disabled{
		p.addr: {By: "uid 7", Reason: "new cable", Since: since}, "127.0.0.9": {By: "uid 7", Since: since},
	}}
	both := []any{neighborConf(p.addr, 65002, p.port, "ipv4-unicast"), neighborConf(q.addr, 65003, q.port, "ipv4-unicast")}
	s := run(t, Options{Config: toJSON(t, baseConf(nil, both)), Stops: kept})
	s.awaitState(t, q.addr, "established")
	got, _ := s.session(p.addr)
	if got.State != "idle" || !got.Disabled || !got.Stopped || !got.Down.Equal(since) || !strings.Contains(got.Reason, "disabled by uid 7: new cable, and down until it is enabled") {
		t.Errorf("it was disabled before the start: %+v", got)
	}
	if all := kept.All(); len(all) != 1 || all[p.addr].Reason != "new cable" {
		t.Errorf("one is disabled, and another is in no configuration; kept is %v", all)
	}
	if d := s.Drift(); len(d) != 0 {
		t.Errorf("that is no difference from the configuration: %v", d)
	}
	if _, err := s.Reload(t.Context(), toJSON(t, baseConf(nil, both)), rib.Extras{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Disable(t.Context(), p.addr, "again", "uid 8"); err != nil {
		t.Fatal(err)
	}
	if one := kept.All()[p.addr]; one.Reason != "again" || one.By != "uid 8" || !one.Since.Equal(since) {
		t.Errorf("disabled again, kept is %+v", one)
	}
	if err := s.Enable(t.Context(), p.addr, "uid 7"); err != nil {
		t.Fatal(err)
	}
	if got := s.awaitState(t, p.addr, "established"); got.Disabled || got.Stopped || got.Reason != "" {
		t.Errorf("it is enabled: %+v", got)
	}
	if all := kept.All(); len(all) != 0 {
		t.Errorf("none is disabled, kept is %v", all)
	}

	if err := s.Disable(t.Context(), q.addr, "", "uid 7"); err != nil {
		t.Fatal(err)
	}
	if _, is := kept.All()[q.addr]; !is {
		t.Error("it is disabled, and not kept")
	}
	if _, err := s.Reload(t.Context(), toJSON(t, baseConf(nil, both[:1])), rib.Extras{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "who left the configuration is forgotten", func() bool { return len(kept.All()) == 0 })
}

// TestStopsOfClients: what gobgp's command line disables is kept as well, with what it said; what
// cannot be kept is not done.
func TestStopsOfClients(t *testing.T) {
	p, q := newPeer(t, "127.0.0.2", 65002, "ipv4-unicast"), newPeer(t, "127.0.0.3", 65003, "ipv4-unicast")
	kept := new(keptStops)
	s := run(t, Options{Stops: kept, Config: toJSON(t, baseConf(nil, []any{
		neighborConf(p.addr, 65002, p.port, "ipv4-unicast"), neighborConf(q.addr, 65003, q.port, "ipv4-unicast"),
	}))})
	gobgp := api.NewGobgpApiClient(dial(t, "unix:"+s.socket))
	s.awaitState(t, p.addr, "established")
	s.awaitState(t, q.addr, "established")
	if _, err := gobgp.DisablePeer(t.Context(), &api.DisablePeerRequest{Address: p.addr, Communication: "gone home"}); err != nil {
		t.Fatal(err)
	}
	if all := kept.All(); len(all) != 1 || all[p.addr].Reason != "gone home" || all[p.addr].Since.IsZero() {
		t.Errorf("kept is %v", all)
	}
	s.awaitState(t, p.addr, "idle")
	if _, err := gobgp.EnablePeer(t.Context(), &api.EnablePeerRequest{Address: p.addr}); err != nil {
		t.Fatal(err)
	}
	if all := kept.All(); len(all) != 0 {
		t.Errorf("none is disabled, kept is %v", all)
	}
	if _, err := gobgp.DisablePeer(t.Context(), &api.DisablePeerRequest{}); err != nil { // all of them
		t.Fatal(err)
	}
	if all := kept.All(); len(all) != 2 {
		t.Errorf("all are disabled, kept is %v", all)
	}
	if _, err := gobgp.EnablePeer(t.Context(), &api.EnablePeerRequest{}); err != nil {
		t.Fatal(err)
	}

	s.awaitState(t, q.addr, "established")
	kept.fills(errors.New("the disk is full"))
	if _, err := gobgp.DisablePeer(t.Context(), &api.DisablePeerRequest{Address: q.addr}); err == nil || !strings.Contains(err.Error(), "the disk is full") {
		t.Errorf("it cannot be kept: %v", err)
	}
	if err := s.Disable(t.Context(), q.addr, "", "uid 7"); err == nil || !strings.Contains(err.Error(), "the disk is full") {
		t.Errorf("it cannot be kept: %v", err)
	}
	if got, _ := s.session(q.addr); got.State != "established" || got.Disabled {
		t.Errorf("it is down all the same: %+v", got)
	}
}

// TestInterruptedShutdown: a graceful shutdown that was under way is told of, and its session
// begins; one whose time has come meanwhile is over, and the neighbour is disabled.
func TestInterruptedShutdown(t *testing.T) {
	p, q := newPeer(t, "127.0.0.2", 65002, "ipv4-unicast"), newPeer(t, "127.0.0.3", 65003, "ipv4-unicast")
	now := time.Now()
	kept := &keptStops{all: map[string]rib.Disabled{
		p.addr: {By: "uid 7", Since: now.Add(-time.Hour), Due: now.Add(time.Hour)},
		q.addr: {By: "uid 7", Since: now.Add(-time.Hour), Due: now.Add(-time.Minute)},
	}}
	s := run(t, Options{Stops: kept, Config: toJSON(t, baseConf(nil, []any{
		neighborConf(p.addr, 65002, p.port, "ipv4-unicast"), neighborConf(q.addr, 65003, q.port, "ipv4-unicast"),
	}))})
	s.awaitState(t, p.addr, "established")
	all := s.Interrupted()
	one, is := all[p.addr]
	if !is || len(all) != 1 {
		t.Fatalf("interrupted are %v", all)
	}
	if err := s.Drain(t.Context(), p.addr, &one); err != nil {
		t.Fatal(err)
	}
	if got, _ := s.session(p.addr); got.State != "established" || !got.Draining {
		t.Errorf("its shutdown goes on: %+v", got)
	}
	if got, _ := s.session(q.addr); got.State != "idle" || !got.Disabled {
		t.Errorf("its shutdown is over: %+v", got)
	}
	if one := kept.All()[q.addr]; one.Draining() || one.By != "uid 7" {
		t.Errorf("its shutdown is over, kept is %+v", one)
	}
	if err := s.Drain(t.Context(), p.addr, nil); err != nil {
		t.Fatal(err)
	}
	if all := kept.All(); len(all) != 1 || len(s.Interrupted()) != 0 {
		t.Errorf("the shutdown was ended, kept is %v", all)
	}
}
