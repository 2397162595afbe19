package daemon

import (
	"bytes"
	"log/slog"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// scene is what a chronicle looks at.
type scene struct {
	list     []vrf.Status
	sessions map[string][]vrf.Session
	out      bytes.Buffer
	c        *chronicle
}

func (s *scene) List() []vrf.Status       { return s.list }
func (s *scene) Changed() <-chan struct{} { return nil }

func newScene() *scene {
	s := &scene{sessions: make(map[string][]vrf.Session)}
	log := slog.New(slog.NewTextHandler(&s.out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	s.c = newChronicle(s, func() map[string][]vrf.Session { return s.sessions }, nil, func() {}, log)
	return s
}

// told are the lines of another look.
func (s *scene) told() string {
	s.out.Reset()
	s.c.look(true)
	return s.out.String()
}

func (s *scene) fares(state vrf.State, reason string, n vrf.Counts) {
	s.list = []vrf.Status{{Spec: vrf.Spec{Name: "red", Export: rib.ExportPolicy{MaxRoutes: 10}}, WorkerStatus: vrf.WorkerStatus{State: state, Reason: reason, Counts: rib.ByFamily[vrf.Counts]{n}}}}
}

func expect(t *testing.T, what, got string, want ...string) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
	if got == "" {
		lines = nil
	}
	if len(lines) != len(want) {
		t.Fatalf("%s: %d lines, want %d:\n%s", what, len(lines), len(want), got)
	}
	for i := range want {
		if !regexp.MustCompile(want[i]).MatchString(lines[i]) {
			t.Errorf("%s: %s\nwant %s", what, lines[i], want[i])
		}
	}
}

// TestVRFsAreLookedAtWhereOneChanged: of thousands at rest none is, but for every tenth time.
func TestVRFsAreLookedAtWhereOneChanged(t *testing.T) {
	c, looks := newScene().c, 0
	for range 10 * chronicleAll {
		if c.due(false) {
			looks++
		}
	}
	if looks != 10 {
		t.Errorf("%d looks of %d at VRFs none of which changed, want 10", looks, 10*chronicleAll)
	}
	if !c.due(true) {
		t.Error("no look where a VRF changed")
	}
}

// TestTheLogTellsOfVRFs: one line for each change of a state, with its reason and counts, and one
// where a quota, a conflict or contention begins and ends; nothing while all stays as it is.
func TestTheLogTellsOfVRFs(t *testing.T) {
	s := newScene()
	s.fares(vrf.Syncing, "", vrf.Counts{})
	expect(t, "a start", s.told())
	s.fares(vrf.Ready, "", vrf.Counts{Imported: 2, Installed: 7})
	expect(t, "ready", s.told(), `level=INFO msg="a VRF is ready" vrf=red state=ready was=syncing imported=2 installed=7$`)
	s.list[0].Counts[0].Installed = 9
	expect(t, "other routes", s.told())
	s.fares(vrf.Degraded, "3 routes are unresolved", vrf.Counts{Imported: 2, Installed: 4, Unresolved: 3})
	expect(t, "degraded", s.told(), `level=WARN msg="a VRF is degraded" vrf=red state=degraded was=ready reason="3 routes are unresolved" imported=2 installed=4 unresolved=3$`)
	s.fares(vrf.Degraded, "5 routes are over quota", vrf.Counts{Installed: 10, OverQuota: 5, Conflict: 1})
	expect(t, "over quota, and a conflict", s.told(), `level=WARN msg="a VRF is over its quota.*vrf=red max_routes=10 kept_out=5$`, `level=WARN msg="routes of other programs.*vrf=red routes=1$`)
	s.fares(vrf.Degraded, "6 routes are over quota", vrf.Counts{Installed: 10, OverQuota: 6, Conflict: 2})
	expect(t, "more of the same", s.told())
	s.list[0].Contested = vrf.Contested{Routes: 2}
	expect(t, "contention", s.told(), `level=WARN msg="another program keeps changing.*vrf=red routes=2 strangers=0 nexthops=0$`)
	s.fares(vrf.Ready, "", vrf.Counts{Installed: 9})
	expect(t, "all is well", s.told(), `level=INFO msg="a VRF is ready" vrf=red state=ready was=degraded`, `level=INFO msg="a VRF is within its quota again" vrf=red`,
		`level=INFO msg="no route of another program`, `level=INFO msg="no other program changes`)
	s.fares(vrf.Failed, "the table cannot be read", vrf.Counts{})
	expect(t, "failed", s.told(), `level=WARN msg="a VRF is failed".*reason="the table cannot be read"`)
	s.list = nil
	expect(t, "gone", s.told(), `level=INFO msg="nothing is redistributed for a VRF any more" vrf=red`)
}

// TestTheLogSaysNothingOfAStart: a VRF whose worker was only just asked for, for the first time or
// again, is none that fares worse; one whose namespace is not there is, and says so once.
func TestTheLogSaysNothingOfAStart(t *testing.T) {
	begins := vrf.NewSupervisor(nil, slog.New(slog.DiscardHandler)) // it does not run: no worker starts
	if err := begins.Apply(t.Context(), []vrf.Spec{{Name: "red"}}); err != nil {
		t.Fatal(err)
	}
	s := newScene()
	start := func(what string) {
		t.Helper()
		if s.list = begins.List(); len(s.list) != 1 || s.list[0].State != vrf.Pending {
			t.Fatalf("%s: the VRFs are %+v", what, s.list)
		}
		expect(t, what, s.told())
	}
	start("the first start")
	s.fares(vrf.Syncing, "", vrf.Counts{})
	expect(t, "it reads its table", s.told())
	s.fares(vrf.Ready, "", vrf.Counts{Installed: 7})
	expect(t, "ready", s.told(), `level=INFO msg="a VRF is ready" vrf=red state=ready was=syncing`)
	start("a start with another binding")
	const gone = "namespace red is not there"
	s.fares(vrf.Pending, gone, vrf.Counts{})
	expect(t, "no namespace", s.told(), `level=WARN msg="a VRF is pending" vrf=red state=pending was=ready reason="`+gone+`"`)
	expect(t, "still none", s.told())
}

// TestTheLogTellsOfSessions: each session up and down with the neighbour's own address and the
// reason, each reason once.
func TestTheLogTellsOfSessions(t *testing.T) {
	s := newScene()
	n := vrf.Session{Peer: netip.MustParseAddr("10.2.0.2"), Alias: alias1, Netns: "red", PeerAS: 65001, State: "active"}
	is := func(change func(*vrf.Session)) string {
		change(&n)
		s.sessions["red"] = []vrf.Session{n}
		return s.told()
	}
	expect(t, "a start", is(func(*vrf.Session) {}))
	refused := func(n *vrf.Session) { n.Reason = "wrong AS: its AS is 65102, and peer-as says 65103" }
	expect(t, "a reason", is(refused), `level=WARN msg="no BGP session with a neighbor" vrf=red neighbor=10.2.0.2 as=65001 netns=red alias=127.1.0.1 reason="wrong AS`)
	expect(t, "the same again", is(func(n *vrf.Session) { n.State = "idle" }))
	expect(t, "of the relay, which logs it", is(func(n *vrf.Session) { n.Reason = "no session with 10.2.0.2 in netns red: it refuses connections" }))
	expect(t, "the first again", is(refused))
	begins := func(n *vrf.Session) {
		n.State, n.Reason, n.Since, n.Established = "established", "", time.Now(), n.Established+1
	}
	expect(t, "up, and nobody knows yet with which families", is(begins))
	expect(t, "now they are known", is(func(n *vrf.Session) { n.Families = []string{"ipv4-unicast"} }), `level=INFO msg="a BGP session is up" vrf=red neighbor=10.2.0.2 .*families=\[ipv4-unicast\]`)
	is(func(n *vrf.Session) {
		n.State, n.Families, n.Since, n.Reason = "idle", nil, time.Time{}, "it closed the connection"
	})
	up := func(n *vrf.Session) {
		n.State, n.Reason, n.Since, n.Established = "established", "", time.Now().Add(-time.Hour), n.Established+1
		n.Families = []string{"ipv4-unicast"}
	}
	expect(t, "up", is(up), `level=INFO msg="a BGP session is up" vrf=red neighbor=10.2.0.2 .*families=\[ipv4-unicast\]`)
	expect(t, "up still", is(func(*vrf.Session) {}))
	expect(t, "down and up between two looks", is(func(n *vrf.Session) { n.Established++ }), `level=WARN msg="a BGP session went down, and is up again".*times=1`)
	down := func(n *vrf.Session) {
		n.State, n.Reason, n.Since = "idle", "the peer closed the connection", time.Time{}
	}
	expect(t, "down", is(down), `level=WARN msg="a BGP session is down" vrf=red neighbor=10.2.0.2 .*up_for=1h0m reason="the peer closed the connection"`)
	expect(t, "down still", is(func(*vrf.Session) {}))
	is(up)
	expect(t, "disabled", is(func(n *vrf.Session) { down(n); n.Stopped, n.Reason = true, "disabled by root: new cable" }), `level=INFO msg="a BGP session is down".*reason="disabled by root: new cable"`)
	is(func(n *vrf.Session) { n.Stopped = false; up(n) })
	expect(t, "draining", is(func(n *vrf.Session) { n.Draining = true }), `level=INFO msg="a graceful shutdown of a BGP session has begun`)
	s.sessions = nil
	expect(t, "gone", s.told(), `level=WARN msg="a BGP session is down" vrf=red neighbor=10.2.0.2 .*reason="it is no neighbor any more"`)
}

// TestTheLogChangesItsLevel, by a call and by a signal.
func TestTheLogChangesItsLevel(t *testing.T) {
	var out bytes.Buffer
	level := new(slog.LevelVar)
	l := newLevels(level, slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: level})))
	if err := l.SetLogLevel("error", "uid 0"); err != nil || level.Level() != slog.LevelError || l.LogLevel() != "error" {
		t.Errorf("%v, at %v", err, level.Level())
	}
	if !strings.Contains(out.String(), "was=info is=error by=\"uid 0\"") {
		t.Errorf("the log says\n%s", &out)
	}
	if err := l.SetLogLevel("loud", "uid 0"); err == nil {
		t.Error("there is no such level")
	}
	out.Reset()
	l.set(slog.LevelDebug, "user defined signal 1")
	if !strings.Contains(out.String(), "was=error is=debug") {
		t.Errorf("the log says\n%s", &out)
	}
}
