package gobgp3

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/config/oc"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/reload"
)

// meddled is a speaker with something of everything, and a client that changes it.
type meddled struct {
	*running
	client api.GobgpApiClient
	p, q   *peer // in the global table; in VRF red
	conf   obj
	up     int64 // of the session with p
}

func newMeddled(t *testing.T) *meddled {
	t.Helper()
	m := &meddled{p: newPeer(t, "127.0.0.2", 65001, allFamilies...), q: newPeer(t, "127.0.0.3", 65003, "ipv4-unicast", "ipv6-unicast")}
	inRed := neighborConf(m.q.addr, 65003, m.q.port, "ipv4-unicast", "ipv6-unicast")
	inRed["config"].(obj)["vrf"] = "red"
	m.conf = baseConf(
		[]any{
			vrfConf("red", "65000:1", []string{"65000:1"}, []string{"65000:1"}),
			vrfConf("idle", "65000:2", []string{"65000:2"}, []string{"65000:2"}),
		},
		[]any{neighborConf(m.p.addr, 65001, m.p.port, allFamilies...), inRed})
	m.conf["defined-sets"] = obj{"prefix-sets": []any{obj{"prefix-set-name": "one", "prefix-list": []any{obj{"ip-prefix": "10.1.0.0/16"}}}}}
	m.conf["policy-definitions"] = []any{obj{"name": "no-one", "statements": []any{obj{
		"name":       "s1",
		"conditions": obj{"match-prefix-set": obj{"prefix-set": "one"}},
		"actions":    obj{"route-disposition": "reject-route"},
	}}}}
	m.conf["global"].(obj)["apply-policy"] = obj{"config": obj{"import-policy-list": []string{"no-one"}, "default-import-policy": "accept-route"}}
	m.conf["peer-groups"] = []any{obj{"config": obj{"peer-group-name": "guests", "peer-as": 65007}}}
	m.conf["dynamic-neighbors"] = []any{obj{"config": obj{"prefix": "127.0.7.0/24", "peer-group": "guests"}}}
	m.running = run(t, Options{
		Config: toJSON(t, m.conf),
		Who:    func(context.Context) string { return "uid 7 (gobgp, pid 8)" },
		Serves: func(vrf string) bool { return vrf == "red" },
	})
	m.client = api.NewGobgpApiClient(dial(t, "unix:"+m.socket))
	m.awaitState(t, m.p.addr, "established")
	m.awaitState(t, m.q.addr, "established")
	m.p.announce(spec{prefix: "10.1.0.0/16"})
	m.p.announce(spec{prefix: "10.2.0.0/16"})
	m.await(t, speaker.Default, "10.2.0.0/16", count(1))
	m.up = m.established(t, m.p.addr)
	return m
}

// differs waits until exactly these things differ, and returns them.
func (m *meddled) differs(t *testing.T, want ...string) []speaker.Difference {
	t.Helper()
	var got []speaker.Difference
	defer func() {
		if t.Failed() {
			t.Logf("differences: %v", got)
		}
	}()
	eventually(t, fmt.Sprintf("these differ: %q", want), func() bool {
		got = m.Drift()
		return slices.EqualFunc(got, want, func(d speaker.Difference, w string) bool { return string(d.Kind)+" "+d.Name == w })
	})
	for _, d := range got {
		if d.By != "uid 7 (gobgp, pid 8)" || d.Since.IsZero() {
			t.Errorf("who did it, and when, is not told: %+v", d)
		}
		eventually(t, "the log says who did it", func() bool { return strings.Contains(m.log.String(), d.By) })
	}
	return got
}

