package rib

import "fmt"

// Rival is a program that holds the abstract socket by whose name a daemon says that a
// table is its own.
type Rival struct {
	Netns    string // of the table; "": the daemon's own namespace
	Table    uint32
	Protocol uint8
	Daemon   bool   // it runs as root or as our user, so it is believed: the table is its own
	PID      int    // in this daemon's process namespace; 0: not known
	Who      string // "pid 7 on host a, configuration /etc/b.toml", "uid 1000, pid 7"
}

func (r Rival) String() string {
	where := "in the daemon's own namespace"
	if r.Netns != "" {
		where = "in netns " + r.Netns
	}
	if r.Daemon {
		return fmt.Sprintf("table %d %s is another vrfredist's (%s)", r.Table, where, r.Who)
	}
	return fmt.Sprintf("a program that is no vrfredist of ours (%s) holds the name by which one says that table %d %s is its own", r.Who, r.Table, where)
}
