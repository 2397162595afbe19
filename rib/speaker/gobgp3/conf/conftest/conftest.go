// Package conftest writes GoBGP's configurations for tests: sections as a file has them,
// which a test changes key by key. It promises that Base alone is a configuration that
// Check takes, and owns nothing: each call makes a section anew. Begin with Base.
package conftest

import (
	"encoding/json"
	"testing"
)

// Obj is a section.
type Obj = map[string]any

// JSON is a configuration as Check and New take it.
func JSON(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Families are the families of routes that lead into kernel tables.
func Families() []string {
	return []string{"ipv4-unicast", "ipv6-unicast", "l3vpn-ipv4-unicast", "l3vpn-ipv6-unicast"}
}

// Base is a configuration of AS 65000 that listens nowhere.
func Base(vrfs, neighbors []any) Obj {
	return Obj{
		"global":    Obj{"config": Obj{"as": 65000, "router-id": "192.0.2.1", "port": -1}},
		"vrfs":      vrfs,
		"neighbors": neighbors,
	}
}

// VRF is a VRF's section.
func VRF(name, rd string, imports, exports []string) Obj {
	return Obj{"config": Obj{"name": name, "rd": rd, "import-rt-list": imports, "export-rt-list": exports}}
}

// Neighbor is a neighbour at 127.0.0.x that we dial.
func Neighbor(addr string, as, port int, families ...string) Obj {
	n := Obj{
		"config":    Obj{"neighbor-address": addr, "peer-as": as},
		"transport": Obj{"config": Obj{"remote-port": port, "local-address": "127.0.0.1"}},
		"timers":    Obj{"config": Obj{"connect-retry": 1, "idle-hold-time-after-reset": 1}},
	}
	var list []any
	for _, f := range families {
		list = append(list, Obj{"config": Obj{"afi-safi-name": f}, "mp-graceful-restart": Obj{"config": Obj{"enabled": true}}})
	}
	n["afi-safis"] = list
	// GoBGP sends End-of-RIB only where graceful restart was negotiated.
	n["graceful-restart"] = Obj{"config": Obj{"enabled": true, "restart-time": 5}}
	return n
}

// InVRF puts a neighbour into a VRF.
func InVRF(n Obj, vrf string) Obj { return Set(n, vrf, "config", "vrf") }

// ByInterface is a neighbour that is named by an interface, with more of its sections.
func ByInterface(device string, more Obj) Obj {
	n := Obj{"config": Obj{"neighbor-interface": device, "peer-as": 65009}}
	for k, v := range more {
		n[k] = v
	}
	return n
}

// Set puts v at a path of keys, in the first section of a list.
func Set(c Obj, v any, keys ...string) Obj {
	m := c
	for _, k := range keys[:len(keys)-1] {
		switch next := m[k].(type) {
		case Obj:
			m = next
		case []any:
			m = next[0].(Obj)
		default:
			n := Obj{}
			m[k] = n
			m = n
		}
	}
	m[keys[len(keys)-1]] = v
	return c
}

// Good is a configuration with something of each kind in it.
func Good() Obj {
	c := Base(
		[]any{VRF("red", "65000:1", []string{"65000:1"}, []string{"65000:1"}), VRF("blue", "192.0.2.1:2", []string{"1.0:2"}, nil)},
		[]any{Neighbor("127.0.0.2", 65001, 179, "ipv4-unicast"), Neighbor("127.0.0.3", 65001, 179, "ipv4-unicast")})
	c["peer-groups"] = []any{Obj{"config": Obj{"peer-group-name": "pg", "peer-as": 65001}}}
	c["dynamic-neighbors"] = []any{Obj{"config": Obj{"prefix": "10.0.0.0/8", "peer-group": "pg"}}}
	c["defined-sets"] = Obj{
		"prefix-sets":      []any{Obj{"prefix-set-name": "ps", "prefix-list": []any{Obj{"ip-prefix": "10.0.0.0/8", "masklength-range": "8..24"}}}},
		"bgp-defined-sets": Obj{"community-sets": []any{Obj{"community-set-name": "cs", "community-list": []string{"65001:100"}}}},
	}
	c["policy-definitions"] = []any{Obj{"name": "pol", "statements": []any{Obj{
		"name":       "st",
		"conditions": Obj{"match-prefix-set": Obj{"prefix-set": "ps", "match-set-options": "any"}},
		"actions":    Obj{"route-disposition": "accept-route"},
	}}}}
	return c
}
