package kernel

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// MakeVRF has a VRF device in a namespace, up, whose table ends in unreachable routes of ours. One
// that is there with the alias of d is adopted, and changed where it differs; one of that name
// without it is left alone, and an error. What is half made when a step fails is removed again.
func (f Fixtures) MakeVRF(ctx context.Context, in rib.Binding, d rib.VRFDevice, protocol uint8) error {
	return askIn(f.spaces, in.Netns, "make the VRF device "+d.Name, func(c *client) error {
		if why := linkNameFault(d.Name, d.Alias); why != "" {
			return errors.New(why)
		}
		if d.Table == 0 || d.Table == unix.RT_TABLE_LOCAL || d.Table == unix.RT_TABLE_MAIN || d.Table == unix.RT_TABLE_DEFAULT {
			return fmt.Errorf("%d is no table for a VRF device", d.Table)
		}
		return (&vrfShop{c, d, protocol}).deliver(ctx)
	})
}

// RemoveVRF removes the VRF device that has the name and exactly the alias of d, and our ends of
// its table. Another one of that name is left alone; that there is none is no error.
func (f Fixtures) RemoveVRF(ctx context.Context, in rib.Binding, d rib.VRFDevice, protocol uint8) error {
	err := askIn(f.spaces, in.Netns, "remove the VRF device "+d.Name, func(c *client) error {
		k, err := getLink(ctx, c, d.Name)
		if err != nil || k != nil && (d.Alias == "" || k.Alias != d.Alias) {
			return err
		}
		s := &vrfShop{c, d, protocol}
		if k != nil {
			s.d.Table = k.VRFTable
			return s.scrap(ctx, k.Index)
		}
		return s.unend(ctx)
	})
	if isAbsent(err) {
		return nil // and its devices with it
	}
	return err
}

// vrfShop is where a VRF device is made.
type vrfShop struct {
	c        *client
	d        rib.VRFDevice // as it is to be
	protocol uint8
}

// temporaryVRF is the name that a VRF device has until it is marked. It is as long as a name may
// be, and says the table: what has it and is not marked was left by a daemon that was killed.
func temporaryVRF(table uint32) string {
	const longest, begin = unix.IFNAMSIZ - 1, "vrf-tmp-"
	number := strconv.FormatUint(uint64(table), 36)
	return begin + strings.Repeat("0", longest-len(begin)-len(number)) + number
}

// deliver makes the device, or adopts the one that is there.
func (s *vrfShop) deliver(ctx context.Context) error {
	k, err := getLink(ctx, s.c, s.d.Name)
	switch {
	case err != nil:
		return err
	case k == nil:
		return s.make(ctx)
	case k.Alias != s.d.Alias:
		return fmt.Errorf("an interface of that name is there already, and is not marked as this VRF's (alias %q): rename or remove it, or give the VRF another device", s.d.Alias)
	case k.VRFTable != s.d.Table: // which the kernel cannot change
		old := *s
		old.d.Table = k.VRFTable
		if err := old.scrap(ctx, k.Index); err != nil {
			return err
		}
		return s.make(ctx)
	}
	return s.finish(ctx, k)
}

