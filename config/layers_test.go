package config

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

const layered = `[global.config]
as = 65000
router-id = "192.0.2.1"
[[vrfs]]
  [vrfs.config]
  name = "red"
  rd = "65000:1"
  both-rt-list = ["65000:1"]
[[vrfs]]
  [vrfs.config]
  name = "blue"
  rd = "65000:2"
  both-rt-list = ["65000:2"]
[netlink]
[[netlink.vrfs]]
  name = "red"
  table = 1001
  [netlink.vrfs.import]
  enabled = true
  interface_list = ["eth*"]
  [netlink.vrfs.export]
  enabled = true
  metric = 30
[[neighbors]]
  [neighbors.config]
  neighbor-address = "10.0.0.2"
  peer-as = 65001
  vrf = "red"
  [neighbors.timers.config]
  hold-time = 9
`

// over are layers made of sections by name: an address is a neighbour's.
func over(sections ...string) *Layers {
	var l *Layers
	for i := 0; i < len(sections); i += 2 {
		name, fields, _ := strings.Cut(sections[i], " ")
		key := vrf.LayerKey{Name: name, Neighbor: strings.ContainsAny(name, ":.")}
		l = l.With(key, Layer{Section: []byte(sections[i+1]), Fields: strings.Fields(fields)})
	}
	return l
}

func specOf(t *testing.T, c *Config, name string) vrf.Spec {
	t.Helper()
	all := slices.Concat(c.VRFs, c.Others)
	i := slices.IndexFunc(all, func(s vrf.Spec) bool { return s.Name == name })
	if i < 0 {
		t.Fatalf("there is no %s among %v", name, specNames(all))
	}
	return all[i]
}

func TestALayerTakesThePlaceOfTheFilesSection(t *testing.T) {
	c, err := ParseUnder("f.toml", []byte(layered), over(
		"red", `{"name":"red","rd":"65000:7","both_rt_list":["65000:7"],"table":77,"export":{"enabled":true}}`,
		"green", `{"name":"green","rd":"65000:3","both_rt_list":["65000:3"],"netns":"green","import":{"enabled":true,"interface_list":["*"],"policy":"green/in"},
			"policies":[{"name":"green/in","default":"accept","rules":[{"action":"reject","prefixes":["10.0.0.0/8"]}]}]}`,
		"10.0.0.3", `{"address":"10.0.0.3","peer_as":65003,"vrf":"green","more":{"timers":{"config":{"hold-time":9}}}}`,
	), fakeBGP())
	if err != nil {
		t.Fatal(err)
	}
	red, green := specOf(t, c, "red"), specOf(t, c, "green")
	if red.RD.String() != "65000:7" || red.Binding != (rib.Binding{Table: 77}) || red.Import.Enabled || red.Export.Metric != rib.DefaultMetric {
		t.Errorf("red is %+v: what the file says of it shows through", red)
	}
	if green.Binding != (rib.Binding{Netns: "green"}) || green.Import.Policy == nil {
		t.Errorf("green is %+v", green)
	}
	if !strings.Contains(string(c.BGP), `"neighbor-address":"10.0.0.3"`) || !strings.Contains(string(c.BGP), `"neighbor-address":"10.0.0.2"`) {
		t.Errorf("BGP gets %s", c.BGP)
	}
}

