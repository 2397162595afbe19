package kernel

import (
	"context"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// tryCore fills in f, by routes over a loopback.
func tryCore(ctx context.Context, s *client, f *rib.CoreFeatures) (err error) {
	const create = unix.NLM_F_CREATE | unix.NLM_F_EXCL
	if _, err := try(ctx, s, unix.RTM_NEWLINK, 0, loopbackUp()); err != nil {
		return fmt.Errorf("bring up a loopback to try the kernel with: %w", err)
	}
	for i, e := range []struct {
		encap  rib.Encap
		answer *rib.Answer
	}{
		// The first has the kernel load mpls_iptunnel, and mpls_router with it.
		{rib.ByMPLS(rib.LabelStack(rib.FirstLabel)), &f.MPLS},
		{rib.BySRv6(triedSID, false), &f.SRv6}, {rib.BySRv6(triedSID, true), &f.Reduced},
	} {
		if *e.answer, err = try(ctx, s, unix.RTM_NEWROUTE, create, triedRoute(i, e.encap)); err != nil {
			return err
		}
	}
	if f.Labels, err = hasLabels(ctx, s); err != nil {
		return err
	}
	if f.DT4, err = hasBehaviour(ctx, s, rib.DT4); err != nil {
		return err
	}
	f.DT46, err = hasBehaviour(ctx, s, rib.DT46)
	return err
}

// triedSID is a SID that leads nowhere (RFC 3849).
var triedSID = netip.MustParseAddr("2001:db8::1")

// triedRoute is the nth route over the loopback that is tried.
func triedRoute(n int, e rib.Encap) []byte {
	r := rib.Route{
		Prefix: netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 1, 15: byte(n)}), 128),
		Metric: rib.DefaultMetric, Protocol: rib.ProtoOwn, Kind: rib.KindUnicast, Hops: []rib.Hop{{Ifindex: 1, Encap: e}},
	}
	return appendRoute(nil, &r, unix.RT_TABLE_MAIN, false)
}

// hasLabels tells whether the kernel has routes of AF_MPLS: one that has them says that there is
// none for a label.
func hasLabels(ctx context.Context, s *client) (rib.Answer, error) {
	errno, text, err := s.ask(ctx, unix.RTM_GETROUTE, labelLookup(rib.FirstLabel), func(message) error { return nil })
	switch {
	case err != nil:
		return rib.Unknown, err
	case errno == 0, errno == unix.ENETUNREACH, errno == unix.EINVAL && text != "": // or that there is no room for it
		return rib.Yes, nil
	case errno == unix.EOPNOTSUPP, errno == unix.EAFNOSUPPORT:
		return rib.No, nil
	}
	return rib.Unknown, &requestError{errno, text}
}

// hasBehaviour tells whether the kernel knows a behaviour of a VRF device's table. No VRF device
// is there, so that it refuses it: in words of its own where it knows it
// (__seg6_end_dt_vrf_build in net/ipv6/seg6_local.c).
func hasBehaviour(ctx context.Context, s *client, b rib.Behaviour) (rib.Answer, error) {
	body := appendSID(nil, &rib.Entrance{SID: triedSID, Does: b, Ifindex: 1, Table: 10}, true, rib.ProtoOwn)
	errno, text, err := s.do(ctx, unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_EXCL, body)
	switch {
	case err != nil:
		return rib.Unknown, err
	case errno == 0, text != "", errno == unix.EPERM, errno == unix.ENODEV:
		return rib.Yes, nil
	case errno == unix.EOPNOTSUPP, errno == unix.EINVAL:
		return rib.No, nil
	}
	return rib.Unknown, &requestError{errno, text}
}
