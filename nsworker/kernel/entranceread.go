package kernel

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// readLabels appends the routes of AF_MPLS to list.
func readLabels(ctx context.Context, c *client, list []rib.StandingEntrance) ([]rib.StandingEntrance, error) {
	request := make([]byte, unix.SizeofRtMsg)
	request[0] = unix.AF_MPLS
	start := len(list)
	err := complete(ctx, "labels", func() error {
		list = list[:start]
		return c.dump(ctx, unix.RTM_GETROUTE, request, func(m message) error {
			if m.typ != unix.RTM_NEWROUTE || len(m.body) == 0 || m.body[0] != unix.AF_MPLS {
				return nil // without MPLS the kernel sends the routes of all other families
			}
			s, ok, err := decodeLabelRoute(m.body)
			if err == nil && ok {
				list = append(list, s)
			}
			return err
		})
	})
	return list, err
}

// dumpMain calls each with the messages of all IPv6 routes of the main table, and begin before each
// reading of it.
func dumpMain(ctx context.Context, c *client, begin func(), each func(body []byte) error) error {
	request := make([]byte, unix.SizeofRtMsg)
	request[0] = unix.AF_INET6
	request = appendAttrU32(request, unix.RTA_TABLE, unix.RT_TABLE_MAIN)
	return complete(ctx, "SIDs", func() error {
		begin()
		err := c.dump(ctx, unix.RTM_GETROUTE, request, func(m message) error {
			// Without strict checking the kernel sends every table, and without IPv6 the IPv4 routes.
			if m.typ != unix.RTM_NEWROUTE || tableOf(m.body) != unix.RT_TABLE_MAIN || m.body[0] != unix.AF_INET6 {
				return nil
			}
			return each(m.body)
		})
		if errors.Is(err, unix.ENOENT) {
			return nil // the kernel makes a table with its first route
		}
		return absentFamily(unix.AF_INET6, err)
	})
}

// leadsToVRF tells whether the interface of an Entrance is the VRF device that has its table. The
// kernel is asked: the device may have come a moment ago.
func leadsToVRF(ctx context.Context, c *client, to *rib.Entrance) (is bool, err error) {
	if to.Does != rib.DT6 {
		return false, nil
	}
	errno, text, err := c.ask(ctx, unix.RTM_GETLINK, beginLink(to.Ifindex, 0, 0), func(m message) error {
		if m.typ != unix.RTM_NEWLINK || len(m.body) < unix.SizeofIfInfomsg {
			return nil
		}
		k, whole, err := decodeLink(m.body)
		is = whole && err == nil && k.vrf && k.VRFTable == to.Table
		return err
	})
	if err == nil && errno != 0 {
		err = &requestError{errno, text}
	}
	if err != nil {
		return false, fmt.Errorf("look at its interface: %w", err)
	}
	return is, nil
}