func TestALayerOfSomeFieldsLeavesTheOthersToTheFile(t *testing.T) {
	c, err := ParseUnder("f.toml", []byte(layered), over(
		"red export.metric,import", "",
	), fakeBGP())
	if err == nil {
		t.Fatalf("what is no section was taken: %v", c.VRFs)
	}
	_, err = ParseUnder("f.toml", []byte(layered), over(
		"red export.metric import.interface_list", `{"export":{"metric":40}}`,
		"gone rd", `{"rd":"65000:9"}`,
		"10.0.0.2 peer_as", `{"peer_as":65009}`,
	), fakeBGP())
	if err == nil {
		t.Fatal("an import without interfaces was taken")
	}
	c, err = ParseUnder("f.toml", []byte(layered), over(
		"red export.metric import.interface_list", `{"export":{"metric":40},"import":{"interface_list":["lan*"]}}`,
		"gone rd", `{"rd":"65000:9"}`,
		"10.0.0.2 peer_as", `{"peer_as":65009}`,
	), fakeBGP())
	if err != nil {
		t.Fatal(err)
	}
	red := specOf(t, c, "red")
	if red.RD.String() != "65000:1" || red.Binding.Table != 1001 || red.Export.Metric != 40 || !slices.Equal(red.Import.Interfaces, []string{"lan*"}) {
		t.Errorf("red is %+v", red)
	}
	if s := string(c.BGP); !strings.Contains(s, `"peer-as":65009`) || strings.Contains(s, "65001,") || !strings.Contains(s, `"hold-time":9`) {
		t.Errorf("BGP gets %s", s)
	}
}

// TestALayersFaultsAreItsFields: who sent it learns the field, and nothing of a line.
func TestALayersFaultsAreItsFields(t *testing.T) {
	const whole = `{"name":"green","rd":"65000:3","both_rt_list":["65000:3"],`
	for section, want := range map[string]string{
		`{"name":"green"}`: `rd: is missing`,
		`{"name":"green","rd":"65000:1","both_rt_list":["65000:3"]}`: `rd: 65000:1 is the RD of VRF "red" too`,
		whole + `"table":1001}`:                                                           `would use the table of VRF "red", on line 16`,
		whole + `"export":{"metric":3}}`:                                                  `export.enabled: is missing`,
		whole + `"export":{"enabled":true,"metrik":3}}`:                                   `export.metrik: unknown key; did you mean metric?`,
		whole + `"export":{"enabled":true,"community":"x"}}`:                              `export.community: `,
		whole + `"import":{"enabled":true,"policy":"green/in"}}`:                          `import.policy: `,
		whole + `"policies":[{"name":"green/a","default":"accept"},{"name":"green/in"}]}`: `policies[1].default: is missing`,
		whole + `"bgp":{"leaks":[{"from":"nowhere"}]}}`:                                   `bgp.leaks[0].from: there is no VRF "nowhere"`,
		whole + `"bgp":{"aggregates":[{"prefix":"10.0.0.0/8"},{"prefix":"10.0.0.0/8"}]}}`: `bgp.aggregates[1].prefix: 10.0.0.0/8 is announced by what was applied over the API to VRF "green" already`,
		whole + `"both_rt_list":["65000:4"]}`:                                             `is given twice`,
		whole + `"table":"x"}`:                                                            `table: `,
	} {
		_, err := ParseUnder("f.toml", []byte(layered), over("green", section), fakeBGP())
		var list Errors
		if !errors.As(err, &list) {
			t.Errorf("%s is taken", section)
			continue
		}
		text := err.Error()
		if !strings.Contains(text, want) || !strings.Contains(text, `what was applied over the API to VRF "green": `) || strings.Contains(text, "line -") {
			t.Errorf("%s: %s\nwant %s", section, text, want)
		}
	}
	_, err := ParseUnder("f.toml", []byte(layered), over("10.0.0.9", `{"address":"10.0.0.9","peer_as":0.5,"vrf":"nowhere"}`), fakeBGP())
	if err == nil || !strings.Contains(err.Error(), `neighbour 10.0.0.9: vrf: there is no VRF "nowhere"`) || !strings.Contains(err.Error(), "neighbour 10.0.0.9: peer_as: ") {
		t.Errorf("%v", err)
	}
}

