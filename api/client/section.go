package client

import (
	"encoding/json"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
)

// VRFOf reads a VRF of JSON with the keys of the configuration, those of [vrfs.config] and of
// [netlink.vrfs] side by side.
func VRFOf(section []byte) (*vrfredistv1.VrfSpec, error) {
	m := new(vrfredistv1.VrfSpec)
	return m, read(section, m)
}

// NeighborOf reads a neighbour of JSON with the fields of a NeighborSpec.
func NeighborOf(section []byte) (*vrfredistv1.NeighborSpec, error) {
	m := new(vrfredistv1.NeighborSpec)
	return m, read(section, m)
}

func read(section []byte, m proto.Message) error {
	var tree any
	if err := json.Unmarshal(section, &tree); err != nil {
		return err
	}
	data, err := json.Marshal(wrapped(tree))
	if err != nil {
		return err
	}
	return protojson.Unmarshal(data, m)
}

// wrapped makes messages of the lists that may be set to nothing, and lists of single values where
// the configuration takes either.
func wrapped(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			switch list, is := value.([]any); {
			case is && (key == "set_communities" || key == "set_large_communities"):
				v[key] = map[string]any{"values": list}
			case !is && (key == "prefsrc" || key == "set_prefsrc"):
				v[key] = []any{value}
			default:
				v[key] = wrapped(value)
			}
		}
	case []any:
		for i := range v {
			v[i] = wrapped(v[i])
		}
	}
	return v
}
