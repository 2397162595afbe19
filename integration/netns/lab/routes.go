package lab

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"
)

// Route is a route as `ip -json -details -N` prints it.
type Route struct {
	Type     string `json:"type"`
	Dst      string `json:"dst"`
	Gateway  string `json:"gateway"`
	Via      *via   `json:"via"`
	Dev      string `json:"dev"`
	Table    string `json:"table"`
	Protocol string `json:"protocol"`
	Metric   int64  `json:"metric"`
	NextHops []hop  `json:"nexthops"`
	// NHID is the nexthop object that the route hangs on.
	NHID int `json:"nhid"`
	// Prefsrc is the source address that the route prefers.
	Prefsrc string `json:"prefsrc"`
}

// UnmarshalJSON reads a route. Where it puts labels before packets, iproute2 prints those under the
// name "dst" too, behind the prefix.
func (r *Route) UnmarshalJSON(b []byte) error {
	type plain Route
	first := struct {
		*plain
		Dst firstText `json:"dst"`
	}{plain: (*plain)(r)}
	err := json.Unmarshal(b, &first)
	r.Dst = string(first.Dst)
	return err
}

// firstText is the first of several texts under one name.
type firstText string

func (f *firstText) UnmarshalJSON(b []byte) error {
	if *f != "" {
		return nil
	}
	return json.Unmarshal(b, (*string)(f))
}

type via struct {
	Family string `json:"family"`
	Host   string `json:"host"`
}

type hop struct {
	Gateway string `json:"gateway"`
	Via     *via   `json:"via"`
	Dev     string `json:"dev"`
	Weight  int    `json:"weight"`
}

// unicast and the other route types by number, as `ip -N` prints them.
var typeNames = map[string]string{"1": "", "6": "blackhole ", "7": "unreachable ", "8": "prohibit ", "9": "throw "}

// String renders the route as `ip route` would, without table and protocol:
// "10.1.0.0/24 via 10.0.0.1 dev eth0 metric 20", with " +" between nexthops.
func (r Route) String() string {
	s := typeNames[r.Type] + r.Dst
	hops := r.NextHops
	if len(hops) == 0 && r.Dev != "" && r.Dev != "lo" {
		hops = []hop{{Gateway: r.Gateway, Via: r.Via, Dev: r.Dev}}
	}
	legs := make([]string, len(hops))
	for i, h := range hops {
		switch {
		case h.Gateway != "":
			legs[i] = " via " + h.Gateway
		case h.Via != nil:
			legs[i] = " via " + h.Via.Host
		}
		legs[i] += " dev " + h.Dev
	}
	sort.Strings(legs) // their order has no meaning
	s += strings.Join(legs, " +")
	if r.Metric != 0 {
		s += fmt.Sprintf(" metric %d", r.Metric)
	}
	return s
}

// object is a nexthop object as `ip -json nexthop` prints it.
type object struct {
	ID      int      `json:"id"`
	Gateway string   `json:"gateway"`
	Via     *via     `json:"via"`
	Dev     string   `json:"dev"`
	Group   []member `json:"group"`
}

type member struct {
	ID     int `json:"id"`
	Weight int `json:"weight"`
}

func (o object) members() []member {
	if len(o.Group) == 0 && o.ID != 0 {
		return []member{{ID: o.ID}}
	}
	return o.Group
}
