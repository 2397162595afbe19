package kernel

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Of messages about the settings of interfaces (include/uapi/linux/netconf.h).
const (
	sizeofNetconfmsg = 4 // with its padding
	netconfIfindex   = 1 // NETCONFA_IFINDEX
	netconfInput     = 7 // NETCONFA_INPUT
)

// labelInputs is Namespaces.LabelInputs.
func labelInputs(ctx context.Context, spaces *Namespaces, netns string) (list []int, err error) {
	err = askIn(spaces, netns, "read net.mpls.conf.*.input", func(c *client) error {
		request := append(make([]byte, 0, sizeofNetconfmsg), unix.AF_MPLS, 0, 0, 0)
		err := complete(ctx, "settings of interfaces for MPLS", func() error {
			list = list[:0]
			return c.dump(ctx, unix.RTM_GETNETCONF, request, func(m message) error {
				if m.typ != unix.RTM_NEWNETCONF || len(m.body) < sizeofNetconfmsg || m.body[0] != unix.AF_MPLS {
					return nil
				}
				a := attrs{b: m.body[sizeofNetconfmsg:]}
				index, input := 0, false
				for typ, v, ok := a.next(); ok; typ, v, ok = a.next() {
					switch typ {
					case netconfIfindex:
						index = int(int32(attrU32(v)))
					case netconfInput:
						input = attrU32(v) != 0
					}
				}
				if a.bad {
					return fmt.Errorf("settings of interface %d are malformed", index)
				}
				if input {
					list = append(list, index)
				}
				return nil
			})
		})
		if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EAFNOSUPPORT) {
			return nil // there is no MPLS
		}
		return err
	})
	return list, err
}
