package nsworker

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// confined is what one hears who may know of VRF red alone: the explanation, and
// the route in the list.
func (l *lab) confined(what string) string {
	l.t.Helper()
	prefix := netip.MustParsePrefix(what)
	x, err := l.worker("red").Explain(l.t.Context(), rib.Question{Prefix: prefix, Confined: true})
	if err != nil {
		l.t.Fatal(err)
	}
	all := text(x.Export) + "\n" + text(x.Import) + "\n" + x.Verdict
	for _, r := range l.routes("red", vrf.Export) {
		if r.Prefix != prefix {
			continue
		}
		r = r.Confined("red")
		all += "\n" + r.Reason + " " + r.Best.String() + " " + strings.Join(r.Devices, " ") + r.Route.String()
	}
	return all
}

// leakedFrom starts a tenant in red's namespace, whose routes red imports.
func leakedFrom(l *lab, t *fakeTable) {
	s := spec("leaky")
	s.Binding = rib.Binding{Netns: "red", Table: 1001}
	l.kernel.add(s.Binding, t.where.Inode)
	l.start(s)
	synctest.Wait()
}

const bgpPeer = "192.0.2.254" // of bgpPath

var confinedCases = []struct {
	name   string
	run    func(l *lab, t *fakeTable)
	says   []string
	hides  []string
	equals string // what another prefix hears, which nobody has
}{
	{
		"another tenant's prefix is one that nobody has",
		func(l *lab, t *fakeTable) {
			l.bgp.unmatched = []rib.Path{bgpPath("10.5.0.0/16", "192.0.2.9", rd(7), func(p *rib.Path) { p.Attrs.RTs = []rib.RT{2} })}
		},
		[]string{"BGP has no path for it"}, []string{"0:7", bgpPeer, "192.0.2.9"}, "172.31.0.0/16",
	},
	{
		"a leak",
		func(l *lab, t *fakeTable) {
			leakedFrom(l, t)
			l.hear("red", bgpPath("10.5.0.0/16", "192.0.2.9", rd(7), from("leaky")))
		},
		[]string{"of another VRF", "the kernel confirmed the route", "10.5.0.0/16 metric 20 (ours)"}, []string{"leaky", "0:7", bgpPeer, "192.0.2.9", "eth0"}, "",
	},
	{
		"a leak that is not best",
		func(l *lab, t *fakeTable) {
			leakedFrom(l, t)
			l.hear("red", bgpPath("10.5.0.0/16", "198.51.100.9", rd(1), pref(200)))
			l.hear("red", bgpPath("10.5.0.0/16", "192.0.2.9", rd(7), from("leaky")))
		},
		[]string{"behind by local preference: of another VRF", "198.51.100.9 is reached by"}, []string{"leaky", "0:7", "192.0.2.9"}, "",
	},
	{
		"a leak of a VRF without a table",
		func(l *lab, t *fakeTable) {
			l.hear("red", bgpPath("10.5.0.0/16", "192.0.2.9", rd(7), from("leaky")))
		},
		[]string{"leaked from another VRF, which has no way"}, []string{"leaky", "0:7", bgpPeer, "192.0.2.9"}, "",
	},
	{
		"a leak whose nexthop is unresolved",
		func(l *lab, t *fakeTable) {
			leakedFrom(l, t)
			l.hear("red", bgpPath("10.5.0.0/16", "203.0.113.1", rd(7), from("leaky")))
		},
		[]string{"leaked from another VRF, which has no way"}, []string{"leaky", "0:7", bgpPeer, "203.0.113.1"}, "",
	},
	{
		"another tenant's import",
		func(l *lab, t *fakeTable) {
			leakedFrom(l, t)
			l.hear("red", bgpPath("10.5.0.0/16", "0.0.0.0", rd(7), imported("leaky")))
		},
		[]string{"imported from the kernel table of another VRF"}, []string{"leaky"}, "",
	},
}

func TestExplainToATenant(t *testing.T) {
	for _, tc := range confinedCases {

		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t)
				defer l.close()
				table := l.kernel.add(red, 7)
				s := spec("red")
				s.ImportRTs = []rib.RT{1}
				l.start(s)
				synctest.Wait()
				tc.run(l, table)
				synctest.Wait()
				heard := l.confined("10.5.0.0/16")
				for _, want := range tc.says {
					if !strings.Contains(heard, want) {
						t.Errorf("it does not say %q:\n%s", want, heard)
					}
				}
				for _, secret := range tc.hides {
					if strings.Contains(heard, secret) {
						t.Errorf("it tells %q:\n%s", secret, heard)
					}
				}
				if tc.equals != "" && heard != l.confined(tc.equals) {
					t.Errorf("it tells that there is one:\n%s", heard)
				}
			})
		})
	}
}
