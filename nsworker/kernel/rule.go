package kernel

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// sizeofRule is struct fib_rule_hdr (include/uapi/linux/fib_rules.h).
const sizeofRule = 12

// AddRule has what comes in by an interface looked up in a table, in both families. A rule that
// does just that is adopted, whoever wrote it; one of the same preference and interface that leads
// elsewhere is left alone, and an error.
func (f Fixtures) AddRule(ctx context.Context, in rib.Binding, r rib.Rule, protocol uint8) error {
	return askIn(f.spaces, in.Netns, fmt.Sprintf("add the rule %q", r), func(c *client) error {
		if err := checkRule(&r); err != nil {
			return err
		}
		standing, err := dumpRules(ctx, c)
		if err != nil {
			return err
		}
		for _, family := range ruleFamilies {
			adopted, err := adoptsRule(standing, &r, family == unix.AF_INET6)
			if err != nil {
				return err
			}
			if adopted {
				continue
			}
			errno, text, err := c.do(ctx, unix.RTM_NEWRULE, unix.NLM_F_CREATE|unix.NLM_F_EXCL, appendRule(nil, family, &r, protocol))
			if err == nil && errno != 0 {
				err = absentFamily(family, &requestError{errno, text})
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// RemoveRule removes such a rule of ours. Another's is left alone; that there is none is no error.
func (f Fixtures) RemoveRule(ctx context.Context, in rib.Binding, r rib.Rule, protocol uint8) error {
	err := askIn(f.spaces, in.Netns, fmt.Sprintf("remove the rule %q", r), func(c *client) error {
		standing, err := dumpRules(ctx, c)
		if err != nil {
			return err
		}
		for i := range standing {
			s := &standing[i]
			if s.Rule != r || s.Protocol != protocol || s.Narrow {
				continue
			}
			family := byte(unix.AF_INET)
			if s.IPv6 {
				family = unix.AF_INET6
			}
			errno, text, err := c.do(ctx, unix.RTM_DELRULE, 0, appendRule(nil, family, &r, protocol))
			if err == nil && errno != 0 && errno != unix.ENOENT {
				err = &requestError{errno, text}
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if isAbsent(err) {
		return nil // and its rules with it
	}
	return err
}

// Rules returns the rules of a namespace that are about an interface by which packets come in.
func (f Fixtures) Rules(ctx context.Context, in rib.Binding) (list []rib.StandingRule, err error) {
	err = askIn(f.spaces, in.Netns, "read the rules", func(c *client) (err error) {
		list, err = dumpRules(ctx, c)
		return err
	})
	return list, err
}

var ruleFamilies = []byte{unix.AF_INET, unix.AF_INET6}

func checkRule(r *rib.Rule) error {
	switch {
	case r.Link == "" || len(r.Link) >= unix.IFNAMSIZ:
		return fmt.Errorf("%q is no name of an interface", r.Link)
	case r.Table == 0:
		return errors.New("it leads to no table")
	case r.Pref == 0:
		return errors.New("the preference 0 is that of the table local, which has to be looked at first")
	}
	return nil
}

// adoptsRule tells whether a rule stands in a family. The error is that one is in its place.
func adoptsRule(standing []rib.StandingRule, r *rib.Rule, ipv6 bool) (is bool, err error) {
	for i := range standing {
		s := &standing[i]
		if s.IPv6 != ipv6 || s.Link != r.Link || s.Narrow {
			continue
		}
		switch {
		case s.Rule == *r:
			return true, nil
		case s.Pref <= r.Pref:
			return false, fmt.Errorf("the rule %q (protocol %d) is before it: remove that, or give ours a preference below %d", s.Rule, s.Protocol, s.Pref)
		}
	}
	return false, nil
}

// appendRule appends struct fib_rule_hdr and the attributes of a rule of ours.
func appendRule(b []byte, family byte, r *rib.Rule, protocol uint8) []byte {
	table := byte(unix.RT_TABLE_UNSPEC) // over 255: FRA_TABLE alone
	if r.Table < 256 {
		table = byte(r.Table)
	}
	b = append(b, family, 0, 0, 0, table, 0, 0, unix.FR_ACT_TO_TBL, 0, 0, 0, 0)
	b = appendAttr(b, unix.FRA_IIFNAME, []byte(r.Link+"\x00"))
	b = appendAttrU32(b, unix.FRA_PRIORITY, r.Pref)
	b = appendAttrU32(b, unix.FRA_TABLE, r.Table)
	return appendAttrU8(b, unix.FRA_PROTOCOL, protocol)
}

// dumpRules reads the rules about interfaces by which packets come in, of both families.
func dumpRules(ctx context.Context, c *client) (list []rib.StandingRule, err error) {
	for _, family := range ruleFamilies {
		request := make([]byte, sizeofRule)
		request[0] = family
		start := len(list)
		err := complete(ctx, "rules", func() error {
			list = list[:start]
			return c.dump(ctx, unix.RTM_GETRULE, request, func(m message) error {
				if m.typ != unix.RTM_NEWRULE {
					return nil
				}
				s, ok, err := decodeRule(m.body)
				if err == nil && ok && s.IPv6 == (family == unix.AF_INET6) {
					list = append(list, s)
				}
				return err
			})
		})
		if errors.Is(err, unix.EOPNOTSUPP) {
			err = nil // built without rules
		}
		if err = absentFamily(family, err); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// decodeRule reads a rule. It is not ok where it is not about an interface by which packets come
// in.
func decodeRule(body []byte) (s rib.StandingRule, ok bool, err error) {
	if len(body) < sizeofRule {
		return s, false, fmt.Errorf("rule message of %d bytes is too short", len(body))
	}
	flags := native.Uint32(body[8:])
	s.IPv6, s.Table = body[0] == unix.AF_INET6, uint32(body[4])
	s.Narrow = body[1]|body[2]|body[3] != 0 || body[7] != unix.FR_ACT_TO_TBL || flags&unix.FIB_RULE_INVERT != 0
	a := attrs{b: body[sizeofRule:]}
	for typ, v, more := a.next(); more; typ, v, more = a.next() {
		switch typ {
		case unix.FRA_IIFNAME:
			s.Link = attrString(v)
		case unix.FRA_PRIORITY:
			s.Pref = attrU32(v)
		case unix.FRA_TABLE:
			s.Table = attrU32(v)
		case unix.FRA_PROTOCOL:
			if len(v) > 0 {
				s.Protocol = v[0]
			}
		case unix.FRA_SUPPRESS_PREFIXLEN, unix.FRA_SUPPRESS_IFGROUP: // -1: nothing is suppressed
			s.Narrow = s.Narrow || attrU32(v) != 1<<32-1
		case unix.FRA_PAD:
		default:
			s.Narrow = true // it is about some of the packets only
		}
	}
	if a.bad {
		return s, false, errors.New("rule message is malformed")
	}
	return s, s.Link != "", nil
}
