package conf

import (
	"encoding/json"
	"fmt"
)

// Filled returns GoBGP's part of a configuration as GoBGP has it once it filled its defaults in: JSON
// as text is, with as many neighbours in the same order. Of neighbours by interface nothing is looked
// up: an address stands in for each.
func Filled(text []byte) ([]byte, error) {
	var root map[string]any
	if err := json.Unmarshal(text, &root); err != nil {
		return nil, fmt.Errorf("GoBGP's configuration is not JSON: %w", err)
	}
	standIn(root)
	text, err := json.Marshal(root)
	if err != nil {
		return nil, err
	}
	set, err := parse(text)
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
	return json.Marshal(root)
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
