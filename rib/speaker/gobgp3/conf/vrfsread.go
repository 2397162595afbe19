package conf

import (
	"bytes"
	"encoding/json"
	"math"

	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// GoBGP reads a configuration with a library that takes a large part of a second for thousands of
// VRFs, and looks for a free number for each among those of all others. Both would be so for each
// VRF that comes or goes. So VRFs are read here as GoBGP reads them, and GoBGP gets the rest.

// withoutVRFs takes the VRFs out of a configuration. Where GoBGP may refuse one, or read it otherwise,
// it leaves them in: is is false then, and GoBGP says what is wrong.
func withoutVRFs(text []byte) (rest []byte, vrfs []oc.Vrf, is bool) {
	var root map[string]json.RawMessage
	if json.Unmarshal(text, &root) != nil {
		return nil, nil, false
	}
	if vrfs, is = readVRFs(root["vrfs"]); !is {
		return nil, nil, false
	}
	delete(root, "vrfs")
	rest, err := json.Marshal(root)
	return rest, vrfs, err == nil
}

// plainVRF is a VRF as a configuration has it. GoBGP takes other types too: a number for a text.
type plainVRF struct {
	Config struct {
		Name         string   `json:"name"`
		ID           uint32   `json:"id"`
		RD           string   `json:"rd"`
		ImportRtList []string `json:"import-rt-list"`
		ExportRtList []string `json:"export-rt-list"`
		BothRtList   []string `json:"both-rt-list"`
	} `json:"config"`
}

func readVRFs(text []byte) (vrfs []oc.Vrf, is bool) {
	var list []plainVRF
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if len(text) == 0 || d.Decode(&list) != nil || len(list) == 0 {
		return nil, false
	}
	names, ids := make(map[string]bool, len(list)), make(map[uint32]bool, len(list))
	for i := range list {
		c := &list[i].Config
		v := oc.VrfConfig{Name: c.Name, Id: c.ID, Rd: c.RD, ImportRtList: c.ImportRtList, ExportRtList: c.ExportRtList, BothRtList: c.BothRtList}
		if len(v.ImportRtList) == 0 {
			v.ImportRtList = v.BothRtList
		}
		if len(v.ExportRtList) == 0 {
			v.ExportRtList = v.BothRtList
		}
		if v.Name == "" || names[v.Name] || ids[v.Id] || !readable(v) {
			return nil, false
		}
		names[v.Name] = true
		if v.Id != 0 {
			ids[v.Id] = true
		}
		vrfs = append(vrfs, oc.Vrf{Config: v})
	}
	number(vrfs, ids)
	return vrfs, true
}

// readable tells whether GoBGP can read the route distinguisher and the targets of a VRF.
func readable(v oc.VrfConfig) bool {
	if _, _, plain := twoNumbers(v.Rd); !plain {
		if _, err := bgp.ParseRouteDistinguisher(v.Rd); err != nil {
			return false
		}
	}
	for _, list := range [][]string{v.ImportRtList, v.ExportRtList} {
		for _, rt := range list {
			if _, _, plain := twoNumbers(rt); plain {
				continue
			}
			if _, err := bgp.ParseRouteTarget(rt); err != nil {
				return false
			}
		}
	}
	return true
}

// number gives each VRF without a number the lowest that is free.
func number(vrfs []oc.Vrf, taken map[uint32]bool) {
	next := uint32(1)
	for i := range vrfs {
		if vrfs[i].Config.Id != 0 {
			continue
		}
		for taken[next] && next < math.MaxUint32 {
			next++
		}
		vrfs[i].Config.Id = next
		next++
	}
}
