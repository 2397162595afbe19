package faults_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/vrfredist/vrfredist/api/client"
	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// turnover is a tenancy whose tenants are made and removed over the API. No file has them.
type turnover struct {
	*tenancy
	api     *client.Client
	there   map[*tenant]bool // the model
	quarrel *quarrel
}

// Tenants come and go over the API, many at a time, with their namespaces, in random order.
func TestFault58TenantsComeAndGo(t *testing.T) {
	slots, rounds := scaled(12, 100), scaled(6, 20)
	lab.Need(t, "gobgp")
	o := newTurnover(t, slots)
	refused := 0
	p := o.pass(t, rounds, o.turn, o.there, func() { refused = o.quarrel.end(t) })
	if out, err := o.daemon.GoBGP("vrf"); err != nil || strings.Contains(out, "tenant-") {
		t.Errorf("%v; GoBGP has\n%s", err, out)
	}
	if out := o.daemon.Do("config"); strings.Contains(out, "tenant-") {
		t.Errorf("the configuration is\n%s", out)
	}
	o.onlyAtHome()
	measured(t, "%d tenants that came by the API, %s, and %d requests meanwhile that had to be refused: %s; no RD twice, no route, nexthop object or VRF of GoBGP's left",
		p.came, round(p.took), refused, p.open)
}

func newTurnover(t *testing.T, slots int) *turnover {
	t.Helper()
	o := &turnover{tenancy: newTenancy(t, slots), there: make(map[*tenant]bool)}
	all := o.vacate()
	o.start()
	o.tenants = all
	var err error
	if o.api, err = client.Dial(client.Options{Address: o.daemon.Target()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.api.Close() })
	o.quarrel = newQuarrel(t, o.api)
	return o
}

// vacate has BIRD send the routes of all tenants, takes their namespaces away, and returns them.
func (y *tenancy) vacate() (all []*tenant) {
	y.T.Helper()
	var protocols strings.Builder
	for i := range y.tenants {
		protocols.WriteString(vpnRoutes(fmt.Sprintf("t%d", i), fmt.Sprintf("65100:%d", i), i, fmt.Sprintf("20.%d.0.0/16", i), shared58))
	}
	y.bird.Reconfigure(vpnConfig(protocols.String()))
	for _, n := range y.tenants {
		n.ns.Delete()
	}
	all, y.tenants, y.profiled = y.tenants, nil, true
	return all
}

// shared58 is a prefix that each tenant has, by another route.
const shared58 = "21.0.0.0/16"

// turn makes each of some tenants that is not there, removes the others, all at once, and holds the
// kernel and the daemon against the model. It returns how many came.
func (o *turnover) turn(some []*tenant) (came int) {
	o.T.Helper()
	for _, n := range some {
		if !o.there[n] {
			n.ns.Make()
			n.wire()
			came++
		}
	}
	var all sync.WaitGroup
	failures := make([]error, len(some)+1)
	for i, n := range some {
		call := o.apply
		if o.there[n] {
			call = o.remove
		}
		all.Go(func() { failures[i] = call(n) })
	}
	all.Go(func() { failures[len(some)] = o.quarrel.turn(o.T.Context()) })
	all.Wait()
	for _, err := range failures {
		if err != nil {
			o.T.Fatal(err)
		}
	}
	for _, n := range some {
		if o.there[n] {
			lab.Equal(o.T, "the daemon's routes where "+n.name()+" was", 0, len(n.ns.OwnEverywhere()))
			lab.Equal(o.T, "the nexthop objects where "+n.name()+" was", "", n.ns.IP("nexthop"))
			n.ns.Delete()
		}
		o.there[n] = !o.there[n]
	}
	o.holds()
	return came
}

// holds compares what is there with the model.
func (o *turnover) holds() {
	o.T.Helper()
	list, err := o.api.ListVrfs(o.T.Context(), &vrfredistv1.ListVrfsRequest{})
	if err != nil {
		o.T.Fatal(err)
	}
	var want, got []string
	for _, n := range o.tenants {
		if o.there[n] {
			want = append(want, fmt.Sprintf("%s 65000:%d", n.name(), 10+n.number))
			n.ns.WaitOwn(lab.Main, fmt.Sprintf("20.%d.0.0/16 %s metric 20", n.number, leg1), shared58+" "+leg1+" metric 20")
			lab.Equal(o.T, "all of the daemon's routes in "+n.name(), 2, len(n.ns.OwnEverywhere()))
		}
	}
	for _, v := range list.GetVrfs() {
		if v.GetName() == quarrelled {
			continue
		}
		got = append(got, v.GetName()+" "+v.GetRd())
	}
	slices.Sort(want)
	slices.Sort(got)
	lab.Equal(o.T, "the VRFs and their RDs", fmt.Sprint(want), fmt.Sprint(got))
}

func (o *turnover) apply(n *tenant) error {
	rt := fmt.Sprintf("65000:%d", 10+n.number)
	enabled := true
	answer, err := o.api.ApplyVrf(o.T.Context(), &vrfredistv1.ApplyVrfRequest{Vrf: &vrfredistv1.VrfSpec{
		Name: n.name(), Rd: rt, BothRtList: []string{rt}, Netns: n.ns.Name,
		Import: &vrfredistv1.ImportSpec{Enabled: &enabled, InterfaceList: []string{"eth*"}},
		Export: &vrfredistv1.ExportSpec{Enabled: &enabled},
	}})
	if state := answer.GetVrf().GetState(); err == nil && state != "ready" {
		err = fmt.Errorf("it is %s: %s", state, answer.GetVrf().GetReason())
	}
	if err != nil {
		return fmt.Errorf("make %s: %w", n.name(), err)
	}
	return nil
}

func (o *turnover) remove(n *tenant) error {
	answer, err := o.api.DeleteVrf(o.T.Context(), &vrfredistv1.DeleteVrfRequest{Vrf: n.name()})
	if err == nil && !answer.GetGone() {
		err = fmt.Errorf("it is not gone: %s", answer.GetReason())
	}
	if err != nil {
		return fmt.Errorf("remove %s: %w", n.name(), err)
	}
	return nil
}
