package daemon

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

const templatesFile = tenantsFile + `[[netlink.templates]]
  name = "tenants"
  netns = "tenant-*"
  rd = "65000:{id}"
  ids = "11-12"
  [netlink.templates.export]
  enabled = true
  [[netlink.templates.neighbors]]
  address = "first"
  peer_as = 65001
`

// fakeTenants are namespaces that come and go by hand.
type fakeTenants struct {
	mu    sync.Mutex
	list  []rib.Tenant
	addrs map[string][]netip.Prefix
	fails error
	told  map[string]func() // of the watch of a tenant's addresses
}

func (f *fakeTenants) List(context.Context, []string) ([]rib.Tenant, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.list), f.fails
}

func (f *fakeTenants) Watch(ctx context.Context, _ chan<- struct{}) error {
	<-ctx.Done()
	return nil
}

func (f *fakeTenants) Addresses(_ context.Context, t rib.Tenant) ([]netip.Prefix, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.addrs[t.Name], nil
}

func (f *fakeTenants) WatchAddresses(ctx context.Context, t rib.Tenant, changed func()) error {
	f.mu.Lock()
	f.told[t.Name] = changed
	f.mu.Unlock()
	<-ctx.Done()
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.told, t.Name)
	return nil
}

func (f *fakeTenants) are(names ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = nil
	for _, name := range names {
		inode := uint64(0)
		for _, c := range name {
			inode = inode*31 + uint64(c)
		}
		f.list = append(f.list, rib.Tenant{Name: name, Dev: 4, Inode: inode})
	}
}

// peopledStage is a stage with a file that has templates, and namespaces that come and go.
func peopledStage(t *testing.T) (*stage, *applications, *fakeTenants) {
	t.Helper()
	s, a := layeredStage(t)
	judge := bgpPart(nil)
	cfg, err := config.ParseUnder("f.toml", []byte(templatesFile), nil, judge)
	if err != nil {
		t.Fatal(err)
	}
	s.changer.force.cfg.Store(cfg)
	s.changer.load = func(l *config.Layers) (*config.Config, error) {
		return config.ParseUnder("f.toml", []byte(templatesFile), l, judge)
	}
	f := &fakeTenants{addrs: map[string][]netip.Prefix{}, told: map[string]func(){}}
	s.changer.tenants = newArrivals(f, s.changer.log)
	s.changer.apply.ids = s.changer.layers.ids
	s.changer.tenants.follow(cfg)
	t.Cleanup(s.changer.tenants.links.end)
	return s, a, f
}

// runs wants these VRFs to be in force, and these to be wanted: "name pending".
func (s *stage) runs(t *testing.T, when string, absent []string, names ...string) {
	t.Helper()
	if got := s.running(); !slices.Equal(got, names) {
		t.Errorf("%s: %v run, want %v\n%s", when, got, names, s.log)
	}
	var missing []string
	for _, st := range s.changer.layers.absent(s.changer.force.config()) {
		missing = append(missing, st.Spec.Name+" "+string(st.State))
	}
	if !slices.Equal(missing, absent) {
		t.Errorf("%s: %v are absent, want %v", when, missing, absent)
	}
}

