package devices

import (
	"fmt"
	"strings"

	"github.com/vrfredist/vrfredist/rib"
)

// verdict is what is to be done with a device, by what there is.
type verdict struct {
	make    bool       // it is to be made, or set up, or made anew with another table
	index   int        // of the device; 0: it is not there
	lacks   string     // why the VRF cannot have it; "": it can
	take    []rib.Link // the interfaces that are to be enslaved
	trouble []string   // why others are not
}

// judge decides about a device. before is the VRF whose mark it may have beside its own: the device
// was that one's.
func judge(links rib.Links, w *Wanted, before string) (v verdict) {
	k, there := links.ByName(w.In.Device)
	if !there {
		return verdict{make: true}
	}
	ours := k.Alias == rib.OwnDeviceMark(w.VRF) || before != "" && k.Alias == rib.OwnDeviceMark(before)
	switch {
	case ours && (k.VRFTable != w.Table || !k.Admin || k.Alias != rib.OwnDeviceMark(w.VRF)):
		return verdict{make: true, index: k.Index}
	case ours:
	case k.VRFTable == 0:
		return verdict{lacks: fmt.Sprintf("the interface %s in %s is another program's and no VRF device: rename or remove it, or give the VRF another device", k.Name, rib.NetnsText(w.In.Netns))}
	case k.VRFTable != w.Table:
		return verdict{lacks: fmt.Sprintf("the VRF device %s in %s is another program's (its alias is %q, and not %q), and has table %d where the configuration says %d: write table = %d, or remove it (ip link del %s)",
			k.Name, rib.NetnsText(w.In.Netns), k.Alias, rib.OwnDeviceMark(w.VRF), k.VRFTable, w.Table, k.VRFTable, k.Name)}
	}
	v.index = k.Index
	v.interfaces(links, w, ours)
	return v
}

// interfaces decides about those that belong into the device. One that is not there is waited for.
func (v *verdict) interfaces(links rib.Links, w *Wanted, ours bool) {
	var outside []string
	for _, name := range w.Interfaces {
		switch k, there := links.ByName(name); {
		case !there, k.Master == v.index:
		case k.VRFTable != 0:
			v.trouble = append(v.trouble, fmt.Sprintf("%s is a VRF device, which cannot be in another one: take it out of interfaces", name))
		case !ours:
			outside = append(outside, name)
		default:
			v.take = append(v.take, k)
		}
	}
	if len(outside) > 0 {
		v.trouble = append(v.trouble, fmt.Sprintf("%s not in the VRF device %s, which another program made and which is left as it is: ip link set NAME master %s",
			are(outside), w.In.Device, w.In.Device))
	}
}

// are is "lan1 is", or "lan1 and lan2 are".
func are(names []string) string {
	last := len(names) - 1
	if last == 0 {
		return names[0] + " is"
	}
	return strings.Join(names[:last], ", ") + " and " + names[last] + " are"
}
