package doctor

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// mpls finds what keeps labels of VRFs from working in the core, or lets tenants use them.
func mpls(f Facts, core Space) (all []Finding) {
	specs := f.carriedSpecs(rib.EncapMPLS)
	if len(specs) == 0 {
		return nil
	}
	netns := f.Carriage.Core.Netns
	if room, most := core.Settings["mpls/platform_labels"], mostLabel(f, specs); room != "" {
		if n, err := strconv.ParseUint(room, 10, 32); err == nil && n <= uint64(most) {
			all = append(all, Finding{
				Level: Broken, Check: "mpls-labels",
				What: fmt.Sprintf("The kernel has room for labels below %s %s (net.mpls.platform_labels), and VRFs may have labels up to %d.", room, in(netns), most),
				Why:  "It refuses labels beyond that, and takes out those that stand when the number is lowered: other PEs cannot send to their VRFs.",
				Mend: set(netns, fmt.Sprintf("net.mpls.platform_labels=%d", most+1)),
			})
		}
	}
	var off, open []string
	for _, k := range sortedLinks(core.Links) {
		input, known := core.Settings["mpls/conf/"+k.Name+"/input"]
		switch {
		case !known || k.Loopback:
		case toPEs(&f, k) && input == "0":
			off = append(off, k.Name)
		case !toPEs(&f, k) && input == "1" && (len(f.Carriage.Interfaces) > 0 || isTenants(f, core, k)):
			open = append(open, k.Name)
		}
	}
	if len(off) > 0 {
		all = append(all, Finding{
			Level: Broken, Check: "mpls-input", Subject: some(off),
			What: fmt.Sprintf("The kernel drops packets with labels from %s %s (net.mpls.conf.*.input=0).", some(off), in(netns)),
			Why:  "They lead to other PEs, as interfaces of [netlink.core] has it: nothing comes from there.",
			Mend: set(netns, inputs(off, 1)...),
		})
	}
	if len(open) > 0 {
		all = append(all, Finding{
			Level: Risk, Check: "mpls-tenant-input", Subject: some(open),
			What: fmt.Sprintf("The kernel takes packets with labels from %s %s (net.mpls.conf.*.input=1), which are not among the interfaces of [netlink.core].", some(open), in(netns)),
			Why:  "Whoever is behind them can send into every VRF, by its label.",
			Mend: set(netns, inputs(open, 0)...),
		})
	}
	return all
}

// mostLabel is the highest label that a VRF may have.
func mostLabel(f Facts, specs []vrf.Spec) uint32 {
	most := f.Carriage.Labels.Last
	for _, s := range specs {
		most = max(most, s.Carriage.Label)
	}
	return most
}

// toPEs tells whether an interface of the core is one of those that lead to other PEs.
func toPEs(f *Facts, k rib.Link) bool {
	return slices.ContainsFunc(f.Carriage.Interfaces, func(pattern string) bool { is, _ := path.Match(pattern, k.Name); return is })
}

// isTenants tells whether an interface of the core's namespace belongs to a VRF.
func isTenants(f Facts, core Space, k rib.Link) bool {
	master := core.Links[k.Master]
	for _, s := range f.carriedSpecs(rib.EncapMPLS) {
		if k.Name == s.Carriage.Through.Link || s.Binding.Device != "" && (master.Name == s.Binding.Device || k.Name == s.Binding.Device) {
			return true
		}
	}
	return false
}

func inputs(names []string, value int) (list []string) {
	for _, name := range names {
		list = append(list, fmt.Sprintf("net/mpls/conf/%s/input=%d", name, value))
	}
	return list
}

func sortedLinks(links rib.Links) []rib.Link {
	list := make([]rib.Link, 0, len(links))
	for _, k := range links {
		list = append(list, k)
	}
	slices.SortFunc(list, func(a, b rib.Link) int { return strings.Compare(a.Name, b.Name) })
	return list
}