func TestTenantsComeAndGo(t *testing.T) {
	s, a, f := peopledStage(t)
	f.are("tenant-a", "other")
	s.changer.tenants.takeIn(t.Context(), s.changer)
	s.runs(t, "one", nil, "red", "tenant-a")
	if kept, err := os.ReadFile(filepath.Join(s.dir, "tenants.json")); err != nil || !strings.Contains(string(kept), `"tenant-a": 11`) {
		t.Errorf("the state directory has %s: %v", kept, err)
	}
	s.take()
	f.are("tenant-a", "another")
	s.changer.tenants.takeIn(t.Context(), s.changer)
	s.wants(t) // nothing is done for what matches nothing
	f.are("tenant-a", "tenant-b", "tenant-c")
	s.changer.tenants.takeIn(t.Context(), s.changer)
	s.runs(t, "three", []string{"tenant-c pending"}, "red", "tenant-a", "tenant-b")

	// What was applied over a tenant goes with it, and comes back with it.
	for _, r := range []vrf.ApplyRequest{
		toApply("tenant-a", `{"export":{"metric":77}}`, "export.metric"),
		toApply("10.0.0.9", `{"address":"10.0.0.9","peer_as":65009,"vrf":"tenant-a"}`),
	} {
		if _, err := a.Apply(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	f.are("tenant-b")
	s.changer.tenants.takeIn(t.Context(), s.changer)
	s.runs(t, "one went", nil, "red", "tenant-b")
	if left := s.changer.layers.leftOut(s.changer.force.config()); len(left) != 1 || !left[0].Key.Neighbor {
		t.Errorf("without the tenant these are left out: %+v", left)
	}
	f.are("tenant-a", "tenant-b")
	s.changer.tenants.takeIn(t.Context(), s.changer)
	s.runs(t, "it is back", nil, "red", "tenant-a", "tenant-b")
	if spec, _ := s.changer.force.spec("tenant-a"); spec.RD.String() != "65000:11" || spec.Export.Metric != 77 {
		t.Errorf("it is %+v", spec)
	}

	// A reload, and what is applied, keep the tenants.
	if _, _, err := s.changer.Reload(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Apply(t.Context(), toApply("green", `{"rd":"65000:3","netns":"tenant-b","export":{"enabled":true}}`)); err != nil {
		t.Fatal(err)
	}
	s.runs(t, "who is bound to a tenant's namespace goes before", nil, "green", "red", "tenant-a")
}

// TestTenantsAreTakenInAgain: what cannot be brought into force changes nothing, ids among it, and is
// tried again.
func TestTenantsAreTakenInAgain(t *testing.T) {
	s, _, f := peopledStage(t)
	f.are("tenant-a")
	s.refuse("mirrors ")
	s.changer.tenants.takeIn(t.Context(), s.changer)
	s.runs(t, "refused", nil, "red")
	if kept, err := os.ReadFile(filepath.Join(s.dir, "tenants.json")); err != nil || strings.Contains(string(kept), "tenant-a") {
		t.Errorf("the state directory has %s: %v", kept, err)
	}
	s.refuse()
	s.changer.tenants.takeIn(t.Context(), s.changer)
	s.runs(t, "once it is not", nil, "red", "tenant-a")
	f.fails = errors.New("no")
	f.are()
	s.changer.tenants.takeIn(t.Context(), s.changer)
	s.runs(t, "a failed look is no news", nil, "red", "tenant-a")
}

// TestTheFirstAddress: a neighbour follows the addresses of its tenant.
func TestTheFirstAddress(t *testing.T) {
	s, _, f := peopledStage(t)
	f.are("tenant-a")
	s.changer.tenants.takeIn(t.Context(), s.changer)
	if n := s.changer.force.config().Neighbors; len(n) != 0 {
		t.Errorf("without an address there are %v", n)
	}
	tell := func(addrs ...string) {
		t.Helper()
		f.mu.Lock()
		f.addrs["tenant-a"] = nil
		for _, a := range addrs {
			f.addrs["tenant-a"] = append(f.addrs["tenant-a"], netip.MustParsePrefix(a))
		}
		f.mu.Unlock()
		for deadline := time.Now().Add(10 * time.Second); ; {
			f.mu.Lock()
			told := f.told["tenant-a"]
			f.mu.Unlock()
			if told != nil {
				told()
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("the addresses are not watched")
			}
		}
		<-s.changer.tenants.news()
		s.changer.tenants.takeIn(t.Context(), s.changer)
	}
	tell("10.0.0.2/24")
	if n := s.changer.force.config().Neighbors; len(n) != 1 || n[0].Peer.String() != "10.0.0.1" || n[0].Netns != "tenant-a" {
		t.Errorf("the neighbours are %v", n)
	}
	tell("10.0.7.2/24")
	if n := s.changer.force.config().Neighbors; len(n) != 1 || n[0].Peer.String() != "10.0.7.1" {
		t.Errorf("with another address the neighbours are %v", n)
	}
	f.are()
	s.changer.tenants.takeIn(t.Context(), s.changer)
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.told) != 0 || len(s.changer.force.config().Neighbors) != 0 {
		t.Errorf("without the tenant %d are watched", len(f.told))
	}
}
