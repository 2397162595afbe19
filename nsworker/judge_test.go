package nsworker

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// TestListAndExplainSayTheSame: whatever leaves a route out, in either direction, the list
// and the explanation give one reason for it, and it is the decision's.
func TestListAndExplainSayTheSame(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		s := spec("red")
		s.Export.CommunityList = []rib.Community{7}
		s.Import.Interfaces = []string{"eth1"}
		table.set(via("10.8.0.0/16", "198.51.100.7", 3, rib.ProtoStatic, 5))
		table.set(via("10.8.0.0/16", "198.51.100.8", 3, rib.ProtoStatic, 9))
		table.set(via("10.9.0.0/16", "192.0.2.7", 2, rib.ProtoStatic, 5))
		table.set(via("0.0.0.0/0", "198.51.100.7", 3, rib.ProtoStatic, 0))
		l.start(s)
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
		l.hear("red", bgpPath("10.2.0.0/16", "192.0.2.9", imported("red"), community(7)))
		l.hear("red", bgpPath("192.0.2.0/24", "192.0.2.9", community(7)))
		l.hear("red", bgpPath("192.0.2.1/32", "192.0.2.9", community(7)))
		l.hear("red", bgpPath("127.0.0.0/8", "192.0.2.9", community(7)))
		l.settle()

		exports := map[string]rib.Cause{
			"10.1.0.0/16": rib.NoCommunity, "10.2.0.0/16": rib.OwnImport, "192.0.2.0/24": rib.OwnSubnet,
			"192.0.2.1/32": rib.OwnAddress, "127.0.0.0/8": rib.MartianPrefix,
		}
		for name, r := range l.routes("red", vrf.Export) {
			prefix, _, _ := strings.Cut(name, " ")
			cause, asked := exports[prefix]
			if !asked {
				t.Errorf("%s is listed", prefix)
				continue
			}
			delete(exports, prefix)
			p := netip.MustParsePrefix(prefix)
			if want := exporting(s).Reason(cause, p).String(); r.Reason != want || r.State != rib.Filtered {
				t.Errorf("%s is %s: %q, want %q", prefix, r.State, r.Reason, want)
			}
			if x := l.explained("red", prefix); stopping(x.Export) != r.Reason {
				t.Errorf("%s is listed with %q, and explained by %q", prefix, r.Reason, stopping(x.Export))
			}
		}
		if len(exports) > 0 {
			t.Errorf("not listed: %v", exports)
		}
		left := 0
		for name, r := range l.routes("red", vrf.Import) {
			if r.State != rib.Filtered {
				continue
			}
			left++
			prefix, _, _ := strings.Cut(name, " ")
			if said := text(l.explained("red", prefix).Import); !strings.Contains(said, ": left out: "+r.Reason+"\n") {
				t.Errorf("%s is listed with %q, and explained so:\n%s", name, r.Reason, said)
			}
		}
		if left < 3 {
			t.Errorf("the test says little: %d routes are left out of the import", left)
		}

		s.Import.Enabled = false
		l.configure(s)
		l.settle()
		for name, r := range l.routes("red", vrf.Import) {
			prefix, _, _ := strings.Cut(name, " ")
			if x := l.explained("red", prefix); r.Reason != stopping(x.Import) || !strings.Contains(r.Reason, "import is off") {
				t.Errorf("%s is listed with %q, and explained by %q", name, r.Reason, stopping(x.Import))
			}
		}
	})
}

// stopping is the text of the step that stopped a walk.
func stopping(w rib.Walk) string {
	for _, s := range w.Steps {
		if s.Outcome == rib.Stopped {
			return s.Text
		}
	}
	return ""
}
