package daemon

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/nsworker/core"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// labelled is a configuration whose VRFs, of the given names, get labels from 16 to 19; "a=17" has
// that one.
func labelled(names ...string) *config.Config {
	c := &config.Config{BGP: []byte(strings.Join(names, " "))}
	c.Labels, c.LetGo = rib.LabelRange{First: 16, Last: 19}, 10*time.Minute
	for _, name := range names {
		name, number, _ := strings.Cut(name, "=")
		s := vrf.Spec{Name: name, Binding: rib.Binding{Device: "vrf-" + name}, Protocol: 179, Carriage: rib.Carriage{Kind: rib.EncapMPLS}}
		if number != "" {
			s.Carriage.Label = 17
		}
		c.VRFs = append(c.VRFs, s)
	}
	return c
}

// labels are those of the configuration that is in force.
func labels(c *config.Config) string {
	var list []string
	for _, s := range c.VRFs {
		list = append(list, s.Name+" "+s.Carriage.Address())
	}
	return strings.Join(list, ", ")
}

// TestReloadKeepsLabels: a VRF has its label over reloads that are applied, refused, fail and are
// taken back.
func TestReloadKeepsLabels(t *testing.T) {
	s := newStage(t, labelled())
	reload := func(next *config.Config, confirm time.Duration) error {
		t.Helper()
		s.file = next
		_, _, err := s.changer.Reload(t.Context(), confirm)
		return err
	}
	has := func(want string) {
		t.Helper()
		if got := labels(s.changer.force.config()); got != want {
			t.Errorf("in force is %q, want %q", got, want)
		}
	}
	if err := reload(labelled("a", "b"), 0); err != nil {
		t.Fatal(err)
	}
	has("a label 16, b label 17")
	if err := reload(labelled("a", "b", "c=17"), 0); err == nil || !strings.Contains(err.Error(), `label 17 was given to VRF "b" before`) {
		t.Errorf("a label of another VRF: %v", err)
	}
	has("a label 16, b label 17")
	s.refuse("BGP gets b c")
	if err := reload(labelled("b", "c"), 0); err == nil {
		t.Error("it went well")
	}
	has("a label 16, b label 17")
	s.refuse()
	if err := reload(labelled("b", "c"), 0); err != nil {
		t.Fatal(err)
	}
	has("b label 17, c label 18") // 16 rests, though a came back in between
	if err := reload(labelled("c", "a"), time.Hour); err != nil {
		t.Fatal(err)
	}
	has("c label 18, a label 16")
	was := s.changer.confirm.pending.Load()
	if err := s.changer.rollBackTo(t.Context(), was); err != nil {
		t.Fatal(err)
	}
	has("b label 17, c label 18")
}