// make makes the device under a temporary name, and marks it together with its own.
func (s *vrfShop) make(ctx context.Context) error {
	name := temporaryVRF(s.d.Table)
	if err := s.makeWay(ctx, name); err != nil {
		return err
	}
	body := appendAttr(beginLink(0, 0, 0), unix.IFLA_IFNAME, []byte(name+"\x00"))
	info := appendAttr(nil, unix.IFLA_INFO_KIND, []byte("vrf\x00"))
	info = appendAttr(info, unix.IFLA_INFO_DATA, appendAttrU32(nil, unix.IFLA_VRF_TABLE, s.d.Table))
	errno, text, err := s.c.do(ctx, unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL, appendAttr(body, unix.IFLA_LINKINFO, info))
	switch {
	case err != nil:
		return err
	case errno == unix.EOPNOTSUPP:
		return fmt.Errorf("%w: the kernel has no VRF devices; load its module: modprobe vrf", &requestError{errno, text})
	case errno != 0:
		return fmt.Errorf("create it: %w", &requestError{errno, text})
	}
	k, err := getLink(ctx, s.c, name)
	if err == nil && (k == nil || k.VRFTable != s.d.Table) {
		return fmt.Errorf("%s is not there any more, as which it was made: another program has removed or renamed it", name)
	}
	if err == nil {
		mark := appendAttr(beginLink(k.Index, 0, 0), unix.IFLA_IFNAME, []byte(s.d.Name+"\x00"))
		err = s.change(ctx, "name it", appendAttr(mark, unix.IFLA_IFALIAS, []byte(s.d.Alias)))
	}
	if err == nil {
		err = s.finish(ctx, k)
	}
	if err != nil && k != nil {
		// It must not be left half made where ctx has ended, either.
		return errors.Join(err, s.scrap(context.WithoutCancel(ctx), k.Index))
	}
	return err
}

// makeWay removes what an earlier run left half made. The error says what else is in the way: the
// kernel lets two devices have one table unless net.vrf.strict_mode is set.
func (s *vrfShop) makeWay(ctx context.Context, name string) error {
	links, err := s.c.dumpLinks(ctx)
	if err != nil {
		return err
	}
	for index, k := range links {
		switch {
		case !k.vrf && k.Name != name, k.vrf && k.VRFTable != s.d.Table && k.Name != name:
		case k.vrf && k.Name == name && k.Alias == "":
			if err := deleteLink(ctx, s.c, index); err != nil {
				return err
			}
		case k.vrf && k.Alias == s.d.Alias:
			return fmt.Errorf("it is there with the name %s: rename it to %s, or remove it", k.Name, s.d.Name)
		case k.vrf && k.VRFTable == s.d.Table:
			return fmt.Errorf("the VRF device %s has the table %d: give the VRF another one", k.Name, s.d.Table)
		default:
			return fmt.Errorf("the interface %s, which another program made, is in the way: remove it", name)
		}
	}
	return nil
}

// finish changes what differs of a device that is there: before it is up, its table ends.
func (s *vrfShop) finish(ctx context.Context, k *linkState) error {
	for _, u := range rib.Defaults(s.d.Table) {
		if err := addUnreachable(ctx, s.c, u, s.protocol); err != nil {
			return fmt.Errorf("end its table with unreachable %v: %w", u.Prefix, err)
		}
	}
	if s.d.MTU != 0 && k.MTU != s.d.MTU {
		if err := s.change(ctx, "give it its MTU", appendAttrU32(beginLink(k.Index, 0, 0), unix.IFLA_MTU, s.d.MTU)); err != nil {
			return err
		}
	}
	if k.Admin {
		return nil
	}
	return s.change(ctx, "set it up", beginLink(k.Index, unix.IFF_UP, unix.IFF_UP))
}

// change makes a change to a link.
func (s *vrfShop) change(ctx context.Context, what string, body []byte) error {
	errno, text, err := s.c.do(ctx, unix.RTM_NEWLINK, 0, body)
	if err == nil && errno != 0 {
		err = &requestError{errno, text}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// scrap deletes the device, and then our ends of its table.
func (s *vrfShop) scrap(ctx context.Context, index int) error {
	if err := deleteLink(ctx, s.c, index); err != nil {
		return err
	}
	return s.unend(ctx)
}

func (s *vrfShop) unend(ctx context.Context) error {
	for _, u := range rib.Defaults(s.d.Table) {
		if err := removeUnreachable(ctx, s.c, u, s.protocol); err != nil {
			return fmt.Errorf("remove the unreachable %v of its table: %w", u.Prefix, err)
		}
	}
	return nil
}
