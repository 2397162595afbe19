package config

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/vrfredist/vrfredist/api/access"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// shownKey is how a key's value is written that is in force: a bool, a string, a uint64, or a
// list of the last two. nil, or an empty list: the key has no value.
type shownKey[S any] struct {
	key   string
	value func(*S) any
}

var settingsShown = []shownKey[settings]{
	{"route-protocol", func(s *settings) any { return uint64(s.protocol) }},
	{"metric", func(s *settings) any { return uint64(s.metric) }},
	{"resync-interval", func(s *settings) any { return spelledDuration(s.resync) }},
	{"sweep-delay", func(s *settings) any { return spelledDuration(s.sweep) }},
	{"on-exit", func(s *settings) any {
		if s.onExit == vrf.Remove {
			return "remove"
		}
		return "keep"
	}},
	{"manage-sysctls", func(s *settings) any { return s.sysctls }},
	{"manage-links", func(s *settings) any { return s.manageLinks }},
	{"manage-devices", func(s *settings) any { return s.manageDevices }},
	{"nexthop-objects", func(s *settings) any { return s.objects }},
}

var metricsShown = []shownKey[settings]{
	{"gobgp", func(s *settings) any { return s.metrics.GoBGP }},
	{"open-metrics", func(s *settings) any { return s.metrics.OpenMetrics }},
	{"exemplars", func(s *settings) any { return s.metrics.Exemplars }},
	{"status-page", func(s *settings) any { return s.metrics.StatusPage }},
}

// coreShown are the defaults of the sections about the core.
var coreShown = map[string][]shownKey[settings]{
	"vxlan": {{"port", func(s *settings) any { return unlessZero(uint64(s.core.Port)) }}},
	"srv6": {
		{"block", func(s *settings) any { return spelledPrefix(s.core.locator.Block) }},
		{"function-bits", func(s *settings) any { return unlessZero(uint64(s.core.locator.FunctionBits)) }},
		{"transpose", func(s *settings) any { return s.core.transpose }},
		{"reduced", func(s *settings) any { return s.core.reduced }},
	},
}

var limitsShown = []shownKey[access.Limits]{
	{"connections", func(l *access.Limits) any { return uint64(l.Connections) }},
	{"connections-per-user", func(l *access.Limits) any { return uint64(l.ConnectionsPerUser) }},
	{"calls", func(l *access.Limits) any { return uint64(l.Calls) }},
	{"streams-per-user", func(l *access.Limits) any { return uint64(l.StreamsPerUser) }},
	{"message-size", func(l *access.Limits) any { return uint64(l.MessageSize) }},
	{"memory", func(l *access.Limits) any { return spelledSize(l.Memory) }},
	{"memory-per-user", func(l *access.Limits) any { return spelledSize(l.MemoryPerUser) }},
	{"handshake-timeout", func(l *access.Limits) any { return spelledDuration(l.Handshake) }},
	{"request-timeout", func(l *access.Limits) any { return spelledDuration(l.Request) }},
}

var bindingShown = []shownKey[rib.Binding]{
	{"netns", func(b *rib.Binding) any { return unlessEmpty(b.Netns) }},
	{"device", func(b *rib.Binding) any { return unlessEmpty(b.Device) }},
	{"table", func(b *rib.Binding) any { return unlessZero(uint64(b.Table)) }},
}

var importShown = []shownKey[rib.ImportPolicy]{
	{"enabled", func(p *rib.ImportPolicy) any { return p.Enabled }},
	{"interface-list", func(p *rib.ImportPolicy) any { return p.Interfaces }},
	{"protocols", func(p *rib.ImportPolicy) any { return words(p.Protocols, rib.ProtocolName) }},
	{"addresses", func(p *rib.ImportPolicy) any { return p.Addresses }},
	{"kinds", func(p *rib.ImportPolicy) any {
		if len(p.Kinds) == 0 {
			return []string{rib.KindUnicast.String()}
		}
		return words(p.Kinds, rib.Kind.String)
	}},
	{"tables", func(p *rib.ImportPolicy) any {
		var list []uint64
		for _, t := range p.Tables {
			list = append(list, uint64(t))
		}
		return list
	}},
	{"allow-default", func(p *rib.ImportPolicy) any { return p.AllowDefault }},
	{"med", func(p *rib.ImportPolicy) any {
		if p.MED == nil {
			return nil
		}
		return uint64(*p.MED)
	}},
	{"communities", func(p *rib.ImportPolicy) any { return words(p.Communities, rib.Community.String) }},
	{"large-communities", func(p *rib.ImportPolicy) any { return words(p.LargeCommunities, rib.LargeCommunity.String) }},
	{"policy", func(p *rib.ImportPolicy) any { return policyName(p.Policy) }},
}