// TestLabelThatWasWaitedFor: what rests is given to who waits for it, when its time has come.
func TestLabelThatWasWaitedFor(t *testing.T) {
	s := newStage(t, labelled())
	reload := func(next *config.Config) {
		t.Helper()
		next.LetGo = 20 * time.Millisecond
		s.file = next
		if _, _, err := s.changer.Reload(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
	}
	reload(labelled("b", "a"))
	reload(labelled("a", "c=17"))
	if got := labels(s.changer.force.config()); got != "a label 16, c label 0" && got != "a label 16, c label 17" {
		t.Errorf("in force is %q", got)
	}
	for deadline := time.Now().Add(time.Minute); labels(s.changer.force.config()) != "a label 16, c label 17"; {
		if time.Now().After(deadline) {
			t.Fatalf("in force is %q", labels(s.changer.force.config()))
		}
		select {
		case <-s.changer.numbers.timer.C:
			s.changer.renumber(t.Context())
		case <-time.After(time.Second):
			s.changer.renumber(t.Context())
		}
	}
}

// fakeStanding is a kernel with labels and SIDs.
type fakeStanding struct {
	in    map[string][]rib.StandingEntrance
	links map[string]rib.Links
	dt46  rib.Answer
}

func (k *fakeStanding) CoreFeatures(context.Context) (rib.CoreFeatures, error) {
	return rib.CoreFeatures{DT46: k.dt46}, nil
}

func (k *fakeStanding) Survey(_ context.Context, netns string, _ uint8, _ []string) (rib.Survey, error) {
	return rib.Survey{Links: k.links[netns]}, nil
}

func (k *fakeStanding) Entrances(_ context.Context, in rib.Binding, protocol uint8) (core.Entrances, error) {
	list, is := k.in[in.Netns]
	switch {
	case !is:
		return nil, rib.Absent("netns " + in.Netns)
	case protocol != 179:
		return nil, errors.New("with another protocol")
	}
	return standingList{list}, nil
}

type standingList struct{ list []rib.StandingEntrance }

func (s standingList) Read(context.Context) ([]rib.StandingEntrance, error) { return s.list, nil }
func (standingList) Add(context.Context, rib.Entrance) error                { return errors.New("nothing is written") }
func (standingList) Remove(context.Context, rib.Entrance) error {
	return errors.New("nothing is written")
}
func (standingList) Labels(context.Context) (uint32, error) { return 0, nil }
func (standingList) Changed() <-chan struct{}               { return nil }
func (standingList) Close() error                           { return nil }

// TestStartTakesOverLabels: where the state directory knows nothing, a start takes over what the
// kernel has for each VRF; what leads to none rests; what is another program's is left out.
func TestStartTakesOverLabels(t *testing.T) {
	cfg := labelled("a", "b", "c")
	cfg.VRFs[1].Binding = rib.Binding{Netns: "b"}
	cfg.VRFs[1].Carriage.Through = rib.Through{Link: "vr-b", To: rib.Binding{Table: 3001}}
	sid, sid6, locator := netip.MustParseAddr("fd00:1:0:1:5::"), netip.MustParseAddr("fd00:1:0:1:6::"), netip.MustParsePrefix("fd00:1:0:1::/64")
	cfg.Locator = rib.Locator{Prefix: locator, FunctionBits: 16}
	cfg.VRFs = append(cfg.VRFs, vrf.Spec{
		Name: "d", Binding: rib.Binding{Netns: "d"}, Protocol: 179, Carriage: rib.Carriage{Kind: rib.EncapSRv6, SRv6: rib.SRv6{Link: "vr-d", Trusted: true, Locator: locator}},
	})
	ours := func(e rib.Entrance) rib.StandingEntrance { return rib.StandingEntrance{Entrance: e, Protocol: 179} }
	kernel := &fakeStanding{
		in: map[string][]rib.StandingEntrance{
			"": {
				ours(rib.Entrance{Label: 18, Ifindex: 2}), ours(rib.Entrance{Label: 19, Ifindex: 3}), ours(rib.Entrance{Label: 16, Ifindex: 9}),
				{Entrance: rib.Entrance{Label: 17, Ifindex: 4}, Protocol: 4}, ours(rib.Entrance{SID: sid, Does: rib.Forward, Ifindex: 5}),
			},
			"d": {ours(rib.Entrance{SID: sid, Does: rib.DX4, Ifindex: 7}), ours(rib.Entrance{SID: sid6, Does: rib.DT6, Ifindex: 7})},
		},
		links: map[string]rib.Links{
			"":  {2: {Index: 2, Name: "vrf-a"}, 3: {Index: 3, Name: "vr-b"}, 4: {Index: 4, Name: "vrf-c"}, 5: {Index: 5, Name: "vr-d"}, 9: {Index: 9, Name: "old"}},
			"d": {7: {Index: 7, Name: "core"}},
		},
	}
	var log strings.Builder
	dir := t.TempDir()
	n := newNumbers(dir, kernel, slog.New(slog.NewTextHandler(&log, nil)))
	got, err := n.begin(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if want := "a label 18, b label 19, c label 17, d SIDs fd00:1:0:1:5:: and, for IPv6, fd00:1:0:1:6::"; labels(got) != want {
		t.Errorf("it has %s, want %s", labels(got), want)
	}
	if !strings.Contains(log.String(), "were taken over from the kernel") {
		t.Errorf("it says\n%s", &log)
	}
	is := coreOf(got)
	if _, has := is.Numbers[core.Number{SID: sid6}]; !has || len(is.Numbers) != 5 || is.Protocol != 179 {
		t.Errorf("the core is told of %v", is.Numbers)
	}
	// The next start asks nobody, whatever order the VRFs are in.
	slices.Reverse(cfg.VRFs)
	again, err := newNumbers(dir, &fakeStanding{}, slog.New(slog.DiscardHandler)).begin(t.Context(), cfg)
	if err != nil || labels(again) != "d SIDs fd00:1:0:1:5:: and, for IPv6, fd00:1:0:1:6::, c label 17, b label 19, a label 18" {
		t.Errorf("the next start has %s, %v", labels(again), err)
	}
}

// TestStartWithDamagedNumbers: a start goes on without what it cannot read, and says so.
func TestStartWithDamagedNumbers(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "numbers.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	kernel := &fakeStanding{in: map[string][]rib.StandingEntrance{"": {{Entrance: rib.Entrance{Label: 19, Ifindex: 2}, Protocol: 179}}}, links: map[string]rib.Links{"": {2: {Index: 2, Name: "vrf-a"}}}}
	got, err := newNumbers(dir, kernel, slog.New(slog.NewTextHandler(&log, nil))).begin(t.Context(), labelled("a"))
	if err != nil || labels(got) != "a label 19" || !strings.Contains(log.String(), "is lost") {
		t.Errorf("it has %s, %v, and says\n%s", labels(got), err, &log)
	}
}

// TestSplitSIDs: where the kernel has no SID for both families, a VRF has two.
func TestSplitSIDs(t *testing.T) {
	cfg := &config.Config{VRFs: []vrf.Spec{{Name: "a", Binding: rib.Binding{Device: "a"}, Protocol: 179, Carriage: rib.Carriage{Kind: rib.EncapSRv6}}}}
	cfg.Locator = rib.Locator{Prefix: netip.MustParsePrefix("fd00:1:0:1::/64"), FunctionBits: 16}
	for answer, want := range map[rib.Answer]string{rib.Yes: "a SID fd00:1:0:1:1::", rib.Unknown: "a SID fd00:1:0:1:1::", rib.No: "a SIDs fd00:1:0:1:1:: and, for IPv6, fd00:1:0:1:2::"} {
		n := newNumbers(t.TempDir(), &fakeStanding{in: map[string][]rib.StandingEntrance{"": nil}, dt46: answer}, slog.New(slog.DiscardHandler))
		if got, err := n.begin(t.Context(), cfg); err != nil || labels(got) != want {
			t.Errorf("with %v it has %s, %v, want %s", answer, labels(got), err, want)
		}
	}
}
