package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/vrfredist/vrfredist/bench/peer"
)

// besidePairs is how often a session is played each way, in turn: a difference has to be seen
// beside the spread of each.
const besidePairs = 5

// What is compared with itself.
const (
	policyScenario    = "policy"
	withoutPolicy     = "without it"
	withPolicy        = "with it"
	advertiseScenario = "advertise"

	policyPrefixes = 1000
	told           = 65111 // the AS of the neighbour that is told
)

// policies measures what a policy of the export costs a session with the full table.
func policies(w *work, t *stage, s *sender) {
	var prefixes []string
	for _, p := range pick(w.v4, policyPrefixes) {
		prefixes = append(prefixes, fmt.Sprintf("%q", p.String()+" le 32"))
	}
	by := "  policy = \"thousand\"\n[[netlink.policies]]\n  default = \"accept\"\n  name = \"thousand\"\n  [[netlink.policies.rules]]\n    prefixes = [" +
		strings.Join(prefixes, ", ") + "]\n    set_med = 7\n    action = \"next\"\n"
	plain := gobgpConfig("ipv4-unicast", "ipv6-unicast") + "[netlink.export]\n  enabled = true\n"
	for range besidePairs {
		for _, o := range []struct{ name, config string }{{withoutPolicy, plain}, {withPolicy, plain + by}} {
			t.must(run(t.ctx, func(t *stage) {
				r := w.receive(newRouter(t, w, s.ns), ours, options{export: true, config: o.config})
				cpu := cpuTime(t, r.pids())
				took := (&loaded{w, r, s}).fill(false)
				w.note(policyScenario, o.name, "s", took.Seconds())
				w.note(policyScenario, o.name, "CPU s", (cpuTime(t, r.pids()) - cpu).Seconds())
				r.stop()
			}))
		}
	}
}

// advertising measures what it costs to tell a neighbour of what the kernel has, in place of what
// BGP has.
func advertising(w *work, t *stage, s *sender) {
	config := gobgpConfig("ipv4-unicast")
	mine := fmt.Sprintf("neighbor-address = %q\n    peer-as = ", peerAddr)
	config = strings.Replace(config, mine+fmt.Sprint(as), mine+fmt.Sprint(told), 1)
	for range besidePairs {
		for _, how := range []string{"always", "installed"} {
			t.must(run(t.ctx, func(t *stage) {
				r := w.receive(newRouter(t, w, s.ns), ours, options{export: true, config: config + fmt.Sprintf("[netlink.export]\n  enabled = true\n  advertise = %q\n", how)})
				p := r.dialAs(peer.Config{AS: told})
				cpu, began := cpuTime(t, r.pids()), time.Now()
				took := (&loaded{w, r, s}).fill(false)
				end := t.until("the neighbour has the last route", w.limit, time.Millisecond, func() bool {
					n, err := p.Heard()
					t.must(err)
					return n >= len(w.v4)
				})
				w.note(advertiseScenario, how, "s", took.Seconds())
				w.note(advertiseScenario, how, "s until the neighbour has the last", end.Sub(began).Seconds())
				w.note(advertiseScenario, how, "CPU s", (cpuTime(t, r.pids()) - cpu).Seconds())
				r.stop()
			}))
		}
	}
}
