package faults_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// templateTurnover is a tenancy whose tenants are what a template makes of namespaces.
type templateTurnover struct {
	*tenancy
	there map[*tenant]bool   // the model
	ids   map[*tenant]string // that each had when it came first
}

// Namespaces that a template matches come and go in random order, many at a time.
func TestFault58TenantsOfATemplate(t *testing.T) {
	slots, rounds := scaled(12, 100), scaled(6, 20)
	lab.Need(t, "gobgp")
	o := newTemplateTurnover(t, slots)
	p := o.pass(t, rounds, o.turn, o.there, func() {})
	if out, err := o.daemon.GoBGP("vrf"); err != nil || strings.Contains(out, "matched-") {
		t.Errorf("%v; GoBGP has\n%s", err, out)
	}
	o.onlyAtHome()
	measured(t, "%d tenants that came by a template, %s: %s; each had its own id, and when it came again that one; no route in a wrong namespace, no VRF of GoBGP's left",
		p.came, round(p.took), p.open)
}

func newTemplateTurnover(t *testing.T, slots int) *templateTurnover {
	t.Helper()
	o := &templateTurnover{tenancy: newTenancyOf(t, slots, "matched"), there: make(map[*tenant]bool), ids: make(map[*tenant]string)}
	all := o.vacate()
	o.template = fmt.Sprintf(`
[[netlink.templates]]
  name = "tenants"
  netns = %q
  rd = "65000:{id}"
  both-rt-list = ["65000:{id}"]
  ids = "10-%d"
  [netlink.templates.import]
    enabled = true
    interface_list = ["eth*"]
  [netlink.templates.export]
    enabled = true
`, fmt.Sprintf("vr%d-*-matched-*", os.Getpid()), 10+slots-1)
	o.start()
	o.tenants = all
	return o
}

// turn makes the namespace of each of some tenants that has none, and deletes the others'; then it holds
// the kernel and the daemon against the model. It returns how many came.
func (o *templateTurnover) turn(some []*tenant) (came int) {
	o.T.Helper()
	for _, n := range some {
		if o.there[n] {
			n.ns.Delete()
		} else {
			n.ns.Make()
			n.wire()
			came++
		}
		o.there[n] = !o.there[n]
	}
	o.holds()
	return came
}

// holds compares what is there with the model.
func (o *templateTurnover) holds() {
	o.T.Helper()
	want := []string{}
	for _, n := range o.tenants {
		if o.there[n] {
			want = append(want, n.ns.Name+" ready")
		}
	}
	slices.Sort(want)
	rds := make(map[string]string)
	lab.WaitEqual(o.T, "the VRFs", want, func() []string {
		var all struct {
			VRFs []struct {
				Name  string `json:"name"`
				State string `json:"state"`
				RD    string `json:"rd"`
			} `json:"vrfs"`
		}
		o.daemon.JSON(&all, "vrf", "--json")
		list := []string{}
		for _, v := range all.VRFs {
			list = append(list, v.Name+" "+v.State)
			rds[v.Name] = v.RD
		}
		slices.Sort(list)
		return list
	})
	whose := make(map[string]*tenant)
	for _, n := range o.tenants {
		if !o.there[n] {
			continue
		}
		id := strings.TrimPrefix(rds[n.ns.Name], "65000:")
		if was := o.ids[n]; was != "" && was != id {
			o.T.Fatalf("%s had id %s, and came again with %s", n.name(), was, id)
		}
		if other := whose[id]; other != nil {
			o.T.Fatalf("%s and %s have id %s", other.name(), n.name(), id)
		}
		o.ids[n], whose[id] = id, n
		var number int
		if _, err := fmt.Sscan(id, &number); err != nil {
			o.T.Fatalf("%s has the RD %q", n.name(), rds[n.ns.Name])
		}
		n.ns.WaitOwn(lab.Main, fmt.Sprintf("20.%d.0.0/16 %s metric 20", number-10, leg1), shared58+" "+leg1+" metric 20")
		lab.Equal(o.T, "all of the daemon's routes in "+n.name(), 2, len(n.ns.OwnEverywhere()))
	}
	for n, id := range o.ids {
		if other := whose[id]; other != nil && other != n {
			o.T.Fatalf("%s has id %s, which rests for %s", other.name(), id, n.name())
		}
	}
}
