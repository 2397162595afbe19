package walk_test

import (
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strings"

	"github.com/vrfredist/vrfredist/bench/peer"
	"github.com/vrfredist/vrfredist/integration/faults/oracle"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

func (w *world) addr() netip.Addr { return netip.MustParseAddr("10.0.0.1") }

// rest starts what has ended, waits until the tables are what they should be, and
// holds everything else against the twins.
func (w *world) rest() {
	w.T.Helper()
	w.rests++
	if !w.daemon.Running() {
		if w.state.graceful {
			w.daemon.Start("--graceful-restart")
		} else {
			w.daemon.Start()
		}
		w.starts++
	}
	for i, p := range w.peers {
		if p != nil {
			if _, err := p.Heard(); err != nil { // the daemon ended the session
				w.T.Fatalf("session of peer %d: %v", i, err)
			}
			continue
		}
		w.call(i)
	}
	w.visit()
	w.mark()
	lab.WaitFor(w.T, "rest", patience, func() string {
		wrong := w.identify()
		if len(wrong) > 0 {
			return strings.Join(wrong, "\n")
		}
		for _, at := range w.state.sites {
			if at.there {
				wrong = append(wrong, w.judge(at)...)
			}
		}
		wrong = append(wrong, w.judgeAnnouncements()...)
		return strings.Join(wrong, "\n")
	})
	if _, violations := run.Summary(); len(violations) > 0 {
		w.T.Fatalf("the daemon changed what is not its own: %q", violations)
	}
}

// mark has each peer send routes that it did not send before, instead of those that
// it sent last time: where they are, everything that was said before has been heard.
func (w *world) mark() {
	w.marker++
	for who := range w.peers {
		rib := w.state.peers[who].rib
		for _, vpn := range []bool{false, true} {
			for _, n := range []int{w.marker - 1, w.marker} {
				r := peer.Route{
					Prefix:    netip.MustParsePrefix(fmt.Sprintf("19.%d.%d.0/24", who, n%250)),
					Nexthop:   netip.MustParseAddr("10.0.0.2"),
					LocalPref: 100, Communities: []uint32{as<<16 | 1},
				}
				if vpn {
					r.RD, r.Targets = uint16(100+who), targets
				}
				id := routeID{vpn, r.Prefix}
				if n == w.marker {
					rib[id] = r
					w.send(who, r)
				} else if _, there := rib[id]; there {
					delete(rib, id)
					w.take(who, r)
				}
			}
		}
	}
}

// judge says what is wrong in a site: nothing, at rest.
func (w *world) judge(at *site) (wrong []string) {
	w.T.Helper()
	p := w.places[at.name]
	say := func(what, diff string) {
		if diff != "" {
			wrong = append(wrong, fmt.Sprintf("%s, %s: %s", at.name, what, diff))
		}
	}
	say("what is not the daemon's", p.mind.Foreign().Differs(p.oracle.Foreign()))
	objects, all := 0, 0
	w.state.main, w.state.source = p.mind.Table(mainTable), p.mind.Table(leakTable)
	for _, v := range w.vrfs(at) {
		m := w.state.model(at, v, p.mind.Table(uint32(v.table)))
		own := p.oracle.Own(uint32(v.table))
		all += len(own)
		say("VRF "+v.name, oracle.Diff(m.lines, m.settled(own)))
		// What is open may have a group, and its legs.
		objects += len(m.groups) + len(m.singles) + 4*len(m.open)
	}
	if n := p.oracle.Count(); n != all {
		say("all tables", fmt.Sprintf("%d routes of the daemon, and %d of them in tables of VRFs", n, all))
	}
	if !w.state.policy.objects {
		objects = 0
	}
	if n := p.oracle.Objects(); n > objects {
		say("nexthop objects", fmt.Sprintf("%d, and at most %d are of use", n, objects))
	}
	return wrong
}

var madeTenant = regexp.MustCompile(`(?m)^vr\S+-m\d `)

var pendingTenant = regexp.MustCompile(`(?m)^t\d +pending`)

// finish takes the tenants away and holds what the daemon has open against what it
// has open when it starts without them.
func (w *world) finish() {
	w.T.Helper()
	for _, at := range w.state.sites {
		if at.name != "rtr" && at.there {
			w.places[at.name].remove()
			at.there = false
		}
		if v := &at.vrfs[0]; v.paths != 0 {
			v.paths = 0
			w.uncover(at.name)
		}
	}
	w.rest()
	lab.WaitFor(w.T, "the daemon knows that the tenants are gone", patience, func() string {
		if out := w.daemon.Do("vrf"); len(pendingTenant.FindAllString(out, -1)) != 2 || madeTenant.MatchString(out) {
			return out
		}
		return ""
	})
	held, goroutines := w.descriptors(), w.daemon.Goroutines()
	w.state.graceful = false
	w.kill()
	w.rest()
	fresh := w.descriptors()
	// A client's connection may be closing.
	lab.WaitFor(w.T, fmt.Sprintf("descriptors: %d after the walk", held), patience, func() string {
		if fresh = w.descriptors(); held > fresh+2 {
			return fmt.Sprintf("%d after a start", fresh)
		}
		return ""
	})
	if left := w.daemon.Goroutines().Leaked(goroutines); left != "" {
		w.T.Errorf("goroutines after the walk, and after a start: %s", left)
	}
	if temp, err := os.ReadDir(w.daemon.Temp); err != nil || len(temp) > 0 {
		w.T.Errorf("a daemon needs no temporary directory, and after %d starts these are there: %v, %v", w.starts, temp, err)
	}
}
