package kernel

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// linkWatch follows the interfaces of a namespace, for Namespaces.WatchLinks. It has sockets of its own: whoever has
// BGP sessions in a namespace need not have a table there.
type linkWatch struct {
	events *sock
	query  *client
	told   func(rib.LinkFate)
	now    func() time.Time

	links linkCache
	// went are addresses that a link lost, and when: with a link that is set down the kernel
	// takes its IPv6 addresses away before it says so.
	went map[int]map[netip.Prefix]time.Time
}

func newLinkWatch(told func(rib.LinkFate)) *linkWatch {
	return &linkWatch{told: told, now: time.Now, went: make(map[int]map[netip.Prefix]time.Time)}
}

// lately is how long ago an address may have gone that a link still counts as having had.
const lately = 2 * time.Second

// open makes the sockets, in a namespace.
func (w *linkWatch) open(ns *namespace) (err error) {
	if w.events, err = dial(ns, replyBuffer, anyPort); err != nil {
		return err
	}
	for _, group := range []int{unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR} {
		if err == nil {
			err = w.events.join(group)
		}
	}
	if err == nil {
		w.query, err = dialClient(ns, anyPort)
	}
	if err != nil {
		_ = w.events.close() // the error that counts is the first
	}
	return err
}

func (w *linkWatch) close() {
	_ = w.events.close() // nothing can be lost
	_ = w.query.close()
}

// run follows the interfaces until ctx ends.
func (w *linkWatch) run(ctx context.Context) (err error) {
	stop := context.AfterFunc(ctx, func() { _ = w.events.close() })
	defer stop()
	if w.links, err = w.query.dumpLinks(ctx); err != nil {
		return err
	}
	for {
		err := w.events.receive(w.take)
		var malformed *malformedError
		switch {
		case errors.Is(err, unix.ENOBUFS), errors.Is(err, errTruncated), errors.As(err, &malformed):
			err = w.readAgain(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// readAgain makes good for events that were lost.
func (w *linkWatch) readAgain(ctx context.Context) error {
	if err := w.events.drain(); err != nil {
		return err
	}
	before := w.links
	now, err := w.query.dumpLinks(ctx)
	if err != nil {
		return err
	}
	w.links = now
	for index, old := range before {
		w.compare(old, now[index], w.addresses(old))
	}
	for index, k := range now {
		if before[index] == nil {
			w.compare(nil, k, nil)
		}
	}
	return nil
}

// take works through one datagram of events.
func (w *linkWatch) take(b []byte) error {
	for len(b) > 0 {
		m, rest, err := nextMessage(b)
		if err == nil {
			err = w.event(m)
		}
		if err != nil {
			return &malformedError{err}
		}
		b = rest
	}
	return nil
}

func (w *linkWatch) event(m message) error {
	switch m.typ {
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		return w.link(m)
	case unix.RTM_DELADDR:
		before := maps.Clone(w.ofAddress(m))
		_, err := w.links.address(m)
		w.lost(m, before)
		return err
	case unix.RTM_NEWADDR:
		_, err := w.links.address(m)
		return err
	}
	return nil
}

// link takes in a message about a link.
func (w *linkWatch) link(m message) error {
	if len(m.body) < unix.SizeofIfInfomsg {
		return fmt.Errorf("interface message of %d bytes is too short", len(m.body))
	}
	old := w.links[indexOf(m)]
	index, _, err := w.links.link(m)
	if err != nil || index == 0 {
		return err
	}
	w.compare(old, w.links[index], w.addresses(old))
	if w.links[index] == nil {
		delete(w.went, index)
	}
	return nil
}

// indexOf is the interface of a message about a link or an address, which have it at one
// place.
func indexOf(m message) int { return int(int32(native.Uint32(m.body[4:]))) }

// ofAddress are the addresses of the link that a message about an address is of.
func (w *linkWatch) ofAddress(m message) map[netip.Prefix]uint32 {
	if len(m.body) < unix.SizeofIfAddrmsg {
		return nil
	}
	if k := w.links[indexOf(m)]; k != nil {
		return k.addresses
	}
	return nil
}

// lost notes the addresses that a link has no more.
func (w *linkWatch) lost(m message, before map[netip.Prefix]uint32) {
	now := w.ofAddress(m)
	for p := range before {
		if _, stays := now[p]; stays {
			continue
		}
		index := indexOf(m)
		if w.went[index] == nil {
			w.went[index] = make(map[netip.Prefix]time.Time)
		}
		w.went[index][p] = w.now()
	}
}

// addresses are those that a link has, or had a moment ago.
func (w *linkWatch) addresses(k *linkState) []netip.Prefix {
	if k == nil {
		return nil
	}
	list := slices.Collect(maps.Keys(k.addresses))
	for p, at := range w.went[k.Index] {
		switch {
		case w.now().Sub(at) > lately:
			delete(w.went[k.Index], p)
		case !slices.Contains(list, p):
			list = append(list, p)
		}
	}
	slices.SortFunc(list, netip.Prefix.Compare)
	return list
}

// compare tells of a link that was old, nil where it was not there, and is k now, nil where
// it is gone.
func (w *linkWatch) compare(old, k *linkState, addresses []netip.Prefix) {
	was, is := old != nil && old.Up, k != nil && k.Up
	if was == is {
		return
	}
	if k == nil || !is {
		fate := rib.LinkFate{Name: old.Name, VRF: w.vrfOf(old), Addrs: addresses, Reason: "the carrier of " + old.Name + " is gone"}
		if k == nil {
			fate.Reason = "the interface " + old.Name + " is gone"
		} else if !k.Admin {
			fate.Reason = "the interface " + old.Name + " is down"
		}
		w.told(fate)
		return
	}
	w.told(rib.LinkFate{Name: k.Name, VRF: w.vrfOf(k), Addrs: w.addresses(k)})
}

// vrfOf is the name of the VRF device that a link is in; "": it is in none.
func (w *linkWatch) vrfOf(k *linkState) string {
	for range maxMasters {
		if k = w.links[k.Master]; k == nil {
			return ""
		}
		if k.vrf {
			return k.Name
		}
	}
	return ""
}

// maxMasters bounds how often a master is followed: a bridge's port in a VRF device.
const maxMasters = 8
