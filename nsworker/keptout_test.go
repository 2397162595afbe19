package nsworker

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/policy"
	"github.com/vrfredist/vrfredist/vrf"
)

// listed are what a query lists of a VRF's exported routes.
func (r *ring) listed(name string, states ...rib.State) (list []string) {
	r.t.Helper()
	err := r.worker(name).Routes(r.t.Context(), vrf.RouteQuery{Direction: vrf.Export, States: states}, func(st rib.RouteStatus) bool {
		list = append(list, st.Prefix.String()+" "+st.State.String())
		return true
	})
	if err != nil {
		r.t.Fatal(err)
	}
	slices.Sort(list)
	return list
}

// TestWhatLeaksKeepOutIsListed: of what the other VRFs go by, with the leak and what of it keeps it
// out; where the VRF has a path all the same, that is what is listed. What the other VRF does not
// go by is nothing that it leaks.
func TestWhatLeaksKeepOutIsListed(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		sieve := judge("p", rejecting(7))
		r := newRing(l, table, map[string][]rib.LeakRule{"red": {{From: "green", Policy: sieve, MaxPrefixes: 1}, {From: "blue", Policy: sieve}}})
		green := r.specs["green"]
		green.Export.Policy = judge("of green", rejecting(8))
		l.start(green)
		l.start(r.specs["blue"])
		l.start(r.specs["red"])
		r.learn("green", "10.1.0.0/16")
		synctest.Wait()
		r.learn("green", "10.2.0.0/16", community(7))
		r.learn("green", "10.3.0.0/16")
		r.learn("green", "10.4.0.0/16", community(8)) // green does not go by it
		r.learn("green", "10.5.0.0/16", community(7))
		r.learn("green", "10.6.0.0/16", community(7, 8))
		r.learn("blue", "10.2.0.0/16", community(7)) // it is listed once
		r.learn("blue", "10.7.0.0/16", community(7))
		r.learn("green", "10.8.0.0/16", community(7))
		r.learn("red", "10.8.0.0/16")
		synctest.Wait()
		filtered := []string{"10.2.0.0/16 filtered", "10.5.0.0/16 filtered", "10.7.0.0/16 filtered"}
		want := slices.Concat([]string{"10.1.0.0/16 installed"}, filtered[:1], []string{"10.3.0.0/16 over-limit"}, filtered[1:], []string{"10.8.0.0/16 installed"})
		if got := r.listed("red"); !slices.Equal(got, want) {
			t.Errorf("red lists %q, want %q", got, want)
		}
		if got := r.listed("red", rib.Filtered); !slices.Equal(got, filtered) {
			t.Errorf("what is filtered is %q, want %q", got, filtered)
		}
		if got := r.listed("red", rib.OverLimit); !slices.Equal(got, want[2:3]) {
			t.Errorf("over the limit are %q", got)
		}
		if got := r.listed("red", rib.Installed); len(got) != 2 {
			t.Errorf("what is installed is %q", got)
		}
		l.exported("red", "10.2.0.0/16", rib.Filtered, `the leak from VRF "green" does not let it in: policy "p", rule 1 rejects it`)
		l.exported("red", "10.3.0.0/16", rib.OverLimit, `the leak from VRF "green" has as many prefixes as its max_prefixes, 1`)
		l.exported("red", "10.1.0.0/16", rib.Installed, "")
		n := 0
		if err := l.worker("red").Routes(l.t.Context(), vrf.RouteQuery{Direction: vrf.Export, States: []rib.State{rib.Filtered}}, func(rib.RouteStatus) bool { n++; return false }); err != nil || n != 1 {
			t.Errorf("who wants one gets %d, %v", n, err)
		}
		green.Export.Policy = judge("of green", policy.Rule{When: policy.Conditions{Communities: []rib.Community{7}}, Action: policy.Reject})
		l.configure(green)
		l.settled("green")
		synctest.Wait()
		want = []string{"10.1.0.0/16 installed", "10.2.0.0/16 filtered", "10.3.0.0/16 over-limit", "10.4.0.0/16 over-limit", "10.7.0.0/16 filtered", "10.8.0.0/16 installed"}
		if got := r.listed("red"); !slices.Equal(got, want) {
			t.Errorf("green goes by others now: red lists %q, want %q", got, want)
		}
		l.stop("green", vrf.ErrRemoved)
		synctest.Wait()
		if got, want := r.listed("red", rib.Filtered, rib.OverLimit), []string{"10.2.0.0/16 filtered", "10.7.0.0/16 filtered"}; !slices.Equal(got, want) {
			t.Errorf("nobody says what green goes by: kept out are %q, want %q", got, want)
		}
	})
}
