package rib

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"unsafe"
)

// judgeOf is a policy for tests: it rejects a path by its ID's community, and changes others.
type judgeOf struct {
	rejects func(Subject) bool
	changes func(*Attrs)
	asked   []Subject
}

func (j *judgeOf) Name() string   { return "p" }
func (j *judgeOf) String() string { return "p (1 rule)" }

func (j *judgeOf) Judge(s Subject, h *Hearing) Ruling {
	j.asked = append(j.asked, s)
	r := Ruling{Attrs: s.Attrs, By: `policy "p", rule 1`}
	if j.rejects != nil && j.rejects(s) {
		r.Rejected = true
	} else if j.changes != nil {
		a := *s.Attrs
		j.changes(&a)
		r.Attrs = &a
	}
	if h != nil {
		*h = Hearing{Policy: "p", By: r.By, Rejected: r.Rejected}
	}
	return r
}

func carryingTag(c Community) func(Subject) bool {
	return func(s Subject) bool { return slices.Contains(s.Attrs.Communities, c) }
}

func TestDecideAsksThePolicy(t *testing.T) {
	second := func(p *Path, a *Attrs) { p.ID, a.Nexthop, a.RouterID = 2, addr("192.0.2.7"), addr("10.0.0.2") }
	better := func(p *Path, a *Attrs) { second(p, a); a.LocalPref = 300 }
	own := func(p *Path, a *Attrs) { importedFrom("red")(p, a); p.ID, a.LocalPref = 3, 50 }
	for _, tc := range []struct {
		name   string
		judge  judgeOf
		paths  []Path
		out    Cause
		chosen []uint32
		backup uint32
		metric uint32
	}{
		{"nothing changed", judgeOf{}, []Path{tagged(7, nil)}, Accepted, []uint32{1}, 0, 20},
		{"the best is rejected, and the next comes in", judgeOf{rejects: carryingTag(9)}, []Path{tagged(9, better), tagged(7, nil)}, Accepted, []uint32{1}, 0, 20},
		{"a rejected one is no backup", judgeOf{rejects: carryingTag(9)}, []Path{tagged(9, second), tagged(7, func(p *Path, a *Attrs) { a.LocalPref = 200 })}, Accepted, []uint32{1}, 0, 20},
		{"all are rejected", judgeOf{rejects: carryingTag(9)}, []Path{tagged(9, better), tagged(9, nil)}, PolicyRejects, []uint32{2}, 0, 20},
		{"what it changes decides", judgeOf{changes: func(a *Attrs) {
			if a.Nexthop == addr("192.0.2.7") {
				a.LocalPref = 10
			}
		}}, []Path{tagged(7, better), tagged(7, nil)}, Accepted, []uint32{1}, 2, 20},
		{"communities are looked for in what it leaves", judgeOf{changes: func(a *Attrs) { a.Tags = &Tags{Communities: []Community{7}} }}, []Path{tagged(8, nil)}, Accepted, []uint32{1}, 0, 20},
		{"metric", judgeOf{changes: func(a *Attrs) { a.Rare = &Rare{Kernel: &KernelTerms{Metric: 77}} }}, []Path{tagged(7, nil)}, Accepted, []uint32{1}, 0, 77},
		{"its own import is not asked about", judgeOf{rejects: func(Subject) bool { return true }}, []Path{tagged(7, own)}, OwnImport, []uint32{3}, 0, 20},
		{"its own import where all else is rejected", judgeOf{rejects: func(Subject) bool { return true }}, []Path{tagged(7, own), tagged(7, nil)}, OwnImport, []uint32{3}, 0, 20},
	} {
		x, mine := red(func(p *ExportPolicy) { p.Policy, p.MaxPaths = &tc.judge, 1 })
		c := Candidates{Prefix: prefix("10.0.0.0/24"), Paths: tc.paths, Own: mine}
		for _, trace := range []*Trace{nil, new(Trace)} {
			v := Decide(x, &c, trace)
			if v.Out != tc.out || !slices.Equal(ids(v.Chosen), tc.chosen) || v.Backup.ID != tc.backup || v.Metric != tc.metric {
				t.Errorf("%s: %d, %v, backup %d, metric %d; want %d, %v, %d, %d", tc.name, v.Out, ids(v.Chosen), v.Backup.ID, v.Metric, tc.out, tc.chosen, tc.backup, tc.metric)
			}
			if trace == nil {
				continue
			}
			checkTrace(t, tc.name, *trace, tc.out)
			if !slices.ContainsFunc(trace.Steps, func(s TraceStep) bool { return s.Place == AtPolicy }) {
				t.Errorf("%s: the trace does not have the step of the policy", tc.name)
			}
			if got := x.ReasonOf(&v, &c).String(); tc.out == PolicyRejects && got != `policy "p", rule 1 rejects it` {
				t.Errorf("%s: the reason is %q", tc.name, got)
			}
		}
		if tc.out == Accepted && tc.judge.changes == nil {
			room, judged := make([]Path, 0, 8), make([]Path, 0, 8)
			x.policy.Policy = acceptAll{}
			if n := testing.AllocsPerRun(100, func() {
				c := Candidates{Prefix: prefix("10.0.0.0/24"), Paths: tc.paths, Own: mine, Room: room, Judged: judged}
				Decide(x, &c, nil)
			}); n != 0 {
				t.Errorf("%s: %v allocations", tc.name, n)
			}
		}
	}
}

