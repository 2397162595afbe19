package walk_test

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/vrfredist/vrfredist/api/client"
	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
)

// guest is a VRF that no file has: it is applied, changed and deleted over the API, in a table of its
// own. What was applied outlives the daemon's ends and every reload of the file.
type guest struct {
	there       bool
	target      uint16 // of its import
	maxPaths    int
	communities []string
	blackhole   bool
}

// as is the state as it holds for a VRF: the guest's settings are its own, but for what is said of all.
func (s *state) as(v vrfOf) (*state, vrfOf) {
	its := *s
	if v.paths != 0 {
		its.policy.maxPaths = v.paths
	}
	if v.table != guestTable {
		return &its, v
	}
	its.policy.maxPaths, its.policy.communities, its.policy.blackhole = s.guest.maxPaths, s.guest.communities, s.guest.blackhole
	v.target = s.guest.target
	return &its, v
}

// apply makes the guest, or changes it as a whole or in some fields.
func (w *walker) apply() (step, bool) {
	g := &w.guest
	if w.dead {
		return step{}, false
	}
	if g.there && w.chance(30) {
		*g = guest{}
		return step{what: "guest is deleted over the API", do: (*world).deleteGuest}, true
	}
	var mask *fieldmaskpb.FieldMask
	next := guest{there: true, target: pick(w, []uint16{10, 11, 12}), maxPaths: pick(w, []int{1, 4}), blackhole: w.chance(50)}
	next.communities = pick(w, [][]string{nil, nil, {"65000:1"}, {"65000:1", "65000:2"}})
	if g.there && w.chance(40) {
		mask = &fieldmaskpb.FieldMask{Paths: []string{"export.max_paths", "export.accept_blackhole"}}
		next.target, next.communities = g.target, g.communities
	}
	*g = next
	return step{
		what: fmt.Sprintf("guest is applied over the API: %+v, mask %v", next, mask.GetPaths()),
		do:   func(w *world) { w.applyGuest(next, mask) },
	}, true
}

// provision calls the daemon, which runs.
func (w *world) provision(call func(ctx context.Context, c *client.Client) error) {
	w.T.Helper()
	c, err := client.Dial(client.Options{Address: w.daemon.Target()})
	if err != nil {
		w.T.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	ctx, cancel := context.WithTimeout(w.T.Context(), patience)
	defer cancel()
	if err := call(ctx, c); err != nil {
		w.T.Fatal(err)
	}
}

func (w *world) applyGuest(g guest, mask *fieldmaskpb.FieldMask) {
	w.T.Helper()
	yes, paths := true, uint32(g.maxPaths)
	own := fmt.Sprintf("%d:%d", as, guestTarget)
	spec := &vrfredistv1.VrfSpec{
		Name: "guest", Rd: own, ImportRtList: []string{fmt.Sprintf("%d:%d", as, g.target)}, ExportRtList: []string{own}, Table: guestTable,
		Export: &vrfredistv1.ExportSpec{Enabled: &yes, MaxPaths: &paths, AcceptBlackhole: &g.blackhole, CommunityList: g.communities},
	}
	w.provision(func(ctx context.Context, c *client.Client) error {
		_, err := c.ApplyVrf(ctx, &vrfredistv1.ApplyVrfRequest{Vrf: spec, Mask: mask})
		return err
	})
}

func (w *world) deleteGuest() {
	w.T.Helper()
	w.provision(func(ctx context.Context, c *client.Client) error {
		answer, err := c.DeleteVrf(ctx, &vrfredistv1.DeleteVrfRequest{Vrf: "guest"})
		if err == nil && !answer.GetGone() {
			err = fmt.Errorf("the guest is not gone: %s", answer.GetReason())
		}
		return err
	})
}
