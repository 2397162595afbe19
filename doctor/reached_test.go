package doctor

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vrfredist/vrfredist/rib"
)

// TestReachedSIDs: a tenant whose packets leave its VRF for a SID is found, with what leads them, and
// what is no way out is none.
func TestReachedSIDs(t *testing.T) {
	sid, block := netip.MustParseAddr("fd00:1:0:1:2::"), netip.MustParsePrefix("fd00::/16")
	const lan, core0, second, ofBlue = 4, 11, 14, 13
	local := rib.SIDReached{In: lan, SID: sid, Prefix: netip.PrefixFrom(sid, 128), Table: 254, Out: 12, Local: true}
	with := func(change func(*rib.SIDReached)) rib.SIDReached {
		r := local
		change(&r)
		return r
	}
	toMain := rib.Selector{Pref: 900, To: block, Table: 254}
	for name, tc := range map[string]struct {
		reached []rib.SIDReached
		want    string // words of the finding; "": none
		mend    string
	}{
		"nothing": {},
		"a rule to the block": {[]rib.SIDReached{with(func(r *rib.SIDReached) { r.By = toMain }), with(func(r *rib.SIDReached) { r.By = toMain })},
			`VRF "red", which come in by eth1.7 in the daemon's own namespace, get to SIDs, as to fd00:1:0:1:2::: by the rule "pref 900 to fd00::/16 lookup main"`, "ip -6 rule del pref 900 to fd00::/16 lookup main"},
		"a rule for the interface": {[]rib.SIDReached{with(func(r *rib.SIDReached) { r.By = rib.Selector{Pref: 5, In: "eth1.7", Table: 254} })}, `by the rule "pref 5 iif eth1.7 lookup main"`, "ip -6 rule del pref 5 iif eth1.7 lookup main"},
		"no end of the table": {[]rib.SIDReached{with(func(r *rib.SIDReached) { r.By = rib.Selector{Pref: 32766, Table: 254} })},
			`because no route of table 1010 ends the lookup`, "ip -6 route add table 1010 unreachable default metric 4278198272"},
		"a route of its own": {[]rib.SIDReached{with(func(r *rib.SIDReached) { r.Table, r.Prefix, r.Out, r.Local = 1010, block, core0, false })},
			"by the route fd00::/16 dev core0 of table 1010", "ip -6 route del fd00::/16 dev core0 table 1010"},
		"a rule that was not found out":     {[]rib.SIDReached{local}, "by a rule that leads to table 254", ""},
		"into SRv6, by the second device":   {[]rib.SIDReached{with(func(r *rib.SIDReached) { r.Table, r.Out, r.Local = 1010, second, false })}, "", ""},
		"with another header":               {[]rib.SIDReached{with(func(r *rib.SIDReached) { r.Out, r.Local, r.Wrapped = core0, false, true })}, "", ""},
		"to a neighbour of its own":         {[]rib.SIDReached{with(func(r *rib.SIDReached) { r.Table, r.Out, r.Local = 1010, lan, false })}, "", ""},
		"from the core":                     {[]rib.SIDReached{with(func(r *rib.SIDReached) { r.In, r.By = core0, toMain })}, "", ""},
		"from a namespace that is trusted":  {[]rib.SIDReached{with(func(r *rib.SIDReached) { r.In, r.By = ofBlue, toMain })}, "", ""},
		"from an interface that went":       {[]rib.SIDReached{with(func(r *rib.SIDReached) { r.In, r.By = 99, toMain })}, "", ""},
		"from the VRF device, not a member": {[]rib.SIDReached{with(func(r *rib.SIDReached) { r.In, r.By = second, toMain })}, "", ""},
	} {
		f := segmented()
		f.Carriage.Reached = tc.reached
		var found []Finding
		for _, is := range Judge(f) {
			if is.Check == "srv6-reached" {
				found = append(found, is)
			}
		}
		if tc.want == "" {
			if len(found) > 0 {
				t.Errorf("%s: %+v", name, found)
			}
			continue
		}
		if len(found) != 1 || found[0].Level != Risk || found[0].Subject != "red" || !strings.Contains(found[0].What, tc.want) {
			t.Errorf("%s: %+v", name, found)
			continue
		}
		if d := cmp.Diff(tc.mend, found[0].Mend); d != "" {
			t.Errorf("%s (-want +got)\n%s", name, d)
		}
	}
}
