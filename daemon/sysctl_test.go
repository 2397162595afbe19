package daemon

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/config"
)

func TestSysctls(t *testing.T) {
	for _, tc := range []struct {
		name   string
		manage bool
		bound  []string
		kernel fakeSysctls
		is     map[string]string // afterwards
		says   string
	}{
		{"set where they may be", true, []string{"x"}, fakeSysctls{"a:" + sysctlCompat: "1", ":" + sysctlL3mdev: "0"},
			fakeSysctls{"a:" + sysctlCompat: "0", ":" + sysctlL3mdev: "1"}, "set net.ipv4.tcp_l3mdev_accept=1"},
		{"said where they may not", false, []string{"x"}, fakeSysctls{"a:" + sysctlCompat: "1", ":" + sysctlL3mdev: "0"},
			fakeSysctls{"a:" + sysctlCompat: "1", ":" + sysctlL3mdev: "0"}, "or write manage_sysctls = true under [netlink]"},
		{"well as they are", true, []string{"x"}, fakeSysctls{"a:" + sysctlCompat: "0", ":" + sysctlL3mdev: "1"}, nil, ""},
		{"nobody needs it", true, nil, fakeSysctls{"a:" + sysctlCompat: "0"}, nil, ""},
		{"cannot be set", true, nil, fakeSysctls{"a:" + sysctlCompat: "read-only"}, nil, "a failover will take longer than it could"},
		{"cannot be read", true, []string{"x"}, fakeSysctls{"a:" + sysctlCompat: "0"}, nil, "cannot tell whether sessions from inside VRF devices are taken"},
	} {
		var log strings.Builder
		cfg := &config.Config{ManageSysctls: tc.manage, Bound: tc.bound}
		s := &sysctls{tc.kernel, newInForce(cfg, nil), slog.New(slog.NewTextHandler(&log, nil))}
		s.prepare("a")
		s.check(cfg)
		for key, want := range tc.is {
			if got := tc.kernel[key]; got != want {
				t.Errorf("%s: %s is %s, want %s", tc.name, key, got, want)
			}
		}
		if tc.says == "" && log.Len() > 0 || !strings.Contains(log.String(), tc.says) {
			t.Errorf("%s: it logs %s", tc.name, log.String())
		}
	}
}
