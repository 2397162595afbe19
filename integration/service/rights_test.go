package service_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// uid is the user as which the daemon runs here, nobody's.
const uid = "65534"

// asTheUnit is the command line that starts a program as the unit does: as a
// plain user with the unit's capabilities, the file system read-only but for
// dir, and mounts that come from the host alone.
func asTheUnit(dir string, capabilities []string) []string {
	some := "-all,+" + strings.Join(capabilities, ",+")
	return []string{"unshare", "--mount", "--propagation", "slave", "sh", "-ec",
		`mount --bind "$0" "$0"; mount -o remount,bind,ro /; export TMPDIR="$0"; exec "$@"`, dir,
		"setpriv", "--reuid=" + uid, "--regid=" + uid, "--clear-groups", "--no-new-privs",
		"--inh-caps=" + some, "--ambient-caps=" + some, "--bounding-set=" + some}
}

const rightsConfig = `
[global.config]
  as = 65000
  router-id = "10.0.0.1"

[[vrfs]]
  [vrfs.config]
    name = "red"
    rd = "65000:10"
    both-rt-list = ["65000:10"]

[netlink]
  manage_sysctls = true
[[netlink.vrfs]]
  name = "default"
  [netlink.vrfs.import]
    enabled = true
    interface_list = ["*"]
`

const inNamespace = `
[[netlink.vrfs]]
  name = "red"
  netns = "RED"
  [netlink.vrfs.export]
    enabled = true
`

// rights is a daemon that runs with the rights of the unit.
func rights(t *testing.T, dropIn bool, config string) (*lab.Lab, *lab.Daemon, *lab.Namespace) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not root: network namespaces need it")
	}
	lab.Need(t, "ip", "setpriv", "unshare")
	run.Daemon = shipped(t)
	l := lab.New(t, run)
	rtr, red := l.Namespace("rtr"), l.Namespace("red")
	rtr.Sysctl("ipv4.nexthop_compat_mode", "1")
	// What the package and systemd give to the user.
	must(t, "install", "-d", "-o", uid, "-g", uid, l.Dir, filepath.Join(l.Dir, "state"))
	must(t, "install", "-o", uid, "-g", uid, "-m", "0640", "/dev/null", filepath.Join(l.Dir, "vrfredist.toml"))
	d := rtr.DaemonAs(asTheUnit(l.Dir, capabilities(t, dropIn)), strings.ReplaceAll(config, "RED", red.Name))
	return l, d, rtr
}

// vrfState is what `vrf --json` says of one VRF.
type vrfState struct{ Name, State, Reason string }

func state(d *lab.Daemon, name string) vrfState {
	var out struct{ Vrfs []vrfState }
	d.JSON(&out, "vrf")
	for _, v := range out.Vrfs {
		if v.Name == name {
			return v
		}
	}
	return vrfState{}
}

// TestRightsOfTheUnit: they are enough for the main table, for port 179, and for
// a setting of the kernel.
func TestRightsOfTheUnit(t *testing.T) {
	_, d, rtr := rights(t, false, rightsConfig+inNamespace)
	lab.WaitEqual(t, "the main table", "ready", func() string { return state(d, "default").State })
	lab.WaitEqual(t, "nexthop_compat_mode", "0", func() string { return rtr.SysctlValue("ipv4.nexthop_compat_mode") })
	lab.WaitEqual(t, "the namespace that it may not enter", "failed", func() string { return state(d, "red").State })
	if reason := state(d, "red").Reason; !strings.Contains(reason, "CAP_SYS_ADMIN") {
		t.Errorf("the reason is %q", reason)
	}
	out, err := d.Try("doctor")
	if err == nil || !strings.Contains(out, "The daemon lacks CAP_SYS_ADMIN.") || strings.Contains(out, "lacks CAP_NET") {
		t.Errorf("doctor: %v: %s", err, out)
	}
}

// TestRightsWithTheDropIn: namespaces are entered, also one that comes while the
// service runs, which it sees because mounts propagate into it.
func TestRightsWithTheDropIn(t *testing.T) {
	l, d, _ := rights(t, true, rightsConfig+inNamespace)
	lab.WaitEqual(t, "a namespace that was there", "ready", func() string { return state(d, "red").State })
	if out, err := d.Try("doctor"); err != nil {
		t.Errorf("doctor: %v: %s", err, out)
	}
	late := l.Namespace("late")
	late.Delete()
	d.Reload(strings.ReplaceAll(rightsConfig+inNamespace, "RED", late.Name))
	lab.WaitEqual(t, "a namespace that is not there", "pending", func() string { return state(d, "red").State })
	late.Make()
	lab.WaitEqual(t, "it comes", "ready", func() string { return state(d, "red").State })
	late.Delete()
	lab.WaitEqual(t, "it goes", "pending", func() string { return state(d, "red").State })
}
