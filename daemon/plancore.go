package daemon

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// coreChanges are the differences between two configurations in what they say of the network
// between PEs, a line each.
func coreChanges(now, next *config.Config) (changes []string) {
	was, is := coreKeys(now), coreKeys(next)
	for i, k := range was {
		if k.value != is[i].value {
			changes = append(changes, fmt.Sprintf("netlink.%s: %s -> %s", k.name, k.value, is[i].value))
		}
	}
	return changes
}

type coreKey struct{ name, value string }

func coreKeys(c *config.Config) []coreKey {
	text := func(is bool, v any) string {
		if !is {
			return "none"
		}
		return fmt.Sprint(v)
	}
	l := c.Locator
	return []coreKey{
		{"core.netns", cmp.Or(c.Core.Netns, "the daemon's own")},
		{"core.interfaces", cmp.Or(strings.Join(c.CoreInterfaces, ", "), "none")},
		{"core.source", text(c.Core.VTEP.IsValid(), c.Core.VTEP)},
		{"core.source6", text(c.Core.Six.IsValid(), c.Core.Six)},
		{"vxlan.port", text(c.Core.VTEP.IsValid(), c.Core.Port)},
		{"mpls.labels", cmp.Or(c.Labels.String(), "none")},
		{"srv6.locator", text(l.Prefix.IsValid(), l.Prefix)},
		{"srv6.block", text(l.Prefix.IsValid(), l.Block)},
		{"srv6.function_bits", text(l.Prefix.IsValid(), l.FunctionBits)},
		{"manage_links", fmt.Sprint(c.ManageLinks)},
	}
}

// devices says which devices the daemon would make and remove for a VRF.
func (v plannedVRF) devices() []string { return append(v.ownDevice(), v.coreDevices()...) }

// coreDevices are those over the core.
func (v plannedVRF) coreDevices() (lines []string) {
	was, is := &rib.Carriage{}, &rib.Carriage{}
	if v.ran {
		was = &v.was.Carriage
	}
	if v.runs {
		is = &v.is.Carriage
	}
	if was.SameWay(is) && v.was.Binding == v.is.Binding { // another SID makes no other device
		return nil
	}
	if was.Managed && (was.MadeDevice() != is.MadeDevice() || !is.Managed || v.was.Binding != v.is.Binding) {
		lines = append(lines, fmt.Sprintf("the %s %s is removed from %s", deviceKind(was), was.MadeDevice(), rib.NetnsText(v.was.Binding.Netns)))
	}
	if is.Managed {
		done := "made in"
		if was.Managed && was.MadeDevice() == is.MadeDevice() && v.was.Binding == v.is.Binding {
			done = "changed, or made anew, in"
		}
		lines = append(lines, fmt.Sprintf("the %s %s is %s %s", deviceKind(is), is.MadeDevice(), done, rib.NetnsText(v.is.Binding.Netns)))
	}
	return lines
}

// deviceKind is what is made for a VRF.
func deviceKind(is *rib.Carriage) string {
	if is.Kind == rib.EncapSRv6 {
		return "second VRF device"
	}
	return "VXLAN device"
}

// carriageNotes say what a change of the encapsulation means for a VRF's traffic.
func (v plannedVRF) carriageNotes(now rib.Core) (notes []string) {
	was, is := v.was.Carriage, v.is.Carriage
	if v.runs && is.Kind != 0 && is.Core != now {
		notes = append(notes, "how other PEs are reached is looked up in the core as it is now: with the new one it may be otherwise")
	}
	if !v.ran || !v.runs || was == is {
		return nil
	}
	if vrf.SameHome(v.was, v.is) {
		return append(notes, numberNote(&was, &is))
	}
	notes = append(notes, "a changed encapsulation starts the VRF anew: its routes go, and come back when it runs with the other one; until then it forwards nothing")
	if was.Kind != 0 && is.Kind != 0 && was.Carried() != is.Carried() {
		notes = append(notes, "other PEs send by what they were told before until they have heard of the change")
	}
	return notes
}

// numberNote says what another label or SID means for a VRF's traffic.
func numberNote(was, is *rib.Carriage) string {
	switch before, now := was.Carried(), is.Carried(); {
	case !now.Numbered():
		return "no packets of other PEs come in until it has one: " + is.Awaits
	case !before.Numbered():
		return "other PEs are told of it once packets come in by the " + now.Address()
	default:
		return fmt.Sprintf("other PEs send by the %s until the %s is in the kernel beside it and they have been told; then it goes, and no packet is lost", before.Address(), now.Address())
	}
}