// TestAtAStartTheFileWins: what contradicts it is left out with the reason, and nothing else.
func TestAtAStartTheFileWins(t *testing.T) {
	const of = `"both_rt_list":["65000:3"],`
	all := over(
		"a", `{"name":"a",`+of+`"rd":"65000:11","bgp":{"leak_from":["z"]},"netns":"a","export":{"enabled":true}}`,
		"b", `{"name":"b",`+of+`"rd":"65000:2"}`,
		"c", `{"name":"c",`+of+`"rd":"65000:12","table":1001}`,
		"d", `{"name":"d",`+of+`"rd":"65000:13"}`,
		"e", `{"name":"e",`+of+`"rd":"65000:13"}`,
		"z", `{"name":"z",`+of+`"rd":"65000:14","netns":"a","table":7,"export":{"enabled":true}}`,
		"10.0.0.7", `{"address":"10.0.0.7","peer_as":65001,"vrf":"b"}`,
		"10.0.0.8", `{"address":"10.0.0.8","peer_as":65001,"vrf":"d"}`,
	)
	made := 0
	got, err := Settle(func(l *Layers) (*Config, error) {
		made++
		return ParseUnder("f.toml", []byte(layered), l, fakeBGP())
	}, all, None)
	if err != nil {
		t.Fatal(err)
	}
	var failed []string
	for key, why := range got.Failed {
		failed = append(failed, key.Name)
		if why == nil {
			t.Errorf("%s has no reason", key)
		}
	}
	slices.Sort(failed)
	if want := []string{"10.0.0.7", "b", "c", "e"}; !slices.Equal(failed, want) {
		t.Errorf("left out are %v, want %v; %v", failed, want, got.Failed)
	}
	for _, name := range []string{"a", "d", "z", "red", "blue"} {
		specOf(t, got.Config, name)
	}
	if _, err := Settle(func(l *Layers) (*Config, error) {
		return ParseUnder("f.toml", []byte("[global.config]\n"), l, fakeBGP())
	}, all, None); err == nil || strings.Contains(err.Error(), "API") {
		t.Errorf("a file with an error of its own: %v", err)
	}
}

// TestLayersAreImmutable: who holds some has them as they were.
func TestLayersAreImmutable(t *testing.T) {
	a := over("a", `{"name":"a"}`)
	b := a.With(vrf.LayerKey{Name: "b"}, Layer{})
	c := b.Without(vrf.LayerKey{Name: "a"})
	if len(a.Keys()) != 1 || len(b.Keys()) != 2 || len(c.Keys()) != 1 || c.Generation != 3 || a.Generation != 1 {
		t.Errorf("%v %v %v", a.Keys(), b.Keys(), c.Keys())
	}
}

// TestInForceSaysWhatTheAPIHas, and is a file that means the same.
func TestInForceSaysWhatTheAPIHas(t *testing.T) {
	bgp := fakeBGP()
	c, err := ParseUnder("f.toml", []byte(layered), over(
		"green", `{"name":"green","rd":"65000:3","both_rt_list":["65000:3"],"netns":"green","export":{"enabled":true}}`,
		"red export.metric", `{"export":{"metric":40}}`,
		"10.0.0.3", `{"address":"10.0.0.3","peer_as":65003,"vrf":"green","password":"geheim"}`,
	), bgp)
	if err != nil {
		t.Fatal(err)
	}
	is, err := c.InForce("f.toml", bgp, Over{})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := PrintInForce(&b, is); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, want := range []string{`netns = "green"  # API`, `rd = "65000:3" +# API`, `metric = 40 +# API`, `table = 1001 +# f.toml:17`, `# auth-password is set +# API`} {
		if !matches(want, text) {
			t.Errorf("%s is not in\n%s", want, text)
		}
	}
	if strings.Contains(text, "geheim") {
		t.Error("it tells a password")
	}
	again, err := Parse("again.toml", []byte(text), bgp)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"red", "green"} {
		if a, b := specOf(t, c, name), specOf(t, again, name); len(a.Differences(b)) > 0 {
			t.Errorf("%s reads back otherwise: %v", name, a.Differences(b))
		}
	}
}

func matches(pattern, text string) bool { return regexp.MustCompile(pattern).MatchString(text) }
