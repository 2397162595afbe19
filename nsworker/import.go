package nsworker

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// importAll puts every prefix whose announcement may differ on the due list:
// what should be announced, and what is.
func (s *session) importAll() {
	if !s.read {
		return
	}
	want := rib.ImportSet(s.resolver.view.FIB, s.resolver.view.Links, s.spec.Import, s.spec.Protocol, s.member())
	for prefix, in := range want {
		if now, ok := s.announced[prefix]; !ok || !sameAnnouncement(now, in.Announcement) {
			s.importDue[prefix] = struct{}{}
		}
	}
	for prefix := range s.announced {
		if _, ok := want[prefix]; !ok {
			s.importDue[prefix] = struct{}{}
		}
	}
}

// announce makes one batch of the due announcements. What should be announced
// is decided here and now, not when the prefix became due.
func (s *session) announce(ctx context.Context) error {
	if len(s.importDue) == 0 || s.announceRetry.After(time.Now()) {
		return nil
	}
	changes := s.announceChanges()
	if len(changes) == 0 {
		s.announceFailures = 0
		return nil
	}
	if err := s.deps.BGP.Announce(ctx, s.name, changes); err != nil {
		return s.announceFailed(ctx, changes, err)
	}
	s.announceFailures = 0
	for _, c := range changes {
		s.totals.Writes[rib.FamilyOf(c.Prefix)].Told(c.Withdraw)
		if s.tap != nil {
			s.tellAnnouncement(c)
		}
		s.told6(c.Prefix, -1)
		if c.Withdraw {
			delete(s.announced, c.Prefix)
			continue
		}
		s.announced[c.Prefix] = c.Announcement
		s.told6(c.Prefix, +1)
	}
	return nil
}

// told6 counts the IPv6 prefixes that are announced: it is called before one is
// taken out of announced, and after one was put into it.
func (s *session) told6(prefix netip.Prefix, by int) {
	if _, is := s.announced[prefix]; is && rib.FamilyOf(prefix) == rib.IPv6 {
		s.announced6 += by
	}
}

func (s *session) announceChanges() []rib.AnnounceChange {
	var changes []rib.AnnounceChange
	v, member := s.resolver.view, s.member()
	for prefix := range s.importDue {
		if len(changes) >= announceBatch {
			break
		}
		delete(s.importDue, prefix)
		now, is := s.announced[prefix]
		want, _, should := rib.ImportOne(v.FIB, v.Links, s.spec.Import, s.spec.Protocol, member, prefix)
		switch {
		case should && (!is || !sameAnnouncement(now, want.Announcement)):
			changes = append(changes, rib.AnnounceChange{Announcement: want.Announcement})
		case !should && is:
			changes = append(changes, rib.AnnounceChange{Announcement: now, Withdraw: true})
		}
	}
	return changes
}

// announceFailed keeps the changes due, and asks BGP what is in force.
func (s *session) announceFailed(ctx context.Context, changes []rib.AnnounceChange, err error) error {
	if ctx.Err() != nil {
		return err
	}
	if s.announceFailures++; s.announceFailures >= readFailures {
		return fmt.Errorf("announce routes to BGP, %d times in a row: %w", s.announceFailures, err)
	}
	s.log.Warn("announcements were not confirmed by BGP; they are made again", "err", err)
	s.announceRetry = time.Now().Add(retryFirst << s.announceFailures)
	s.askAnnounced()
	for _, c := range changes {
		s.importDue[c.Prefix] = struct{}{}
	}
	return nil
}

// askAnnounced makes what BGP says is announced the truth.
func (s *session) askAnnounced() {
	clear(s.announced)
	s.announced6 = 0
	for _, a := range s.deps.BGP.Announced(s.name) {
		s.announced[a.Prefix] = a
		s.told6(a.Prefix, +1)
	}
}

func sameAnnouncement(a, b rib.Announcement) bool {
	return a.Prefix == b.Prefix && a.MED == b.MED &&
		slices.Equal(a.Communities, b.Communities) && slices.Equal(a.Large, b.Large)
}

// importStatus is one kernel route as the import side sees it.
func importStatus(r rib.Route, in rib.Import, announced bool, reason string) rib.RouteStatus {
	st := rib.RouteStatus{Prefix: r.Prefix, State: rib.Filtered, Reason: reason, Route: r}
	if announced {
		st.State, st.Reason, st.MED = rib.Installed, "", in.Announcement.MED
		for _, c := range in.Announcement.Communities {
			st.Comms = append(st.Comms, c.String())
		}
		for _, c := range in.Announcement.Large {
			st.Comms = append(st.Comms, c.String())
		}
	}
	return st
}

// imports reports every foreign route of the table, with what keeps it out of
// BGP where something does.
func (s snapshot) imports(q vrf.RouteQuery, yield func(rib.RouteStatus) bool) {
	prefixes := make([]netip.Prefix, 0, 64)
	for prefix := range s.view.FIB.All() {
		if q.Within == nil || q.Within(prefix) {
			prefixes = append(prefixes, prefix)
		}
	}
	slices.SortFunc(prefixes, comparePrefixes)
	for _, prefix := range prefixes {
		in, _, ok := rib.ImportOne(s.view.FIB, s.view.Links, s.policy, s.protocol, s.member, prefix)
		for _, r := range s.view.FIB.Get(prefix) {
			taken := ok && r.Key() == in.Route.Key() && r.Protocol == in.Route.Protocol
			reason := ""
			if !taken {
				reason = s.leftOut(r, ok)
			}
			st := importStatus(r, in, taken, reason)
			st.Devices = s.devices(r.Hops)
			if q.Wants(prefix, st.State) && !yield(st) {
				return
			}
		}
	}
}

func (s snapshot) leftOut(r rib.Route, other bool) string {
	if !s.policy.Enabled {
		return "import is off for this VRF"
	}
	if reason := s.policy.Reject(r, s.view.Links, s.protocol); reason != "" {
		return reason
	}
	if other {
		return "another route of this prefix has a lower metric"
	}
	return "its interface belongs to another VRF"
}
