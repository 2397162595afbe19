package doctor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// capability is a capability of linux/capability.h.
type capability struct {
	bit  uint
	name string
	why  string
}

func (f Facts) needs() []capability {
	needs := []capability{{12, "CAP_NET_ADMIN", "without it the kernel refuses every route that is written"}}
	if f.BGPPort > 0 && f.BGPPort < 1024 {
		needs = append(needs, capability{10, "CAP_NET_BIND_SERVICE", fmt.Sprintf("without it BGP cannot listen on port %d", f.BGPPort)})
	}
	if f.usesNetns() {
		needs = append(needs, capability{21, "CAP_SYS_ADMIN", "without it no other network namespace can be entered, and the configuration names some"})
	}
	return needs
}

func (f Facts) usesNetns() bool {
	return slices.ContainsFunc(f.Specs, func(s vrf.Spec) bool { return s.Binding.Netns != "" }) ||
		slices.ContainsFunc(f.Neighbors, func(n rib.Neighbor) bool { return n.Netns != "" }) ||
		f.Carriage.Core.Netns != "" && len(f.carriedSpecs(0)) > 0
}

func capabilities(f Facts) []Finding {
	if f.File == "" {
		return nil
	}
	var out []Finding
	for _, c := range f.needs() {
		if f.Capabilities&(1<<c.bit) != 0 {
			continue
		}
		who := "This process"
		if f.Running {
			who = "The daemon"
		}
		find := Finding{
			Level: Broken, Check: "capabilities", Subject: c.name,
			What: fmt.Sprintf("%s lacks %s.", who, c.name),
			Why:  c.why + ".",
			Mend: "sudo vrfredist run -f " + quote(f.File),
		}
		if f.Running && f.Host.Unit.Installed && c.name == "CAP_SYS_ADMIN" {
			find.Mend = all("install -D -m 0644 /usr/share/vrfredist/netns.conf /etc/systemd/system/vrfredist.service.d/netns.conf",
				"systemctl daemon-reload", "systemctl restart vrfredist")
		}
		out = append(out, find)
	}
	return out
}

func features(f Facts) []Finding {
	var out []Finding
	devices := slices.ContainsFunc(f.Specs, func(s vrf.Spec) bool { return s.Binding.Device != "" })
	objects := slices.ContainsFunc(f.Specs, func(s vrf.Spec) bool { return s.NexthopObjects })
	if devices && f.Features.VRFDevices == rib.No {
		out = append(out, Finding{
			Level: Broken, Check: "kernel", Subject: "VRF devices",
			What: "This kernel makes no VRF devices, and the configuration names some.",
			Why:  "It was built without CONFIG_NET_VRF, or its module vrf is not installed: those VRFs stay pending.",
			Mend: "modprobe vrf || apt-get install linux-modules-extra-$(uname -r)",
		})
	}
	if objects && f.Features.NexthopObjects == rib.No {
		out = append(out, Finding{
			Level: Advice, Check: "kernel", Subject: "nexthop objects",
			What: "This kernel has no nexthop objects: it is older than 5.3.",
			Why:  "Routes then carry their nexthops themselves, and a failover rewrites each of them. A newer kernel is the remedy.",
		})
	}
	if f.Features.StrictChecking == rib.No {
		out = append(out, Finding{
			Level: Advice, Check: "kernel", Subject: "strict checking",
			What: "This kernel does not check requests strictly: it is older than 4.20.",
			Why:  "To read one table it sends those of all tenants, each time. A newer kernel is the remedy.",
		})
	}
	return out
}

// states are findings from the states of a running daemon's VRFs.
func states(f Facts) []Finding {
	var out []Finding
	for _, st := range f.States {
		find := Finding{Check: "vrf-state", Subject: st.Spec.Name, Why: sentence(st.Reason)}
		switch st.State {
		case vrf.Failed:
			find.Level = Broken
			find.What = fmt.Sprintf("VRF %q has failed; it is tried again by itself.", st.Spec.Name)
		case vrf.Degraded:
			find.Level = Risk
			find.What = fmt.Sprintf("VRF %q is degraded; `vrfredist route export --vrf %s` says of each route why it is not there.", st.Spec.Name, quote(st.Spec.Name))
		default:
			continue // places finds what a pending VRF waits for
		}
		out = append(out, find)
	}
	return out
}

// drift are findings from BGP's state where it differs from the configuration.
func drift(f Facts) []Finding {
	var out []Finding
	for _, d := range f.Drift {
		if d.Added {
			out = append(out, Finding{
				Level: Advice, Check: "bgp-drift", Subject: d.Subject,
				What: fmt.Sprintf("In BGP, %s is not of the configuration: %s.", d.Subject, d.What),
				Why:  "It stays until a client deletes it, over reloads too, and is gone after a restart. Where it is wanted, it belongs into the file.",
			})
			continue
		}
		out = append(out, Finding{
			Level: Broken, Check: "bgp-drift", Subject: d.Subject,
			What: fmt.Sprintf("In BGP, %s.", d.What),
			Why:  "Another client of the API changed what the configuration says, so that sessions or routes are missing, or judged otherwise. Where the change is wanted, it belongs into the file.",
			Mend: "vrfredist reload",
		})
	}
	return out
}

// sentence begins with a capital letter and ends in a full stop.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	s = strings.ToUpper(s[:1]) + s[1:]
	if !strings.HasSuffix(s, ".") && !strings.HasSuffix(s, "?") {
		s += "."
	}
	return s
}

// restart looks for a service manager that starts the daemon again. A neighbour's
// messages do not end it (see docs/SECURITY.md); a fault in it, or in the host, still may.
func restart(f Facts) []Finding {
	if f.File == "" || f.Host.supervised(f.Running) {
		return nil
	}
	return []Finding{{
		Level: Risk, Check: "restart",
		What: "Nothing starts vrfredist again here when it ends.",
		Why: "The kernel's routes stay, and the next start adopts them, but until somebody starts it they go stale. " +
			"Run it as the service that its package brings, or under another manager that restarts it.",
		Mend: "systemctl enable --now vrfredist",
	}}
}

// passwords finds neighbours whose sessions may be opened or broken by anybody who can
// send from their address: the guard bears every message, and cannot know its sender.
func passwords(f Facts) []Finding {
	if len(f.Open) == 0 {
		return nil
	}
	return []Finding{{
		Level: Advice, Check: "password",
		What: fmt.Sprintf("These BGP neighbours have neither auth-password nor ttl-security: %s.", strings.Join(f.Open, ", ")),
		Why: "What they send cannot end vrfredist, but whoever can send from such an address may open the session in the neighbour's place, or end it, " +
			"and routes are believed from there. Give each auth-password, the same on both sides; ttl-security where the neighbour is directly connected.",
	}}
}
