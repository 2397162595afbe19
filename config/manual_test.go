package config

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestMigratingPageHasEveryKey holds the page against the keys of gobgp-netlink.
func TestMigratingPageHasEveryKey(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/MIGRATING.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, keys := range [][]string{
		slices.Collect(maps.Keys(globalRuleKeys)), slices.Collect(maps.Keys(tenantRuleKeys)),
		slices.Collect(maps.Keys(tenantImportKeys)), slices.Collect(maps.Keys(forkExportKeys)),
	} {
		for _, key := range keys {
			if !strings.Contains(string(page), "`"+key+"`") {
				t.Errorf("docs/MIGRATING.md does not have the key %s", key)
			}
		}
	}
}

// TestManualHasEveryKey holds the manual page against the keys that are read.
func TestManualHasEveryKey(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/man/vrfredist.conf.5.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string][]string{
		"netlink": slices.Sorted(maps.Keys(netlinkKeys)),
		"api":     slices.Sorted(maps.Keys(apiKeys)),
		"tls":     slices.Sorted(maps.Keys(tlsKeys)),
		"limits":  slices.Sorted(maps.Keys(limitKeys)),
		"roles":   slices.Sorted(maps.Keys(roleKeys)),
		"metrics": slices.Sorted(maps.Keys(metricsKeys)),
		"vrfs":    slices.Sorted(maps.Keys(entryKeys)),
		"import":  slices.Sorted(maps.Keys(importKeys)),
		"bgp":     slices.Sorted(maps.Keys(bgpKeys)),
		"export":  slices.Sorted(maps.Keys(exportKeys)),

		"policies":       slices.Sorted(maps.Keys(policyKeys)),
		"policies.rules": slices.Sorted(maps.Keys(policyRuleKeys)),
	}
	for key := range termKeys {
		if key = "config." + strings.ReplaceAll(key, "-", "_"); !strings.Contains(string(page), "**"+key+"**") {
			t.Errorf("docs/man/vrfredist.conf.5.md does not have the key %s of a neighbour", key)
		}
	}
	for section, keys := range sections {
		for _, key := range keys {
			if key = strings.ReplaceAll(key, "-", "_"); !strings.Contains(string(page), "**"+key+"**") {
				t.Errorf("docs/man/vrfredist.conf.5.md does not have the key %s of [%s]", key, section)
			}
		}
	}
}
