package daemon

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/doctor"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// What a host lacks is said at the line that names it, in either form.
func TestHintsOfTheHostHaveLines(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "f.toml")
	text := `[global.config]
as = 65000
router-id = "192.0.2.1"
[[vrfs]]
config = {name = "red", rd = "65000:1", both-rt-list = ["65000:1"]}
[netlink.import]
enabled = true
interface_list = ["eth0", "gone*"]
[[netlink.vrfs]]
name = "red"
netns = "red"
[netlink.vrfs.import]
enabled = true
interface_list = ["lan0"]
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file, bgpPart(nil))
	if err != nil {
		t.Fatal(err)
	}
	links := rib.Links{2: {Index: 2, Name: "eth0"}}
	notes := hostHints(file, cfg, map[string]doctor.Space{"": {Survey: rib.Survey{Links: links}}, "red": {Survey: rib.Survey{Links: links}}})
	if len(notes) != 2 || notes[0].Line != 8 || notes[1].Line != 14 || !strings.Contains(notes[0].Message, `"gone*"`) || notes[1].Key != "netlink.vrfs[red].import.interface_list" {
		t.Errorf("the notes are %+v", notes)
	}
	absent := map[string]doctor.Space{"": {Survey: rib.Survey{Links: rib.Links{2: {Index: 2, Name: "eth0"}, 3: {Index: 3, Name: "gone1"}}}}, "red": {Err: rib.Absent("no netns")}}
	if notes := hostHints(file, cfg, absent); len(notes) > 0 {
		t.Errorf("of a host with all that the file names, and a namespace that is not there: %+v", notes)
	}
}

// routesByVRF are the routes of VRFs, by name.
type routesByVRF map[string][]rib.RouteStatus

func (w routesByVRF) Routes(_ context.Context, name string, _ vrf.RouteQuery, yield func(rib.RouteStatus) bool) error {
	list, is := w[name]
	if !is {
		return vrf.ErrUnknown
	}
	for _, r := range list {
		if !yield(r) {
			return nil
		}
	}
	return nil
}

// Routes that a default route alone would lead to are counted, of VRFs with routes that wait.
func TestRoutesThatWaitForADefaultRoute(t *testing.T) {
	t.Parallel()
	by := rib.RouteStatus{State: rib.Unresolved, Reason: "nexthop 192.0.2.9 is unresolved: " + rib.OnlyByDefault}
	other := rib.RouteStatus{State: rib.Unresolved, Reason: "no route in this VRF covers it"}
	many := make([]rib.RouteStatus, 3*mostWaiting)
	for i := range many {
		many[i] = by
	}
	state := func(name string, unresolved int) vrf.Status {
		return vrf.Status{Spec: vrf.Spec{Name: name}, WorkerStatus: vrf.WorkerStatus{Counts: rib.ByFamily[vrf.Counts]{{Unresolved: unresolved}}}}
	}
	got, err := byDefault(t.Context(), routesByVRF{"red": {by, other, by}, "blue": {by}, "full": many},
		[]vrf.Status{state("red", 3), state("blue", 0), state("full", len(many)), state("gone", 1)})
	if err != nil || len(got) != 2 || got["red"] != 2 || got["full"] != mostWaiting {
		t.Errorf("counted %v, %v", got, err)
	}
	trip := errors.New("no")
	if _, err := byDefault(t.Context(), failing{trip}, []vrf.Status{state("red", 1)}); !errors.Is(err, trip) {
		t.Errorf("what fails is lost: %v", err)
	}
}

type failing struct{ error }

func (f failing) Routes(context.Context, string, vrf.RouteQuery, func(rib.RouteStatus) bool) error {
	return f.error
}
