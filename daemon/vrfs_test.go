package daemon

import (
	"context"
	"errors"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// fakeRunning are VRFs whose workers find nothing.
type fakeRunning struct {
	list  []vrf.Status
	fails error
}

func (r fakeRunning) List() []vrf.Status       { return append([]vrf.Status(nil), r.list...) }
func (r fakeRunning) Changed() <-chan struct{} { return nil }

func (r fakeRunning) Get(name string) (vrf.Status, bool) {
	for _, st := range r.list {
		if st.Spec.Name == name {
			return st, true
		}
	}
	return vrf.Status{}, false
}

func (r fakeRunning) Routes(context.Context, string, vrf.RouteQuery, func(rib.RouteStatus) bool) error {
	return nil
}

func (r fakeRunning) Resync(context.Context, string) (vrf.Repair, error) {
	return vrf.Repair{Announced: 1}, r.fails
}

func (r fakeRunning) Explain(context.Context, string, rib.Question) (rib.Explanation, error) {
	return rib.Explanation{}, nil
}

// seen are the VRFs red and its secondary table, which run, and idle, which does not. BGP
// has something of red otherwise.
func seen(t *testing.T) (*vrfs, *stage) {
	t.Helper()
	cfg := text(t, "now", []string{"red", "red/2"})
	cfg.Others = []vrf.Spec{{Name: "idle"}}
	s := newStage(t, cfg)
	s.bgp.drift, s.bgp.lost = append(s.bgp.drift, driftOf("red")), 2
	var list []vrf.Status
	for _, spec := range cfg.VRFs {
		list = append(list, vrf.Status{Spec: spec, WorkerStatus: vrf.WorkerStatus{State: vrf.Ready}})
	}
	return &vrfs{fakeRunning{list: list}, s.changer.force, s.bgp, new(vrf.Tap), nil, nil, nil, nil}, s
}

func TestGetAndList(t *testing.T) {
	v, _ := seen(t)
	for name, want := range map[string]vrf.State{"red": vrf.Degraded, "red/2": vrf.Degraded, "idle": ""} {
		if st, is := v.Get(name); !is || st.State != want || st.Spec.Name != name {
			t.Errorf("%s is %q (%v)", name, st.State, is)
		}
	}
	if _, is := v.Get("nobody"); is {
		t.Error("there is a VRF nobody")
	}
	list := v.List()
	if len(list) != 2 || list[0].State != vrf.Degraded {
		t.Errorf("%+v", list)
	}
	if kept := v.running.List(); kept[0].State != vrf.Ready {
		t.Error("what the supervisor has was changed")
	}
}

// TestResyncLooksAfterAnnouncements of BGP too, where the VRF makes any.
func TestResyncLooksAfterAnnouncements(t *testing.T) {
	v, s := seen(t)
	if r, err := v.Resync(t.Context(), "red"); err != nil || r.Announced != 3 {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := v.Resync(t.Context(), "red/2"); err != nil || r.Announced != 1 {
		t.Errorf("a secondary table: %+v, %v", r, err)
	}
	s.wants(t, "announcements of red")
	v.running = fakeRunning{fails: errors.New("no table")}
	if _, err := v.Resync(t.Context(), "red"); err == nil {
		t.Error("a failure is not told")
	}
	s.wants(t)
}

// TestServes: the routes of a VRF are in a table where a worker of it, or of a further
// table, runs.
func TestServes(t *testing.T) {
	v, _ := seen(t)
	for name, want := range map[string]bool{"red": true, "red/2": false, "idle": false} {
		if got := v.serves(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
