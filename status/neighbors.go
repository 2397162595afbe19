package status

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/vrfredist/vrfredist/vrf"
)

// neighbor is a BGP neighbour of a VRF in the table of all.
type neighbor struct {
	VRF string `json:"vrf"`
	session
}

// neighbors are a page of the neighbours of all VRFs: those without a session first.
type neighbors struct {
	Rows  []neighbor `json:"rows"`
	All   int        `json:"all"`   // neighbours there are
	Found int        `json:"found"` // those of them that the question is about
	Down  int        `json:"down"`  // those of the latter that have no session
}

const (
	pageRows   = 50  // of an answer, where the question names no number
	mostRows   = 500 // of one answer
	mostOffset = 100000
)

// roster knows all neighbours.
type roster struct{ source Source }

// show answers with neighbours. BGP is asked nothing for it.
func (n roster) show(w http.ResponseWriter, r *http.Request) {
	all, err := n.source.AllSessions(r.Context())
	if err != nil {
		refuse(w, err)
		return
	}
	out, list := neighbors{Rows: []neighbor{}}, []neighbor(nil)
	text := strings.ToLower(strings.TrimSpace(r.FormValue("text")))
	for name, sessions := range all {
		out.All += len(sessions)
		for _, s := range sessions {
			if n := (neighbor{name, newSession(s)}); n.has(text) {
				out.Down += 1 - up(s)
				list = append(list, n)
			}
		}
	}
	out.Found = len(list)
	slices.SortFunc(list, func(a, b neighbor) int {
		return cmp.Or(cmp.Compare(rank(a.State), rank(b.State)), strings.Compare(a.VRF, b.VRF), strings.Compare(a.Netns, b.Netns), strings.Compare(a.Peer, b.Peer))
	})
	from, most := window(r)
	list = list[min(from, len(list)):]
	out.Rows = append(out.Rows, list[:min(most, len(list))]...)
	answer(w, out)
}

// rank puts sessions that are down before those that come up, and those that are up last.
func rank(state string) int {
	switch state {
	case vrf.Established:
		return 2
	case "opensent", "openconfirm":
		return 1
	}
	return 0
}

// has tells whether a text is in what the table shows of a neighbour.
func (n neighbor) has(text string) bool {
	return text == "" || slices.ContainsFunc([]string{n.VRF, n.Peer, n.Netns, n.State, n.Reason, asText(n.AS)}, func(s string) bool {
		return strings.Contains(strings.ToLower(s), text)
	})
}
