package docs_test

import (
	"testing"

	"github.com/vrfredist/vrfredist/integration/guide"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

var guidesPlayed = map[string][]string{
	"namespace":     {"bird", "birdc"},
	"tenants":       {"bird"},
	"table":         {"bird", "birdc"},
	"upstream":      {"bird", "birdc", "ping"},
	"provider-edge": {"/usr/lib/frr/bgpd", "vtysh"},
	"evpn":          {"bridge", "ping", "sed"},
	"evpn-frr":      {"/usr/lib/frr/zebra", "/usr/lib/frr/bgpd", "vtysh", "ping", "sysctl"},
	"srv6":          {"ping", "sed", "sysctl"},
	"anycast":       {"bird", "birdc", "ping", "python3"},
}

func TestGuideNamespace(t *testing.T)    { playGuide(t, "namespace") }
func TestGuideUpstream(t *testing.T)     { playGuide(t, "upstream") }
func TestGuideTenants(t *testing.T)      { playGuide(t, "tenants") }
func TestGuideTable(t *testing.T)        { playGuide(t, "table") }
func TestGuideProviderEdge(t *testing.T) { playGuide(t, "provider-edge") }
func TestGuideEVPN(t *testing.T)         { playGuide(t, "evpn") }
func TestGuideEVPNFRR(t *testing.T)      { playGuide(t, "evpn-frr") }
func TestGuideAnycast(t *testing.T)      { playGuide(t, "anycast") }
func TestGuideSRv6(t *testing.T)         { playGuide(t, "srv6") }

func playGuide(t *testing.T, name string) {
	lab.NeedRoot(t)
	lab.Need(t, guidesPlayed[name]...)
	if _, err := build(); err != nil {
		t.Fatal(err)
	}
	guide.Play(t, run, page(t, "docs/guides/"+name+".md"), guidesPlayed[name]...)
}
