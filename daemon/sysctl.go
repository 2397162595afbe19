package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/vrfredist/vrfredist/config"
)

// tunable is the kernel as far as its settings are concerned. A netns is a name below
// /run/netns or a path, "" the daemon's own; a name of a setting is below net.
type tunable interface {
	Sysctl(netns, name string) (string, error)
	SetSysctl(netns, name, value string) error
}

// sysctls are the kernel's settings that the daemon needs. It sets them where the
// configuration has manage_sysctls, and else says what stands in the way.
type sysctls struct {
	kernel tunable
	force  *inForce
	log    *slog.Logger
}

// sysctlCompat makes the kernel announce every route that follows a replaced
// nexthop object, which takes it 0.75 s for a million routes instead of 2 ms
// (Documentation/networking/ip-sysctl.rst, nexthop_compat_mode).
const sysctlCompat = "ipv4.nexthop_compat_mode"

// prepare turns nexthop_compat_mode off in a namespace, where it may.
func (s *sysctls) prepare(netns string) {
	if !s.force.config().ManageSysctls {
		return
	}
	value, err := s.kernel.Sysctl(netns, sysctlCompat)
	if errors.Is(err, fs.ErrNotExist) || value == "0" {
		return
	}
	if err == nil {
		err = s.kernel.SetSysctl(netns, sysctlCompat, "0")
	}
	if err != nil {
		s.log.Warn("a failover will take longer than it could: the kernel announces every route of a replaced nexthop", "netns", netns, "err", err)
		return
	}
	s.log.Info("set net.ipv4.nexthop_compat_mode=0, so that a replaced nexthop is one message", "netns", netns)
}

// sysctlL3mdev lets a listener that is bound to no VRF device take sessions from
// inside VRFs (Documentation/networking/vrf.rst).
const sysctlL3mdev = "ipv4.tcp_l3mdev_accept"

// check says which settings of the kernel stand in the way of a configuration, or sets
// them where it may.
func (s *sysctls) check(cfg *config.Config) {
	if len(cfg.Bound) == 0 {
		return
	}
	value, err := s.kernel.Sysctl("", sysctlL3mdev)
	if err != nil {
		s.log.Warn("cannot tell whether sessions from inside VRF devices are taken", "err", err)
		return
	}
	if value != "0" {
		return
	}
	if !cfg.ManageSysctls {
		s.log.Warn("neighbours are bound to an interface in a VRF, and the kernel refuses the sessions that they open: "+
			"run `sysctl -w net.ipv4.tcp_l3mdev_accept=1`, or write manage_sysctls = true under [netlink]",
			"neighbors", fmt.Sprint(cfg.Bound))
		return
	}
	if err := s.kernel.SetSysctl("", sysctlL3mdev, "1"); err != nil {
		s.log.Error("a setting that sessions inside VRF devices need could not be set", "err", err)
		return
	}
	s.log.Info("set net.ipv4.tcp_l3mdev_accept=1: neighbours are bound to an interface in a VRF", "neighbors", fmt.Sprint(cfg.Bound))
}