// mended reloads the same file, and looks for lines that say what was done.
func (m *meddled) mended(t *testing.T, lines ...string) {
	t.Helper()
	preview, err := m.Preview(toJSON(t, m.conf), rib.Extras{})
	if err != nil {
		t.Fatal(err)
	}
	if len(preview.Neighbors)+len(preview.Others) == 0 {
		t.Error("a plan says that a reload changes nothing")
	}
	changes := m.reload(t, m.conf)
	for _, want := range lines {
		if !slices.ContainsFunc(changes, func(c string) bool { return strings.Contains(c, want) }) {
			t.Errorf("no %q in the changes: %q", want, changes)
		}
	}
	if len(changes) != len(lines) {
		t.Errorf("changes: %q, want %d", changes, len(lines))
	}
	m.rests(t)
}

// rests makes sure that there is nothing to mend.
func (m *meddled) rests(t *testing.T) {
	t.Helper()
	if err := m.drift.examine(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := m.Drift(); len(got) != 0 {
		t.Errorf("differences: %v", got)
	}
	if changes := m.reload(t, m.conf); len(changes) != 0 {
		t.Errorf("a reload where nothing differs: %q", changes)
	}
}

func TestAnotherClientOfTheAPI(t *testing.T) {
	m := newMeddled(t)
	m.rests(t)
	t.Run("deletes and changes neighbours", m.neighbours)
	t.Run("changes a TTL", m.ttl)
	t.Run("deletes peer groups", m.groups)
	t.Run("deletes a VRF", m.vrfs)
	t.Run("changes policies", m.judgement)
	t.Run("adds what no file says", m.additions)
	t.Run("disables a neighbour", m.disabling)
	t.Run("is refused", m.refusals)
	if now := m.established(t, m.p.addr); now != m.up {
		t.Errorf("the session of a neighbour that nobody touched is up since %d, was %d", now, m.up)
	}
}

func (m *meddled) neighbours(t *testing.T) {
	ctx := t.Context()
	if _, err := m.client.DeletePeer(ctx, &api.DeletePeerRequest{Address: m.q.addr}); err != nil {
		t.Fatal(err)
	}
	if d := m.differs(t, "neighbour 127.0.0.3")[0]; !d.Missing || d.VRF != "red" || d.PeerAS != 65003 {
		t.Errorf("the neighbour is told as %+v", d)
	}
	if got, _ := m.session(m.q.addr); got.State != speaker.Deleted || got.VRF != "red" || got.Reason != "BGP has it no more: deleted by uid 7 (gobgp, pid 8)" {
		t.Errorf("the neighbour that is gone: %+v", got)
	}
	preview, err := m.Preview(toJSON(t, m.conf), rib.Extras{})
	if err != nil || len(preview.Neighbors) != 1 || preview.Neighbors[0].Kind != speaker.Added || len(preview.Neighbors[0].Notes) < 2 {
		t.Errorf("what a plan says: %+v, %v", preview, err)
	}
	m.mended(t, "neighbour 127.0.0.3 added")
	m.awaitState(t, m.q.addr, "established")

	// Another hold time is no other session.
	up := m.established(t, m.q.addr)
	changed := neighborConf(m.q.addr, 65003, m.q.port, "ipv4-unicast", "ipv6-unicast")
	changed["config"].(obj)["vrf"] = "red"
	changed["timers"].(obj)["config"].(obj)["hold-time"] = 33
	if _, err := m.client.UpdatePeer(ctx, &api.UpdatePeerRequest{Peer: peerOf(t, changed)}); err != nil {
		t.Fatal(err)
	}
	if d := m.differs(t, "neighbour 127.0.0.3")[0]; d.Missing || !slices.Contains(d.Keys, "timers.config.hold-time: 90 -> 33") {
		t.Errorf("a changed neighbour: %+v", d)
	}
	m.mended(t, "neighbour 127.0.0.3 made again as it is configured")
	if up == 0 || m.established(t, m.q.addr) == 0 {
		t.Errorf("the session was up since %d, is since %d", up, m.established(t, m.q.addr))
	}
}

// ttl: GoBGP cannot change that of a session which is up.
func (m *meddled) ttl(t *testing.T) {
	m.awaitState(t, m.q.addr, "established")
	changed := neighborConf(m.q.addr, 65003, m.q.port, "ipv4-unicast", "ipv6-unicast")
	changed["config"].(obj)["vrf"] = "red"
	changed["ebgp-multihop"] = obj{"config": obj{"enabled": true, "multihop-ttl": 7}}
	if _, err := m.client.UpdatePeer(t.Context(), &api.UpdatePeerRequest{Peer: peerOf(t, changed)}); err != nil {
		t.Fatal(err)
	}
	m.differs(t, "neighbour 127.0.0.3")
	m.awaitState(t, m.q.addr, "established")
	m.mended(t, "neighbour 127.0.0.3 made again as it is configured")
	m.awaitState(t, m.q.addr, "established")
}

// peerOf is a neighbour's section as GoBGP's API has it.
func peerOf(t *testing.T, section obj) *api.Peer {
	t.Helper()
	c := readConf(t, baseConf([]any{vrfConf("red", "65000:1", nil, nil)}, []any{section}), rib.Extras{})
	return oc.NewPeerFromConfigStruct(&c.Set.Neighbors[0])
}

func (m *meddled) groups(t *testing.T) {
	if _, err := m.client.DeletePeerGroup(t.Context(), &api.DeletePeerGroupRequest{Name: "guests"}); err != nil {
		t.Fatal(err)
	}
	m.differs(t, "dynamic neighbours 127.0.7.0/24 in peer group guests", "peer group guests")
	m.mended(t, "peer group guests added", "dynamic neighbours 127.0.7.0/24 added")
	if _, err := m.client.DeleteDynamicNeighbor(t.Context(), &api.DeleteDynamicNeighborRequest{Prefix: "127.0.7.0/24", PeerGroup: "guests"}); err != nil {
		t.Fatal(err)
	}
	m.differs(t, "dynamic neighbours 127.0.7.0/24 in peer group guests")
	m.mended(t, "dynamic neighbours 127.0.7.0/24 added")
}

func (m *meddled) vrfs(t *testing.T) {
	ctx := t.Context()
	m.announce(t, "idle", change("10.7.0.0/16", 1))
	if _, err := m.client.DeleteVrf(ctx, &api.DeleteVrfRequest{Name: "idle"}); err != nil {
		t.Fatal(err)
	}
	if d := m.differs(t, "VRF idle")[0]; d.VRF != "idle" || d.String() != `VRF "idle": BGP has it no more: deleted by uid 7 (gobgp, pid 8)` {
		t.Errorf("the VRF is told as %s", d)
	}
	m.mended(t, "VRF idle added")
	m.await(t, "idle", "10.7.0.0/16", count(1))

	if _, err := m.client.DeleteVrf(ctx, &api.DeleteVrfRequest{Name: "idle"}); err != nil {
		t.Fatal(err)
	}
	other, err := reload.VRFRequest(readVRF(t, "idle", "65000:99"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.client.AddVrf(ctx, other); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the VRF is there, and another", func() bool {
		d := m.Drift()
		return len(d) == 1 && d[0].Name == "idle" && !d[0].Missing
	})
	m.mended(t, "VRF idle added")
	m.await(t, "idle", "10.7.0.0/16", func(p []rib.Path) bool { return len(p) == 1 && p[0].RD == rd(t, "65000:2") })
}

func (m *meddled) judgement(t *testing.T) {
	ctx := t.Context()
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	// A policy of the client's own, assigned beside ours, stays all the time.
	must(m.client.AddDefinedSet(ctx, &api.AddDefinedSetRequest{DefinedSet: &api.DefinedSet{
		DefinedType: api.DefinedType_PREFIX, Name: "two", Prefixes: []*api.Prefix{{IpPrefix: "10.2.0.0/16", MaskLengthMin: 16, MaskLengthMax: 16}},
	}}))
	must(m.client.AddPolicy(ctx, &api.AddPolicyRequest{Policy: &api.Policy{Name: "no-two", Statements: []*api.Statement{{
		Name: "s2", Conditions: &api.Conditions{PrefixSet: &api.MatchSet{Name: "two"}}, Actions: &api.Actions{RouteAction: api.RouteAction_REJECT},
	}}}}))
	imports := func(names ...string) *api.PolicyAssignment {
		a := &api.PolicyAssignment{Name: "global", Direction: api.PolicyDirection_IMPORT, DefaultAction: api.RouteAction_ACCEPT}
		for _, name := range names {
			a.Policies = append(a.Policies, &api.Policy{Name: name})
		}
		return a
	}
	must(m.client.AddPolicyAssignment(ctx, &api.AddPolicyAssignmentRequest{Assignment: imports("no-two")}))
	m.rests(t)

	must(m.client.SetPolicyAssignment(ctx, &api.SetPolicyAssignmentRequest{Assignment: imports("no-two")}))
	m.differs(t, "policy assignment import of global")
	m.mended(t, "policies made again as it is configured")

	// Before ours, one that accepts would let in what ours keep out.
	must(m.client.SetPolicyAssignment(ctx, &api.SetPolicyAssignmentRequest{Assignment: imports("no-two", "no-one")}))
	m.differs(t, "policy assignment import of global")
	m.mended(t, "policies made again as it is configured")

	must(m.client.AddDefinedSet(ctx, &api.AddDefinedSetRequest{DefinedSet: &api.DefinedSet{
		DefinedType: api.DefinedType_PREFIX, Name: "one", Prefixes: []*api.Prefix{{IpPrefix: "10.9.0.0/16", MaskLengthMin: 16, MaskLengthMax: 16}},
	}}))
	m.differs(t, "defined set prefix-set one")
	m.mended(t, "policies made again as it is configured")

	must(m.client.SetPolicyAssignment(ctx, &api.SetPolicyAssignmentRequest{Assignment: imports("no-two")}))
	must(m.client.DeletePolicy(ctx, &api.DeletePolicyRequest{Policy: &api.Policy{Name: "no-one"}, All: true}))
	m.differs(t, "policy no-one", "policy assignment import of global")
	m.mended(t, "policies made again as it is configured")

	var have []string
	must(nil, m.server().ListPolicyAssignment(ctx, &api.ListPolicyAssignmentRequest{Name: "global", Direction: api.PolicyDirection_IMPORT}, func(a *api.PolicyAssignment) {
		for _, p := range a.GetPolicies() {
			have = append(have, p.GetName())
		}
	}))
	if !slices.Equal(have, []string{"no-one", "no-two"}) {
		t.Errorf("assigned are %q: ours first, and then the client's own", have)
	}
}

func (m *meddled) additions(t *testing.T) {
	ctx := t.Context()
	if _, err := m.client.AddPeer(ctx, &api.AddPeerRequest{Peer: &api.Peer{Conf: &api.PeerConf{NeighborAddress: "127.0.0.10", PeerAsn: 65010}}}); err != nil {
		t.Fatal(err)
	}
	own, err := reload.VRFRequest(readVRF(t, "own", "65000:50"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.client.AddVrf(ctx, own); err != nil {
		t.Fatal(err)
	}
	m.rests(t)
	want := []speaker.Addition{
		{Kind: speaker.KindVRF, Name: "own", By: "uid 7 (gobgp, pid 8)"}, {Kind: speaker.KindSet, Name: "prefix-set two", By: "uid 7 (gobgp, pid 8)"},
		{Kind: speaker.KindNeighbor, Name: "127.0.0.10", By: "uid 7 (gobgp, pid 8)"}, {Kind: speaker.KindPolicy, Name: "no-two", By: "uid 7 (gobgp, pid 8)"},
	}
	if got := m.Additions(); !slices.Equal(got, want) {
		t.Errorf("added are %v, want %v", got, want)
	}
	if got, there := m.session("127.0.0.10"); !there || got.Origin != speaker.Foreign {
		t.Errorf("a neighbour that a client added: %+v", got)
	}
	if h, err := reload.ReadBack(ctx, m.keeper); err != nil || h.VRFs["own"] == nil || h.Policies["no-two"] == nil {
		t.Errorf("what a client added is gone: %v", err)
	}
}

func (m *meddled) disabling(t *testing.T) {
	ctx := t.Context()
	if _, err := m.client.DisablePeer(ctx, &api.DisablePeerRequest{Address: m.q.addr}); err != nil {
		t.Fatal(err)
	}
	isDown := func() {
		t.Helper()
		eventually(t, "it is shown as disabled", func() bool {
			got, _ := m.session(m.q.addr)
			return got.State != "established" && strings.Contains(got.Reason, "disabled by uid 7 (gobgp, pid 8)")
		})
	}
	isDown()
	m.rests(t)
	isDown()
	// GoBGP makes the neighbour anew for one family less, and would start its session.
	n := m.conf["neighbors"].([]any)[1].(obj)
	families := n["afi-safis"]
	n["afi-safis"] = families.([]any)[:1]
	if changes := m.reload(t, m.conf); len(changes) != 1 {
		t.Errorf("changes: %q", changes)
	}
	eventually(t, "it is disabled still", func() bool {
		h, err := reload.ReadBack(ctx, m.keeper)
		return err == nil && h.Neighbors[m.q.addr].Disabled
	})
	isDown()
	if _, err := m.client.EnablePeer(ctx, &api.EnablePeerRequest{Address: m.q.addr}); err != nil {
		t.Fatal(err)
	}
	m.awaitState(t, m.q.addr, "established")
	m.rests(t)
}

func (m *meddled) refusals(t *testing.T) {
	ctx := t.Context()
	for want, call := range map[string]func() error{
		"the file": func() error {
			_, err := m.client.StartBgp(ctx, &api.StartBgpRequest{Global: &api.Global{Asn: 1, RouterId: "1.1.1.1", ListenPort: -1}})
			return err
		},
		"systemctl stop vrfredist": func() error { _, err := m.client.StopBgp(ctx, &api.StopBgpRequest{}); return err },
		`VRF "red"`:                func() error { _, err := m.client.DeleteVrf(ctx, &api.DeleteVrfRequest{Name: "red"}); return err },
		"one by one":               func() error { _, err := m.client.SetPolicies(ctx, &api.SetPoliciesRequest{}); return err },
		`no peer group "nobody"`: func() error {
			_, err := m.client.AddDynamicNeighbor(ctx, &api.AddDynamicNeighborRequest{DynamicNeighbor: &api.DynamicNeighbor{Prefix: "127.0.8.0/24", PeerGroup: "nobody"}})
			return err
		},
		`no peer group "none"`: func() error {
			_, err := m.client.DeleteDynamicNeighbor(ctx, &api.DeleteDynamicNeighborRequest{Prefix: "127.0.8.0/24", PeerGroup: "none"})
			return err
		},
	} {
		if err := call(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one that says %s", err, want)
		}
	}
	m.rests(t)
}

// TestEveryMethodHasAnEffect: a method of a later GoBGP cannot come in unseen.
func TestEveryMethodHasAnEffect(t *testing.T) {
	var names []string
	for _, method := range api.GobgpApi_ServiceDesc.Methods {
		names = append(names, method.MethodName)
	}
	for _, method := range api.GobgpApi_ServiceDesc.Streams {
		names = append(names, method.StreamName)
	}
	for _, name := range names {
		reads := strings.HasPrefix(name, "Get") || strings.HasPrefix(name, "List") || strings.HasPrefix(name, "Watch")
		if _, known := effects[name]; known == reads {
			t.Errorf("what %s changes is not known", name)
		}
	}
	for name := range effects {
		if !slices.Contains(names, name) {
			t.Errorf("GoBGP has no method %s", name)
		}
	}
}
