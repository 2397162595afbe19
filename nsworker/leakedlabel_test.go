package nsworker

import (
	"errors"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

var blueDevice = rib.Binding{Device: "blue"}

// leakingInto is blue, a VRF device without an encapsulation in the core's namespace, that leaks from red.
func leakingInto(l *lab) vrf.Spec {
	t := l.device(blueDevice, 52, 1002)
	t.links[52] = rib.Link{Index: 52, Name: "blue", Up: true, Admin: true, VRFTable: 1002}
	s := spec("blue")
	s.Binding = blueDevice
	s.Leaks = []rib.LeakRule{{From: "red"}}
	l.converge("blue")
	return s
}

// TestLeakedFromOtherPEs: what another VRF leaks of what other PEs sent goes by its encapsulation, or by
// what leads to that; and follows when that VRF has another one.
func TestLeakedFromOtherPEs(t *testing.T) {
	plain := labelled()
	plain.Carriage = rib.Carriage{}
	for _, tc := range []struct {
		name         string
		of, then     vrf.Spec
		change       func(*rib.Path)
		pe, lost     string
		want, orElse string
	}{
		{"labels", labelled(), plain, byVPN(80), pe2, pe2, byLabel2, "nexthop 10.255.0.2 is unresolved"},
		{"SIDs", bySegment(), labelled(), func(p *rib.Path) { byVPN(3)(p); withSID(sid2, 0, 0)(p) }, "fd00:255::2", sid2, bySecond, "it came as a VPN route with an SRv6 SID and no label of its own, and this VRF's encap is mpls"},
		{"an encapsulation comes", plain, labelled(), byVPN(80), pe2, "", "nexthop 10.255.0.2 is unresolved", byLabel2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			twoTables(t, tc.of, redDevice, func(l *lab, core *fakeCore) {
				blue := leakingInto(l)
				l.hear("blue", bgpPath("10.2.0.0/24", tc.pe, rd(2), tc.change, byRule("red")))
				l.start(blue)
				l.start(tc.of)
				l.settle()
				expect := func(want string) {
					t.Helper()
					if strings.HasPrefix(want, "10.2.") {
						l.table(blueDevice, want)
						return
					}
					l.table(blueDevice)
					l.exported("blue", "10.2.0.0/24", rib.Unresolved, want)
				}
				expect(tc.want)
				if r := l.routes("blue", vrf.Export)["10.2.0.0/24 vrfredist"].Confined("blue"); len(r.Route.Hops) > 0 || strings.Contains(r.Reason, "10.255") {
					t.Errorf("a tenant is shown %+v, %s", r.Route, r.Reason)
				}
				if tc.lost != "" {
					was := core.leads[vtepOf(tc.lost)]
					core.says(tc.lost, rib.Lead{Err: errors.New("no route leads there")})
					l.settle()
					expect("in the core, no route leads there")
					core.says(tc.lost, was)
					l.settle()
					expect(tc.want)
				}
				l.stop("red", errors.New("it has another encapsulation"))
				l.start(tc.then)
				l.settle()
				expect(tc.orElse)
			})
		})
	}
}

// TestRehearsalOfFurther: a plan has both tables, with what other PEs sent alone in the further one, and
// the second device as if it were made.
func TestRehearsalOfFurther(t *testing.T) {
	for _, managed := range []bool{false, true} {
		of := bySegment()
		of.Carriage.Managed = managed
		plain := labelled()
		plain.Carriage = rib.Carriage{}
		twoTables(t, of, redDevice, func(l *lab, core *fakeCore) {
			l.hearBoth(bgpPath("10.2.0.0/24", "fd00:255::2", rd(2), byVPN(3), withSID(sid2, 0, 0)))
			l.hear("red", bgpPath("10.9.0.0/24", customersHop, from("red")))
			if managed {
				l.kernel.remove(srRed)
				l.kernel.tables[redDevice].change(secondIndex, func(k *rib.Link) { k.Name = "sr-x" })
			}
			l.start(plain)
			l.settle()
			after := vrf.WithFurther([]vrf.Spec{of})
			r := NewRehearsal(l.t.Context(), Deps{Kernel: l.kernel, BGP: l.bgp, Board: l.board, Core: l.core}, []vrf.Spec{plain}, after)
			defer r.Close()
			var got []string
			for _, s := range after {
				p, err := r.Table(l.t.Context(), s.Name, l.feed("red"), false)
				if err != nil {
					t.Fatal(err)
				}
				for route := range p.Routes {
					got = append(got, s.Name+": "+route.Op.String()+" "+route.Text)
				}
				got = append(got, p.Notes...)
			}
			want := []string{"red: remove " + byCustomer, "red: add " + bySecond, "red: add " + byCustomer, "red/sr-red: add " + bySID2}
			if managed {
				want[3] = "it has no table now (waiting for device sr-red), so it would be pending: its routes cannot be known before"
			}
			for _, w := range want {
				if !strings.Contains(strings.Join(got, "\n"), w) {
					t.Errorf("managed: %t: it does not say %q:\n%s", managed, w, strings.Join(got, "\n"))
				}
			}
			if strings.Contains(strings.Join(got, "\n"), "red/sr-red: add 10.9.") {
				t.Errorf("the further table has what a customer sent:\n%s", strings.Join(got, "\n"))
			}
		})
	}
}
