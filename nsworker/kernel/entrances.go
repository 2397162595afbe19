package kernel

import (
	"context"
	"fmt"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// Entrances are the labels and SIDs of one namespace, by which packets of other PEs come into
// VRFs. Its methods belong to its one owner, but for Changed.
type Entrances struct {
	spaces   *Namespaces
	monitors *monitors
	mon      *monitor
	sock     *client
	protocol uint8
	news     *entranceNews
	room     labelRoom
	looked   bool // SIDs have been read: from then on only where there may be some
}

// openEntrances is Host.OpenEntrances.
func openEntrances(ctx context.Context, spaces *Namespaces, o *monitors, netns string, protocol uint8) (*Entrances, error) {
	e := &Entrances{spaces: spaces, monitors: o, protocol: protocol}
	var err error
	if e.mon, err = o.acquire(ctx, netns); err == nil {
		if err = e.open(); err != nil {
			o.release(e.mon)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open the labels and SIDs of %s: %w", rib.NetnsText(netns), err)
	}
	return e, nil
}

func (e *Entrances) open() (err error) {
	if e.sock, err = dialClient(e.mon.ns, anyPort); err != nil {
		return err
	}
	e.news = newEntranceNews(e.protocol, e.sock.port)
	e.room = labelRoom{within: func(f func() error) error { return e.spaces.within(e.mon.ns, f) }, changed: e.news.signal}
	e.mon.mu.Lock()
	defer e.mon.mu.Unlock()
	if err = e.mon.broken; err == nil {
		// Nobody else looks at labels: the socket of all in the namespace hears of them from now on.
		err = e.mon.sock.join(unix.RTNLGRP_MPLS_ROUTE)
	}
	if err != nil {
		_ = e.sock.close() // the error that counts is the first
		return err
	}
	e.mon.subscribers.entrances[e.news] = struct{}{}
	return nil
}

// Close frees the socket, and the namespace's monitor with its last user. What stands stays.
func (e *Entrances) Close() error {
	e.room.close()
	e.mon.mu.Lock()
	delete(e.mon.subscribers.entrances, e.news)
	e.mon.mu.Unlock()
	e.monitors.release(e.mon)
	return e.sock.close()
}

// Changed is signalled when one of ours, another program's route of the label or SID of one that
// was added, or how many labels there is room for, may be another than before.
func (e *Entrances) Changed() <-chan struct{} { return e.news.ready }

// Read returns the labels and SIDs that are there, whoever wrote them. What is written otherwise
// than Add writes has no interface.
func (e *Entrances) Read(ctx context.Context) (list []rib.StandingEntrance, err error) {
	_, has, err := e.room.read()
	if err == nil && has {
		list, err = readLabels(ctx, e.sock, nil)
	}
	if sids := e.sids(); err == nil && (!e.looked || len(sids) > 0) {
		list, err = e.readSIDs(ctx, sids, list)
	}
	if err != nil {
		return nil, fmt.Errorf("read the labels and SIDs of %v: %w", e.mon.ns, err)
	}
	e.looked = true
	e.mon.mu.Lock()
	defer e.mon.mu.Unlock()
	for i := range list {
		if s := &list[i]; s.Protocol == e.protocol {
			e.news.of[keyOf(&s.Entrance)] = struct{}{}
		}
	}
	return list, nil
}

// Labels is how many labels the kernel has room for (net.mpls.platform_labels); 0: none, or it has
// no MPLS. From the first call on Changed tells of another number.
func (e *Entrances) Labels(context.Context) (uint32, error) {
	number, _, err := e.room.read()
	if err != nil {
		return 0, fmt.Errorf("read net.mpls.platform_labels in %v: %w", e.mon.ns, err)
	}
	e.room.watch(number)
	return number, nil
}

// Add adds one, and only where nothing of that label or SID is there: else the error matches
// rib.ErrTaken.
func (e *Entrances) Add(ctx context.Context, to rib.Entrance) error {
	err := checkEntrance(&to)
	if err == nil {
		e.follow(&to)
		err = e.add(ctx, &to)
	}
	if err != nil {
		return fmt.Errorf("add the %s in %v: %w", to.Of(), e.mon.ns, err)
	}
	return nil
}

func (e *Entrances) add(ctx context.Context, to *rib.Entrance) error {
	var body []byte
	if to.SID.IsValid() {
		// An exclusive add looks at the metric too: a route with another one would stand beside.
		there, err := e.find(ctx, to)
		if err == nil && there != nil {
			err = &takenEntrance{there, e.protocol}
		}
		if err != nil {
			return err
		}
		inVRF, err := leadsToVRF(ctx, e.sock, to)
		if err != nil {
			return err
		}
		body = appendSID(nil, to, inVRF, e.protocol)
	} else {
		body = appendLabelRoute(nil, to, e.protocol)
	}
	errno, text, err := e.sock.do(ctx, unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_EXCL, body)
	switch {
	case err != nil:
		return err
	case errno == unix.EEXIST:
		return e.takenBy(ctx, to)
	case errno != 0:
		return e.refusal(to, errno, text)
	}
	return nil
}

// takenBy is the error of an Entrance that cannot be added because something is there.
func (e *Entrances) takenBy(ctx context.Context, to *rib.Entrance) error {
	there, err := e.find(ctx, to)
	if err != nil || there == nil { // it is gone again, or covered
		there = &rib.StandingEntrance{Entrance: rib.Entrance{Label: to.Label, SID: to.SID}}
	}
	return &takenEntrance{there, e.protocol}
}

// Remove removes one of ours that stands as it is said to. That none is there is no error; that
// another's is, or that it stands otherwise, matches rib.ErrTaken: the kernel itself would remove
// a label whosever it is (mpls_route_del in net/mpls/af_mpls.c).
func (e *Entrances) Remove(ctx context.Context, to rib.Entrance) error {
	if err := e.remove(ctx, &to); err != nil {
		return fmt.Errorf("remove the %s in %v: %w", to.Of(), e.mon.ns, err)
	}
	e.mon.mu.Lock()
	defer e.mon.mu.Unlock()
	delete(e.news.of, keyOf(&to))
	return nil
}

func (e *Entrances) remove(ctx context.Context, to *rib.Entrance) error {
	there, err := e.find(ctx, to)
	switch {
	case err != nil:
		return err
	case there != nil && there.Protocol == e.protocol && there.Entrance != *to:
		return &takenEntrance{there, e.protocol}
	}
	ours := there != nil && there.Protocol == e.protocol
	body := appendLabelHead(nil, to, e.protocol)
	switch {
	case to.SID.IsValid():
		// Ours may be behind another's, or behind one that discards packets. Of IPv6 routes the
		// kernel looks at protocol and metric (ip6_route_del in net/ipv6/route.c).
		body = appendSIDHead(nil, to, e.protocol)
	case there == nil:
		return nil
	case !ours:
		return &takenEntrance{there, e.protocol}
	}
	errno, text, err := e.sock.do(ctx, unix.RTM_DELROUTE, 0, body)
	switch {
	case err != nil:
		return err
	case errno == unix.ESRCH && there != nil && !ours:
		return &takenEntrance{there, e.protocol}
	case errno != 0 && errno != unix.ESRCH:
		return e.refusal(to, errno, text)
	}
	return nil
}

// follow has Changed tell of all that happens to a label or SID.
func (e *Entrances) follow(to *rib.Entrance) {
	e.mon.mu.Lock()
	defer e.mon.mu.Unlock()
	e.news.of[keyOf(to)] = struct{}{}
}

// find is what has the label or SID of an Entrance; nil: nothing has it.
func (e *Entrances) find(ctx context.Context, to *rib.Entrance) (there *rib.StandingEntrance, err error) {
	body := labelLookup(to.Label)
	if to.SID.IsValid() {
		body = sidLookup(to.SID)
	}
	errno, text, err := e.sock.ask(ctx, unix.RTM_GETROUTE, body, func(m message) error {
		s, is, err := e.decode(m.body)
		if err == nil && is && keyOf(&s.Entrance) == keyOf(to) {
			there = &s
		}
		return err
	})
	_, discards := discarding[errno] // as the end of the locator does
	switch {
	case err != nil:
		return nil, fmt.Errorf("look for it: %w", err)
	case errno == 0, errno == unix.ENETUNREACH, discards && text == "":
		return there, nil
	case !to.SID.IsValid() && (errno == unix.EOPNOTSUPP || errno == unix.EAFNOSUPPORT):
		return nil, nil // there is no MPLS
	case !to.SID.IsValid() && errno == unix.EINVAL && e.beyond(to.Label):
		return nil, nil
	}
	return nil, fmt.Errorf("look for it: %w", &requestError{errno, text})
}

// beyond tells whether there is no room for a label, and so no route for it.
func (e *Entrances) beyond(label uint32) bool {
	room, _, err := e.room.read()
	return err == nil && label >= room
}

// decode reads a route message about a label or a SID.
func (e *Entrances) decode(body []byte) (s rib.StandingEntrance, ok bool, err error) {
	if len(body) >= unix.SizeofRtMsg && body[0] == unix.AF_MPLS {
		return decodeLabelRoute(body)
	}
	return decodeSID(body, e.vrfTable)
}

// takenEntrance is that a label or SID has a route that is not the one in question.
type takenEntrance struct {
	there    *rib.StandingEntrance
	protocol uint8 // of ours
}

func (t *takenEntrance) Error() string {
	switch {
	case t.there.Protocol == t.protocol:
		return fmt.Sprintf("a route of our own protocol %d has it already, and leads elsewhere: another instance of this daemon in the same namespace, or one that ended", t.protocol)
	case t.there.Protocol == unix.RTPROT_KERNEL && t.there.SID.IsValid():
		return "it is an address of this router: choose another SID"
	case t.there.SID.IsValid():
		return fmt.Sprintf("another program has a route for it (protocol %d; see ip -6 route show %s): remove that, or choose another SID", t.there.Protocol, t.there.SID)
	}
	return fmt.Sprintf("another program has it (protocol %d; see ip -f mpls route show %d): keep it out of the range of labels of that program, or choose another", t.there.Protocol, t.there.Label)
}

// Is matches rib.ErrTaken.
func (t *takenEntrance) Is(target error) bool { return target == rib.ErrTaken }

// refusal is the kernel's refusal of a label or SID, with what is to be done about it.
func (e *Entrances) refusal(to *rib.Entrance, errno syscall.Errno, text string) error {
	err := &requestError{errno, text}
	if errno == unix.EPERM && text == "" || errno == unix.EACCES {
		return fmt.Errorf("%w: run with CAP_NET_ADMIN in %v", err, e.mon.ns)
	}
	if to.SID.IsValid() {
		return sidRefusal(to, err)
	}
	room, has, readErr := e.room.read()
	switch {
	case readErr != nil:
		return err
	case !has:
		return fmt.Errorf("%w: the kernel has no MPLS; load its modules: modprobe -a mpls_router mpls_iptunnel", err)
	case to.Label >= room:
		return fmt.Errorf("%w: the kernel has room for labels below %d: sysctl -w net.mpls.platform_labels=%d in %v, or more", err, room, to.Label+1, e.mon.ns)
	}
	return err
}

// sids are the SIDs among what is to be heard of.
func (e *Entrances) sids() map[netip.Addr]struct{} {
	e.mon.mu.Lock()
	defer e.mon.mu.Unlock()
	sids := make(map[netip.Addr]struct{})
	for key := range e.news.of {
		if key.sid.IsValid() {
			sids[key.sid] = struct{}{}
		}
	}
	return sids
}

// readSIDs appends the SIDs of the main table to list, and whatever else has one of some SIDs.
func (e *Entrances) readSIDs(ctx context.Context, sids map[netip.Addr]struct{}, list []rib.StandingEntrance) ([]rib.StandingEntrance, error) {
	start := len(list)
	err := dumpMain(ctx, e.sock, func() { list = list[:start] }, func(body []byte) error {
		if !ofSID(body, e.protocol) {
			_, is := sids[attrAddr(attribute(body[unix.SizeofRtMsg:], unix.RTA_DST))]
			if !is || body[1] != 128 {
				return nil
			}
		}
		s, ok, err := decodeSID(body, e.vrfTable)
		if err == nil && ok {
			list = append(list, s)
		}
		return err
	})
	return list, err
}

// vrfTable is the table of the VRF device with an index; 0: it is none, or is not known yet.
func (e *Entrances) vrfTable(index int) uint32 {
	e.mon.mu.Lock()
	defer e.mon.mu.Unlock()
	if k := e.mon.links[index]; k != nil && k.vrf {
		return k.VRFTable
	}
	return 0
}
