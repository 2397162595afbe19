package kernel

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// Devices are for the VRF devices of VRFs, in their namespaces: they are made as Fixtures make them.
// They are safe for concurrent use.
type Devices struct {
	Fixtures
	host *Host
}

// NewDevices returns what is for VRF devices on the machine of a Host.
func NewDevices(h *Host) Devices { return Devices{h.Fixtures(), h} }

// Links reads the interfaces of a namespace.
func (d Devices) Links(ctx context.Context, in rib.Binding) (links rib.Links, err error) {
	err = askIn(d.spaces, in.Netns, "read the interfaces", func(c *client) error {
		cache, err := c.dumpLinks(ctx)
		links = cache.links()
		return err
	})
	return links, err
}

// Enslave puts an interface into a VRF device, whatever it is in now; both by their indexes. The device
// 0 is none: the interface is let go. It has the IPv6 addresses that somebody gave it afterwards too.
func (d Devices) Enslave(ctx context.Context, in rib.Binding, link, device int) error {
	return askIn(d.spaces, in.Netns, "enslave an interface", func(c *client) error {
		return c.keepSix(ctx, link, func() error {
			body := appendAttrU32(beginLink(link, 0, 0), unix.IFLA_MASTER, uint32(device))
			errno, text, err := c.do(ctx, unix.RTM_NEWLINK, 0, body)
			if err == nil && errno != 0 {
				err = &requestError{errno, text}
			}
			return err
		})
	})
}

// devicePreference is that of the rule which the kernel makes with the first VRF device of a
// namespace (FIB_RULE_PREF in drivers/net/vrf.c).
const devicePreference = 1000

// AddDeviceRule has what comes in by a VRF device looked up in its table, in both families: `ip rule
// add l3mdev pref 1000`. The kernel makes that rule with the first such device of a namespace, and
// no second time. One of whatever preference will do. It tells whether one had to be added.
func (d Devices) AddDeviceRule(ctx context.Context, in rib.Binding, protocol uint8) (added bool, err error) {
	err = askIn(d.spaces, in.Netns, "add the rule of VRF devices (l3mdev)", func(c *client) error {
		for _, family := range ruleFamilies {
			stands, err := hasDeviceRule(ctx, c, family)
			if err == nil && !stands {
				err = addDeviceRule(ctx, c, family, protocol)
				added = added || err == nil
			}
			if err = absentFamily(family, err); err != nil {
				return err
			}
		}
		return nil
	})
	return added, err
}

func addDeviceRule(ctx context.Context, c *client, family, protocol byte) error {
	b := []byte{family, 0, 0, 0, unix.RT_TABLE_UNSPEC, 0, 0, unix.FR_ACT_TO_TBL, 0, 0, 0, 0}
	b = appendAttrU32(b, unix.FRA_PRIORITY, devicePreference)
	b = appendAttrU8(b, unix.FRA_L3MDEV, 1)
	b = appendAttrU8(b, unix.FRA_PROTOCOL, protocol)
	errno, text, err := c.do(ctx, unix.RTM_NEWRULE, unix.NLM_F_CREATE|unix.NLM_F_EXCL, b)
	if err == nil && errno != 0 && errno != unix.EEXIST {
		err = &requestError{errno, text}
	}
	return err
}

// hasDeviceRule tells whether a family has a rule by which the table of a VRF device is looked up for
// all that comes in by it.
func hasDeviceRule(ctx context.Context, c *client, family byte) (has bool, err error) {
	request := make([]byte, sizeofRule)
	request[0] = family
	err = complete(ctx, "rules", func() error {
		has = false
		return c.dump(ctx, unix.RTM_GETRULE, request, func(m message) error {
			if m.typ != unix.RTM_NEWRULE {
				return nil
			}
			is, err := isDeviceRule(m.body, family)
			has = has || is
			return err
		})
	})
	if errors.Is(err, unix.EOPNOTSUPP) {
		return true, nil // built without rules, as then without VRF devices
	}
	return has, err
}

func isDeviceRule(body []byte, family byte) (is bool, err error) {
	if len(body) < sizeofRule {
		return false, fmt.Errorf("rule message of %d bytes is too short", len(body))
	}
	narrow := body[0] != family || body[1]|body[2]|body[3] != 0 || body[7] != unix.FR_ACT_TO_TBL || native.Uint32(body[8:])&unix.FIB_RULE_INVERT != 0
	a := attrs{b: body[sizeofRule:]}
	for typ, v, more := a.next(); more; typ, v, more = a.next() {
		switch typ {
		case unix.FRA_L3MDEV:
			is = len(v) > 0 && v[0] != 0
		case unix.FRA_SUPPRESS_PREFIXLEN, unix.FRA_SUPPRESS_IFGROUP: // -1: nothing is suppressed
			narrow = narrow || attrU32(v) != 1<<32-1
		case unix.FRA_PRIORITY, unix.FRA_TABLE, unix.FRA_PROTOCOL, unix.FRA_PAD:
		default:
			narrow = true // it is about some of the packets only
		}
	}
	if a.bad {
		return false, errors.New("rule message is malformed")
	}
	return is && !narrow, nil
}

// Follow calls changed whenever the interfaces or rules of a namespace may be others than before, also
// when the namespace came or went, and at once, until ctx ends, which is no error.
func (d Devices) Follow(ctx context.Context, in rib.Binding, changed func()) error {
	news, stop, err := d.host.Await(rib.Binding{Netns: in.Netns})
	if err != nil {
		return err
	}
	defer stop()
	for ctx.Err() == nil {
		ns, err := d.spaces.open(in.Netns)
		switch {
		case isAbsent(err):
			changed()
			select {
			case <-news:
			case <-ctx.Done():
			}
		case err != nil:
			return fmt.Errorf("watch the interfaces in %s: %w", rib.NetnsText(in.Netns), err)
		default:
			if err := d.followOne(ctx, ns, news, changed); err != nil {
				return fmt.Errorf("watch the interfaces in %s: %w", rib.NetnsText(in.Netns), err)
			}
		}
	}
	return nil
}

// followOne is Follow in one namespace, for as long as that is the one at its path: its sockets
// would keep one alive that was removed.
func (d Devices) followOne(ctx context.Context, ns *namespace, news <-chan struct{}, changed func()) error {
	id, path := ns.id, ""
	if ns.name != "" {
		var err error
		if path, err = netnsPath(ns.name); err != nil {
			ns.close()
			return err
		}
	}
	ctx, end := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		ended <- watchGroups(ctx, ns, []int{unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE}, func([]byte) bool { return true }, changed)
	}()
	for {
		select {
		case err := <-ended:
			end()
			return err
		case <-news:
			if path != "" && identify(path) != id {
				end()
				return <-ended
			}
		}
	}
}
