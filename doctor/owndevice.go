package doctor

import (
	"fmt"
	"strings"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// makes tells whether a running daemon sees to the VRF device of a VRF, and to the end of its table.
func makes(f Facts, space Space, s *vrf.Spec) bool {
	k, there := space.Links.ByName(s.Binding.Device)
	return f.Running && s.Makes.Made() && there && k.Alias == rib.OwnDeviceMark(s.Name)
}

// madeDevice is about a VRF device that the daemon makes.
func madeDevice(f Facts, netns string, space Space, s *vrf.Spec) (Finding, bool) {
	name := s.Binding.Device
	k, there := space.Links.ByName(name)
	find := Finding{Level: Risk, Check: "device", Subject: s.Name}
	switch {
	case !there && f.Running:
		find.What = fmt.Sprintf("The VRF device %s is not there %s, though the daemon makes it for VRF %q; `vrfredist vrf %s` says why.", name, in(netns), s.Name, quote(s.Name))
		find.Why = "The VRF is pending until it comes; nothing of it is routed meanwhile."
	case !there:
		find.Level = Advice
		find.What = fmt.Sprintf("The VRF device %s is not there %s, which VRF %q needs.", name, in(netns), s.Name)
		find.Why = "The daemon makes it when it runs (manage_devices)."
	case k.VRFTable == 0:
		find.Level = Broken
		find.What = fmt.Sprintf("The interface %s %s is no VRF device, and is in the place of the one of VRF %q. Rename it, or give the VRF another device.", name, in(netns), s.Name)
		find.Why = "What the daemon did not make it leaves alone: the VRF is pending."
	case k.Alias != rib.OwnDeviceMark(s.Name) && k.VRFTable != s.Makes.Table:
		find.Level = Broken
		find.What = fmt.Sprintf("The VRF device %s %s has table %d, and VRF %q is to have table %d there.", name, in(netns), k.VRFTable, s.Name, s.Makes.Table)
		find.Why = fmt.Sprintf("Another program made it: it has not the alias %q, and is left alone. The VRF is pending; write table = %d, or have it made anew here.", rib.OwnDeviceMark(s.Name), k.VRFTable)
		find.Mend = ipIn(netns, "link del "+quote(name))
	case !k.Admin && !makes(f, space, s):
		find.Level = Broken
		find.What = fmt.Sprintf("The VRF device %s %s is down.", name, in(netns))
		find.Why = "The kernel forwards nothing through the VRF while its device is down."
		find.Mend = ipIn(netns, "link set "+quote(name)+" up")
	default:
		return strayInterfaces(netns, space, s, k)
	}
	return find, true
}

// strayInterfaces is about interfaces that are not in the device of their VRF.
func strayInterfaces(netns string, space Space, s *vrf.Spec, device rib.Link) (Finding, bool) {
	var absent, outside []string
	for _, name := range s.Makes.Interfaces {
		switch k, there := space.Links.ByName(name); {
		case !there:
			absent = append(absent, name)
		case k.Master != device.Index:
			outside = append(outside, name)
		}
	}
	find := Finding{Level: Advice, Check: "device", Subject: s.Name}
	switch {
	case len(outside) > 0:
		find.Level = Risk
		find.What = fmt.Sprintf("Not in the VRF device %s %s, where they belong: %s.", device.Name, in(netns), strings.Join(outside, ", "))
		find.Why = fmt.Sprintf("What comes in by them is not looked up in the table of VRF %q.", s.Name)
		var commands []string
		for _, name := range outside {
			commands = append(commands, ipIn(netns, "link set "+quote(name)+" master "+quote(device.Name)))
		}
		find.Mend = all(commands...)
	case len(absent) > 0:
		find.What = fmt.Sprintf("Interfaces of VRF %q are not there %s: %s.", s.Name, in(netns), strings.Join(absent, ", "))
		find.Why = "They are put into its VRF device when they come."
	default:
		return Finding{}, false
	}
	return find, true
}
