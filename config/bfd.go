package config

import "maps"

// bfdKeys are those of BFD (RFC 5880), which gobgp-netlink has of a newer GoBGP than the one that
// is embedded here. They are taken, so that its files are, and nothing is done by them.
func bfdKeys() schema {
	return schema{"config": schema{
		"enabled": nil, "port": nil, "desired-minimum-tx-interval": nil, "required-minimum-receive": nil, "detection-multiplier": nil,
	}}
}

// bfdLists are where they are.
var bfdLists = []string{"neighbors", "peer-groups"}

// withBFD is GoBGP's schema with the keys of BFD, where it has none.
func withBFD(bgp schema) schema {
	bgp = maps.Clone(bgp)
	for _, list := range bfdLists {
		items, ok := bgp[list].([]any)
		if !ok || len(items) == 0 {
			continue
		}
		peer, _ := items[0].(schema)
		if _, has := peer["bfd"]; peer == nil || has {
			continue
		}
		peer = maps.Clone(peer)
		peer["bfd"] = bfdKeys()
		bgp[list] = []any{peer}
	}
	return bgp
}

// withoutBFD takes the keys of BFD out of GoBGP's part.
func withoutBFD(all map[string]any) {
	for _, list := range bfdLists {
		items, _ := all[list].([]any)
		for _, item := range items {
			if peer, ok := item.(map[string]any); ok {
				delete(peer, "bfd")
			}
		}
	}
}

// noteBFD says once that nothing is done by the keys of BFD.
func noteBFD(p *problems, root *node) {
	for _, list := range bfdLists {
		for _, item := range sections(root.get(list)) {
			if on := item.get("bfd").get("config").get("enabled"); on != nil && on.text == "true" {
				p.note(on, "is not done: the GoBGP that is embedded here has no BFD. A session over a link of this host ends with the link's carrier (fast_failover); "+
					"for what fails beyond it write a short hold-time, and keepalive-interval, under timers.config, on both sides")
				return
			}
		}
	}
}
