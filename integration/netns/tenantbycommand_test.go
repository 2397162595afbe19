package netns_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// TestTenantByCommand: a tenant that no file has is made, changed and removed while the daemon runs:
// the answer comes when it is in force, it outlives a kill, and nothing of it is left at the end.
func TestTenantByCommand(t *testing.T) {
	t.Parallel()
	l := lab.New(t, run)
	rtr, tenant := l.Namespace("rtr"), l.Namespace("tenant")
	l.Link(tenant, "lan0", tenant, "lan1")
	tenant.Address("lan0", "10.9.0.1/24")
	d := rtr.Daemon("[global.config]\n  as = 65000\n  router-id = \"10.0.0.1\"\n")
	red := []string{"vrf", "add", "red", "--rd", "65000:1", "--rt", "65000:1", "--netns", tenant.Name, "--import", "lan*", "--export"}
	if out := d.Do(append(slices.Clone(red), "--dry-run")...); !strings.Contains(out, "+ 10.9.0.0/24") || !strings.Contains(out, "Nothing was changed") {
		t.Errorf("the plan:\n%s", out)
	}
	if out := d.Do(red...); !strings.Contains(out, "VRF red: ready") {
		t.Errorf("the answer came before it is in force:\n%s", out)
	}
	announced := func(when, want string) {
		t.Helper()
		lab.WaitFor(t, when, lab.Patience, func() string {
			if out, err := d.Try("route", "import", "--vrf", "red"); err != nil || !strings.Contains(out, want) {
				return out
			}
			return ""
		})
	}
	announced("it is announced", "1 announced")
	if out, err := d.Try("vrf", "add", "blue", "--rd", "65000:1", "--rt", "65000:1"); err == nil || !strings.Contains(out, "65000:1") {
		t.Errorf("an RD that another VRF has was taken:\n%s", out)
	}
	if out := d.Do("vrf", "set", "red", "--import", "wan*"); !strings.Contains(out, "generation 2") {
		t.Errorf("the change:\n%s", out)
	}
	announced("its other pattern holds", "matches nothing in interface_list (wan*)")
	d.Kill()
	d.Start()
	announced("it is there after a kill", "matches nothing in interface_list (wan*)")
	if out := d.Do("vrf", "delete", "red"); !strings.Contains(out, "red is gone") {
		t.Errorf("the end:\n%s", out)
	}
	if out := d.Do("vrf"); !strings.Contains(out, "no VRFs") {
		t.Errorf("afterwards:\n%s", out)
	}
}

// TestTenantOfAProcess: the namespace of a container that has no name is given by its process; when
// that has ended, the tenant waits, though /proc tells nobody of it.
func TestTenantOfAProcess(t *testing.T) {
	t.Parallel()
	l := lab.New(t, run)
	rtr, pod := l.Namespace("rtr"), l.Namespace("pod")
	l.Link(pod, "lan0", pod, "lan1")
	pod.Address("lan0", "10.9.0.1/24")
	inside := pod.Start("what runs in the container", "sleep", "600")
	d := rtr.Daemon("[global.config]\n  as = 65000\n  router-id = \"10.0.0.1\"\n")
	path := fmt.Sprintf("/proc/%d/ns/net", inside.PID())
	d.Do("vrf", "add", "red", "--rd", "65000:1", "--rt", "65000:1", "--netns", path, "--import", "lan*")
	red := func(when string, words ...string) {
		t.Helper()
		lab.WaitFor(t, when, 3*lab.Patience, func() string {
			out := d.Do("vrf")
			for _, word := range words {
				if !strings.Contains(out, word) {
					return out
				}
			}
			return ""
		})
	}
	red("its route is announced", "red   ready", path+"         1")
	inside.Kill()
	red("it waits for the process", "red   pending", path+"         0", "is not there")
}
