package gobgp3

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// TestImportsComeBeforeEndOfRIB: a neighbour whose session begins with the daemon is told that it was
// told all behind what VRFs import, however late their tables are read.
func TestImportsComeBeforeEndOfRIB(t *testing.T) {
	kept := map[bgp.RouteFamily]bool{bgp.RF_IPv4_UC: true, bgp.RF_IPv6_UC: true}
	to := newHostile(t, "127.0.0.2", 65001, both(gracefulCap(60, kept))...)
	var done atomic.Bool
	s := run(t, Options{
		Config: toJSON(t, redAnd(graceful60(to.conf(allFamilies[:2]...)))),
		Imports: func(vrf string) Imports {
			switch {
			case vrf != speaker.Default:
				return NoImports
			case done.Load():
				return ImportsAnnounced
			}
			return ImportsComing
		},
	})
	eventually(t, "the session begins", to.isUp)
	s.awaitKeptBack(t)
	prefix := netip.MustParsePrefix("198.51.100.0/24")
	if err := s.Announce(t.Context(), speaker.Default, []rib.AnnounceChange{{Announcement: rib.Announcement{Prefix: prefix}}}); err != nil {
		t.Fatal(err)
	}
	have := &table{routes: make(map[string]string), ends: make(map[bgp.RouteFamily]int), before: make(map[bgp.RouteFamily]int)}
	eventually(t, "the import is told", func() bool { have.learn(to); return len(have.routes) == 1 })
	if len(have.ends) > 0 {
		t.Errorf("End-of-RIBs before VRFs have announced what they import: %v", have.ends)
	}
	done.Store(true)
	eventually(t, "End-of-RIB of both", func() bool { have.learn(to); return len(have.ends) == 2 })
	for f, n := range have.ends {
		if n != 1 || have.before[f] != 1 {
			t.Errorf("%s: %d End-of-RIBs, the last behind %d routes", f, n, have.before[f])
		}
	}
}

// TestWhoComesUpLateHearsOfTheRestart: a neighbour whose session comes up when the restart is over, as
// the other one has it, is told that forwarding went on, or it would drop what it kept for us; and
// after that session no more.
func TestWhoComesUpLateHearsOfTheRestart(t *testing.T) {
	kept := map[bgp.RouteFamily]bool{bgp.RF_IPv4_UC: true, bgp.RF_IPv6_UC: true}
	first, late := newHostile(t, "127.0.0.2", 65001, both(gracefulCap(60, kept))...), newHostile(t, "127.0.0.3", 65002, both(gracefulCap(60, kept), longLivedCap(12, kept))...)
	down := longLived(graceful60(late.conf(allFamilies[:2]...)))
	down["config"].(obj)["admin-down"] = true
	s := run(t, Options{GracefulRestart: true, Config: toJSON(t, redAnd(graceful60(first.conf(allFamilies[:2]...)), down))})
	eventually(t, "the first session", first.isUp)
	first.send(bgp.NewEndOfRib(bgp.RF_IPv4_UC), bgp.NewEndOfRib(bgp.RF_IPv6_UC))
	have := &table{routes: make(map[string]string), ends: make(map[bgp.RouteFamily]int), before: make(map[bgp.RouteFamily]int)}
	eventually(t, "the restart is over", func() bool { have.learn(first); return len(have.ends) == 2 })
	if _, err := s.client(t).EnablePeer(t.Context(), &api.EnablePeerRequest{Address: late.addr}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the second session", late.isUp)
	if r, f, long := late.saidOfRestart(); !r || f != 2 || long != 2 {
		t.Errorf("in the first OPEN R is %t, and F set for %d and %d families, want 2 of each", r, f, long)
	}
	s.again(t, late)
	if r, f, long := late.saidOfRestart(); r || f+long > 0 {
		t.Errorf("in the second OPEN R is %t, and F set for %d and %d families, want none", r, f, long)
	}
}

// TestWhatNeighborsSendComesBeforeEndOfRIB: after a restart a neighbour is told that it was told all
// behind the routes of another one, whose session comes up later.
func TestWhatNeighborsSendComesBeforeEndOfRIB(t *testing.T) {
	helps := bgp.NewCapGracefulRestart(false, false, 60, []*bgp.CapGracefulRestartTuple{bgp.NewCapGracefulRestartTuple(bgp.RF_IPv4_UC, false), bgp.NewCapGracefulRestartTuple(bgp.RF_IPv6_UC, false)})
	first, late := newHostile(t, "127.0.0.2", 65001, both(helps)...), newHostile(t, "127.0.0.3", 65002, both(helps)...)
	late.mu.Lock() // it takes the connection, and says nothing for now
	speaks := sync.OnceFunc(late.mu.Unlock)
	defer speaks()
	s := run(t, Options{GracefulRestart: true, Config: toJSON(t, redAnd(graceful60(first.conf(allFamilies[:2]...)), graceful60(late.conf(allFamilies[:2]...))))})
	eventually(t, "the first session", first.isUp)
	first.send(bgp.NewEndOfRib(bgp.RF_IPv4_UC), bgp.NewEndOfRib(bgp.RF_IPv6_UC))
	s.awaitKeptBack(t)
	speaks()
	eventually(t, "the second session", late.isUp)
	late.send(late.some(false, false, 0, 1)...)
	late.send(bgp.NewEndOfRib(bgp.RF_IPv4_UC), bgp.NewEndOfRib(bgp.RF_IPv6_UC))
	have := &table{routes: make(map[string]string), ends: make(map[bgp.RouteFamily]int), before: make(map[bgp.RouteFamily]int)}
	eventually(t, "End-of-RIB of both", func() bool { have.learn(first); return len(have.ends) == 2 })
	for f, n := range have.ends {
		if n != 1 || have.before[f] != 1 {
			t.Errorf("%s: %d End-of-RIBs, the last behind %d routes", f, n, have.before[f])
		}
	}
}

// awaitKeptBack waits until a neighbour has been told all but the End-of-RIBs of two families.
func (r *running) awaitKeptBack(t *testing.T) {
	t.Helper()
	eventually(t, "all but the End-of-RIBs is told", func() (is bool) {
		_ = r.keeper.inLoop(func() error {
			for _, told := range r.keeper.whole.told.under {
				is = is || len(told.owed) == 2 && len(told.families) == 0
			}
			return nil
		})
		return is
	})
}

// saidOfRestart is what the last OPEN that came says: its R bit, and how many families have the F bit,
// for graceful restart and for long-lived stale routes.
func (p *hostile) saidOfRestart() (r bool, f, long int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, o := range p.hers.OptParams {
		for _, c := range o.(*bgp.OptionParameterCapability).Capability {
			switch c := c.(type) {
			case *bgp.CapGracefulRestart:
				r = c.Flags&0x08 != 0
				for _, t := range c.Tuples {
					f += int(t.Flags >> 7)
				}
			case *bgp.CapLongLivedGracefulRestart:
				for _, t := range c.Tuples {
					long += int(t.Flags >> 7)
				}
			}
		}
	}
	return r, f, long
}