type acceptAll struct{}

func (acceptAll) Name() string                       { return "all" }
func (acceptAll) String() string                     { return "all" }
func (acceptAll) Judge(s Subject, _ *Hearing) Ruling { return Ruling{Attrs: s.Attrs} }

// TestDecideTellsOfThePolicy: a path that is rejected says by what, and the steps go on.
func TestDecideTellsOfThePolicy(t *testing.T) {
	x, own := red(func(p *ExportPolicy) { p.Policy = &judgeOf{rejects: carryingTag(9)} })
	var trace Trace
	paths := []Path{tagged(9, nil), tagged(7, func(p *Path, a *Attrs) { p.ID, a.LocalPref = 2, 50 })}
	v := Decide(x, &Candidates{Prefix: prefix("10.0.0.0/24"), Paths: paths, Own: own}, &trace)
	if v.Out != Accepted || len(trace.Judged) != 2 || !trace.Judged[0].Rejected || trace.Judged[1].Rejected {
		t.Fatalf("%d, %+v", v.Out, trace.Judged)
	}
	if len(trace.Others) != 1 || trace.Others[0].By != `policy "p", rule 1` || trace.Others[0].Path.ID != 1 {
		t.Errorf("beside the best path: %+v", trace.Others)
	}
}

// TestOwnImportByThePolicysMetric: the kernel forwards by the lower metric, and the policy may
// have set ours.
func TestOwnImportByThePolicysMetric(t *testing.T) {
	own := tagged(7, func(p *Path, a *Attrs) { importedFrom("red")(p, a); p.ID = 3 })
	for metric, want := range map[uint32]Cause{50: Accepted, 200: OwnImport, 0: Accepted} {
		j := judgeOf{changes: func(a *Attrs) { a.Rare = &Rare{Kernel: &KernelTerms{Metric: metric}} }}
		x, mine := red(func(p *ExportPolicy) { p.Policy = &j })
		c := Candidates{
			Prefix: prefix("10.0.0.0/24"), Paths: []Path{own, tagged(7, nil)}, Own: mine,
			Taken: func(netip.Prefix) (uint32, bool) { return 100, true },
		}
		if v := Decide(x, &c, nil); v.Out != want {
			t.Errorf("metric %d: %d, want %d", metric, v.Out, want)
		}
	}
}

