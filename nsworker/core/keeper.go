package core

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// keeper keeps the labels and SIDs of VRFs, and what they need beside them, true in the kernel. It
// belongs to the goroutine of Core.Run.
type keeper struct {
	core     *Core
	fixtures Fixtures
	spaces   map[string]*space     // by netns; those that are open
	asked    map[string]int        // by netns: for which of its VRF's requests it was opened
	made     map[fixture]time.Time // what was made beside labels and SIDs, and when it was seen to
	trouble  string                // of the core's namespace, as it was logged
}

// ask is one pass: what is to be there.
type ask struct {
	is     *Settings
	now    time.Time
	links  rib.Links
	byName map[string]rib.Link
	stays  func(Number) bool // whether a number is one of a VRF that stays
	next   time.Duration     // when there is more to do
}

func (a *ask) again(after time.Duration) { a.next = min(a.next, after) }

// keep makes one pass, and says when there is more to do.
func (k *keeper) keep(ctx context.Context, is *Settings, links rib.Links) time.Duration {
	all, numbers := k.core.needing()
	a := &ask{is: is, now: time.Now(), links: links, next: never}
	if len(all)+len(k.made) == 0 && len(k.spaces) > 0 && !k.spaces[is.Netns].busy() {
		return never
	}
	a.byName = make(map[string]rib.Link, len(links))
	for _, l := range links {
		a.byName[l.Name] = l
	}
	core, err := k.open(ctx, a, is.Netns, 0)
	k.say(err)
	if err != nil {
		for name, t := range all {
			k.core.found(name, &t, err)
		}
		return retryFirst * 4
	}
	wanted := make(map[Number]string)
	a.stays = staying(all, numbers)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if t := all[name]; !k.tend(ctx, a, core, name, &t, wanted) {
			delete(all, name)
		}
	}
	next, err := core.sweep(ctx, a.now, func(n Number) bool { return wanted[n] != "" || a.stays(n) })
	if err != nil {
		k.core.log.Warn("a label or SID that no VRF has any more could not be removed; it is tried again", "err", err)
	}
	a.again(next)
	k.unmake(ctx, a, all)
	return a.next
}

// staying tells of the numbers of VRFs that stay: those that are configured, and those of all.
func staying(all map[string]tenant, configured map[Number]struct{}) func(Number) bool {
	stays := make(map[Number]bool)
	for _, t := range all {
		for _, n := range t.numbers() {
			stays[n] = stays[n] || t.goes.IsZero()
		}
	}
	return func(n Number) bool { _, known := configured[n]; return known || stays[n] }
}

// tend looks after what one VRF needs, and adds its numbers to those that are wanted, by the VRF whose
// they are. It tells whether the VRF needs anything still.
func (k *keeper) tend(ctx context.Context, a *ask, core *space, name string, t *tenant, wanted map[Number]string) bool {
	going := !t.goes.IsZero()
	if going && !a.now.Before(t.goes) {
		return !k.removeAll(ctx, a, core, name, t)
	}
	twice := false
	for _, n := range t.numbers() {
		whose := wanted[n]
		twice = twice || whose != "" && whose != t.of
		if whose == "" && (!going || !a.stays(n)) { // what another has by now is that one's
			wanted[n] = t.of
		}
	}
	switch {
	case going:
		a.again(t.goes.Sub(a.now))
	case twice:
		k.core.found(name, t, errors.New(t.is.Address()+" is another VRF's too"))
	default:
		k.core.found(name, t, k.have(ctx, a, core, t))
	}
	return true
}

// busy tells whether there is something to do though no VRF needs anything.
func (s *space) busy() bool {
	return s == nil || s.stale || len(s.strays) > 0 || len(s.standing) > 0 || len(s.changed) > 0
}

// say logs what keeps all labels and SIDs from being looked after.
func (k *keeper) say(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != k.trouble && err != nil {
		k.core.log.Warn("labels and SIDs cannot be looked after; it is tried again", "err", err)
	}
	k.trouble = text
}

