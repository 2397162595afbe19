package daemon

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"testing"

	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/doctor"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// fakeHost is a kernel of which some namespaces cannot be looked at.
type fakeHost struct {
	mu     sync.Mutex
	asked  map[string]uint8 // the protocol, by namespace
	absent string
	fails  error
}

func (h *fakeHost) Features(context.Context) (rib.Features, error)   { return rib.Features{}, h.fails }
func (h *fakeHost) VXLANDevices(context.Context) (rib.Answer, error) { return rib.Yes, nil }
func (h *fakeHost) CoreFeatures(context.Context) (rib.CoreFeatures, error) {
	return rib.CoreFeatures{MPLS: rib.Yes}, nil
}

func (h *fakeHost) NumberOf(_ context.Context, in, of string) (int32, error) {
	if in == h.absent {
		return 0, rib.Absent("netns " + in + " is not there")
	}
	return int32(len(in) + 10*len(of)), nil
}
func (h *fakeHost) Rivals() []rib.Rival { return nil }

func (h *fakeHost) Reached(_ context.Context, netns string, protocol uint8, block netip.Prefix) ([]rib.SIDReached, error) {
	if netns == h.absent {
		return nil, rib.Absent("netns " + netns + " is not there")
	}
	return []rib.SIDReached{{In: int(protocol), Prefix: block}}, nil
}

func (h *fakeHost) Survey(_ context.Context, netns string, protocol uint8, _ []string) (rib.Survey, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked[netns] = protocol
	if netns == h.absent {
		return rib.Survey{}, rib.Absent("netns " + netns + " is not there")
	}
	return rib.Survey{Inode: 7}, nil
}

// TestGather looks at each namespace once, the daemon's own among them, and one that is
// not there costs no other.
func TestGather(t *testing.T) {
	h := &fakeHost{asked: make(map[string]uint8), absent: "b"}
	specs := []vrf.Spec{
		{Name: "a", Binding: rib.Binding{Netns: "a"}, Protocol: 200}, {Name: "a2", Binding: rib.Binding{Netns: "a", Table: 7}, Protocol: 200},
		{Name: "b", Binding: rib.Binding{Netns: "b"}, Protocol: 200},
	}
	facts, err := gather(t.Context(), h, &config.Config{BGPPort: 179, Bound: []string{"x"}}, specs)
	if err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(h.asked)); !slices.Equal(got, []string{"", "a", "b"}) || h.asked["a"] != 200 {
		t.Errorf("it looked at %q", got)
	}
	if !errors.Is(facts.Spaces["b"].Err, rib.ErrAbsent) || facts.Spaces["a"].Err != nil || facts.Spaces[""].Inode != 7 {
		t.Errorf("%+v", facts.Spaces)
	}
	if facts.BGPPort != 179 || len(facts.Bound) != 1 || len(facts.Specs) != 3 {
		t.Errorf("of the configuration: %+v", facts)
	}
	h.fails = errors.New("no netlink")
	if _, err := gather(t.Context(), h, &config.Config{}, nil); err == nil || err.Error() != "find out what the kernel can: no netlink" {
		t.Error(err)
	}
}

// TestDiagnose is of what is in force, and of what BGP has otherwise.
func TestDiagnose(t *testing.T) {
	v, s := seen(t)
	e := &examiner{"f.toml", &fakeHost{asked: make(map[string]uint8)}, s.changer.force, v, mailboxes{s.bgp}}
	found, err := e.Diagnose(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	checks := make(map[string]bool)
	for _, f := range found {
		checks[f.Check] = true
	}
	if !checks["bgp-drift"] {
		t.Errorf("what BGP has otherwise is not among %+v", found)
	}
}

// TestGatherCore: where a VRF has an encapsulation the core is looked at too, and how each
// namespace numbers it.
func TestGatherCore(t *testing.T) {
	h := &fakeHost{asked: make(map[string]uint8), absent: "b"}
	specs := []vrf.Spec{{Name: "a", Binding: rib.Binding{Netns: "a"}, Carriage: rib.Carriage{Kind: rib.EncapVXLAN}}, {Name: "b", Binding: rib.Binding{Netns: "b"}}}
	cfg := &config.Config{Carriage: config.Carriage{Core: rib.Core{Netns: "core"}, CoreInterfaces: []string{"core*"}, EVPN: true}}
	facts, err := gather(t.Context(), h, cfg, specs)
	if err != nil {
		t.Fatal(err)
	}
	want := doctor.Carriage{
		Core: cfg.Core, Interfaces: cfg.CoreInterfaces, EVPN: true, VXLAN: rib.Yes,
		Numbers: map[string]int32{"": 40, "a": 41, "b": rib.NoNumber, "core": 44},
	}
	if !reflect.DeepEqual(facts.Carriage, want) {
		t.Errorf("it gathered %+v, want %+v", facts.Carriage, want)
	}
	if _, looked := facts.Spaces["core"]; !looked {
		t.Error("the core was not looked at")
	}
	cfg.VRFs = []vrf.Spec{{Name: "a", Carriage: rib.Carriage{Kind: rib.EncapMPLS}}}
	cfg.VPN, cfg.Labels = true, rib.LabelRange{First: 16, Last: 99}
	want.VPN, want.Labels, want.Features = true, cfg.Labels, rib.CoreFeatures{MPLS: rib.Yes}
	if facts, err = gather(t.Context(), h, cfg, specs); err != nil || !reflect.DeepEqual(facts.Carriage, want) {
		t.Errorf("with MPLS it gathered %+v, %v, want %+v", facts.Carriage, err, want)
	}
	locator := rib.SRv6{Locator: netip.MustParsePrefix("fd00:1:0:1::/64"), BlockBits: 32}
	cfg.VRFs = append(cfg.VRFs, vrf.Spec{Name: "s", Carriage: rib.Carriage{Kind: rib.EncapSRv6, SRv6: locator}})
	want.Reached = []rib.SIDReached{{In: int(specs[0].Protocol), Prefix: netip.MustParsePrefix("fd00:1::/32")}}
	if facts, err = gather(t.Context(), h, cfg, specs); err != nil || !reflect.DeepEqual(facts.Carriage, want) {
		t.Errorf("with SRv6 it gathered %+v, %v, want %+v", facts.Carriage, err, want)
	}
	facts, err = gather(t.Context(), h, cfg, specs[1:])
	if _, looked := facts.Spaces["core"]; err != nil || looked || facts.Carriage.Numbers != nil {
		t.Errorf("without an encapsulation it looked at the core: %v, %v", facts.Carriage, err)
	}
}
