package gobgp3

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	api "github.com/osrg/gobgp/v3/api"
	"google.golang.org/protobuf/proto"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// looked is what Candidates of a rehearsal, a feed or a preview, can be asked.
type looked interface {
	All(yield func(netip.Prefix, []rib.Path) bool)
}

// lines renders the paths of a VRF, without what only time and chance decide.
func lines(l looked) string {
	var out []string
	for prefix, paths := range l.All {
		for _, p := range paths {
			rts := slices.Sorted(slices.Values(p.Attrs.RTs))
			out = append(out, fmt.Sprintf("%s RD %s peer %v source %q imported %v MED %d RTs %v", prefix, p.RD, p.Attrs.Peer, p.Attrs.Source, p.Attrs.Imported, p.Attrs.MED, rts))
		}
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

// What a preview says that each VRF would have is what it has after the reload.
func TestPreview(t *testing.T) {
	r := newReloaded(t)
	both := []any{r.np, r.nq}
	green := vrfConf("green", "65000:9", []string{"65000:1", "65000:2"}, []string{"65000:9"})
	start := baseConf([]any{r.red, r.blue, green}, both)
	r.reload(t, start)
	eventually(t, "a session with the second router", func() bool { return r.established(t, r.q.addr) != 0 })
	worse := []proto.Message{&api.AsPathAttribute{Segments: []*api.AsSegment{{Type: api.AsSegment_AS_SEQUENCE, Numbers: []uint32{7, 8, 9}}}}}
	for _, s := range []spec{
		{prefix: "10.1.0.0/16", attrs: worse},
		{prefix: "10.1.0.0/16", rd: 1, rts: []uint32{1}, attrs: worse},
		{prefix: "10.9.0.0/16", rd: 1, rts: []uint32{1}},
		{prefix: "2001:db8:7::/48", rd: 7, rts: []uint32{2}},
	} {
		r.q.announce(s)
	}
	r.await(t, "green", "2001:db8:7::/48", count(1))
	r.await(t, "green", "10.9.0.0/16", count(2))
	slow := neighborConf(r.p.addr, 65001, r.p.port, allFamilies...)
	slow["timers"].(obj)["config"].(obj)["hold-time"] = 30
	for _, step := range []struct {
		name string
		conf obj
		says string // of the neighbours
	}{
		{"nothing", start, ""},
		{"a hold time", baseConf([]any{r.red, r.blue, green}, []any{slow, r.nq}), "127.0.0.2 changed [timers.config.hold-time: 90 -> 30"},
		{"without the first neighbour", baseConf([]any{r.red, r.blue, green}, []any{r.nq}), "127.0.0.2 removed"},
		{"other route targets", baseConf([]any{vrfConf("red", "65000:1", []string{"65000:2"}, []string{"65000:2"}), r.blue, green}, []any{r.nq}), ""},
		{"another RD, a VRF less", baseConf([]any{vrfConf("red", "65000:77", []string{"65000:2"}, []string{"65000:1"}), green}, []any{r.nq}), ""},
		{"a VRF more", baseConf([]any{r.red, r.blue, green}, []any{r.nq}), ""},
		{"no neighbour", baseConf([]any{r.red, r.blue, green}, nil), "127.0.0.3 removed"},
	} {
		p, err := r.Preview(toJSON(t, step.conf), rib.Extras{})
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		var said []string
		for _, c := range p.Neighbors {
			said = append(said, fmt.Sprintf("%s %s %v", c.Address, [...]string{"", "added", "removed", "changed"}[c.Kind], c.Keys))
		}
		if got := strings.Join(said, "; "); !strings.HasPrefix(got, step.says) || step.says == "" && got != "" {
			t.Errorf("%s: of the neighbours it says %q, want %q", step.name, got, step.says)
		}
		want, err := p.Paths(t.Context(), nil)
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		previewed := make(map[string]string)
		for name, paths := range want {
			previewed[name] = lines(paths)
		}
		r.reload(t, step.conf)
		for name, w := range previewed {
			got := ""
			eventually(t, fmt.Sprintf("%s: the paths of %s", step.name, name), func() bool {
				if now := lines(r.feed(t, name)); now != got {
					got = now
					t.Logf("%s: %s has\n%s\nwant\n%s", step.name, name, got, w)
				}
				return got == w
			})
		}
	}
}

// An announcement that would come or go changes what others have of it.
func TestPreviewOfAnnouncements(t *testing.T) {
	r := newReloaded(t)
	green := vrfConf("green", "65000:9", []string{"65000:1"}, nil)
	conf := baseConf([]any{r.red, green}, []any{r.np})
	r.reload(t, conf)
	r.p.announce(spec{prefix: "10.9.0.0/16", rd: 4, rts: []uint32{1}})
	r.await(t, "green", "10.9.0.0/16", count(2))
	p, err := r.Preview(toJSON(t, conf), rib.Extras{})
	if err != nil {
		t.Fatal(err)
	}
	gone, more := prefix("10.9.0.0/16"), prefix("10.8.0.0/16")
	all, err := p.Paths(t.Context(), speaker.Announcing{"red": {gone: nil, more: {Prefix: more, MED: 5}}})
	if err != nil {
		t.Fatal(err)
	}
	r.announce(t, "red", change("10.8.0.0/16", 5), rib.AnnounceChange{Announcement: rib.Announcement{Prefix: gone}, Withdraw: true})
	for _, name := range []string{"red", "green", speaker.Default} {
		want := lines(all[name])
		eventually(t, "the paths of "+name+" are\n"+want, func() bool { return lines(r.feed(t, name)) == want })
	}
	if !all["green"].Edited() || all[speaker.Default].Edited() {
		t.Error("it does not know which VRFs have other paths")
	}
}

// What a reload would refuse, a preview does.
func TestPreviewRefuses(t *testing.T) {
	s := run(t, Options{Config: toJSON(t, baseConf(nil, nil))})
	other := baseConf(nil, nil)
	other["global"].(obj)["config"].(obj)["as"] = 65009
	if _, err := s.Preview(toJSON(t, other), rib.Extras{}); err == nil || !strings.Contains(err.Error(), "global") {
		t.Errorf("another AS: %v", err)
	}
}
