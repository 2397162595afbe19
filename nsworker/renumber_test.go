package nsworker

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// TestAnotherNumber: a VRF that runs gets another label, or SID: the core is asked for it, BGP hears of
// it once it stands, and the core that PEs have been told. Meanwhile they send by the one of before;
// what is announced and written stays, and who waits until all is in force waits for that too.
func TestAnotherNumber(t *testing.T) {
	otherLabel, otherSID := labelled(), bySegment()
	otherLabel.Carriage.Label, otherSID.Carriage.SRv6.SID = 101, netip.MustParseAddr("fd00:1:0:1:101::")
	for _, tc := range []struct {
		name          string
		of, to        vrf.Spec
		before, after string
	}{
		{"MPLS", labelled(), otherLabel, "label 100", "label 101"},
		{"SRv6", bySegment(), otherSID, "SID fd00:1:0:1:100::", "SID fd00:1:0:1:101::"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			twoTables(t, tc.of, redDevice, func(l *lab, core *fakeCore) {
				l.hear("red", bgpPath("10.9.0.0/24", customersHop, from("red")))
				l.start(tc.of)
				l.settle()
				was, announced := l.kernel.tables[redDevice].String(), l.bgp.announcements("red")
				l.kernel.wrote()
				_, told := l.bgp.took()
				needs, _ := core.wanted("red")
				core.mu.Lock()
				core.entrance, core.before, core.moves = "it was not looked at yet", tc.of.Carriage.Carried(), true
				core.mu.Unlock()
				l.bgp.mu.Lock()
				l.bgp.slow = true
				l.bgp.mu.Unlock()
				l.configure(tc.to)
				expect := func(state vrf.State, why, toTenant string, takes ...string) {
					t.Helper()
					synctest.Wait()
					if st := l.state("red"); st.State != state || st.Reason != why || st.ToTenant != toTenant {
						t.Errorf("it is %s: %q, to a tenant %q", st.State, st.Reason, st.ToTenant)
					}
					for i := range takes {
						takes[i] = "red by " + takes[i]
					}
					if by, _ := l.bgp.took(); !slices.Equal(by, takes) {
						t.Errorf("BGP was told %q, want %q", by, takes)
					}
				}
				until := "; until it does, other PEs send by the " + tc.before + " of before"
				expect(vrf.Degraded, "it was not looked at yet"+until, "its new "+tc.after+" cannot be had yet"+until, tc.before)
				if n, last := core.wanted("red"); n != needs+1 || last != tc.to.Carriage {
					t.Errorf("the core was asked %d times, for %v", n-needs, last)
				}
				settled := make(chan error, 1)
				go func() { settled <- l.worker("red").Settled(l.t.Context()) }()
				synctest.Wait()
				core.mu.Lock()
				core.entrance, core.before, core.told = "", rib.Carried{}, nil
				core.news()
				core.mu.Unlock()
				expect(vrf.Ready, "", "", tc.before, tc.after)
				if heard := core.heard(); len(heard) > 0 || len(settled) > 0 {
					t.Errorf("PEs have not been told yet, and the core was told %q, who waits has %d answers", heard, len(settled))
				}
				l.bgp.tells()
				synctest.Wait()
				if heard := core.heard(); !slices.Contains(heard, "red by "+tc.after) || len(settled) != 1 || <-settled != nil {
					t.Errorf("PEs have been told, and the core was told %q, who waits has %d answers", heard, len(settled))
				}
				l.settle()
				routes, objects := l.kernel.wrote()
				if _, now := l.bgp.took(); len(routes) > 0 || objects != "" || now != told {
					t.Errorf("it wrote %q and %s, and announced %d times", routes, objects, now-told)
				}
				if now := l.kernel.tables[redDevice].String(); now != was || l.bgp.announcements("red") != announced {
					t.Errorf("the table has\n%s\nand it had\n%s\nit announces\n%s\nand did\n%s", now, was, l.bgp.announcements("red"), announced)
				}
			})
		})
	}
}

// TestAnotherNumberRefused: a new label that cannot be had holds up nobody, and other PEs send by the
// one of before.
func TestAnotherNumberRefused(t *testing.T) {
	labelledStory(t, func(l *lab, _ *fakeTable, core *fakeCore) {
		of := labelled()
		l.start(of)
		l.settle()
		core.mu.Lock()
		core.entrance, core.before = "conflict: label 101: another program has it", of.Carriage.Carried()
		core.mu.Unlock()
		of.Carriage.Label = 101
		l.configure(of)
		if err := l.worker("red").Settled(l.t.Context()); err != nil {
			t.Error(err)
		}
		if by, _ := l.bgp.took(); !slices.Equal(by, []string{"red by label 100"}) {
			t.Errorf("BGP was told %q", by)
		}
		core.mu.Lock()
		core.before = rib.Carried{} // that is lost as well
		core.news()
		core.mu.Unlock()
		synctest.Wait()
		if by, _ := l.bgp.took(); by[len(by)-1] != "red by nothing" {
			t.Error("packets come in by no label, and PEs are told of one")
		}
	})
}

// TestPEIsLookedUp: a path that moves to a PE of which the core has yet to say how it leads there, or to
// another SID of one, leaves the route by the one of before until it has; what the core does not lead to
// goes.
func TestPEIsLookedUp(t *testing.T) {
	const pe4 = "10.255.0.4"
	byLabel4 := strings.NewReplacer("16002/80", "16004/99").Replace(byLabel2)
	labelledStory(t, func(l *lab, _ *fakeTable, core *fakeCore) {
		l.hear("red", bgpPath("10.2.0.0/24", pe2, rd(2), byVPN(80)))
		l.start(labelled())
		l.settle()
		l.kernel.wrote()
		l.hear("red", bgpPath("10.2.0.0/24", pe4, rd(2), byVPN(99)))
		l.settle()
		l.table(redDevice, byLabel2)
		if routes, _ := l.kernel.wrote(); len(routes) > 0 {
			t.Errorf("it wrote %q", routes)
		}
		l.exported("red", "10.2.0.0/24", rib.Installed, "")
		core.says(pe4, byLabels(pe4, over("192.0.2.9", 2, 16004)))
		l.settle()
		l.table(redDevice, byLabel4)
		if routes, _ := l.kernel.wrote(); len(routes) != 1 {
			t.Errorf("it wrote %q", routes)
		}
		l.hear("red", bgpPath("10.2.0.0/24", "10.255.0.5", rd(2), byVPN(99)))
		l.settle()
		l.table(redDevice, byLabel4)
		core.says("10.255.0.5", rib.Lead{Err: errors.New("no route leads there")})
		l.settle()
		l.table(redDevice)
		l.exported("red", "10.2.0.0/24", rib.Unresolved, "no route leads there")
	})
}
