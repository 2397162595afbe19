package config

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vrfredist/vrfredist/rib"
)

// sending has VRF a send by a policy of one rule, whose lines come from line 17 on.
func sendingBy(rule string) string {
	return strings.Replace(inPolicy(rule+"[[netlink.vrfs]]\nname = \"a\"\nnetns = \"a\"\nexport = {enabled = true}\nbgp = {send = \"p\"}\n"), "[netlink]\n", "", 1)
}

// TestSendIsTranslated: each VRF has a copy of its own, which looks for the marks of its routes.
func TestSendIsTranslated(t *testing.T) {
	t.Parallel()
	text := strings.Replace(sendingBy("set_med = 7\n"), `bgp = {send = "p"}`, `bgp = {send = "p", leak_from = ["b"]}`, 1) + "[[netlink.vrfs]]\nname = \"b\"\nnetns = \"a\"\ntable = 1001\nbgp = {send = \"p\"}\n"
	c, err := Parse("f.toml", []byte(text), fakeBGP())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"a": "p (send of a)", "b": "p (send of b)"}
	if d := cmp.Diff(want, c.Extras.Sends); d != "" {
		t.Errorf("sends (-want +got)\n%s", d)
	}
	for _, part := range []string{
		`"name":"p (send of a)"`, `"name":"p (send of a), rule 1.1"`, `"name":"p (send of a), rule 1, leaked.1"`, `"name":"p (send of b), rule 1.1"`,
		`rt:^(` + rib.SendMark("a", "").Dotted() + `)$`, `rt:^(` + rib.SendMark("a", "b").Dotted() + `)$`, `rt:^(` + rib.SendMark("b", "").Dotted() + `)$`,
	} {
		if !strings.Contains(string(c.BGP), part) {
			t.Errorf("GoBGP gets no %s: %s", part, c.BGP)
		}
	}
	for statement, words := range map[string]string{"p (send of a), rule 1.1": `policy "p", rule 1`, "p (send of a), rule 1, leaked.1": `policy "p", rule 1`} {
		if got := c.Extras.Rules[statement]; got != words {
			t.Errorf("%s is called %q, want %q", statement, got, words)
		}
	}
	if strings.Contains(string(c.BGP), "send of b), rule 1, leaked") {
		t.Errorf("nothing is leaked into b: %s", c.BGP)
	}
}

// TestSendErrors: what GoBGP cannot be told, and what means nothing there, is an error with the
// lines of both.
func TestSendErrors(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, text, want string }{
		{"neighbours", sendingBy("neighbors = [\"192.0.2.2\"]\n"), "neighbors: GoBGP knows here whom it tells"},
		{"not neighbours", sendingBy("not_neighbors = [\"192.0.2.2\"]\n"), "not_neighbors: GoBGP knows here whom it tells"},
		{"route targets", sendingBy("route_targets = [\"65000:1\"]\n"), "route_targets: GoBGP tells by them here which VRF"},
		{"local preference", sendingBy("local_pref = \"100\"\n"), "local_pref: GoBGP does not compare the local preference"},
		{"MED", sendingBy("not_med = \"100\"\n"), "not_med: GoBGP does not compare the MED"},
		{"extended communities", sendingBy("ext_communities = [\"soo:65000:1\"]\n"), "ext_communities: GoBGP's policies read route targets alone"},
		{"a kernel metric", sendingBy("set_metric = 5\n"), "set_metric: means nothing in send, which judges what goes out as VPN routes"},
		{"a nexthop", sendingBy("set_nexthop = \"192.0.2.1\"\n"), "set_nexthop: means nothing in send"},
		{"an unknown policy", strings.Replace(sendingBy(""), `send = "p"`, `send = "q"`, 1), `send: there is no policy "q"; did you mean "p"?`},
		{"an unknown VRF", sendingBy("source_vrfs = [\"c\"]\n"), `there is no VRF "c"`},
		{"default", strings.Replace(sendingBy(""), `name = "a"`+"\nnetns = \"a\"", `name = "default"`, 1), "send: means nothing for default"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Parse("f.toml", []byte(tc.text), fakeBGP())
			var all *Errors
			if !errors.As(err, &all) || len(*all) != 1 {
				t.Fatalf("%v, want one error with %q\n%s", err, tc.want, tc.text)
			}
			if got := (*all)[0]; !strings.Contains(got.Key+": "+got.Message, tc.want) || got.Line == 0 {
				t.Errorf("line %d: %s: %s; want %q", got.Line, got.Key, got.Message, tc.want)
			}
		})
	}
}

// TestSendNotesALoop: what puts our own AS into a path is noted, with both lines.
func TestSendNotesALoop(t *testing.T) {
	t.Parallel()
	c, err := Parse("f.toml", []byte(sendingBy("prepend_as = 2\n")), fakeBGP())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(c.Notes, func(e Error) bool {
		return strings.HasSuffix(e.Key, "prepend_as") && strings.Contains(e.Message, "send of VRF a")
	}) {
		t.Errorf("noted: %v", c.Notes)
	}
}