// open is a namespace, opened anew for another of its VRF's requests, with what is there.
func (k *keeper) open(ctx context.Context, a *ask, netns string, asked int) (*space, error) {
	s := k.spaces[netns]
	if s != nil && k.asked[netns] != asked { // another namespace may have the name by now
		k.shut(netns)
		s = nil
	}
	if s == nil {
		var err error
		if s, err = openSpace(ctx, k.core.kernel, rib.Binding{Netns: netns}, a.is.Protocol, k.core.nudge); err != nil {
			return nil, err
		}
		if k.spaces == nil {
			k.spaces, k.asked = make(map[string]*space), make(map[string]int)
		}
		k.spaces[netns], k.asked[netns] = s, asked
	}
	if err := s.read(ctx); err != nil {
		if s.standing == nil { // nothing is known of it
			return nil, err
		}
		a.again(retryFirst)
	}
	return s, nil
}

func (k *keeper) shut(netns string) {
	if err := k.spaces[netns].close(); err != nil {
		k.core.log.Debug("a namespace's labels and SIDs could not be closed", "netns", netns, "err", err)
	}
	delete(k.spaces, netns)
	delete(k.asked, netns)
}

// leave removes what VRFs that are no more have, which cannot wait: the daemon ends.
func (k *keeper) leave(is *Settings) {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	core := k.spaces[is.Netns]
	if core == nil {
		return
	}
	all, numbers := k.core.needing()
	a := &ask{is: is, now: time.Now(), stays: staying(all, numbers)}
	for name, t := range all {
		if !t.goes.IsZero() && k.removeAll(ctx, a, core, name, &t) {
			delete(all, name)
		}
	}
	k.unmake(ctx, a, all)
}

// close closes the namespaces.
func (k *keeper) close() {
	for netns := range maps.Clone(k.spaces) {
		k.shut(netns)
	}
	clear(k.made) // it is looked at again when the core is open again
}

// numbers are the label and SIDs of a VRF.
func (t *tenant) numbers() (list []Number) {
	if t.is.Label != 0 {
		list = append(list, Number{Label: t.is.Label})
	}
	for _, sid := range []netip.Addr{t.is.SRv6.SID, t.is.SRv6.SID6} {
		if sid.IsValid() {
			list = append(list, Number{SID: sid})
		}
	}
	return list
}

// have has what a VRF needs, and says why something of it does not stand.
func (k *keeper) have(ctx context.Context, a *ask, core *space, t *tenant) error {
	if len(t.numbers()) == 0 {
		if t.is.Awaits != "" {
			return errors.New(t.is.Awaits)
		}
		return errors.New("it has no label or SID")
	}
	within, here, err := t.entrances(a)
	if err == nil {
		err = k.fix(ctx, a, t)
	}
	if err == nil && len(within) > 0 {
		err = k.haveWithin(ctx, a, t, within)
	}
	if err != nil {
		a.again(retryMost)
		return err
	}
	var why error
	for i := range here {
		next, w := core.have(ctx, &here[i], a.now)
		a.again(next)
		why = errors.Join(why, w)
	}
	return why
}

// haveWithin has the SIDs of a trusted VRF in its own namespace.
func (k *keeper) haveWithin(ctx context.Context, a *ask, t *tenant, list []rib.Entrance) error {
	s, err := k.open(ctx, a, t.in.Netns, t.asked)
	if err != nil {
		a.again(retryFirst * 4)
		return err
	}
	var why error
	wanted := make(map[Number]bool, len(list))
	for i := range list {
		next, w := s.have(ctx, &list[i], a.now)
		a.again(next)
		why = errors.Join(why, w)
		wanted[numberOf(&list[i])] = true
	}
	next, err := s.sweep(ctx, a.now, func(n Number) bool { return wanted[n] || a.stays(n) })
	a.again(next)
	return errors.Join(why, err)
}

