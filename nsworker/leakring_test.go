package nsworker

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/policy"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/speakertest"
	"github.com/vrfredist/vrfredist/vrf"
)

// ring is three VRFs of one namespace that leak from each other in a circle, red from green, green
// from blue, and blue from red, with a neighbour each.
type ring struct {
	*lab
	speaker *speakertest.Speaker
	specs   map[string]vrf.Spec
}

var ringNames = []string{"blue", "green", "red"}

// gateway is a VRF's own neighbour.
func (r *ring) gateway(name string) string {
	return fmt.Sprintf("192.0.2.%d", 10+strings.Index("bgr", name[:1]))
}

func newRing(l *lab, table *fakeTable, rules map[string][]rib.LeakRule) *ring {
	r := &ring{lab: l, specs: make(map[string]vrf.Spec)}
	var vrfs []speaker.VRF
	for i, name := range ringNames {
		vrfs = append(vrfs, speaker.VRF{Name: name, RD: rib.RD(i + 1), ImportRTs: []rib.RT{rib.RT(i + 1)}})
		s := spec(name)
		s.Binding, s.Import.Enabled, s.NexthopObjects = rib.Binding{Netns: "red", Table: uint32(1001 + i)}, false, false
		s.Leaks = rules[name]
		l.kernel.add(s.Binding, table.where.Inode)
		r.specs[name] = s
	}
	r.speaker = speakertest.New(vrfs)
	r.speaker.Leak(rules)
	l.speaker = r.speaker
	return r
}

// learn gives a VRF a path of its own neighbour.
func (r *ring) learn(name, prefix string, change ...func(*rib.Path)) {
	r.speaker.Learn(r.path(name, prefix, change...))
}

// path is one of a VRF's own neighbour.
func (r *ring) path(name, prefix string, change ...func(*rib.Path)) rib.Path {
	at := rib.RD(1 + strings.Index("bgr", name[:1]))
	return bgpPath(prefix, r.gateway(name), append([]func(*rib.Path){rd(at), from(name), pref(50), target(rib.RT(at))}, change...)...)
}

func target(rt rib.RT) func(*rib.Path) {
	return func(p *rib.Path) { p.Attrs.RTs = []rib.RT{rt} }
}

func (r *ring) unlearn(name, prefix string) {
	p := bgpPath(prefix, "192.0.2.1")
	r.speaker.Withdraw(speaker.Destination{RD: rib.RD(1 + strings.Index("bgr", name[:1])), Prefix: p.Prefix})
}

// by is the VRF whose neighbour a VRF's table sends a prefix to; "": it has no route.
func (r *ring) by(name, prefix string) string {
	for _, line := range strings.Split(r.kernel.tables[r.specs[name].Binding].String(), "\n") {
		if strings.HasPrefix(line, prefix+" ") {
			for _, of := range ringNames {
				if strings.Contains(line, " via "+r.gateway(of)+" ") {
					return of
				}
			}
			return line
		}
	}
	return ""
}

// TestRingOfLeaks: three VRFs that prefer what the next one has to what is their own, of
// LOCAL_PREF 50, come to rest whatever comes and goes; each sends packets to its own neighbour, or
// to that of a VRF which sends them there too.
func TestRingOfLeaks(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		r := newRing(l, table, map[string][]rib.LeakRule{"blue": {{From: "red"}}, "green": {{From: "blue"}}, "red": {{From: "green"}}})
		rnd := rand.New(rand.NewPCG(14, 50))
		for _, i := range rnd.Perm(3) {
			l.start(r.specs[ringNames[i]])
		}
		const prefix = "10.1.0.0/16"
		there := make(map[string]bool)
		for n := range 200 {
			name := ringNames[rnd.IntN(3)]
			if there[name] = rnd.IntN(3) > 0; there[name] {
				r.learn(name, prefix, pref([]uint32{50, 50, 150}[rnd.IntN(3)]))
			} else {
				r.unlearn(name, prefix)
			}
			if rnd.IntN(2) == 0 {
				continue // what comes next comes into the midst of it
			}
			synctest.Wait()
			for _, name := range ringNames {
				switch of := r.by(name, prefix); {
				case of == "" && there[name]:
					t.Fatalf("step %d, %v: %s has no route", n, there, name)
				case of != "" && r.by(of, prefix) != of:
					t.Fatalf("step %d, %v: %s sends to %q, which sends to %q", n, there, name, of, r.by(of, prefix))
				}
			}
		}
	})
}

// TestLeaksAreWhatIsChosen: what the policy of the VRF rejects nobody else gets, also after a
// change of it; where the VRF's export is off others get what BGP would choose.
func TestLeaksAreWhatIsChosen(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		r := newRing(l, table, map[string][]rib.LeakRule{"green": {{From: "red"}}})
		red := r.specs["red"]
		red.Export.Policy = judge("of red", rejecting(7))
		l.start(r.specs["green"])
		l.start(red)
		r.learn("red", "10.1.0.0/16")
		r.learn("red", "10.2.0.0/16", community(7))
		synctest.Wait()
		has := func(when, one, two string) {
			t.Helper()
			if a, b := r.by("green", "10.1.0.0/16"), r.by("green", "10.2.0.0/16"); a != one || b != two {
				t.Errorf("%s: green goes by %q and %q, want %q and %q", when, a, b, one, two)
			}
		}
		has("the policy rejects one", "red", "")
		red.Export.Policy = judge("of red", policy.Rule{When: policy.Conditions{Communities: []rib.Community{7}}, Action: policy.Accept}, policy.Rule{Action: policy.Reject})
		l.configure(red)
		has("it rejects the other", "", "red")
		red.Export = rib.ExportPolicy{}
		l.configure(red)
		has("red's export is off", "red", "red")
		r.unlearn("red", "10.1.0.0/16")
		synctest.Wait()
		has("one went", "", "red")
		red.Export = r.specs["red"].Export
		red.Export.CommunityList = []rib.Community{8}
		l.configure(red)
		has("red's table has no route of it", "", "red")
	})
}

// TestLeakIsNeverLost: where the VRF's path is replaced by another one, those who leak it have a
// route all the time.
func TestLeakIsNeverLost(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		r := newRing(l, table, map[string][]rib.LeakRule{"green": {{From: "red"}}})
		l.start(r.specs["red"])
		l.start(r.specs["green"])
		for n := range 6 {
			r.learn("red", "10.1.0.0/16", id(uint32(n%2+1)), func(p *rib.Path) { p.Attrs.MED = uint32(n) })
			synctest.Wait()
		}
		for _, w := range l.kernel.writes[1:] {
			if strings.Contains(w, "delete") {
				t.Errorf("it was deleted: %q", l.kernel.writes)
			}
		}
		if r.by("green", "10.1.0.0/16") != "red" {
			t.Error("green has no route")
		}
	})
}