func TestDecideImportAsksThePolicy(t *testing.T) {
	rejectStatic := func(s Subject) bool { return s.Route.Protocol == ProtoStatic }
	route := func(protocol uint8, metric uint32) Route {
		return Route{Prefix: prefix("10.1.0.0/24"), Protocol: protocol, Metric: metric, Kind: KindUnicast, Hops: []Hop{{Gateway: addr("192.0.2.9"), Ifindex: 2}}}
	}
	v := View{Where: Where{Table: 254}, Links: twoLinks(), Foreign: NewForeignTable([]Route{route(ProtoStatic, 5), route(ProtoDHCP, 9)})}
	link := v.Links[2].Name
	j := &judgeOf{rejects: rejectStatic, changes: func(a *Attrs) { a.MED, a.ASPath = 7, []uint32{1, 1} }}
	x := NewImporting("red", ImportPolicy{Enabled: true, Interfaces: []string{link}, Policy: j}, ProtoOwn)
	in, out := DecideImport(x, v, prefix("10.1.0.0/24"), nil, nil)
	if out != Accepted || in.Route.Protocol != ProtoDHCP || in.Announcement.MED != 7 || in.Announcement.Prepend != 2 || in.Announcement.LocalPref != nil {
		t.Errorf("%d, %+v", out, in)
	}
	if s := j.asked[0]; s.VRF != "red" || s.SourceVRF() != "red" || s.Attrs.MED != 5 || s.Unacted {
		t.Errorf("asked about %+v", s)
	}
	j.asked = nil
	TakenOf(x, v)(prefix("10.1.0.0/24"))
	if len(j.asked) == 0 || !j.asked[0].Unacted {
		t.Error("who asks what is taken acts on nothing")
	}
	j.rejects = func(Subject) bool { return true }
	var trace Trace
	_, out = DecideImport(x, v, prefix("10.1.0.0/24"), nil, &trace)
	last := trace.Steps[len(trace.Steps)-1]
	if out != PolicyRejects || last.Place != AtImportPolicy || last.Outcome != Stopped || last.Reason.String() != `policy "p", rule 1 rejects it` {
		t.Errorf("%d, %+v", out, trace.Steps)
	}
	if r := trace.Routes[0]; r.Heard == nil || !r.Heard.Rejected || r.Reason.Cause != PolicyRejects {
		t.Errorf("the route: %+v", r)
	}
}

// TestLookingOn: who shows what is decided has the policy told so.
func TestLookingOn(t *testing.T) {
	j := new(judgeOf)
	x, own := red(func(p *ExportPolicy) { p.Policy = j })
	c := Candidates{Prefix: prefix("10.0.0.0/24"), Paths: []Path{tagged(7, nil)}, Own: own}
	Decide(x, &c, nil)
	Decide(x.LookingOn(), &c, nil)
	v := View{Where: Where{Table: 254}, Links: twoLinks(), Foreign: NewForeignTable([]Route{
		{Prefix: prefix("10.1.0.0/24"), Protocol: ProtoStatic, Metric: 5, Kind: KindUnicast, Hops: []Hop{{Ifindex: 2}}},
	})}
	in := NewImporting("red", ImportPolicy{Enabled: true, Interfaces: []string{"*"}, Policy: j}, ProtoOwn)
	DecideImport(in, v, prefix("10.1.0.0/24"), nil, nil)
	DecideImport(in.LookingOn(), v, prefix("10.1.0.0/24"), nil, nil)
	DecideImport(in, v, prefix("10.1.0.0/24"), nil, new(Trace))
	_ = maps.Collect(ImportSet(in, v, nil)) // it asks of each prefix
	var unacted []bool
	for _, s := range j.asked {
		unacted = append(unacted, s.Unacted)
	}
	if want := []bool{false, true, false, true, true, false}; !slices.Equal(unacted, want) {
		t.Errorf("unacted: %v, want %v", unacted, want)
	}
}

// asker asks what the RPKI says.
type asker struct{ *judgeOf }

func (asker) AsksRPKI() bool { return true }

// TestAsked: a policy is told what the RPKI says, and in which VRF it judges.
func TestAsked(t *testing.T) {
	j := &asker{new(judgeOf)}
	x, own := red(func(p *ExportPolicy) { p.Policy = j })
	c := Candidates{Prefix: prefix("10.0.0.0/24"), Paths: []Path{tagged(7, func(p *Path, _ *Attrs) { p.RD = 9 })}, Own: own}
	var rpki RPKI
	rpki.Set(NewROAs(65000, slices.Values([]ROA{{prefix("10.0.0.0/24"), 24, 64999}})))
	Decide(x.Asking(&rpki), &c, nil)
	if s := j.asked[0]; s.RPKI != Invalid || s.VRF != "red" || s.RD != 9 || s.Route != nil {
		t.Errorf("%+v", s)
	}
}

