package kernel

import (
	"context"
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// beginLink is struct ifinfomsg for a request about the link with an index; 0: a new one. Of its
// flags those in mask change.
func beginLink(index int, flags, mask uint32) []byte {
	b := append(make([]byte, 0, 256), unix.AF_UNSPEC, 0, 0, 0)
	for _, v := range []uint32{uint32(index), flags, mask} {
		b = native.AppendUint32(b, v)
	}
	return b
}

// getLink returns the link with a name, without its addresses; nil: there is none.
func getLink(ctx context.Context, c *client, name string) (*linkState, error) {
	body := appendAttr(beginLink(0, 0, 0), unix.IFLA_IFNAME, []byte(name+"\x00"))
	body = appendAttrU32(body, unix.IFLA_EXT_MASK, skipStats)
	var k *linkState
	errno, text, err := c.ask(ctx, unix.RTM_GETLINK, body, func(m message) (err error) {
		if m.typ == unix.RTM_NEWLINK && len(m.body) >= unix.SizeofIfInfomsg {
			k, _, err = decodeLink(m.body)
		}
		return err
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("look for the interface %s: %w", name, err)
	case errno == unix.ENODEV:
		return nil, nil
	case errno != 0:
		return nil, fmt.Errorf("look for the interface %s: %w", name, &requestError{errno, text})
	}
	return k, nil
}

// deleteLink deletes the link with an index. That it is gone is no error.
func deleteLink(ctx context.Context, c *client, index int) error {
	errno, text, err := c.do(ctx, unix.RTM_DELLINK, 0, beginLink(index, 0, 0))
	if err == nil && errno != 0 && errno != unix.ENODEV {
		err = &requestError{errno, text}
	}
	if err != nil {
		return fmt.Errorf("delete the interface: %w", err)
	}
	return nil
}

// noGeneration is IN6_ADDR_GEN_MODE_NONE (include/uapi/linux/if_link.h).
const noGeneration = 1

// noAddress keeps a link from making itself a link-local address: no other PE could reach it by
// that, and what it sent about it would go to all VTEPs.
func noAddress(index int) []byte {
	mode := appendAttrU8(nil, unix.IFLA_INET6_ADDR_GEN_MODE, noGeneration)
	return appendAttr(beginLink(index, 0, 0), unix.IFLA_AF_SPEC, appendAttr(nil, unix.AF_INET6, mode))
}

// generatesAddress tells whether a link makes itself a link-local address.
func generatesAddress(ctx context.Context, c *client, index int) (yes bool, err error) {
	yes = true
	errno, text, err := c.ask(ctx, unix.RTM_GETLINK, beginLink(index, 0, 0), func(m message) error {
		for _, typ := range []uint16{unix.IFLA_AF_SPEC, unix.AF_INET6, unix.IFLA_INET6_ADDR_GEN_MODE} {
			b := m.body
			if typ == unix.IFLA_AF_SPEC {
				b = b[min(len(b), unix.SizeofIfInfomsg):]
			}
			m.body = attribute(b, typ)
		}
		yes = len(m.body) == 0 || m.body[0] != noGeneration
		return nil
	})
	if err == nil && errno != 0 {
		err = &requestError{errno, text}
	}
	return yes, err
}

// Of requests about numbers of namespaces (include/uapi/linux/net_namespace.h).
const (
	sizeofRtgenmsg = 4 // with its padding
	netnsaNumber   = 1 // NETNSA_NSID
	netnsaFile     = 3 // NETNSA_FD
)

// numberOf is the number of a namespace in that of the socket; ownNamespaceID: it has none.
func numberOf(ctx context.Context, c *client, ns *namespace) (number int32, err error) {
	number = ownNamespaceID
	body := appendAttrU32(make([]byte, sizeofRtgenmsg), netnsaFile, uint32(ns.file.Fd()))
	errno, text, err := c.ask(ctx, unix.RTM_GETNSID, body, func(m message) error {
		if v := attribute(m.body[min(len(m.body), sizeofRtgenmsg):], netnsaNumber); len(v) >= 4 {
			number = int32(attrU32(v))
		}
		return nil
	})
	if err == nil && errno != 0 {
		err = &requestError{errno, text}
	}
	if err != nil {
		return number, fmt.Errorf("ask for the number of %s: %w", rib.NetnsText(ns.name), err)
	}
	return number, nil
}

// linkNameFault is why an interface cannot be given a name and an alias; "": it can. In a name with
// a % the kernel puts a number.
func linkNameFault(name, alias string) string {
	strange := func(r rune) bool { return !unicode.IsPrint(r) || strings.ContainsRune(" /:%", r) }
	switch {
	case name == "" || len(name) >= unix.IFNAMSIZ || name == "." || name == ".." || strings.ContainsFunc(name, strange):
		return "that is no name of an interface"
	case alias == "" || len(alias) > 255 || alias != printable(alias):
		return "it has no alias by which it can be told apart"
	}
	return ""
}
