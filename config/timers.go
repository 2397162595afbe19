package config

// noteTimers says of each hold time of 0, which BGP allows (RFC 4271, section
// 4.2), that GoBGP cannot keep a session with it: it gives every write a deadline
// of the hold time from now (v3.37.0, pkg/server/fsm.go), which has passed then.
// The file is taken all the same, because the neighbour may be one that is down.
func noteTimers(p *problems, root *node) {
	for _, list := range []string{"neighbors", "peer-groups"} {
		for _, item := range sections(root.get(list)) {
			hold := item.get("timers").get("config").get("hold-time")
			if hold == nil {
				continue
			}
			if d, err := seconds(hold); err == nil && d.Seconds() < 1 {
				p.note(hold, "is %s, with which GoBGP ends each session at the first message that it writes: write 3 or more, or remove the key for 90; sessions that live without keepalives it does not have, so the neighbour must not offer 0 either", hold.show())
			}
		}
	}
}
