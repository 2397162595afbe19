package status

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// sessionsShown bounds the neighbours of one VRF that the page lists.
const sessionsShown = 16

// row is a VRF on the page.
type row struct {
	Name     string `json:"name"`
	Of       string `json:"of,omitempty"` // the VRF of a secondary table
	State    string `json:"state"`
	Reason   string `json:"reason,omitempty"`
	Since    int64  `json:"since"`
	Retry    int64  `json:"retry,omitempty"`
	Restarts int    `json:"restarts,omitempty"`
	Binding  string `json:"binding"`
	Table    uint32 `json:"table,omitempty"`
	between
	Imports   bool      `json:"imports"`
	Exports   bool      `json:"exports"`
	Paths     int       `json:"paths"`
	Waiting   int       `json:"waiting,omitempty"`
	Counts    [2]counts `json:"counts"` // by rib.Family
	Up        int       `json:"up"`     // sessions that are established
	Neighbors int       `json:"neighbors"`
	Sessions  []session `json:"sessions,omitempty"` // sessionsShown at most, those that are down first
}

// between is how routes and packets get from and to other PEs.
type between struct {
	RD        string   `json:"rd,omitempty"`
	ImportRTs []string `json:"import_rts,omitempty"`
	ExportRTs []string `json:"export_rts,omitempty"`
	Encap     string   `json:"encap,omitempty"`
}

type counts struct {
	Paths      int `json:"paths"`
	Imported   int `json:"imported"`
	Installed  int `json:"installed"`
	Filtered   int `json:"filtered"`
	Unresolved int `json:"unresolved"`
	Conflict   int `json:"conflict"`
	OverQuota  int `json:"over_quota"`
	Failed     int `json:"failed"`
	Stale      int `json:"stale"`
	Foreign    int `json:"foreign"`
}

type session struct {
	Peer   string `json:"peer"`
	AS     uint32 `json:"as"`
	State  string `json:"state"`
	Since  int64  `json:"since,omitempty"`
	Netns  string `json:"netns,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// model is the state that the clients were told last.
type model struct {
	identity Identity
	names    []string
	rows     map[string]json.RawMessage
}

func newModel(id Identity) model { return model{identity: id, rows: make(map[string]json.RawMessage)} }

type snapshotEvent struct {
	Identity
	charted
	Rows []json.RawMessage `json:"rows"`
}

type updateEvent struct {
	Rows []json.RawMessage `json:"rows,omitempty"`
	Gone []string          `json:"gone,omitempty"`
}

// snapshot is everything, as an event.
func (m *model) snapshot(r *rings) []byte {
	rows := make([]json.RawMessage, len(m.names))
	for i, name := range m.names {
		rows[i] = m.rows[name]
	}
	return event("snapshot", snapshotEvent{m.identity, r.answer(0), rows})
}

// update takes in how the VRFs fare now, and returns the differences as an event; nil:
// there are none.
func (m *model) update(source Source, sessions map[string][]vrf.Session) []byte {
	var u updateEvent
	list := source.List()
	m.names = m.names[:0]
	now := make(map[string]json.RawMessage, len(list))
	for _, st := range list {
		name := st.Spec.Name
		text, err := json.Marshal(newRow(st, source.Waiting(name), sessions[name]))
		if err != nil {
			continue // it cannot happen: JSON can hold every field of a row
		}
		m.names = append(m.names, name)
		now[name] = text
		if !bytes.Equal(m.rows[name], text) {
			u.Rows = append(u.Rows, text)
		}
	}
	for name := range m.rows {
		if _, stays := now[name]; !stays {
			u.Gone = append(u.Gone, name)
		}
	}
	m.rows = now
	if len(u.Rows)+len(u.Gone) == 0 {
		return nil
	}
	return event("update", u)
}

func newRow(st vrf.Status, waiting int, sessions []vrf.Session) row {
	r := row{
		Name: st.Spec.Name, Of: st.Spec.VRF, State: string(st.State), Reason: st.Reason, Since: st.Since.Unix(),
		Restarts: st.Restarts, Binding: st.Spec.Binding.String(), Table: st.Table, Paths: st.Counts.Total().Paths, Waiting: waiting,
		Imports: st.Spec.Import.Enabled, Exports: st.Spec.Export.Enabled, Neighbors: len(sessions),
		between: between{ImportRTs: texts(st.Spec.ImportRTs), ExportRTs: texts(st.Spec.ExportRTs)},
	}
	if !st.Retry.IsZero() {
		r.Retry = st.Retry.Unix()
	}
	if st.Spec.RD != 0 {
		r.RD = st.Spec.RD.String()
	}
	if st.Spec.Carriage.Kind != 0 {
		r.Encap = fmt.Sprintf("%s; %s", st.Spec.Carriage, vrf.CountOf(st.Carried.Endpoints, "other PE"))
	}
	for f := range rib.Families {
		r.Counts[f] = counts(st.Counts[f])
	}
	sessions = slices.Clone(sessions)
	slices.SortStableFunc(sessions, func(a, b vrf.Session) int { return up(a) - up(b) })
	for i, s := range sessions {
		r.Up += up(s)
		if i >= sessionsShown {
			continue
		}
		r.Sessions = append(r.Sessions, newSession(s))
	}
	return r
}

func newSession(s vrf.Session) session {
	one := session{Peer: s.Name(), AS: s.PeerAS, State: s.State, Netns: s.Netns, Reason: s.Reason}
	if !s.Since.IsZero() {
		one.Since = s.Since.Unix()
	}
	return one
}

func up(s vrf.Session) int {
	if s.State == vrf.Established {
		return 1
	}
	return 0
}

func texts(rts []rib.RT) []string {
	var list []string
	for _, rt := range rts {
		list = append(list, rt.String())
	}
	return list
}

// event renders a message of the stream. JSON has no line break in it.
func event(name string, v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		return nil // it cannot happen: JSON can hold every type above
	}
	return slices.Concat([]byte("event: "+name+"\ndata: "), text, []byte("\n\n"))
}
