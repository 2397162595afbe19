package gobgp3

import (
	"fmt"
	"testing"

	api "github.com/osrg/gobgp/v3/api"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// rejecting are policies that reject prefixes of both families, by name.
func rejecting(policies map[string][2]string) (sets obj, definitions []any) {
	var prefixes []any
	for name, both := range policies {
		var statements []any
		for i, p := range both {
			set := fmt.Sprintf("%s-%d", name, i)
			prefixes = append(prefixes, obj{"prefix-set-name": set, "prefix-list": []any{obj{"ip-prefix": p}}})
			statements = append(statements, obj{
				"name": set, "conditions": obj{"match-prefix-set": obj{"prefix-set": set}}, "actions": obj{"route-disposition": "reject-route"},
			})
		}
		definitions = append(definitions, obj{"name": name, "statements": statements})
	}
	return obj{"prefix-sets": prefixes}, definitions
}

// appliedKind is a way to be a neighbour, and to come by policies.
type appliedKind struct {
	addr    string
	as      uint32
	vrf     string
	group   bool // the policies are its peer group's
	dynamic bool
}

// conf is a configuration with a neighbour of the kind, which has policies or none, and
// with another one beside it.
func (k appliedKind) conf(p, q *peer, port int, applied obj) obj {
	families := []string{"ipv4-unicast", "ipv6-unicast"}
	own := neighborConf(k.addr, int(k.as), p.port, families...)
	group := obj{"config": obj{"peer-group-name": "g", "peer-as": k.as}, "afi-safis": own["afi-safis"], "graceful-restart": own["graceful-restart"]}
	other := neighborConf(q.addr, int(q.as), q.port, families...)
	if k.vrf != "" {
		inVRF(own, k.vrf)
		inVRF(other, k.vrf)
	}
	switch {
	case applied == nil:
	case k.group:
		group["apply-policy"] = applied
	default:
		own["apply-policy"] = applied
	}
	neighbors := []any{other}
	if k.group && !k.dynamic {
		own["config"].(obj)["peer-group"] = "g"
	}
	if !k.dynamic {
		neighbors = append(neighbors, own)
	}
	c := baseConf([]any{vrfConf("red", "65000:1", []string{"65000:1"}, []string{"65000:1"})}, neighbors)
	c["global"] = obj{"config": obj{"as": 65000, "router-id": "192.0.2.1", "port": port, "local-address-list": []any{"127.0.0.1"}}}
	c["peer-groups"] = []any{group}
	if k.dynamic {
		c["dynamic-neighbors"] = []any{obj{"config": obj{"prefix": "127.0.7.0/24", "peer-group": "g"}}}
	}
	c["defined-sets"], c["policy-definitions"] = rejecting(map[string][2]string{
		"no1": {"10.1.0.0/24", "2001:db8:1::/48"}, "no3": {"10.3.0.0/24", "2001:db8:3::/48"},
	})
	return c
}

// TestApplied: the policies of each kind of neighbour are in force in both directions, from
// the start on, and after reloads that bring and take them.
func TestApplied(t *testing.T) {
	for name, k := range map[string]appliedKind{
		"eBGP":               {addr: "127.0.0.2", as: 65001},
		"iBGP":               {addr: "127.0.0.2", as: 65000},
		"in a VRF":           {addr: "127.0.0.2", as: 65001, vrf: "red"},
		"in a group":         {addr: "127.0.0.2", as: 65001, group: true},
		"in a VRF and group": {addr: "127.0.0.2", as: 65001, vrf: "red", group: true},
		"of an alias":        {addr: "127.1.77.2", as: 65001, vrf: "red"},
		"let in by a group":  {addr: "127.0.7.2", as: 65001, group: true, dynamic: true},
	} {
		t.Run(name, func(t *testing.T) { k.test(t) })
	}
}

func (k appliedKind) test(t *testing.T) {
	port := freePort(t)
	p := newPeer(t, k.addr, k.as, "ipv4-unicast", "ipv6-unicast")
	q := newPeer(t, "127.0.0.3", 65002, "ipv4-unicast", "ipv6-unicast")
	applied := obj{"config": obj{"import-policy-list": []string{"no3"}, "export-policy-list": []string{"no1"}}}
	s := run(t, Options{Config: toJSON(t, k.conf(p, q, port, applied))})
	if k.dynamic {
		dialIn(t, p, port)
	}
	for _, format := range []string{"10.%d.0.0/24", "2001:db8:%d::/48"} {
		for _, n := range []int{1, 2} {
			q.announce(spec{prefix: fmt.Sprintf(format, n)})
		}
		for _, n := range []int{3, 4} {
			p.announce(spec{prefix: fmt.Sprintf(format, n)})
		}
	}
	vrf := k.vrf
	if vrf == "" {
		vrf = speaker.Default
	}
	holds := func(when string, in, out bool) {
		t.Helper()
		for _, format := range []string{"10.%d.0.0/24", "2001:db8:%d::/48"} {
			all := func(n int) string { return prefix(fmt.Sprintf(format, n)).String() }
			count := map[bool]int{true: 1}
			s.await(t, vrf, all(4), func(paths []rib.Path) bool { return len(paths) == 1 })
			s.await(t, vrf, all(3), func(paths []rib.Path) bool { return len(paths) == count[in] })
			eventually(t, when+": the neighbour has "+all(2), func() bool { return len(p.has(all(2), 0)) == 1 })
			eventually(t, when+": the neighbour has "+all(1)+": "+fmt.Sprint(out), func() bool { return len(p.has(all(1), 0)) == count[out] })
			eventually(t, when+": the other has "+all(3)+": "+fmt.Sprint(in), func() bool { return len(q.has(all(3), 0)) == count[in] })
			eventually(t, when+": the other has "+all(1)+" not, which is its own", func() bool { return len(q.has(all(4), 0)) == 1 })
		}
	}
	holds("at the start", false, false)
	up := s.established(t, p.addr)
	for range 2 {
		s.reload(t, k.conf(p, q, port, nil))
		holds("without policies", true, true)
		s.reload(t, k.conf(p, q, port, obj{"config": obj{"import-policy-list": []string{"no3"}}}))
		holds("with an import policy", false, true)
		s.reload(t, k.conf(p, q, port, obj{"config": obj{"export-policy-list": []string{"no1"}}}))
		holds("with an export policy", true, false)
		changed := k.conf(p, q, port, applied)
		changed["defined-sets"].(obj)["prefix-sets"] = []any{
			obj{"prefix-set-name": "no1-0", "prefix-list": []any{obj{"ip-prefix": "10.9.0.0/24"}}}, obj{"prefix-set-name": "no1-1", "prefix-list": []any{obj{"ip-prefix": "2001:db8:9::/48"}}},
			obj{"prefix-set-name": "no3-0", "prefix-list": []any{obj{"ip-prefix": "10.3.0.0/24"}}}, obj{"prefix-set-name": "no3-1", "prefix-list": []any{obj{"ip-prefix": "2001:db8:3::/48"}}},
		}
		s.reload(t, changed)
		holds("with both, of which one set is another", false, true)
		s.reload(t, k.conf(p, q, port, applied))
		holds("with both", false, false)
	}
	if now := s.established(t, p.addr); now != up {
		t.Errorf("the session is up since %d, was %d", now, up)
	}
}

// dialIn has a router dial a speaker.
func dialIn(t *testing.T, p *peer, port int) {
	t.Helper()
	if err := p.DeletePeer(t.Context(), &api.DeletePeerRequest{Address: "127.0.0.1"}); err != nil {
		t.Fatal(err)
	}
	var families []*api.AfiSafi
	for _, f := range []string{"ipv4-unicast", "ipv6-unicast"} {
		families = append(families, &api.AfiSafi{Config: &api.AfiSafiConfig{Family: family(f), Enabled: true}})
	}
	if err := p.AddPeer(t.Context(), &api.AddPeerRequest{Peer: &api.Peer{
		Conf:      &api.PeerConf{NeighborAddress: "127.0.0.1", PeerAsn: 65000},
		Transport: &api.Transport{LocalAddress: p.addr, RemotePort: uint32(port)},
		Timers:    &api.Timers{Config: &api.TimersConfig{ConnectRetry: 1, IdleHoldTimeAfterReset: 1}},
		AfiSafis:  families,
	}}); err != nil {
		t.Fatal(err)
	}
}