// TestConfinedLeavesTheOthers: what is taken out of a path that somebody may not see stays in
// the attributes that other paths share.
func TestConfinedLeavesTheOthers(t *testing.T) {
	p := tagged(7, func(_ *Path, a *Attrs) {
		a.Source, a.RTs = "blue", []RT{1}
		a.Rare = &Rare{Extended: []ExtCommunity{2}}
	})
	c := p.Confined("red")
	if len(c.Attrs.RTs)+len(c.Attrs.Extended()) != 0 || !slices.Equal(c.Attrs.Communities, p.Attrs.Communities) {
		t.Errorf("it shows %+v", c.Attrs)
	}
	if len(p.Attrs.RTs) != 1 || len(p.Attrs.Extended()) != 1 {
		t.Errorf("the path that is shared lost %+v", p.Attrs)
	}
}

func TestWeights(t *testing.T) {
	path := func(weight uint32, bandwidth bool) Path {
		return Path{Attrs: &Attrs{Rare: &Rare{Kernel: &KernelTerms{Weight: weight, ByBandwidth: bandwidth}}}}
	}
	plain := Path{Attrs: &Attrs{}}
	for _, tc := range []struct {
		name  string
		paths []Path
		want  []uint16
	}{
		{"one", []Path{path(7, false)}, nil},
		{"none set", []Path{plain, plain}, nil},
		{"all the same", []Path{path(7, false), path(7, false)}, nil},
		{"set", []Path{path(3, false), path(1, false)}, []uint16{3, 1}},
		{"set for one", []Path{path(3, false), plain}, []uint16{3, 1}},
		{"bandwidths", []Path{path(10000, true), path(100000, true)}, []uint16{25, 255}},
		{"a small one has a share", []Path{path(1, true), path(100000, true)}, []uint16{1, 255}},
		{"a bandwidth that one has not", []Path{path(10000, true), plain}, nil},
	} {
		if got := Weights(nil, tc.paths); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

func TestExtCommunities(t *testing.T) {
	for _, s := range []string{"rt:65000:10", "rt:192.0.2.1:5", "soo:65000:10", "soo:70000:1", "color:100", "0x0003fde800000000"} {
		c, err := ParseExtCommunity(s)
		if err != nil {
			t.Errorf("%s: %v", s, err)
			continue
		}
		again, err := ParseExtCommunity(c.String())
		if err != nil || again != c {
			t.Errorf("%s: printed as %s, read back as %x, %v", s, c, uint64(again), err)
		}
	}
	for _, s := range []string{"", "soo:1", "65000:10", "color:x", "0x12", "rt:"} {
		if _, err := ParseExtCommunity(s); err == nil || !strings.Contains(err.Error(), ":") {
			t.Errorf("%q: %v", s, err)
		}
	}
	// 1.25e9 bytes a second, of AS 65000: as RFC 4360's type 0x40, and transitive.
	for _, c := range []ExtCommunity{0x4004fde84e9502f9, 0x0004fde84e9502f9} {
		if b, is := c.Bandwidth(); !is || b != 1.25e9 {
			t.Errorf("%x: %v, %v", uint64(c), b, is)
		}
	}
	if _, is := ExtCommunity(0x0002fde84e9502f9).Bandwidth(); is {
		t.Error("a route target is no bandwidth")
	}
}

// TestAttributesStaySmall: in a full table there is one for every few prefixes, and another
// eight bytes make it the next size that Go allocates.
func TestAttributesStaySmall(t *testing.T) {
	if n := unsafe.Sizeof(Attrs{}); n > 64 {
		t.Errorf("Attrs has %d bytes", n)
	}
	if n := unsafe.Sizeof(Tags{}); n > 80 {
		t.Errorf("Tags has %d bytes", n)
	}
}
