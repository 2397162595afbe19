package config

import "strconv"

// Started is what a client of the API started BGP with, where the file has no [global.config].
type Started struct {
	AS        uint32
	RouterID  string
	Port      int32    // where BGP listens; 0: 179, -1: nowhere
	Listen    []string // the addresses on which it does; none: all
	Multipath bool
	By        string // who, as it stands in a log
}

// standIn is what a file without [global.config] is judged with until BGP is started.
var standIn = Started{AS: 65000, RouterID: "192.0.2.1"}

// into writes it into a file, whose lines it has none of.
func (s *Started) into(root *node) {
	put := func(key string, kind kind, text string) { root.setAt("global."+key, &node{kind: kind, text: text}, 0) }
	put("config.as", kindWhole, strconv.FormatUint(uint64(s.AS), 10))
	put("config.router-id", kindText, s.RouterID)
	if s.Port != 0 {
		put("config.port", kindWhole, strconv.Itoa(int(s.Port)))
	}
	if len(s.Listen) > 0 {
		list := &node{kind: kindList}
		for _, address := range s.Listen {
			list.items = append(list.items, &node{kind: kindText, text: address})
		}
		root.setAt("global.config.local-address-list", list, 0)
	}
	if s.Multipath {
		put("use-multiple-paths.config.enabled", kindBool, "true")
	}
}

// begin fills in [global.config] where a client of the API says it: started, which may be nil. It
// tells whether none has.
func begin(p *problems, root *node, started func() *Started) (awaits bool) {
	if global := root.get("global"); global != nil && (!present(global) || global.get("config") != nil) {
		return false
	}
	s := (*Started)(nil)
	if started != nil {
		s = started()
	}
	if s == nil {
		awaits, s = true, &standIn
		p.notes = append(p.notes, Error{File: p.file, Key: "global.config", Message: WaitsForStart, Hint: true})
	}
	s.into(root)
	return awaits
}

// WaitsForStart says what is to be done where a file has no [global.config].
const WaitsForStart = "the file has no [global.config]: BGP, and every VRF with it, waits until a client of the API starts BGP, once, after each start of vrfredist (StartBgp; `gobgp global as 65000 router-id 192.0.2.1`); write as and router-id to have BGP start by itself"

// startedValues are the values of [global] that a client of the API gave.
func startedValues(global *node) (list []*node) {
	for _, n := range []*node{global.get("config"), global.get("use-multiple-paths").get("config")} {
		if !present(n) {
			continue
		}
		for _, of := range n.fields {
			if of.line == 0 {
				list = append(list, of.value)
			}
		}
	}
	return list
}

// withoutStandIn takes out of a file what stands in it for [global.config] until BGP is started: nothing of
// that is in force.
func withoutStandIn(root *node) {
	global := root.get("global")
	global.drop("config")
	if len(global.fields) == 0 {
		root.drop("global")
	}
}
