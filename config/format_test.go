package config

import (
	"strings"
	"testing"
)

// A file is read as what it is, whatever it is called.
func TestFormatsByWhatIsInAFile(t *testing.T) {
	t.Parallel()
	texts := map[string]string{
		"TOML":                   "# a comment\n\n[global.config]\n  as = 65000\n  router-id = \"192.0.2.1\"\n",
		"TOML with a dotted key": "global.config.as = 65000\nglobal.config.router-id = \"192.0.2.1\"\n",
		"TOML with a list first": "[[neighbors]]\nconfig = {neighbor-address = \"192.0.2.2\", peer-as = 65001}\n[global.config]\nas = 65000\nrouter-id = \"192.0.2.1\"\n",
		"YAML":                   "# a comment\nglobal:\n  config:\n    as: 65000\n    router-id: 192.0.2.1\n",
		"YAML with a mark":       "---\nglobal:\n  config: {as: 65000, router-id: 192.0.2.1}\n",
		"YAML in quotes":         "\"global\":\n  config: {as: 65000, router-id: 192.0.2.1}\n",
		"JSON":                   "{\n  \"global\": {\"config\": {\"as\": 65000, \"router-id\": \"192.0.2.1\"}}\n}\n",
		"JSON behind a blank":    "\n\n{\"global\": {\"config\": {\"as\": 65000, \"router-id\": \"192.0.2.1\"}}}",
	}
	for what, text := range texts {
		for _, name := range []string{"f.toml", "f.conf", "f", "f.yaml", "f.yml", "f.json", "F.JSON"} {
			if what == "JSON" && strings.Contains(name, ".y") {
				continue // which is YAML too
			}
			if _, err := Parse(name, []byte(text), fakeBGP()); err != nil {
				t.Errorf("%s as %s: %v", what, name, err)
			}
		}
	}
	// What is nothing of the three is told in the words of what it is called.
	for name, want := range map[string]string{"f.toml": "is not TOML", "f.yaml": "is not YAML", "f.json": "is not JSON"} {
		if _, err := Parse(name, []byte("<global/>\n\tx: [\n"), fakeBGP()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s that is none: %v", name, err)
		}
	}
}

// The keys of BFD are taken, are not handed to GoBGP, and are noted once where it is on.
func TestBFDIsTakenAndNoted(t *testing.T) {
	t.Parallel()
	base := "[global.config]\nas = 65000\nrouter-id = \"192.0.2.1\"\n"
	text := base + "[[neighbors]]\nconfig = {neighbor-address = \"192.0.2.2\", peer-as = 65001}\n[neighbors.bfd.config]\nenabled = true\nport = 3784\n" +
		"desired-minimum-tx-interval = 300000\nrequired-minimum-receive = 300000\ndetection-multiplier = 3\n" +
		"[[peer-groups]]\nconfig = {peer-group-name = \"g\", peer-as = 65001}\nbfd = {config = {enabled = true}}\n"
	c := mustParse(t, "f.toml", text)
	if strings.Contains(string(c.BGP), "bfd") {
		t.Errorf("GoBGP gets %s", c.BGP)
	}
	if len(c.Notes) != 1 || c.Notes[0].Line != 7 || !strings.Contains(c.Notes[0].Message, "hold-time") {
		t.Errorf("the notes are %v", c.Notes)
	}
	if c := mustParse(t, "f.toml", strings.ReplaceAll(text, "enabled = true", "enabled = false")); len(c.Notes) > 0 {
		t.Errorf("of BFD that is off: %v", c.Notes)
	}
	if _, err := Parse("f.toml", []byte(strings.Replace(text, "port = ", "ports = ", 1)), fakeBGP()); err == nil || !strings.Contains(err.Error(), "did you mean port?") {
		t.Errorf("a wrong key: %v", err)
	}
}