// entrances are those that a VRF needs in its own namespace and in the core's.
func (t *tenant) entrances(a *ask) (within, here []rib.Entrance, err error) {
	at, srv6 := t.at, t.is.SRv6
	if at == (rib.Inside{}) {
		return nil, nil, errors.New("it is put into the kernel once the VRF has its table open")
	}
	if name := t.is.Through.Link + srv6.Link; name != "" {
		link, there := a.byName[name]
		switch {
		case !there:
			return nil, nil, fmt.Errorf("the core has no interface %s", name)
		case t.is.Kind == rib.EncapSRv6:
			return t.trusted(link)
		}
		via := at.Via // by which the kernel sends packets of both families
		if !via.IsValid() {
			via = at.Via6
		}
		if !via.IsValid() {
			return nil, nil, fmt.Errorf("the VRF's end of %s has no address; give it one of IPv4, such as 169.254.0.2/30", name)
		}
		return nil, []rib.Entrance{{Label: t.is.Label, Ifindex: link.Index, Via: via}}, nil
	}
	// The kernel may have given the index to another interface by now.
	if link := a.links[at.Device]; at.Device == 0 || link.Name != t.in.Device || link.VRFTable == 0 {
		return nil, nil, fmt.Errorf("the core has no VRF device %s", t.in.Device)
	}
	switch {
	case t.is.Kind == rib.EncapMPLS:
		return nil, []rib.Entrance{{Label: t.is.Label, Ifindex: at.Device}}, nil
	case srv6.SID6.IsValid():
		return nil, []rib.Entrance{
			{SID: srv6.SID, Does: rib.DT4, Ifindex: at.Device, Table: at.Table}, {SID: srv6.SID6, Does: rib.DT6, Ifindex: at.Device, Table: at.Table},
		}, nil
	}
	return nil, []rib.Entrance{{SID: srv6.SID, Does: rib.DT46, Ifindex: at.Device, Table: at.Table}}, nil
}

// tableMain is the main table (RT_TABLE_MAIN, include/uapi/linux/rtnetlink.h).
const tableMain = 254

// trusted are the entrances of a VRF whose own table encapsulates: its SIDs are in its namespace,
// and the core sends packets for them there.
func (t *tenant) trusted(link rib.Link) (within, here []rib.Entrance, err error) {
	switch {
	case link.Peer == 0:
		return nil, nil, fmt.Errorf("%s in the core is no veth, or its other end is not known", link.Name)
	case !t.at.Via6.IsValid():
		return nil, nil, fmt.Errorf("the VRF's end of %s has no link-local address, by which the core sends packets there", link.Name)
	}
	within = []rib.Entrance{
		{SID: t.is.SRv6.SID, Does: rib.DX4, Ifindex: link.Peer, Via: netip.IPv4Unspecified()},
		{SID: t.is.SRv6.SID6, Does: rib.DT6, Ifindex: link.Peer, Table: tableMain},
	}
	for _, e := range within {
		here = append(here, rib.Entrance{SID: e.SID, Does: rib.Forward, Ifindex: link.Index, Via: t.at.Via6})
	}
	return within, here, nil
}

// removeAll removes what a VRF that is no more has, but for what another has by now. It tells
// whether nothing is left.
func (k *keeper) removeAll(ctx context.Context, a *ask, core *space, name string, t *tenant) bool {
	failed := core.removeOf(ctx, t, a.stays)
	if t.is.SRv6.Link != "" {
		failed = errors.Join(failed, k.removeWithin(ctx, a, t))
	}
	if failed != nil {
		k.core.log.Warn("the label or SIDs of a VRF that is no more could not be removed; it is tried again", "vrf", name, "err", failed)
		a.again(retryMost)
		return false
	}
	k.recall(t)
	k.core.forget(name, t)
	return true
}

// removeWithin removes the SIDs of a trusted VRF in its own namespace, as far as that is there still.
func (k *keeper) removeWithin(ctx context.Context, a *ask, t *tenant) error {
	asked := t.asked
	if k.spaces[t.in.Netns] != nil {
		asked = k.asked[t.in.Netns] // it may be another VRF's by now
	}
	s, err := k.open(ctx, a, t.in.Netns, asked)
	if errors.Is(err, rib.ErrAbsent) {
		return nil // and its SIDs with it
	}
	if err == nil {
		err = s.removeOf(ctx, t, a.stays)
	}
	if err == nil && !rib.SameNetns(t.in.Netns, a.is.Netns) {
		k.shut(t.in.Netns)
		a.again(0) // who stays there has it opened again
	}
	return err
}

// removeOf removes the label and SIDs of a VRF, but for those of others by now.
func (s *space) removeOf(ctx context.Context, t *tenant, stays func(Number) bool) (failed error) {
	for _, n := range t.numbers() {
		if e, there := s.standing[n]; there && e.Protocol == s.protocol && !stays(n) {
			failed = errors.Join(failed, s.remove(ctx, &e.Entrance))
		}
	}
	return failed
}
