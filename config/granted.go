package config

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// Numbered is a configuration of which VRFs have their labels and SIDs.
type Numbered struct {
	*Config
	// Conflicts say, a line each, of which VRFs the configured number is another VRF's.
	Conflicts []string
	// Waits say, a line each, which VRFs have not got what they need, or what is configured, yet.
	Waits []string
	// Next is when a number that a VRF waits for can be had; zero: none waits for a time.
	Next time.Time
}

// granted is a configuration with what its VRFs got.
type granted struct {
	*Config
	split             bool
	labels, functions map[string]rib.Grant
}

// numbered is the configuration with the numbers in its VRFs, and in what BGP is told of them.
func (g granted) numbered() (out Numbered) {
	c := *g.Config
	c.written = g.Config
	c.VRFs, c.Others = slices.Clone(c.VRFs), slices.Clone(c.Others)
	c.Extras.Carried = maps.Clone(c.Extras.Carried)
	for i := range c.VRFs {
		s := &c.VRFs[i]
		g.give(s, &out)
		if _, is := c.Extras.Carried[s.Name]; is && s.VRF == "" {
			c.Extras.Carried[s.Name] = s.Carriage.Carried()
		}
	}
	out.Config = &c
	return out
}

// give gives a VRF its numbers.
func (g granted) give(s *vrf.Spec, out *Numbered) {
	is := &s.Carriage
	var whys []string
	switch is.Kind {
	case rib.EncapMPLS:
		got := g.labels[s.Of()]
		if s.VRF == "" {
			whys = g.judge(s.Name, fmt.Sprintf("label %d", is.Label), "label", got, out)
		}
		is.Label = got.Number
	case rib.EncapSRv6:
		got := g.functions[functionOf(s.Of(), false)]
		if s.VRF == "" {
			whys = g.judge(s.Name, fmt.Sprintf("SID %s", is.SRv6.SID), "SID", got, out)
		}
		is.SRv6.SID = g.sid(got)
		if g.split || is.SRv6.Link != "" {
			got := g.functions[functionOf(s.Of(), true)]
			if s.VRF == "" {
				whys = append(whys, g.judge(s.Name, "", "SID for IPv6", got, out)...)
			}
			if is.SRv6.SID6 = g.sid(got); !is.SRv6.SID6.IsValid() {
				is.SRv6.SID = netip.Addr{} // both or none: nothing goes out of half a VRF
			}
		}
	}
	is.Awaits = strings.Join(whys, "; ")
}

// sid is the SID that was granted.
func (g granted) sid(got rib.Grant) netip.Addr {
	if got.Number == 0 {
		return netip.Addr{}
	}
	return g.Locator.SID(got.Number)
}

// judge says why a VRF has not got what it needs; none: it has.
func (g granted) judge(name, claimed, what string, got rib.Grant, out *Numbered) (whys []string) {
	if !got.Until.IsZero() && (out.Next.IsZero() || got.Until.Before(out.Next)) {
		out.Next = got.Until
	}
	switch by := vrfOf(got.By); {
	case got.By == "" && got.Number != 0:
		return nil
	case got.By != "" && got.Until.IsZero():
		why := fmt.Sprintf("%s was given to VRF %q before; write it for that one, and another here, or remove the key", claimed, by)
		out.Conflicts = append(out.Conflicts, fmt.Sprintf("VRF %q: %s", name, why))
		whys = []string{why}
	case got.By != "":
		whys = []string{fmt.Sprintf("%s was VRF %q's, to which peers may send by it until %s", claimed, by, got.Until.UTC().Format(time.RFC3339))}
	case !got.Until.IsZero():
		whys = []string{fmt.Sprintf("no %s is free until %s, when the first one that another VRF had can be given", what, got.Until.UTC().Format(time.RFC3339))}
	default:
		whys = []string{fmt.Sprintf("no %s is free; widen the range in the configuration", what)}
	}
	out.Waits = append(out.Waits, fmt.Sprintf("VRF %q: %s", name, whys[0]))
	if got.Number != 0 {
		return nil // it goes on with the one that it had
	}
	return whys
}

// functionOf names whose the function of a SID is in the file: a VRF can have one for IPv6 beside
// its first. No two VRFs' names come to the same.
func functionOf(vrf string, six bool) string {
	if six {
		return vrf + "/6"
	}
	return vrf + "/"
}

// vrfOf is the VRF of a functionOf.
func vrfOf(name string) string {
	return strings.TrimSuffix(strings.TrimSuffix(name, "6"), "/")
}
