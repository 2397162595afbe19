package netns_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/api/client"
	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// Bounds of TestKilledWhileItApplies.
const (
	applyKills     = 100
	applyKillsTime = time.Minute
)

// twofold is a tenant that is one of two things: each has its own RD, route targets and interface, so
// that what BGP has tells them apart, and a mixture of both from either.
type twofold struct {
	*lab.Lab
	daemon *lab.Daemon
	tenant *lab.Namespace
}

func (f *twofold) spec(which int) *vrfredistv1.VrfSpec {
	enabled, rd := true, fmt.Sprintf("65000:%d", which)
	return &vrfredistv1.VrfSpec{
		Name: "red", Rd: rd, BothRtList: []string{rd}, Netns: f.tenant.Name,
		Import: &vrfredistv1.ImportSpec{Enabled: &enabled, InterfaceList: []string{fmt.Sprintf("lan%d", which)}},
	}
}

// apply asks for one of the two, and says whether the daemon answered that it is in force.
func (f *twofold) apply(which int) (answered bool) {
	c, err := client.Dial(client.Options{Address: f.daemon.Target()})
	if err != nil {
		f.T.Error(err)
		return false
	}
	defer func() { _ = c.Close() }()
	ctx, cancel := context.WithTimeout(f.T.Context(), lab.Patience)
	defer cancel()
	_, err = c.ApplyVrf(ctx, &vrfredistv1.ApplyVrfRequest{Vrf: f.spec(which)})
	return err == nil
}

// is which of the two the daemon says to have, in all that it says of it; "": it has none yet.
func (f *twofold) is() string {
	c, err := client.Dial(client.Options{Address: f.daemon.Target()})
	if err != nil {
		f.T.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	list, err := c.ListVrfs(f.T.Context(), &vrfredistv1.ListVrfsRequest{})
	if err != nil {
		return err.Error()
	}
	applied, err := c.ListApplied(f.T.Context(), &vrfredistv1.ListAppliedRequest{})
	if err != nil {
		return err.Error()
	}
	var all []string
	for _, v := range list.GetVrfs() {
		all = append(all, fmt.Sprintf("%s with RD %s is %s", v.GetName(), v.GetRd(), v.GetState()))
	}
	for _, l := range applied.GetApplied() {
		all = append(all, fmt.Sprintf("applied to %s, failed %q", l.GetVrf(), l.GetFailed()))
	}
	out, err := f.daemon.GoBGP("global", "rib", "-a", "vpnv4")
	if err != nil {
		return out
	}
	for _, word := range strings.Fields(out) {
		if strings.HasPrefix(word, "65000:") && strings.Contains(word, "/") {
			all = append(all, "BGP has "+word)
		}
	}
	return strings.Join(all, "; ")
}

// whole is what is says of one of the two.
func (f *twofold) whole(which int) string {
	return fmt.Sprintf(`red with RD 65000:%d is ready; applied to red, failed ""; BGP has 65000:%d:10.%d.0.0/24`, which, which, which)
}

// TestKilledWhileItApplies: a daemon that is killed at any instant of ApplyVrf has it wholly in force
// after its next start, or not at all, and says which; what it had answered for is.
func TestKilledWhileItApplies(t *testing.T) {
	t.Parallel()
	l := newLab(t, gobgp)
	rtr := l.Namespace("rtr")
	f := &twofold{Lab: l, tenant: l.Namespace("tenant")}
	for i := 1; i <= 2; i++ {
		l.Link(f.tenant, fmt.Sprintf("lan%d", i), f.tenant, fmt.Sprintf("far%d", i))
		f.tenant.Address(fmt.Sprintf("lan%d", i), fmt.Sprintf("10.%d.0.1/24", i))
	}
	f.daemon = rtr.Daemon("[global.config]\n  as = 65000\n  router-id = \"10.0.0.1\"\n")
	began := time.Now()
	if !f.apply(1) || !f.apply(2) {
		t.Fatal("it cannot be applied")
	}
	longest, began := time.Since(began), time.Now()
	outcomes := make(map[string]int)
	now, kills := 2, 0
	for ; kills < applyKills && time.Since(began) < applyKillsTime; kills++ {
		next := 3 - now
		answered := make(chan bool, 1)
		go func() { answered <- f.apply(next) }()
		time.Sleep(rand.N(longest)) // the instant of the kill: nothing is waited for
		f.daemon.Kill()
		done := <-answered
		f.daemon.Start()
		is := ""
		lab.WaitFor(t, "it is one of the two", lab.Patience, func() string {
			if is = f.is(); is == f.whole(1) || is == f.whole(2) {
				return ""
			}
			return is
		})
		if done && is != f.whole(next) {
			t.Fatalf("it was answered that it is in force, and after a kill it is not: %s", is)
		}
		if is == f.whole(next) {
			now = next
			outcomes["new"]++
		} else {
			outcomes["old"]++
		}
	}
	if outcomes["old"] == 0 || outcomes["new"] == 0 {
		t.Errorf("of %d kills all came before it was kept, or all after: %v", kills, outcomes)
	}
	t.Logf("%d kills within %v of a call: %v", kills, longest, outcomes)
	lab.Equal(t, "routes of the daemon's, which exports nothing", 0, len(f.tenant.OwnEverywhere()))
}