var exportShown = []shownKey[rib.ExportPolicy]{
	{"enabled", func(p *rib.ExportPolicy) any { return p.Enabled }},
	{"community", func(p *rib.ExportPolicy) any {
		if len(p.Community) == 0 {
			return nil
		}
		return p.Community[0].String()
	}},
	{"community-list", func(p *rib.ExportPolicy) any { return words(p.CommunityList, rib.Community.String) }},
	{"large-community-list", func(p *rib.ExportPolicy) any { return words(p.LargeCommunities, rib.LargeCommunity.String) }},
	{"metric", func(p *rib.ExportPolicy) any { return uint64(p.Metric) }},
	{"max-routes", func(p *rib.ExportPolicy) any { return uint64(p.Quota()) }},
	{"max-paths", func(p *rib.ExportPolicy) any { return uint64(max(p.MaxPaths, 1)) }},
	{"accept-blackhole", func(p *rib.ExportPolicy) any { return p.AcceptBlackhole }},
	{"blackhole-no-export", func(p *rib.ExportPolicy) any { return !p.AnnounceBlackholes }},
	{"reachability", func(p *rib.ExportPolicy) any { return !p.AnnounceUnreached }},
	{"backup-routes", func(p *rib.ExportPolicy) any { return p.BackupRoutes }},
	{"resolve-by-default", func(p *rib.ExportPolicy) any { return p.ResolveByDefault }},
	{"prefer-link-local", func(p *rib.ExportPolicy) any { return p.PreferLinkLocal }},
	{"prefsrc", func(p *rib.ExportPolicy) any {
		var list []string
		for _, a := range p.PrefSrc {
			if a.IsValid() {
				list = append(list, a.String())
			}
		}
		return list
	}},
	{"policy", func(p *rib.ExportPolicy) any { return policyName(p.Policy) }},
	{"advertise", func(p *rib.ExportPolicy) any {
		switch {
		case !p.AdvertiseInstalled:
			return "always"
		case !p.Enabled: // at run time: a file cannot say so
			return nil
		}
		return "installed"
	}},
	{"advertise-rejected", func(p *rib.ExportPolicy) any { return p.AdvertiseRejected }},
}

// termsShown are the terms of neighbours that hold without a word of the file, and are none that
// only some neighbours can have.
var termsShown = []shownKey[rib.Terms]{
	{"enforce-first-as", func(t *rib.Terms) any { return t.EnforceFirstAS }},
	{"next-hop-self", func(t *rib.Terms) any { return t.NextHopSelf }},
	{"fast-failover", func(t *rib.Terms) any { return t.FastFailover }},
}

func words[T any](list []T, spell func(T) string) (out []string) {
	for _, v := range list {
		out = append(out, spell(v))
	}
	return out
}

func policyName(j rib.Judge) any {
	if j == nil {
		return nil
	}
	return j.Name()
}

func unlessEmpty(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func unlessZero(v uint64) any {
	if v == 0 {
		return nil
	}
	return v
}

func spelledPrefix(p netip.Prefix) any {
	if !p.IsValid() {
		return nil
	}
	return p.String()
}

// spelledDuration is a duration as people write it: 5m, and not 5m0s.
func spelledDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func spelledSize(bytes int) any {
	if bytes%(1<<20) != 0 {
		return uint64(bytes)
	}
	return fmt.Sprintf("%d MiB", bytes>>20)
}
