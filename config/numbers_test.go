package config

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/vrf"
)

// labelled is a configuration with VRFs that need labels and SIDs: "a" and "b" of MPLS, "c" of SRv6
// by a VRF device, "d" of SRv6 in a trusted namespace. lines may give one of them more.
func labelled(t *testing.T, lines map[string]string, names ...string) *Config {
	t.Helper()
	text := head + "[netlink.core]\nsource = \"10.255.0.1\"\nsource6 = \"fd00:255::1\"\n" +
		"[netlink.mpls]\nlabels = \"16000-16003\"\n[netlink.srv6]\nlocator = \"fd00:1:0:1::/64\"\n"
	for _, name := range names {
		text += "[[netlink.vrfs]]\nname = \"" + name + "\"\n" + map[string]string{
			"a": "device = \"vrf-a\"\nencap = \"mpls\"\n",
			"b": "netns = \"b\"\nencap = \"mpls\"\ncore_link = \"vr-b\"\n",
			"c": "device = \"vrf-c\"\nencap = \"srv6\"\n",
			"d": "netns = \"d\"\nencap = \"srv6\"\ncore_link = \"vr-d\"\ntrusted = true\n",
		}[name] + lines[name]
	}
	bgp := fakeBGP()
	for i, name := range names {
		if !strings.Contains(head, fmt.Sprintf("name = %q", name)) {
			text += fmt.Sprintf("[[vrfs]]\nconfig = {name = %q, rd = \"65000:%d\"}\n", name, 900+i)
		}
	}
	c, err := Parse("f.toml", []byte(text), bgp)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// numbersIn are the labels and SIDs of a configuration: "a 16000 c fd00:1:0:1:1::".
func numbersIn(c *Config) string {
	var all []string
	for _, s := range c.VRFs {
		if s.VRF != "" {
			continue
		}
		is := s.Carriage
		text := s.Name
		if is.Label != 0 {
			text += fmt.Sprint(" ", is.Label)
		}
		for _, sid := range []netip.Addr{is.SRv6.SID, is.SRv6.SID6} {
			if sid.IsValid() {
				text += " " + sid.String()
			}
		}
		if is.Awaits != "" {
			text += " (" + is.Awaits + ")"
		}
		if got := c.Extras.Carried[s.Name]; got.Label != is.Label || got.SRv6 != is.SRv6 {
			text += fmt.Sprintf(" and in BGP %v", got)
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	dir, now := filepath.Join(t.TempDir(), "state"), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	assign := func(n *Numbers, c *Config, want string) Numbered {
		t.Helper()
		got, err := n.Assign(c, now)
		if err != nil {
			t.Fatal(err)
		}
		if is := numbersIn(got.Config); is != want {
			t.Errorf("the VRFs have\n%s\nwant\n%s", is, want)
		}
		return got
	}
	n := OpenNumbers(dir)
	if !n.Needed(labelled(t, nil, "a")) || n.Needed(labelled(t, nil)) {
		t.Error("it is not known who needs a number")
	}
	const all = "a 16000, b 16001, c fd00:1:0:1:1::, d fd00:1:0:1:2:: fd00:1:0:1:3::"
	first := assign(n, labelled(t, nil, "a", "b", "c", "d"), all)
	assign(n, first.Config, all)
	n = OpenNumbers(dir)
	assign(n, labelled(t, nil, "b", "d"), "b 16001, d fd00:1:0:1:2:: fd00:1:0:1:3::")
	n = OpenNumbers(dir)
	before, err := os.ReadFile(filepath.Join(dir, numbersName))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := n.Preview(labelled(t, nil, "a", "c"), now); err != nil || numbersIn(got.Config) != "a 16000, c fd00:1:0:1:1::" {
		t.Errorf("foretold is %s, %v", numbersIn(got.Config), err)
	}
	if after, _ := os.ReadFile(filepath.Join(dir, numbersName)); string(after) != string(before) {
		t.Error("what is foretold is kept")
	}
	got := assign(n, labelled(t, map[string]string{"b": "label = 16000\n", "d": "sid = \"fd00:1:0:1:1::\"\n"}, "b", "d"),
		"b 16001, d fd00:1:0:1:2:: fd00:1:0:1:3::") // those of before, until a and c have let go
	if want := now.Add(10 * time.Minute); !got.Next.Equal(want) || len(got.Waits) != 2 || len(got.Conflicts) != 0 ||
		got.Waits[0] != `VRF "b": label 16000 was VRF "a"'s, to which peers may send by it until 2026-01-01T00:10:00Z` {
		t.Errorf("it waits until %v for %q", got.Next, got.Waits)
	}
	now = now.Add(10 * time.Minute)
	assign(n, got.Config, "b 16000, d fd00:1:0:1:1:: fd00:1:0:1:3::")
	got = assign(n, labelled(t, map[string]string{"a": "label = 16002\n", "b": "label = 16003\n"}, "a", "b"), "a 16002, b 16003")
	if len(got.Waits) != 0 {
		t.Errorf("it waits for %q", got.Waits)
	}
}

// TestNumbersTaken: a label that another VRF has already is not given to a second one, though the
// file says so.
func TestNumbersTaken(t *testing.T) {
	t.Parallel()
	n, now := OpenNumbers(t.TempDir()), time.Now()
	if _, err := n.Assign(labelled(t, nil, "a"), now); err != nil {
		t.Fatal(err)
	}
	got, err := n.Assign(labelled(t, map[string]string{"b": "label = 16000\n"}, "a", "b"), now)
	want := `label 16000 was given to VRF "a" before; write it for that one, and another here, or remove the key`
	if err != nil || len(got.Conflicts) != 1 || got.Conflicts[0] != `VRF "b": `+want || numbersIn(got.Config) != "a 16000, b ("+want+")" {
		t.Errorf("it is %s with %q, %v", numbersIn(got.Config), got.Conflicts, err)
	}
}

// TestNumbersInUse: what a VRF had before, and other PEs send by still, rests as long as that is so, over
// restarts too; what it has, and what nobody had, does not.
func TestNumbersInUse(t *testing.T) {
	t.Parallel()
	dir, now := t.TempDir(), time.Now()
	n := OpenNumbers(dir)
	first, err := n.Assign(labelled(t, nil, "a", "d"), now)
	if err != nil {
		t.Fatal(err)
	}
	before := vrf.SpecsByName(first.VRFs)
	c := labelled(t, map[string]string{"a": "label = 16002\n", "d": "sid = \"fd00:1:0:1:9::\"\n"}, "a", "d")
	if _, err := n.Assign(c, now); err != nil {
		t.Fatal(err)
	}
	for range 12 {
		now = now.Add(5 * time.Minute)
		for _, name := range []string{"a", "d"} {
			of := before[name]
			if err := n.InUse(c, &of, now); err != nil {
				t.Fatal(err)
			}
		}
		n = OpenNumbers(dir)
	}
	now = now.Add(9 * time.Minute)
	taken := labelled(t, map[string]string{"a": "label = 16002\n", "b": "label = 16000\n", "d": "sid = \"fd00:1:0:1:9::\"\n", "c": "sid = \"fd00:1:0:1:1::\"\n"}, "a", "b", "c", "d")
	got, err := n.Preview(taken, now)
	if err != nil || len(got.Waits) != 2 || !strings.Contains(got.Waits[0]+got.Waits[1], `label 16000 was VRF "a"'s`) {
		t.Errorf("%s waits for %q, %v", numbersIn(got.Config), got.Waits, err)
	}
	got, err = n.Preview(taken, now.Add(time.Minute))
	if err != nil || len(got.Waits) != 0 {
		t.Errorf("%s waits for %q, %v", numbersIn(got.Config), got.Waits, err)
	}
}

// TestNumbersLost: where the state is gone or damaged, what the kernel has is taken over, and what
// leads nowhere is given to nobody.
func TestNumbersLost(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, text := range map[string]string{"absent": "", "no JSON": "{", "another version": `{"version": 9}`, "a contradiction": `{"version": 1, "labels": {"held": {"a": 5, "b": 5}}}`} {
		dir := t.TempDir()
		file := filepath.Join(dir, numbersName)
		if text != "" {
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		n, c := OpenNumbers(dir), labelled(t, nil, "a", "b", "d")
		if lost := n.Lost(); (lost != nil) != (text != "") || lost != nil && !strings.Contains(lost.Error(), file) {
			t.Errorf("%s: it is lost: %v", name, lost)
		}
		adopted, err := n.Adopt(c, []Standing{
			{VRF: "b", Label: 16003}, {Label: 16000}, {VRF: "d", SID: netip.MustParseAddr("fd00:1:0:1:7::")},
			{VRF: "d", SID: netip.MustParseAddr("fd00:1:0:1:8::"), Six: true}, {VRF: "a", SID: netip.MustParseAddr("fd00:9::1")},
		}, now)
		if err != nil || strings.Join(adopted, ", ") != `VRF "b": label 16003, VRF "d": SID fd00:1:0:1:7::, VRF "d": SID fd00:1:0:1:8::` {
			t.Errorf("%s: adopted is %q, %v", name, adopted, err)
		}
		got, err := n.Assign(c, now)
		if want := "a 16001, b 16003, d fd00:1:0:1:7:: fd00:1:0:1:8::"; err != nil || numbersIn(got.Config) != want {
			t.Errorf("%s: the VRFs have %s, %v", name, numbersIn(got.Config), err)
		}
		if OpenNumbers(dir).Lost() != nil {
			t.Errorf("%s: it is not kept", name)
		}
	}
}

// TestNumbersAreWrittenFirst: what cannot be written down is not used.
func TestNumbersAreWrittenFirst(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	n := &Numbers{dir: dir}
	if got, err := n.Assign(labelled(t, nil, "a"), time.Now()); err == nil {
		t.Errorf("it gives %s", numbersIn(got.Config))
	}
	if _, err := n.Assign(labelled(t, map[string]string{}), time.Now()); err != nil {
		t.Errorf("with nothing to keep it says %v", err)
	}
}

// TestNumbersSplit: where the kernel has no SID for both families a VRF has two.
func TestNumbersSplit(t *testing.T) {
	t.Parallel()
	n := OpenNumbers(t.TempDir())
	n.Split(true)
	got, err := n.Assign(labelled(t, map[string]string{"c": "sid = \"fd00:1:0:1:100::\"\n"}, "c"), time.Now())
	if want := "c fd00:1:0:1:100:: fd00:1:0:1:1::"; err != nil || numbersIn(got.Config) != want {
		t.Errorf("it has %s, %v", numbersIn(got.Config), err)
	}
}
