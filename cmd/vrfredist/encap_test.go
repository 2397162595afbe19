package main

import (
	"slices"
	"testing"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
)

// TestRoutesOfOtherPEs: a route shows what packets are put into, where they go, and to which PE.
func TestRoutesOfOtherPEs(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		hop  *vrfredistv1.Hop
		want string
	}{
		{
			&vrfredistv1.Hop{Gateway: "192.0.2.9", Device: "core", Encap: &vrfredistv1.Encap{Kind: "mpls", Text: "mpls 16002/80 via 192.0.2.9 dev core, PE 10.255.0.2"}},
			"encap mpls 16002/80 via 192.0.2.9 dev core, PE 10.255.0.2",
		},
		{
			&vrfredistv1.Hop{Device: "sr-red", Encap: &vrfredistv1.Encap{Kind: "srv6", Text: "srv6 fd00:2:0:1:100:: dev sr-red, PE fd00:255::2"}},
			"encap srv6 fd00:2:0:1:100:: dev sr-red, PE fd00:255::2",
		},
		{
			&vrfredistv1.Hop{Gateway: "fe80::aff:2:0:201", Device: "vx100", Encap: &vrfredistv1.Encap{Kind: "vxlan", Text: "vxlan 100 to 10.255.0.2"}},
			"vx100 encap vxlan 100 to 10.255.0.2",
		},
	} {
		if got := via(&vrfredistv1.Route{Hops: []*vrfredistv1.Hop{tc.hop}}); !slices.Equal(got, []string{tc.want}) {
			t.Errorf("it shows %q, want %q", got, tc.want)
		}
	}
}
