package config

import (
	"encoding/json"

	"github.com/vrfredist/vrfredist/rib"
)

// encode returns GoBGP's part as JSON, with the aliases of neighbours that are
// relayed, and sets of neighbours and policies of ours in its words.
func encode(root *node, relayed map[int]rib.Neighbor, sets map[int][]string, ours *translation) ([]byte, error) {
	all, _ := root.plain().(map[string]any)
	delete(all, "netlink")
	withoutTenantKeys(all)
	withoutPeerKeys(all)
	withoutBFD(all)
	writeSets(all, sets)
	ours.put(all)
	if len(relayed) > 0 {
		rewrite(all, relayed)
		listenHere(all)
	}
	return json.Marshal(all)
}
