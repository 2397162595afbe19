package config

import (
	"slices"
	"testing"
)

// TestOpen: who is named for having neither password nor TTL security.
func TestOpen(t *testing.T) {
	t.Parallel()
	c, err := Parse("x.toml", []byte(`
[global.config]
  as = 65000
  router-id = "10.0.0.1"
[[vrfs]]
  [vrfs.config]
    name = "red"
    rd = "65000:1"
[[peer-groups]]
  [peer-groups.config]
    peer-group-name = "safe"
    auth-password = "secret"
[[peer-groups]]
  [peer-groups.config]
    peer-group-name = "any"
    peer-as = 65009
[[neighbors]]
  [neighbors.config]
    neighbor-address = "192.0.2.1"
    peer-as = 65001
[[neighbors]]
  [neighbors.config]
    neighbor-address = "192.0.2.2"
    peer-as = 65001
    vrf = "red"
[[neighbors]]
  [neighbors.config]
    neighbor-address = "192.0.2.3"
    peer-as = 65001
    auth-password = "secret"
[[neighbors]]
  [neighbors.config]
    neighbor-address = "192.0.2.4"
    peer-as = 65001
    peer-group = "safe"
[[neighbors]]
  [neighbors.config]
    neighbor-address = "192.0.2.5"
    peer-as = 65001
  [neighbors.ttl-security.config]
    enabled = true
[[dynamic-neighbors]]
  [dynamic-neighbors.config]
    prefix = "198.51.100.0/24"
    peer-group = "any"
[[dynamic-neighbors]]
  [dynamic-neighbors.config]
    prefix = "203.0.113.0/24"
    peer-group = "safe"
`), sessionsBGP())
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"192.0.2.1", "192.0.2.2 in VRF red", "any from 198.51.100.0/24"}; !slices.Equal(c.Open, want) {
		t.Errorf("open are %q, want %q", c.Open, want)
	}
}
