package config

import (
	"strconv"

	"github.com/vrfredist/vrfredist/rib"
)

// label checks the label of a VRF, or that one can be taken for it.
func (r *carriages) label(e *entry) {
	n, label, labels := e.node.get("label"), e.carriage.Label, r.core.labels
	switch {
	case n == nil && r.netlink.get("mpls").get("labels") == nil:
		r.at(e.node.get("encap"), `needs a label, which other PEs put before packets for this VRF; write label = NUMBER, or labels = "16000-16999" in [netlink.mpls], of which it gets one`)
	case label == 0:
	case labels.Len() > 0 && !labels.Has(label):
		r.at(n, "%d is outside of labels in [netlink.mpls] (%s), which says what this router may use; write one of those, or widen that range", label, labels)
	default:
		r.only(e, "label", strconv.FormatUint(uint64(label), 10), "the label")
	}
}

// insideMPLS finds how packets get between a VRF and the core: by its VRF device there, or by a
// veth and a table of the core.
func (r *carriages) insideMPLS(e *entry) {
	is, core, b := &e.carriage, r.core.Netns, e.bound()
	if b.Device != "" {
		if !rib.SameNetns(b.Netns, core) {
			r.at(e.node.get("encap"), "needs its VRF device in the core's namespace (%s), where alone labels lead to it, and %s is in %s; bind the VRF there, or by netns alone with core_link",
				rib.NetnsText(core), b.Device, rib.NetnsText(b.Netns))
		}
		r.needless(e, "core-link", "core-device", "core-table")
		return
	}
	if rib.SameNetns(b.Netns, core) {
		r.at(e.node.get("encap"), "needs a table of its own, and the main table of %s is the core's; bind the VRF by a VRF device there", rib.NetnsText(core))
		return
	}
	if !r.linked(e, "which its packets go by") {
		return
	}
	is.Through.Link = e.link
	device, table := e.node.get("core-device"), e.node.get("core-table")
	switch to := &is.Through.To; {
	case device != nil && table != nil:
		r.at(table, "and core_device exclude each other; a VRF device brings its own table, remove one")
	case device == nil && table == nil:
		to.Device = e.name
		if err := deviceName(e.name); err != nil {
			r.at(e.node.get("encap"), "needs a VRF device in the core's namespace, to which %s belongs, and the VRF's name cannot be that of one; write core_device = \"NAME\"", e.link)
			return
		}
	}
	is.Through.To.Netns = core
}
