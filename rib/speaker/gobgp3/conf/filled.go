package conf

import (
	"encoding/json"
	"fmt"
	"slices"
)

// Filled returns GoBGP's part of a configuration as GoBGP has it once it filled its defaults in: JSON
// as text is, with as many neighbours in the same order. Of neighbours by interface nothing is looked
// up: an address stands in for each. A peer group has what GoBGP fills in of a neighbour that says
// nothing itself.
func Filled(text []byte) ([]byte, error) {
	var root map[string]any
	if err := json.Unmarshal(text, &root); err != nil {
		return nil, fmt.Errorf("GoBGP's configuration is not JSON: %w", err)
	}
	standIn(root)
	own := len(itemsOf(root["neighbors"]))
	plain, err := json.Marshal(root)
	if err != nil {
		return nil, err
	}
	addMembers(root)
	if text, err = json.Marshal(root); err != nil {
		return nil, err
	}
	set, err := parse(text)
	if err != nil { // of a group in which no neighbour can be, there are no defaults
		set, err = parse(plain)
	}
	if err != nil {
		return nil, err
	}
	if text, err = json.Marshal(set); err != nil {
		return nil, err
	}
	root = nil
	if err := json.Unmarshal(text, &root); err != nil {
		return nil, err
	}
	withoutStates(root)
	takeMembers(root, own)
	return json.Marshal(root)
}

func itemsOf(v any) []any {
	list, _ := v.([]any)
	return list
}

// addMembers adds a neighbour of each peer group, which says nothing itself. Its address is one that no
// neighbour has: GoBGP remembers by the address what a neighbour in a group says.
func addMembers(root map[string]any) {
	neighbors := slices.Clone(itemsOf(root["neighbors"]))
	for i, item := range itemsOf(root["peer-groups"]) {
		group, _ := item.(map[string]any)
		config, _ := group["config"].(map[string]any)
		neighbors = append(neighbors, map[string]any{"config": map[string]any{
			"neighbor-address": fmt.Sprintf("ff0e::1:%x", i+1), "peer-group": config["peer-group-name"],
		}})
	}
	if len(neighbors) > 0 {
		root["neighbors"] = neighbors
	}
}

// takeMembers takes the neighbours that addMembers added out again, behind so many others, and gives each
// group the sections of its one.
func takeMembers(root map[string]any, own int) {
	neighbors := itemsOf(root["Neighbors"])
	for i, item := range itemsOf(root["PeerGroups"]) {
		group, _ := item.(map[string]any)
		if own+i >= len(neighbors) || group == nil {
			break
		}
		member, _ := neighbors[own+i].(map[string]any)
		for key, section := range member {
			was := group[key]
			if _, is := section.(map[string]any); !is || perMember[key] {
				continue
			}
			if group[key] = section; key == "graceful-restart" {
				keepRestartTime(section, was)
			}
		}
	}
	if len(neighbors) > own {
		root["Neighbors"] = neighbors[:own]
	}
}

// perMember are the sections that follow from a neighbour's own address and name.
var perMember = map[string]bool{"config": true, "transport": true, "apply-policy": true}

// keepRestartTime leaves to a group the restart time that it says itself: otherwise it is each
// neighbour's own hold time.
func keepRestartTime(filled, was any) {
	inside := func(v any) map[string]any {
		section, _ := v.(map[string]any)
		config, _ := section["config"].(map[string]any)
		return config
	}
	if _, says := inside(was)["restart-time"]; !says {
		delete(inside(filled), "restart-time")
	}
}

// standIn gives neighbours by interface an address in its place.
func standIn(root map[string]any) {
	list, _ := root["neighbors"].([]any)
	for i, item := range list {
		n, _ := item.(map[string]any)
		c, _ := n["config"].(map[string]any)
		if c["neighbor-interface"] != nil {
			delete(c, "neighbor-interface")
			c["neighbor-address"] = fmt.Sprintf("2001:db8::%x", i+1)
		}
	}
}

// withoutStates removes what GoBGP keeps beside a configuration.
func withoutStates(v any) {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "state")
		for _, below := range v {
			withoutStates(below)
		}
	case []any:
		for _, below := range v {
			withoutStates(below)
		}
	}
}
